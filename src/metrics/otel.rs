//! The instruments of OpenTelemetry's conventions for database clients (feature `otel`).
//!
//! They are the application's, which gives its meter. A global one was rejected: whoever asks for it before the application has
//! set its provider measures into nothing for good, and nobody hears of it.

use opentelemetry::{
    KeyValue,
    metrics::{Histogram, Meter},
};

/// Seconds, as the conventions give them.
const DURATIONS: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// Rows, as the conventions give them.
const ROWS: [f64; 14] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0, 20000.0,
];

/// What is measured of each statement. What can be read at any time is observed instead, by `otel`.
#[derive(Debug)]
pub(crate) struct Meters {
    duration: Histogram<f64>,
    rows: Histogram<u64>,
    wait: Histogram<f64>,
    used: Histogram<f64>,
}

impl Meters {
    pub(crate) fn new(meter: &Meter) -> Self {
        let seconds = |name: &'static str, text: &'static str| {
            meter
                .f64_histogram(name)
                .with_unit("s")
                .with_description(text)
                .with_boundaries(DURATIONS.to_vec())
                .build()
        };
        Self {
            duration: seconds(
                "db.client.operation.duration",
                "Time from a statement's call to its answer, with all attempts; of a stream to its end",
            ),
            wait: seconds(
                "db.client.connection.wait_time",
                "Time that a statement waited for a connection of its node",
            ),
            used: seconds(
                "db.client.connection.use_time",
                "Time from having a connection to giving it back",
            ),
            rows: meter
                .u64_histogram("db.client.response.returned_rows")
                .with_unit("{row}")
                .with_description("Rows that a statement gave")
                .with_boundaries(ROWS.to_vec())
                .build(),
        }
    }

    /// A statement is over.
    pub(crate) fn ended(&self, seconds: f64, rows: Option<u64>, of: &[KeyValue]) {
        self.duration.record(seconds, of);
        if let Some(rows) = rows {
            self.rows.record(rows, of);
        }
    }

    /// A statement has waited for a connection of this pool.
    pub(crate) fn waited(&self, seconds: f64, pool: &[KeyValue]) {
        self.wait.record(seconds, pool);
    }

    /// A connection of this pool was used.
    pub(crate) fn used(&self, seconds: f64, pool: &[KeyValue]) {
        self.used.record(seconds, pool);
    }
}
