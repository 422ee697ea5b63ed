use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use super::ALIGNMENT;
use super::tensor::{Pattern, Source, TensorType};
use super::value::{Value, write_string};
use crate::TestkitError;

/// Collects metadata and tensors, then streams them to a file.
#[derive(Debug, Default)]
pub struct Writer {
    metadata: Vec<(String, Value)>,
    tensors: Vec<Tensor>,
}

#[derive(Debug)]
struct Tensor {
    name: String,
    shape: Vec<u64>,
    stored_as: TensorType,
    source: Source,
}

impl Tensor {
    fn row_length(&self) -> usize {
        self.shape[0] as usize
    }

    fn rows(&self) -> usize {
        self.shape[1..].iter().product::<u64>() as usize
    }

    fn row_bytes(&self) -> usize {
        self.row_length() / self.stored_as.block_length() * self.stored_as.block_bytes()
    }

    fn bytes(&self) -> u64 {
        self.row_bytes() as u64 * self.rows() as u64
    }
}

impl Writer {
    /// Starts a file without metadata and without tensors.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a metadata value; a key that was set before gets the new value.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<Value>) -> &mut Self {
        let (key, value) = (key.into(), value.into());
        match self.metadata.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = value,
            None => self.metadata.push((key, value)),
        }
        self
    }

    /// Adds a tensor; `shape` begins with the length of a row.
    ///
    /// A tensor whose rows are not a whole number of blocks is stored as F16.
    ///
    /// # Panics
    /// If `shape` is empty or holds a zero, or if `source` has another number of values.
    pub fn tensor(
        &mut self,
        name: impl Into<String>,
        shape: &[u64],
        tensor_type: TensorType,
        source: Source,
    ) -> &mut Self {
        assert!(!shape.is_empty() && !shape.contains(&0), "a tensor has at least one number");
        let whole_blocks = (shape[0] as usize).is_multiple_of(tensor_type.block_length());
        let tensor = Tensor {
            name: name.into(),
            shape: shape.to_vec(),
            stored_as: if whole_blocks { tensor_type } else { TensorType::F16 },
            source,
        };
        match &tensor.source {
            Source::Values(values) => assert_eq!(values.len(), tensor.row_length() * tensor.rows(), "{}", tensor.name),
            Source::Pattern { pattern, .. } => assert_eq!(pattern.tensor_type, tensor.stored_as, "{}", tensor.name),
            Source::Zeros | Source::Rows(_) => {}
        }
        self.tensors.push(tensor);
        self
    }

    /// Writes the file, replacing what was there.
    ///
    /// # Errors
    /// [`TestkitError::Io`] if the file cannot be made or written.
    pub fn write(self, path: &Path) -> Result<(), TestkitError> {
        let file = File::create(path).map_err(TestkitError::io(path))?;
        self.write_to(file).map_err(TestkitError::io(path))
    }

    fn write_to(self, file: File) -> io::Result<()> {
        let mut out = BufWriter::with_capacity(1 << 20, file);
        self.write_header(&mut out)?;
        let mut end = pad(&mut out)?;
        for tensor in self.tensors {
            end += tensor.bytes();
            write_data(tensor, &mut out)?;
            end = seek_to_alignment(&mut out, end)?;
        }
        // A hole at the end becomes part of the file only when its length is set.
        out.into_inner()?.set_len(end)
    }

    fn write_header(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(b"GGUF")?;
        out.write_all(&3_u32.to_le_bytes())?;
        out.write_all(&(self.tensors.len() as u64).to_le_bytes())?;
        out.write_all(&(self.metadata.len() as u64).to_le_bytes())?;
        for (key, value) in &self.metadata {
            write_string(out, key)?;
            value.write(out)?;
        }
        let mut offset = 0_u64;
        for tensor in &self.tensors {
            write_string(out, &tensor.name)?;
            out.write_all(&(tensor.shape.len() as u32).to_le_bytes())?;
            for length in &tensor.shape {
                out.write_all(&length.to_le_bytes())?;
            }
            out.write_all(&tensor.stored_as.number().to_le_bytes())?;
            out.write_all(&offset.to_le_bytes())?;
            offset += tensor.bytes().next_multiple_of(ALIGNMENT);
        }
        Ok(())
    }
}

fn pad(out: &mut (impl Write + Seek)) -> io::Result<u64> {
    let position = out.stream_position()?;
    seek_to_alignment(out, position)
}

fn seek_to_alignment(out: &mut impl Seek, position: u64) -> io::Result<u64> {
    out.seek(SeekFrom::Start(position.next_multiple_of(ALIGNMENT)))
}

fn write_data(tensor: Tensor, out: &mut (impl Write + Seek)) -> io::Result<()> {
    let (rows, row_length, bytes) = (tensor.rows(), tensor.row_length(), tensor.bytes());
    let row_bytes = tensor.row_bytes() as i64;
    let mut encoded = Vec::with_capacity(tensor.row_bytes());
    match tensor.source {
        Source::Zeros => Ok(()),
        Source::Values(values) => values.chunks(row_length).try_for_each(|row| {
            encoded.clear();
            tensor.stored_as.encode(row, &mut encoded);
            out.write_all(&encoded)
        }),
        Source::Rows(mut fill) => {
            let mut row = vec![0.0; row_length];
            let mut hole = 0;
            for index in 0..rows {
                row.fill(0.0);
                fill(index, &mut row);
                if row.iter().all(|value| *value == 0.0) {
                    hole += row_bytes;
                    continue;
                }
                leave_hole(&mut hole, out)?;
                encoded.clear();
                tensor.stored_as.encode(&row, &mut encoded);
                out.write_all(&encoded)?;
            }
            Ok(())
        }
        Source::Pattern { pattern, seed } => write_pattern(&pattern, seed, bytes, out),
    }
}

/// Passes over bytes that stay zero; a seek empties the buffer, so it is done once for a run of rows.
fn leave_hole(bytes: &mut i64, out: &mut impl Seek) -> io::Result<()> {
    match std::mem::take(bytes) {
        0 => Ok(()),
        length => out.seek_relative(length),
    }
}

fn write_pattern(pattern: &Pattern, seed: u64, bytes: u64, out: &mut impl Write) -> io::Result<()> {
    let mut start = pattern.start(seed);
    let mut left = bytes;
    while left > 0 {
        let available = &pattern.bytes[start..];
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(available.len());
        out.write_all(&available[..length])?;
        left -= length as u64;
        start = 0;
    }
    Ok(())
}
