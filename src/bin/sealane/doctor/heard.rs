//! What the library logs while it is looked at: warnings and errors.

use std::{
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::{Event, Level, Subscriber, field::Field};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt};

/// One line of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LogLine {
    pub(super) is_error: bool,
    pub(super) node: Option<String>,
    pub(super) text: String,
    /// What a driver or a server said, where that is what the line is about.
    pub(super) cause: Option<String>,
}

/// The lines so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard(Arc<Mutex<Vec<LogLine>>>);

impl Heard {
    /// Listens for as long as the command runs.
    pub(super) fn listen() -> Self {
        let heard = Self::default();
        let subscriber = tracing_subscriber::registry().with(heard.clone());
        // Nobody else in this process listens.
        let _ = tracing::subscriber::set_global_default(subscriber);
        heard
    }

    /// What was said, each line once.
    pub(super) fn lines(&self) -> Vec<LogLine> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut once = Vec::<LogLine>::new();
        for line in lines.iter() {
            if !once.contains(line) {
                once.push(line.clone());
            }
        }
        once
    }
}

impl<S: Subscriber> Layer<S> for Heard {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if *metadata.level() > Level::WARN || !metadata.target().starts_with("sealane") {
            return;
        }
        let mut line = LogLine {
            is_error: *metadata.level() == Level::ERROR,
            ..LogLine::default()
        };
        event.record(&mut line);
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line);
    }
}

impl tracing::field::Visit for LogLine {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            // A node by its name; what stands before one by its address.
            "node" | "address" => self.node = Some(value.to_owned()),
            "message" => value.clone_into(&mut self.text),
            "error" => self.cause = Some(value.to_owned()),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
