//! How an engine ended.

use std::fmt;

/// Why an engine is no more, with the last lines that it wrote to standard error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitReport {
    /// What ended it.
    pub cause: ExitCause,
    /// Its last words, oldest first; at most 40 lines.
    pub last_lines: Vec<String>,
}

/// What ended an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCause {
    /// The app asked it to stop.
    Stopped,
    /// It did not react in time and was killed.
    Unresponsive,
    /// It ended by a signal (Unix), e.g. 6 for a failed assertion, 9 when the system was out of memory.
    Signal(i32),
    /// It ended by itself with this status.
    Code(i32),
    /// It said something that is not in the protocol and was killed.
    Protocol,
}

impl fmt::Display for ExitReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            ExitCause::Stopped => write!(formatter, "the engine was stopped")?,
            ExitCause::Unresponsive => write!(formatter, "the engine did not react and was ended")?,
            ExitCause::Signal(signal) => write!(formatter, "the engine ended by signal {signal}")?,
            ExitCause::Code(code) => write!(formatter, "the engine ended with status {code}")?,
            ExitCause::Protocol => write!(formatter, "the engine spoke out of turn and was ended")?,
        }
        for line in &self.last_lines {
            write!(formatter, "\n{line}")?;
        }
        Ok(())
    }
}
