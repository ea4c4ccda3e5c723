//! What is wrong with a setting of one handle.

/// Why settings of one handle, by [`with_local`](crate::RoutedConnection::with_local), cannot be had
/// ([`Error::LocalSetting`](crate::Error::LocalSetting)). None of them shows a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocalProblem {
    /// The name is none of the application's own.
    #[error(
        "with_local takes the name of a setting of the application's own: lower-case letters, digits and `_`, in two parts \
         or more with dots between them, as app.tenant"
    )]
    Name,
    /// The value holds a NUL.
    #[error("the value for with_local holds a NUL, which PostgreSQL does not store")]
    Nul,
    /// The backend is not PostgreSQL.
    #[error("with_local needs PostgreSQL: other servers have no settings of one transaction")]
    Backend,
    /// There are too many sets of names.
    #[error(
        "with_local was called with more than 16 different sets of names: name few settings, and put what differs into \
         their values"
    )]
    TooMany,
    /// The server refused the settings.
    #[error(
        "the server refused the settings of this handle (SQLSTATE {code}), so the statement was not sent: look whether \
         this role may set them, and whether the values are of the database's encoding"
    )]
    Refused {
        /// The SQLSTATE of its answer, whose text may quote a value.
        code: String,
    },
    /// The text ends the transaction that the settings are set in.
    #[error(
        "a statement of a handle with local settings runs in a transaction of its own and must not end it: begin one by \
         begin(), or take the plain handle"
    )]
    EndsTransaction,
}
