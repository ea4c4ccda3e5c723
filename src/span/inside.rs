//! Running something inside of a span, and knowing that one does: SeaORM may make spans of its own for the statements of a
//! transaction, and a filter has to tell those from the ones that stand alone.

use std::{cell::Cell, future::poll_fn, pin::pin};

use tracing::Span;

thread_local! {
    /// How many of our spans this thread is inside of.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Whether this thread runs a statement that has a span of ours.
pub(crate) fn is_inside() -> bool {
    DEPTH.with(|depth| depth.get() > 0)
}

struct InsideMark;

impl InsideMark {
    fn set() -> Self {
        DEPTH.with(|depth| depth.set(depth.get() + 1));
        Self
    }
}

impl Drop for InsideMark {
    fn drop(&mut self) {
        DEPTH.with(|depth| depth.set(depth.get() - 1));
    }
}

/// Runs it inside of the span, if there is one.
pub(super) async fn around<F: Future>(span: Option<Span>, work: F) -> F::Output {
    let mut work = pin!(work);
    poll_fn(|cx| match &span {
        Some(span) => enter(span, || work.as_mut().poll(cx)),
        None => work.as_mut().poll(cx),
    })
    .await
}

/// Does one step inside of the span. One that nobody records is none: SeaORM's is to be recorded then.
pub(super) fn enter<T>(span: &Span, step: impl FnOnce() -> T) -> T {
    let _entered = span.enter();
    let _mark = (!span.is_disabled()).then(InsideMark::set);
    step()
}
