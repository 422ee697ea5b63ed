//! The way out: events as frames on the pipe to the app.

use std::fs::File;
use std::io::BufWriter;

use engawa_engine_protocol::{EngineEvent, MAX_EVENT_BYTES, ProtocolError, write_frame};

/// Writes events. Lives on the inference thread.
pub(crate) struct Outbox {
    pipe: BufWriter<File>,
}

impl Outbox {
    pub(crate) fn new(pipe: File) -> Self {
        Self { pipe: BufWriter::new(pipe) }
    }

    /// Sends an event. When the app is gone there is nobody to work for, and the process ends.
    pub(crate) fn send(&mut self, event: &EngineEvent) {
        match write_frame(&mut self.pipe, event, MAX_EVENT_BYTES) {
            Ok(()) => {}
            Err(ProtocolError::Io(_)) => std::process::exit(0),
            Err(error) => eprintln!("engine: an event was dropped: {error}"),
        }
    }
}
