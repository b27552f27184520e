//! Numbers of several rounds, and how they are printed.

use std::fmt::Display;
use std::time::Duration;

/// The middle of `values`; 0 if there are none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// In milliseconds.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// What must hold of a figure.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Aim {
    /// Smaller than that.
    Below(f64),
    /// Only for comparison.
    None,
}

/// Prints the median of `values` with its spread, and the aim beside it.
pub(crate) fn print(what: impl Display, unit: &str, values: &[f64], aim: Aim) {
    let middle = median(values.to_vec());
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    let verdict = match aim {
        Aim::Below(limit) if middle < limit => format!("aim < {limit} {unit}: met"),
        Aim::Below(limit) => format!("aim < {limit} {unit}: MISSED"),
        Aim::None => String::new(),
    };
    println!("{what:<46} {middle:>9.1} {unit:<5} ({least:.1} .. {most:.1})  {verdict}");
}
