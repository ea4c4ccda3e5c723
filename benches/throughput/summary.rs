//! The last line, for programs: names and order are fixed.

use std::fmt;

use crate::plot::Field;

/// The medians; what was not measured is `-`.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) c8_9010: Option<f64>,
    pub(crate) cpu_9010: Option<f64>,
    pub(crate) wait_9010: Option<f64>,
    pub(crate) p99_c8: Option<f64>,
    pub(crate) p99_c32: Option<f64>,
    pub(crate) first_read: Option<f64>,
    pub(crate) thought: Option<f64>,
    pub(crate) own: Option<f64>,
    pub(crate) scale8: Option<f64>,
    pub(crate) stale: u64,
    /// What the tables say, for the picture.
    pub(crate) fields: Vec<Field>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("throughput")?;
        for (name, value) in [
            ("c8_9010", self.c8_9010),
            ("cpu_9010", self.cpu_9010),
            ("wait_9010", self.wait_9010),
            ("p99_c8", self.p99_c8),
            ("p99_c32", self.p99_c32),
            ("first_read", self.first_read),
            ("thought", self.thought),
            ("own", self.own),
            ("scale8", self.scale8),
        ] {
            match value {
                Some(value) => write!(f, " {name}={value:.3}")?,
                None => write!(f, " {name}=-")?,
            }
        }
        write!(f, " stale={}", self.stale)
    }
}
