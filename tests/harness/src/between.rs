//! A program that stands between clients and servers, at an address of its own.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Child,
};

use crate::{
    Result, account::Account, error::Attempt, guardian::Guarded, port::Port, program, wait,
};

/// See the module. Dropping it ends the program.
#[derive(Debug)]
pub(crate) struct Between {
    name: &'static str,
    install: &'static str,
    account: Account,
    program: Option<Child>,
    port: Port,
    folder: Guarded,
}

impl Between {
    /// A place for a program of this name, which this command installs.
    pub(crate) fn new(name: &'static str, install: &'static str) -> Result<Self> {
        let account = Account::find()?;
        let folder = Guarded::folder()?;
        account.own(folder.path())?;
        Ok(Self {
            name,
            install,
            account,
            program: None,
            port: Port::reserve()?,
            folder,
        })
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// The folder that is its own, and goes with it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file that it reads.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        fs::write(&path, text).attempt(|| format!("writing {}", path.display()))?;
        self.account.own(&path)?;
        Ok(path)
    }

    /// Starts it anew with these arguments, and returns when it listens: whoever was connected has lost that connection.
    pub(crate) fn start(&mut self, arguments: &[&str]) -> Result<()> {
        self.stop();
        let program = program::find(self.name, self.install)?;
        let mut all = vec![program.display().to_string()];
        all.extend(arguments.iter().map(|&argument| argument.to_owned()));
        let program = program::keep(&self.account, self.folder.path(), self.name, &all)?;
        self.program = Some(program);
        let log = self.folder.path().join(format!("{}.log", self.name));
        let log = || fs::read_to_string(&log).unwrap_or_default();
        wait::until(self.name, "an answer", log, || {
            Ok(TcpStream::connect(self.addr()).is_ok().then_some(()))
        })
    }

    /// Ends it: nobody answers any more.
    pub(crate) fn stop(&mut self) {
        self.program.take().into_iter().for_each(program::end);
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        self.stop();
    }
}
