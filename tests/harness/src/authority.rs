//! An authority that signs certificates, for servers and clients that speak TLS.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

use crate::{Error, Result, account::Account, error::Attempt, guardian::Guarded};

/// See the module. Its files go when it is dropped.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: Guarded,
    account: Account,
}

/// A certificate and its key, in files that servers read as well.
#[derive(Clone, Debug)]
pub struct Certified {
    /// The certificate's file.
    pub certificate: PathBuf,
    /// The key's file.
    pub key: PathBuf,
}

impl Authority {
    /// A new authority of this name.
    pub fn new(name: &str) -> Result<Self> {
        let account = Account::find()?;
        let folder = Guarded::folder()?;
        account.own(folder.path())?;
        let mut wanted = CertificateParams::default();
        wanted.distinguished_name.push(DnType::CommonName, name);
        wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        wanted.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer =
            signed(KeyPair::generate().and_then(|key| CertifiedIssuer::self_signed(wanted, key)))?;
        let authority = Self {
            issuer,
            folder,
            account,
        };
        authority.write("ca.crt", &authority.issuer.pem())?;
        Ok(authority)
    }

    /// The file of its own certificate.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// A certificate for a server of these names and addresses, and for a client of the first one.
    pub fn sign(&self, names: &[&str]) -> Result<Certified> {
        let all = names
            .iter()
            .map(|&name| name.to_owned())
            .collect::<Vec<_>>();
        let mut wanted = signed(CertificateParams::new(all))?;
        let first = names.first().copied().unwrap_or_default();
        wanted.distinguished_name.push(DnType::CommonName, first);
        wanted.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = signed(KeyPair::generate())?;
        let certificate = signed(wanted.signed_by(&key, &self.issuer))?;
        let mut file = 0;
        while self.folder.path().join(format!("{file}.crt")).exists() {
            file += 1;
        }
        Ok(Certified {
            certificate: self.write(&format!("{file}.crt"), &certificate.pem())?,
            key: self.write(&format!("{file}.key"), &key.serialize_pem())?,
        })
    }

    /// For the servers' account alone, or they refuse it.
    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        fs::write(&path, text).attempt(|| format!("writing {}", path.display()))?;
        restrict(&path)?;
        self.account.own(&path)?;
        Ok(path)
    }
}

fn restrict(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(path, mode).attempt(|| format!("restricting {}", path.display()))
}

fn signed<T>(result: std::result::Result<T, rcgen::Error>) -> Result<T> {
    result.map_err(|err| Error::Certificate(err.to_string()))
}
