//! The application as its shells see it: a real store in a temporary folder, and an engine that follows a script.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![expect(clippy::needless_raw_string_hashes, reason = "that is how expect-test writes a snapshot")]

mod context;
mod conversations;
mod crash;
mod export;
mod model;
mod prompt;
mod properties;
mod sampling;
mod send;
mod session;
mod stop;
mod tree;
