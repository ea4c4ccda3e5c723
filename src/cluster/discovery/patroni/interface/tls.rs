//! What an address by `https://` is asked with: whose certificates are believed, and which one is shown.

use ureq::tls::{
    Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, TlsProvider, parse_pem,
};

use super::{super::super::NoAnswer, File, Files};

pub(super) fn settings(files: &Files) -> Result<TlsConfig, NoAnswer> {
    // As SeaORM, where both are on.
    let provider = match cfg!(feature = "runtime-tokio-native-tls") {
        true => TlsProvider::NativeTls,
        false => TlsProvider::Rustls,
    };
    let mut tls = TlsConfig::builder().provider(provider);
    if let Some(file) = &files.authorities {
        tls = tls.root_certs(RootCerts::from(certificates(file)?));
    }
    if let (Some(certificate), Some(key)) = (&files.certificate, &files.key) {
        let shown = ClientCert::new_with_certs(&certificates(certificate)?, private_key(key)?);
        tls = tls.client_cert(Some(shown));
    }
    Ok(tls.build())
}

fn certificates(file: &File) -> Result<Vec<Certificate<'static>>, NoAnswer> {
    let text = file.read()?;
    let items: Result<Vec<_>, _> = parse_pem(text.as_bytes()).collect();
    let items = items.map_err(|_| file.wrong("has a part that is no PEM"))?;
    let certificate = |item| match item {
        PemItem::Certificate(certificate) => Some(certificate),
        _ => None,
    };
    let found: Vec<_> = items.into_iter().filter_map(certificate).collect();
    match found.is_empty() {
        true => Err(file.wrong("has no certificate in PEM")),
        false => Ok(found),
    }
}

fn private_key(file: &File) -> Result<PrivateKey<'static>, NoAnswer> {
    PrivateKey::from_pem(file.read()?.as_bytes())
        .map_err(|_| file.wrong("has no private key in PEM without a password"))
}
