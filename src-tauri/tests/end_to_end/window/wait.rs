//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// The longest that anything may take on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// The time between two looks.
const PAUSE: Duration = Duration::from_millis(25);

/// Looks again and again until `look` finds something; after [`LIMIT`], what it saw last.
pub(crate) async fn wait_for<Found>(mut look: impl AsyncFnMut() -> Result<Found, String>) -> Result<Found, String> {
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(seen) if begun.elapsed() > LIMIT => return Err(seen),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
