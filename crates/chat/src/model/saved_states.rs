//! The folder where engines keep conversations that had to leave the KV cache.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use engawa_engine_client::protocol::CacheFolder;

/// What it may take on disk, in bytes, where nobody said.
const MAX_BYTES: u64 = 4 << 30;

/// The folder. Engines write in it; files of deleted conversations are removed here.
pub(super) struct SavedStates {
    folder: PathBuf,
    /// 0: nothing is kept.
    max_bytes: AtomicU64,
    /// What the names begin with of files that an engine may still write while it is being stopped.
    forgotten: Mutex<Vec<String>>,
}

impl SavedStates {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, max_bytes: MAX_BYTES.into(), forgotten: Mutex::default() }
    }

    /// What an engine is told of it; `None` when nothing is kept.
    pub(super) fn for_engine(&self) -> Option<CacheFolder> {
        let max_bytes = self.max_bytes.load(Ordering::Relaxed);
        (max_bytes > 0).then(|| CacheFolder { path: self.folder.clone(), max_bytes })
    }

    /// Sets what it may take from the next load on, in bytes. With 0, what is there goes at once.
    pub(super) fn set_max_bytes(&self, bytes: u64) {
        self.max_bytes.store(bytes, Ordering::Relaxed);
        if bytes == 0 {
            self.remove("");
        }
    }

    /// Removes an owner's states; once more when the engine has ended if that was not told.
    pub(super) fn forget(&self, owner: &str, is_told: bool) {
        let files = format!("{owner}.");
        if !is_told {
            self.forgotten.lock().unwrap_or_else(PoisonError::into_inner).push(files.clone());
        }
        self.remove(&files);
    }

    /// Removes what an engine that has ended wrote and should not have.
    pub(super) fn clean_up(&self) {
        for files in std::mem::take(&mut *self.forgotten.lock().unwrap_or_else(PoisonError::into_inner)) {
            self.remove(&files);
        }
        if self.max_bytes.load(Ordering::Relaxed) == 0 {
            // It may have been told to keep something when it began.
            self.remove("");
        }
    }

    /// Removes the files whose names begin so.
    fn remove(&self, prefix: &str) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(prefix)
                && let Err(error) = std::fs::remove_file(entry.path())
            {
                tracing::warn!(%error, "the saved state of a conversation can't be deleted");
            }
        }
    }
}
