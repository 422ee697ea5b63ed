//! What goes in and what comes out.

mod allowed;
mod bombs;
mod common;
mod hostile;
mod stream;
