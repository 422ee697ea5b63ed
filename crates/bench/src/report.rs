//! Prints figures as a Markdown table.

use std::time::Duration;

/// Begins the table.
pub(crate) fn heading() {
    println!("| figure | value | promised |");
    println!("|---|---|---|");
}

/// Adds a line; `promise` is empty where nothing is promised.
pub(crate) fn line(figure: &str, value: &str, promise: &str) {
    println!("| {figure} | {value} | {promise} |");
}

/// The middle value.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

pub(crate) fn milliseconds(duration: Duration) -> String {
    format!("{:.0} ms", duration.as_secs_f64() * 1000.0)
}
