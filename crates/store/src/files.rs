//! The files of a database: made private, flushed, and set aside together.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Result, StoreError};

/// The files that are kept beside a database, by what is appended to its name.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// Creates the folder (0700 on Unix) and the file (0600) where they are missing.
///
/// A folder that exists keeps its permissions: it may be one that the person shares on purpose. A file that exists is
/// tightened, if it is ours to tighten.
pub(crate) fn prepare(path: &Path) -> Result<()> {
    prepare_inner(path).map_err(|source| StoreError::File { path: path.to_owned(), source })
}

fn prepare_inner(path: &Path) -> io::Result<()> {
    let folder = folder_of(path);
    create_folder(folder)?;
    match create_file(path) {
        // The name of a new file is durable only once its folder is flushed.
        Ok(_) => flush_folder(folder),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            tighten(path);
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Renames the database and its companions to a name that is free, and returns that of the database.
pub(crate) fn set_aside(path: &Path, timestamp_ms: i64) -> Result<PathBuf> {
    let mut aside = beside(path, &format!(".damaged-{timestamp_ms}"));
    let mut attempt = 1;
    while aside.exists() {
        attempt += 1;
        aside = beside(path, &format!(".damaged-{timestamp_ms}-{attempt}"));
    }
    for companion in COMPANIONS {
        let from = beside(path, companion);
        if from.exists() {
            replace(&from, &beside(&aside, companion))?;
        }
    }
    replace(path, &aside)?;
    Ok(aside)
}

/// Renames `from` to `to`, durably.
pub(crate) fn replace(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to)
        .and_then(|()| flush_folder(folder_of(to)))
        .map_err(|source| StoreError::File { path: from.to_owned(), source })
}

/// Deletes a database and its companions, where they exist.
pub(crate) fn remove(path: &Path) -> Result<()> {
    for file in [path.to_owned(), beside(path, COMPANIONS[0]), beside(path, COMPANIONS[1])] {
        match fs::remove_file(&file) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::File { path: file, source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// The path with `suffix` appended to the whole name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// True where the last process did not close the database: closing deletes the log.
pub(crate) fn was_left_open(path: &Path) -> bool {
    length(&beside(path, "-wal")) > 0
}

/// The length of the file in bytes, 0 where there is none.
pub(crate) fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

#[cfg(unix)]
fn create_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn create_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

fn create_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Takes the file's permissions from everybody else; failing to is no reason not to open it.
#[cfg(unix)]
fn tighten(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let is_open = fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0);
    if is_open {
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o600));
    }
}

#[cfg(not(unix))]
fn tighten(_path: &Path) {}

#[cfg(unix)]
fn flush_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn flush_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}
