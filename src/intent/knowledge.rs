//! What is known of the server: its catalog, wanted, awaited, read, or in doubt.

use std::sync::Arc;

use super::catalog::Catalog;
use super::catalog::resolve::Basis;
use super::doubt::Doubt;

/// What is known of the server.
#[derive(Clone, Debug, Default)]
pub(crate) enum Knowledge {
    /// No catalog is wanted: relations and types are trusted.
    #[default]
    Trusted,
    /// The catalog has not been read yet.
    Awaited,
    Known(Arc<Catalog>),
    /// The schema changed since: what the change cannot have touched is still known.
    Doubted(Arc<Catalog>, Arc<Doubt>),
}

impl Knowledge {
    pub(crate) fn basis(&self) -> Basis<'_> {
        match self {
            Self::Trusted => Basis::Trusted,
            Self::Awaited => Basis::Awaited,
            Self::Known(catalog) => Basis::Known(catalog),
            Self::Doubted(catalog, doubt) => Basis::Doubted(catalog, doubt),
        }
    }

    /// The catalog of the last reading.
    pub(crate) fn catalog(&self) -> Option<&Arc<Catalog>> {
        match self {
            Self::Trusted | Self::Awaited => None,
            Self::Known(catalog) | Self::Doubted(catalog, _) => Some(catalog),
        }
    }
}
