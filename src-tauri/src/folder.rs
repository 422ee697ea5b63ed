//! Engawa's folder: where it is, and who may use it.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The folder that everything Engawa keeps is in.
pub(crate) struct DataFolder {
    path: PathBuf,
}

/// Holds the folder against other processes; freed when dropped, or when the process ends in whatever way.
pub(crate) struct FolderLock {
    _file: File,
}

impl DataFolder {
    /// `ENGAWA_HOME` if set, else the platform's data folder for `app.engawa`; made if it is missing.
    pub(crate) fn open() -> anyhow::Result<Self> {
        let path = match std::env::var_os("ENGAWA_HOME").filter(|home| !home.is_empty()) {
            Some(home) => std::path::absolute(home).context("while reading ENGAWA_HOME")?,
            None => {
                dirs::data_dir().context("this system names no folder for data; set ENGAWA_HOME")?.join("app.engawa")
            }
        };
        fs::create_dir_all(&path).with_context(|| format!("while making `{}`", path.display()))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // Conversations are for their owner only.
            fs::set_permissions(&path, PermissionsExt::from_mode(0o700))
                .with_context(|| format!("while making `{}` private", path.display()))?;
        }
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the folder for this process.
    pub(crate) fn lock(&self) -> anyhow::Result<FolderLock> {
        let path = self.path.join("lock");
        let file = File::create(&path).with_context(|| format!("while making `{}`", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(FolderLock { _file: file }),
            Err(TryLockError::WouldBlock) => {
                bail!("Engawa is already open with this folder (`{}`)", self.path.display())
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("while locking `{}`", path.display()))
            }
        }
    }
}
