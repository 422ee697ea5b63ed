use std::io::{BufRead, ErrorKind, Seek};

use super::error::GgufError;

/// No header is longer: the largest real ones, with vocabularies of 260,000 tokens, take about 20 MB.
const HEADER_LIMIT: u64 = 512 << 20;

/// Texts and small arrays that are kept in memory, all together.
const KEPT_LIMIT: u64 = 64 << 20;

/// Reads numbers and texts and knows how much of the file is left.
pub(super) struct Reader<R> {
    input: R,
    position: u64,
    length: u64,
    kept: u64,
}

impl<R: BufRead + Seek> Reader<R> {
    pub(super) fn new(input: R, length: u64) -> Self {
        Self { input, position: 0, length, kept: 0 }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn bytes<const COUNT: usize>(&mut self) -> Result<[u8; COUNT], GgufError> {
        self.expect(COUNT as u64)?;
        let mut bytes = [0; COUNT];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, GgufError> {
        self.bytes().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, GgufError> {
        self.bytes().map(u64::from_le_bytes)
    }

    /// Reads a text that is kept; `what` names it in the error if it is longer than `limit` bytes.
    pub(super) fn text(&mut self, limit: u64, what: &str) -> Result<String, GgufError> {
        let length = self.text_length(limit, what)?;
        self.keep(length)?;
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| too_long(what, limit))?];
        self.fill(&mut bytes)?;
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// Passes over a text.
    pub(super) fn skip_text(&mut self, limit: u64, what: &str) -> Result<(), GgufError> {
        let length = self.text_length(limit, what)?;
        self.skip(length)
    }

    /// Passes over so many bytes.
    pub(super) fn skip(&mut self, length: u64) -> Result<(), GgufError> {
        self.expect(length)?;
        let step = i64::try_from(length).map_err(|_| GgufError::damaged("the header is too long"))?;
        // A short step stays inside the buffer of a `BufReader`, which `seek` would throw away.
        self.input.seek_relative(step)?;
        self.position += length;
        Ok(())
    }

    /// Counts memory that the caller is about to fill.
    pub(super) fn keep(&mut self, bytes: u64) -> Result<(), GgufError> {
        self.kept = self.kept.saturating_add(bytes);
        if self.kept > KEPT_LIMIT {
            return Err(GgufError::damaged("the header holds more text than any model needs"));
        }
        Ok(())
    }

    fn text_length(&mut self, limit: u64, what: &str) -> Result<u64, GgufError> {
        let length = self.u64()?;
        if length > limit {
            return Err(too_long(what, limit));
        }
        self.expect(length)?;
        Ok(length)
    }

    /// Makes sure that the file holds so many more bytes and that the header may.
    fn expect(&self, length: u64) -> Result<(), GgufError> {
        let end = self.position.saturating_add(length);
        if end > HEADER_LIMIT {
            return Err(GgufError::damaged("the header is too long"));
        }
        if end > self.length {
            return Err(GgufError::Truncated { expected: end, actual: self.length });
        }
        Ok(())
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), GgufError> {
        let end = self.position + bytes.len() as u64;
        self.input.read_exact(bytes).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => GgufError::Truncated { expected: end, actual: self.position },
            _ => error.into(),
        })?;
        self.position = end;
        Ok(())
    }
}

fn too_long(what: &str, limit: u64) -> GgufError {
    GgufError::damaged(format!("{what} is longer than {limit} bytes"))
}
