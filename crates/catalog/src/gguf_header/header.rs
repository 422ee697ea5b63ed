use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Seek};
use std::path::Path;

use super::error::GgufError;
use super::metadata::{self, MetadataValue};
use super::reader::Reader;
use super::tensor::{self, TensorInfo};

const MAGIC: [u8; 4] = *b"GGUF";
const METADATA_LIMIT: u64 = 65_536;
const TENSOR_LIMIT: u64 = 65_536;
const BLOCK_LIMIT: u64 = 512;
const CONTEXT_LIMIT: u64 = 16 << 20;
const DEFAULT_ALIGNMENT: u64 = 32;
const ALIGNMENT_LIMIT: u64 = 1 << 20;

/// The metadata and the tensor descriptions of a GGUF file.
#[derive(Debug, Clone, PartialEq)]
pub struct GgufHeader {
    /// The format version, 2 or 3.
    pub version: u32,
    /// The length of the whole file in bytes.
    pub file_bytes: u64,
    /// The tensors in the order of their data.
    pub tensors: Vec<TensorInfo>,
    metadata: BTreeMap<String, MetadataValue>,
}

impl GgufHeader {
    /// Reads the header of a file; tensor data is not touched.
    ///
    /// # Errors
    /// A [`GgufError`] that says what is wrong. A pipe or a device is refused without being opened.
    pub fn read(path: &Path) -> Result<Self, GgufError> {
        // Opening a pipe would wait for its other end, so the kind is looked at first.
        if !fs::metadata(path)?.is_file() {
            return Err(GgufError::NotAFile);
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(GgufError::NotAFile);
        }
        Self::read_from(BufReader::with_capacity(64 << 10, file), metadata.len())
    }

    /// Reads the header from the beginning of `input`, which is `length` bytes long.
    ///
    /// # Errors
    /// A [`GgufError`] that says what is wrong.
    pub fn read_from(input: impl BufRead + Seek, length: u64) -> Result<Self, GgufError> {
        let mut reader = Reader::new(input, length);
        let version = read_version(&mut reader)?;
        let tensor_count = reader.u64()?;
        let metadata_count = reader.u64()?;
        if tensor_count > TENSOR_LIMIT {
            return Err(GgufError::damaged(format!("it announces {tensor_count} tensors")));
        }
        if metadata_count > METADATA_LIMIT {
            return Err(GgufError::damaged(format!("it announces {metadata_count} metadata values")));
        }
        let mut metadata = BTreeMap::new();
        for _ in 0..metadata_count {
            let (key, value) = metadata::read_entry(&mut reader)?;
            if metadata.contains_key(&key) {
                return Err(GgufError::damaged(format!("the key {key} is there twice")));
            }
            metadata.insert(key, value);
        }
        let alignment = check_alignment(&metadata)?;
        check_sizes(&metadata)?;
        let tensors = tensor::read_all(&mut reader, tensor_count, alignment)?;
        Ok(Self { version, file_bytes: length, tensors, metadata })
    }

    /// Returns a metadata value.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&MetadataValue> {
        self.metadata.get(key)
    }

    /// Returns the metadata in the order of the keys.
    pub fn metadata(&self) -> impl Iterator<Item = (&str, &MetadataValue)> {
        self.metadata.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Returns a text of the metadata.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.value(key)?.as_text()
    }

    /// Returns `general.architecture`, or an empty text.
    #[must_use]
    pub fn architecture(&self) -> &str {
        self.text("general.architecture").unwrap_or_default()
    }

    /// Returns a value whose key begins with the architecture.
    #[must_use]
    pub fn architecture_value(&self, key: &str) -> Option<&MetadataValue> {
        self.value(&format!("{}.{key}", self.architecture()))
    }
}

fn read_version<R: BufRead + Seek>(reader: &mut Reader<R>) -> Result<u32, GgufError> {
    if reader.length() < MAGIC.len() as u64 || reader.bytes::<4>()? != MAGIC {
        return Err(GgufError::NotGguf);
    }
    match reader.u32()? {
        version @ 2..=3 => Ok(version),
        other => Err(GgufError::UnsupportedVersion(other)),
    }
}

fn check_alignment(metadata: &BTreeMap<String, MetadataValue>) -> Result<u64, GgufError> {
    let Some(value) = metadata.get("general.alignment") else { return Ok(DEFAULT_ALIGNMENT) };
    // llama.cpp aborts when tensors are aligned to less than its buffers are.
    value
        .as_u64()
        .filter(|alignment| alignment.is_power_of_two() && (DEFAULT_ALIGNMENT..=ALIGNMENT_LIMIT).contains(alignment))
        .ok_or_else(|| GgufError::damaged("general.alignment is not a power of two from 32"))
}

/// Refuses the sizes at which llama.cpp aborts or asks for all the memory.
fn check_sizes(metadata: &BTreeMap<String, MetadataValue>) -> Result<(), GgufError> {
    let Some(architecture) = metadata.get("general.architecture").and_then(MetadataValue::as_text) else {
        return Ok(());
    };
    for (key, range) in
        [("block_count", 1..=BLOCK_LIMIT), ("context_length", 1..=CONTEXT_LIMIT), ("embedding_length", 1..=1 << 20)]
    {
        let key = format!("{architecture}.{key}");
        if let Some(value) = metadata.get(&key)
            && !value.as_u64().is_some_and(|number| range.contains(&number))
        {
            return Err(GgufError::damaged(format!("{key} is not a number from {} to {}", range.start(), range.end())));
        }
    }
    Ok(())
}
