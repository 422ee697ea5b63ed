//! Length-prefixed frames: four bytes little-endian, then that many bytes of JSON.

use std::io::{Read, Write};

use serde::{Serialize, de::DeserializeOwned};

use crate::ProtocolError;

/// The largest frame that the app sends to an engine, in bytes.
pub const MAX_REQUEST_BYTES: usize = 64 << 20;

/// The largest frame that an engine may send to the app, in bytes.
pub const MAX_EVENT_BYTES: usize = 1 << 20;

/// Writes one message as a frame and flushes it.
///
/// # Errors
/// [`ProtocolError::TooLarge`] when the message does not fit `limit` (nothing is written then),
/// [`ProtocolError::Io`] when the pipe is closed.
pub fn write_frame<T: Serialize>(writer: &mut impl Write, message: &T, limit: usize) -> Result<(), ProtocolError> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message)?;
    let length = bytes.len() - 4;
    let prefix = u32::try_from(length).ok().filter(|_| length <= limit);
    let prefix = prefix.ok_or(ProtocolError::TooLarge { length, limit })?;
    bytes[..4].copy_from_slice(&prefix.to_le_bytes());
    writer.write_all(&bytes)?;
    writer.flush()?;
    Ok(())
}

/// Reads one message; `None` when the other side closed the pipe between two frames.
///
/// # Errors
/// [`ProtocolError::TooLarge`] when the prefix announces more than `limit` bytes (nothing of that
/// size is allocated), [`ProtocolError::Json`] when the bytes are no such message,
/// [`ProtocolError::Io`] when the pipe breaks inside a frame.
pub fn read_frame<T: DeserializeOwned>(reader: &mut impl Read, limit: usize) -> Result<Option<T>, ProtocolError> {
    let mut prefix = [0; 4];
    let mut filled = 0;
    while filled < prefix.len() {
        match reader.read(&mut prefix[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let length = u32::from_le_bytes(prefix) as usize;
    if length > limit {
        return Err(ProtocolError::TooLarge { length, limit });
    }
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes)?;
    Ok(Some(serde_json::from_slice(&bytes)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EngineRequest, PROTOCOL_VERSION};

    #[test]
    fn a_message_survives_the_pipe() {
        let message = EngineRequest::Hello { version: PROTOCOL_VERSION };
        let mut bytes = Vec::new();
        write_frame(&mut bytes, &message, MAX_REQUEST_BYTES).unwrap();
        let mut reader = bytes.as_slice();
        assert_eq!(read_frame(&mut reader, MAX_REQUEST_BYTES).unwrap(), Some(message));
        assert_eq!(read_frame::<EngineRequest>(&mut reader, MAX_REQUEST_BYTES).unwrap(), None);
    }

    #[test]
    fn a_frame_over_the_limit_is_neither_written_nor_read() {
        let mut bytes = Vec::new();
        let message = "long".repeat(100);
        assert!(matches!(
            write_frame(&mut bytes, &message, 64),
            Err(ProtocolError::TooLarge { length: 402, limit: 64 })
        ));
        assert!(bytes.is_empty(), "a refused frame must not leave half of itself in the pipe");
        let announced = u32::MAX.to_le_bytes();
        assert!(matches!(read_frame::<String>(&mut announced.as_slice(), 64), Err(ProtocolError::TooLarge { .. })));
    }

    #[test]
    fn a_broken_frame_is_an_error() {
        let mut cut = [5, 0, 0, 0, b'"'].as_slice();
        assert!(matches!(read_frame::<String>(&mut cut, 64), Err(ProtocolError::Io(_))));
        let mut half_prefix = [5, 0].as_slice();
        assert!(matches!(read_frame::<String>(&mut half_prefix, 64), Err(ProtocolError::Io(_))));
        let mut nonsense = [2, 0, 0, 0, b'{', b'{'].as_slice();
        assert!(matches!(read_frame::<String>(&mut nonsense, 64), Err(ProtocolError::Json(_))));
    }
}
