//! Everything that is logged on this thread, at every level and from every crate, as text.

use std::{
    io,
    sync::{Arc, LazyLock, Mutex},
};

use tracing::{
    Dispatch, Level,
    subscriber::{DefaultGuard, NoSubscriber},
};
use tracing_subscriber::{
    Layer,
    filter::LevelFilter,
    fmt::{self, MakeWriter, format::FmtSpan},
    layer::SubscriberExt,
};

/// A buffer that subscribers write to.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Listens on this thread until the guard is dropped.
    pub fn listen(level: Level) -> (Self, DefaultGuard) {
        // With one subscriber in the process, the first thread to meet a line decides for all whether it is wanted, and
        // the threads of other tests listen to nothing.
        static ANOTHER: LazyLock<Dispatch> =
            LazyLock::new(|| Dispatch::new(NoSubscriber::default()));
        LazyLock::force(&ANOTHER);
        let log = Self::default();
        let layer = fmt::layer()
            .with_writer(log.clone())
            .with_ansi(false)
            .with_span_events(FmtSpan::NEW | FmtSpan::CLOSE)
            .with_filter(LevelFilter::from_level(level));
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        (log, guard)
    }

    /// What was written so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    /// As [`take`](Self::take), without the spans of statements: whoever has the feature `otel` on wants those.
    pub fn take_events(&self) -> String {
        let all = self.take();
        let lines = all.lines().filter_map(|line| {
            // What happens inside of a statement stands behind its span.
            let Some((before, rest)) = line.split_once("statement{") else {
                return Some(line.to_owned());
            };
            let (_, event) = rest.rsplit_once("}: ")?;
            let own = event.starts_with("sealane::statement: ");
            (!own).then(|| format!("{before}{event}"))
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// What was written since the last call.
    pub fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap()
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
