//! What a pool says of its sockets.

/// What the sockets of a pool are known by, and whether it has opened a connection meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Where they lead to.
    pub(crate) port: u16,
    /// How many connections there are or will be soon.
    pub(crate) size: u32,
    /// How many were asked so far whose server they lead to; none are asked where the driver cannot.
    pub(crate) judged: Option<u64>,
}

impl Listed {
    /// Whether a list of so many sockets has one for each connection, as far as that can be told.
    #[cfg(unix)]
    pub(super) fn has_all(self, sockets: usize) -> bool {
        self.judged.is_some() || usize::try_from(self.size).is_ok_and(|size| size <= sockets)
    }
}
