//! Paths for C.

use std::ffi::CString;
use std::path::Path;

/// A path as C takes it; `None` for one with a NUL, or on Windows one that is no Unicode.
#[cfg(unix)]
pub(crate) fn c_path(path: &Path) -> Option<CString> {
    use std::os::unix::ffi::OsStrExt;
    CString::new(path.as_os_str().as_bytes()).ok()
}

/// A path as C takes it; `None` for one with a NUL, or on Windows one that is no Unicode.
#[cfg(not(unix))]
pub(crate) fn c_path(path: &Path) -> Option<CString> {
    CString::new(path.to_str()?).ok()
}
