use std::fs;
use std::io::Write;
use std::path::Path;

use crate::TestkitError;
use crate::random_model::RandomModel;
use crate::template::Template;

/// A way in which a model file can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The page that a download saved instead of the model.
    HtmlPage,
    /// A file without a byte.
    Empty,
    /// The file ends in the middle of its metadata.
    HeaderCut,
    /// The file ends in the middle of its tensors.
    DataCut,
    /// Format version 1, which nothing reads any more.
    OldVersion,
    /// Version 3 with the bytes of every number reversed.
    BigEndian,
    /// More tensors announced than described.
    TensorCount,
    /// More metadata announced than there is memory.
    MetadataCount,
    /// A text that says it is 2^62 bytes long.
    StringLength,
    /// An array that says it has 2^61 elements.
    ArrayLength,
    /// A tensor that begins at 2^40.
    TensorOffset,
    /// 100,000 blocks, at which llama.cpp aborts.
    BlockCount,
    /// An architecture that no engine knows; otherwise right.
    UnknownArchitecture,
    /// No chat template; otherwise right.
    NoTemplate,
    /// A chat template that is not Jinja; otherwise right.
    BrokenTemplate,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 15] = [
        Self::HtmlPage,
        Self::Empty,
        Self::HeaderCut,
        Self::DataCut,
        Self::OldVersion,
        Self::BigEndian,
        Self::TensorCount,
        Self::MetadataCount,
        Self::StringLength,
        Self::ArrayLength,
        Self::TensorOffset,
        Self::BlockCount,
        Self::UnknownArchitecture,
        Self::NoTemplate,
        Self::BrokenTemplate,
    ];

    /// Writes a small file with this fault, replacing what was there.
    ///
    /// # Errors
    /// [`TestkitError::Io`] if the file cannot be written.
    pub fn write(self, path: &Path) -> Result<(), TestkitError> {
        let model = RandomModel::new();
        match self {
            Self::UnknownArchitecture => return model.architecture_name("engawa-unheard-of").write(path),
            Self::NoTemplate => return model.template(Template::Absent).write(path),
            Self::BrokenTemplate => {
                return model.template(Template::Custom("{% for m in %}{{ m".to_owned())).write(path);
            }
            Self::HtmlPage | Self::Empty => {}
            _ => model.write(path)?,
        }
        self.damage(path).map_err(TestkitError::io(path))
    }

    fn damage(self, path: &Path) -> std::io::Result<()> {
        if self == Self::HtmlPage {
            return fs::write(
                path,
                "<!doctype html>\n<html><head><title>Sign in</title></head><body>Please sign in.</body></html>\n",
            );
        }
        if self == Self::Empty {
            return fs::write(path, b"");
        }
        let mut bytes = fs::read(path)?;
        match self {
            Self::HeaderCut => bytes.truncate(200),
            Self::DataCut => bytes.truncate(bytes.len() - 1000),
            Self::OldVersion => bytes[4..8].copy_from_slice(&1_u32.to_le_bytes()),
            Self::BigEndian => bytes[4..8].copy_from_slice(&3_u32.to_be_bytes()),
            Self::TensorCount => bytes[8..16].copy_from_slice(&60_000_u64.to_le_bytes()),
            Self::MetadataCount => bytes[16..24].copy_from_slice(&(1_u64 << 60).to_le_bytes()),
            Self::StringLength => overwrite(&mut bytes, b"general.name", 4, &(1_u64 << 62).to_le_bytes()),
            Self::ArrayLength => overwrite(&mut bytes, b"tokenizer.ggml.tokens", 8, &(1_u64 << 61).to_le_bytes()),
            // The name is followed by the number of dimensions, two of them, and the type.
            Self::TensorOffset => overwrite(&mut bytes, b"output.weight", 24, &(1_u64 << 40).to_le_bytes()),
            Self::BlockCount => overwrite(&mut bytes, b"llama.block_count", 4, &100_000_u32.to_le_bytes()),
            _ => {}
        }
        fs::File::create(path)?.write_all(&bytes)
    }
}

/// Replaces the bytes that begin `gap` bytes after the first occurrence of `name`.
fn overwrite(bytes: &mut [u8], name: &[u8], gap: usize, replacement: &[u8]) {
    let position = bytes.windows(name.len()).position(|window| window == name).expect("the tiny model has this name");
    let start = position + name.len() + gap;
    bytes[start..start + replacement.len()].copy_from_slice(replacement);
}
