//! The last line, for programs: names and order are fixed.

use std::fmt;

/// The medians; what was not measured is `-`.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) decision_ns: Option<f64>,
    pub(crate) decision_2t_ns: Option<f64>,
    pub(crate) allocations: Option<f64>,
    pub(crate) throughput_ratio_c1: Option<f64>,
    pub(crate) throughput_ratio_c8: Option<f64>,
    pub(crate) over_defaults_c8: Option<f64>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("overhead")?;
        for (name, unit, value) in [
            ("decision_ns", 0.1, self.decision_ns),
            ("decision_2t_ns", 0.1, self.decision_2t_ns),
            ("allocations", 0.000_1, self.allocations),
            ("throughput_ratio_c1", 0.001, self.throughput_ratio_c1),
            ("throughput_ratio_c8", 0.001, self.throughput_ratio_c8),
            ("over_defaults_c8", 0.001, self.over_defaults_c8),
        ] {
            match value {
                // Divided and not multiplied: the quotient is the nearest number, and prints without a tail.
                Some(value) => write!(
                    f,
                    " {name}={}",
                    (value / unit).round() / (1.0_f64 / unit).round()
                )?,
                None => write!(f, " {name}=-")?,
            }
        }
        Ok(())
    }
}
