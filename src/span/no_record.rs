//! Nothing is recorded without the feature `testing`.

use sea_orm::DbErr;

use super::Subject;
use crate::{
    cluster::shared::Shared,
    node::Lease,
    vocabulary::{Intent, Reason},
};

/// What recorders are told of one statement: nothing.
#[derive(Default)]
pub(super) struct Record;

#[expect(clippy::unused_self, reason = "as with the feature")]
impl Record {
    #[inline]
    pub(super) fn begin(_: &Shared, _: Subject<'_>) -> Self {
        Self
    }

    #[inline]
    pub(super) fn goes_to(&mut self, _: &Lease, _: Option<Intent>, _: Reason) {}

    #[inline]
    pub(super) fn failed(&mut self, _: &DbErr) {}
}
