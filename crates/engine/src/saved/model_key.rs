//! Which model a state belongs to.

use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::SystemTime;

use engawa_engine_protocol::LoadSettings;

use crate::llama;

/// Pieces of the model's file that tell it from others, and their length in bytes.
const SAMPLES: u64 = 16;
const SAMPLE_BYTES: usize = 4096;

/// A number for a model's file, llama.cpp's version and all settings that its states depend on.
///
/// Takes the time of the last change and samples instead of the whole file, which may have many gigabytes.
///
/// # Errors
/// The file can't be read.
pub(crate) fn model_key(path: &Path, settings: &LoadSettings) -> io::Result<u64> {
    let mut hasher = DefaultHasher::new();
    hasher.write(llama::VERSION.as_bytes());
    hash_file(path, &mut hasher)?;
    for adapter in &settings.adapters {
        hash_file(&adapter.path, &mut hasher)?;
        hasher.write_u32(adapter.scale.to_bits());
    }
    if let Some(projector) = &settings.projector {
        hash_file(projector, &mut hasher)?;
    }
    hasher.write(format!("{:?} {:?} {:?}", settings.type_k, settings.type_v, settings.flash_attention).as_bytes());
    Ok(hasher.finish())
}

/// Takes a file's length, its time and samples of its content into account.
fn hash_file(path: &Path, hasher: &mut DefaultHasher) -> io::Result<()> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let length = metadata.len();
    hasher.write_u64(length);
    let changed = metadata.modified()?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    hasher.write_u128(changed.as_nanos());
    let mut sample = vec![0; SAMPLE_BYTES];
    for number in 0..SAMPLES {
        let at = (length.saturating_sub(SAMPLE_BYTES as u64)) / (SAMPLES - 1) * number;
        let read = read_at(&mut file, at, &mut sample)?;
        hasher.write(&sample[..read]);
    }
    Ok(())
}

fn read_at(file: &mut File, at: u64, into: &mut [u8]) -> io::Result<usize> {
    file.seek(SeekFrom::Start(at))?;
    let mut read = 0;
    while read < into.len() {
        match file.read(&mut into[read..])? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}
