//! Sequences on disk: what was processed once is not processed again after it had to leave the KV cache.
//!
//! Files are written by a thread of their own, one at a time, so that no reply waits for a disk. Until one is there, its state is read
//! from memory.

mod format;
mod model_key;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::SystemTime;

use engawa_engine_protocol::CacheFolder;
use format::{UNFINISHED_SUFFIX, checksum, encode_head, read_head, read_whole, write_file};

use crate::llama::{Token, Vocabulary};
use crate::sequence::continuation_of;

pub(crate) use format::Head;
pub(crate) use model_key::model_key;

const SUFFIX: &str = "kv";
/// What is shorter is processed again as fast as it is read.
const SHORTEST: usize = 64;

/// The folder with saved sequences, and those among them that the model can go on from.
pub(crate) struct SavedSequences {
    folder: CacheFolder,
    model: u64,
    files: Vec<SavedFile>,
    /// The file that is being written: one of them.
    writing: Option<Writing>,
}

/// One saved sequence.
struct SavedFile {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
    /// `None` when another model wrote it.
    head: Option<Head>,
}

/// A file that is being written.
struct Writing {
    path: PathBuf,
    /// Its state, for as long as the thread has it.
    state: Weak<Vec<u8>>,
    /// What goes when it is there, and stays when it could not be written.
    replaced: Vec<SavedFile>,
    /// Whether the file is there now.
    thread: JoinHandle<bool>,
}

/// A saved sequence that begins like a prompt.
pub(crate) struct Found {
    /// How many of its tokens the prompt can use.
    pub(crate) keep: usize,
    index: usize,
}

impl SavedSequences {
    /// Looks through the folder; files that are damaged or left over from an unfinished write go.
    ///
    /// # Errors
    /// The folder can't be made or read.
    pub(crate) fn open(folder: CacheFolder, model: u64) -> io::Result<Self> {
        create_folder(&folder.path)?;
        let mut files = Vec::new();
        for entry in fs::read_dir(&folder.path)?.flatten() {
            let path = entry.path();
            let suffix = path.extension().and_then(|suffix| suffix.to_str()).unwrap_or_default();
            let Ok(metadata) = entry.metadata() else { continue };
            if !metadata.is_file() {
                continue;
            }
            if suffix == UNFINISHED_SUFFIX {
                let _ = fs::remove_file(&path);
            } else if suffix == SUFFIX {
                match File::open(&path).and_then(|mut file| read_head(&mut file, metadata.len(), model)) {
                    Ok((head, _)) => files.push(SavedFile {
                        path,
                        bytes: metadata.len(),
                        used: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                        head,
                    }),
                    Err(error) => {
                        eprintln!("engine: a saved sequence is damaged and goes: {error}");
                        let _ = fs::remove_file(&path);
                    }
                }
            }
        }
        let mut saved = Self { folder, model, files, writing: None };
        saved.make_room(0);
        Ok(saved)
    }

    /// The saved sequence that has most of a prompt.
    pub(crate) fn find(&mut self, vocabulary: Vocabulary<'_>, prompt: &[Token]) -> Option<Found> {
        self.settle(false);
        let heads = self.files.iter().enumerate().filter_map(|(index, file)| Some((index, file.head.as_ref()?)));
        heads
            .map(|(index, head)| {
                let keep = continuation_of(&head.tokens, &head.replies, vocabulary, prompt.to_vec()).keep;
                Found { keep, index }
            })
            .max_by_key(|found| found.keep)
    }

    /// Bytes of a found sequence's file.
    pub(crate) fn bytes(&self, found: &Found) -> u64 {
        self.files.get(found.index).map_or(0, |file| file.bytes)
    }

    /// Whether a found sequence's state is still in memory.
    pub(crate) fn is_in_memory(&self, found: &Found) -> bool {
        self.files.get(found.index).is_some_and(|file| self.state_in_memory(file).is_some())
    }

    /// Reads a found sequence; one that is damaged goes.
    pub(crate) fn read(&mut self, found: &Found) -> Option<(Head, Arc<Vec<u8>>)> {
        let file = self.files.get_mut(found.index)?;
        // The time of the last use decides what goes first.
        file.used = SystemTime::now();
        let (path, used) = (file.path.clone(), file.used);
        let file = &self.files[found.index];
        if let (Some(state), Some(head)) = (self.state_in_memory(file), &file.head) {
            return Some((head.clone(), state));
        }
        self.finish();
        let index = self.files.iter().position(|file| file.path == path)?;
        match read_whole(&path, self.model) {
            Ok((head, state)) => {
                let _ = File::options().write(true).open(&path).and_then(|open| open.set_modified(used));
                Some((head, Arc::new(state)))
            }
            Err(error) => {
                eprintln!("engine: a saved sequence can't be read and goes: {error}");
                self.files.remove(index);
                let _ = fs::remove_file(&path);
                None
            }
        }
    }

    /// Whether a sequence is worth a file that is not there yet.
    pub(crate) fn wants(&mut self, tokens: &[Token]) -> bool {
        self.settle(false);
        let holds = |head: &Head| head.tokens.starts_with(tokens);
        tokens.len() >= SHORTEST && !self.files.iter().filter_map(|file| file.head.as_ref()).any(holds)
    }

    /// Begins to write a sequence; what it replaces goes, and so does what was used longest ago if there is too much.
    ///
    /// Waits for the file that was begun before, so that no more than one state is kept in memory for it.
    pub(crate) fn write(&mut self, owner: &str, head: Head, state: Vec<u8>) {
        self.finish();
        if !is_plain(owner) {
            return;
        }
        let unchecked = encode_head(&head, state.len(), 0, self.model);
        let bytes = unchecked.len() as u64 + state.len() as u64;
        if bytes > self.folder.max_bytes {
            return;
        }
        let is_replaced = |file: &mut SavedFile| {
            let superseded = file.head.as_ref().is_some_and(|other| head.tokens.starts_with(&other.tokens));
            superseded && owner_of(&file.path) == Some(owner)
        };
        let replaced: Vec<SavedFile> = self.files.extract_if(.., is_replaced).collect();
        self.make_room(bytes);
        // Of the head without its checksum: with it, a CRC is the same for all.
        let name = format!("{owner}.{:016x}.{SUFFIX}", checksum(&unchecked[..unchecked.len() - 8]));
        let path = self.folder.path.join(name);
        let old = replaced.iter().map(|file| file.path.clone()).filter(|old| *old != path).collect();
        let state = Arc::new(state);
        let kept = Arc::downgrade(&state);
        match begin_write(path.clone(), head.clone(), state, old, self.model) {
            Ok(thread) => {
                self.writing = Some(Writing { path: path.clone(), state: kept, replaced, thread });
                self.files.push(SavedFile { path, bytes, used: SystemTime::now(), head: Some(head) });
            }
            Err(error) => {
                report_unsaved(&error);
                self.files.extend(replaced);
            }
        }
    }

    /// Waits until everything is written.
    pub(crate) fn finish(&mut self) {
        self.settle(true);
    }

    /// Takes into account what became of the file that was being written; waits for it, if asked to.
    fn settle(&mut self, waits: bool) {
        let Some(Writing { path, replaced, thread, .. }) =
            self.writing.take_if(|writing| waits || writing.thread.is_finished())
        else {
            return;
        };
        if !thread.join().unwrap_or(false) {
            self.files.retain(|file| file.path != path);
            self.files.extend(replaced);
        }
    }

    /// The state of a file, while it is being written.
    fn state_in_memory(&self, file: &SavedFile) -> Option<Arc<Vec<u8>>> {
        self.writing.as_ref().filter(|writing| writing.path == file.path)?.state.upgrade()
    }

    /// Deletes all of an owner's sequences.
    pub(crate) fn forget(&mut self, owner: &str) {
        self.finish();
        self.remove_where(|file| owner_of(&file.path) == Some(owner));
    }

    fn make_room(&mut self, bytes: u64) {
        loop {
            let used: u64 = self.files.iter().map(|file| file.bytes).sum();
            if used.saturating_add(bytes) <= self.folder.max_bytes {
                return;
            }
            let Some(oldest) = self.files.iter().map(|file| file.used).min() else { return };
            self.remove_where(|file| file.used == oldest);
        }
    }

    fn remove_where(&mut self, goes: impl Fn(&SavedFile) -> bool) {
        self.files.retain(|file| {
            let goes = goes(file);
            if goes {
                let _ = fs::remove_file(&file.path);
            }
            !goes
        });
    }
}

impl Drop for SavedSequences {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Begins to write a file; when it is there, the old ones go. The thread gives whether it is.
///
/// # Errors
/// There is no thread for it.
fn begin_write(
    path: PathBuf,
    head: Head,
    state: Arc<Vec<u8>>,
    old: Vec<PathBuf>,
    model: u64,
) -> io::Result<JoinHandle<bool>> {
    std::thread::Builder::new().name("saver".into()).spawn(move || {
        let head = encode_head(&head, state.len(), checksum(&state), model);
        write_file(&path, &head, &state).inspect_err(report_unsaved).is_ok_and(|()| {
            for path in old {
                let _ = fs::remove_file(path);
            }
            true
        })
    })
}

fn report_unsaved(error: &io::Error) {
    eprintln!("engine: a sequence could not be saved: {error}");
}

/// Names become parts of paths.
fn is_plain(owner: &str) -> bool {
    (1..=64).contains(&owner.len()) && owner.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn owner_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.split('.').next()
}

fn create_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head { tokens: (0..100).collect(), replies: vec![10, 50] }
    }

    fn folder(path: &Path, max_bytes: u64) -> CacheFolder {
        CacheFolder { path: path.to_owned(), max_bytes }
    }

    #[test]
    fn what_was_written_is_read_again_by_the_same_model_only() {
        let temporary = tempfile::tempdir().unwrap();
        let mut saved = SavedSequences::open(folder(temporary.path(), 1 << 20), 7).unwrap();
        assert!(saved.wants(&head().tokens));
        saved.write("a-b", head(), b"state".to_vec());
        assert!(!saved.wants(&head().tokens) && !saved.wants(&head().tokens[..80]));
        saved.finish();
        let mut again = SavedSequences::open(folder(temporary.path(), 1 << 20), 7).unwrap();
        assert_eq!(again.read(&Found { keep: 0, index: 0 }), Some((head(), Arc::new(b"state".to_vec()))));
        let other = SavedSequences::open(folder(temporary.path(), 1 << 20), 8).unwrap();
        assert_eq!(other.files.len(), 1, "it counts, and stays");
        assert!(other.files[0].head.is_none());
        // Another branch of the same conversation does not take its place, nor does another model.
        again.write("a-b", Head { tokens: (1..101).collect(), replies: Vec::new() }, b"branch".to_vec());
        again.finish();
        SavedSequences::open(folder(temporary.path(), 1 << 20), 8).unwrap().write(
            "a-b",
            head(),
            b"other model".to_vec(),
        );
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 3);
        SavedSequences::open(folder(temporary.path(), 1 << 20), 7).unwrap().forget("a-b");
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_being_written_can_be_read_and_removed() {
        let temporary = tempfile::tempdir().unwrap();
        let mut saved = SavedSequences::open(folder(temporary.path(), 64 << 20), 7).unwrap();
        let state = vec![3; 16 << 20];
        saved.write("a", head(), state.clone());
        assert_eq!(saved.read(&Found { keep: 0, index: 0 }), Some((head(), Arc::new(state.clone()))));
        saved.write("b", Head { tokens: (5..105).collect(), replies: Vec::new() }, state.clone());
        saved.forget("b");
        assert_eq!(saved.files.len(), 1);
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 1);
        saved.write("c", Head { tokens: (9..109).collect(), replies: Vec::new() }, state);
        drop(saved);
        assert_eq!(SavedSequences::open(folder(temporary.path(), 64 << 20), 7).unwrap().files.len(), 2);
    }

    #[test]
    fn what_could_not_be_written_is_not_there() {
        let temporary = tempfile::tempdir().unwrap();
        let mut saved = SavedSequences::open(folder(temporary.path(), 1 << 20), 7).unwrap();
        fs::remove_dir(temporary.path()).unwrap();
        saved.write("a", head(), b"state".to_vec());
        saved.finish();
        assert!(saved.files.is_empty());
        assert!(saved.wants(&head().tokens));
    }

    #[test]
    fn an_older_file_goes_when_the_newer_one_is_there() {
        let temporary = tempfile::tempdir().unwrap();
        let mut saved = SavedSequences::open(folder(temporary.path(), 1 << 20), 7).unwrap();
        let longer = || Head { tokens: (0..120).collect(), replies: Vec::new() };
        saved.write("a", head(), b"old".to_vec());
        saved.finish();
        let old = saved.files[0].path.clone();
        // A folder is in the way of what is written first.
        let unchecked = encode_head(&longer(), 3, 0, 7);
        let name = format!("a.{:016x}.{UNFINISHED_SUFFIX}", checksum(&unchecked[..unchecked.len() - 8]));
        let in_the_way = temporary.path().join(name);
        fs::create_dir(&in_the_way).unwrap();
        saved.write("a", longer(), b"new".to_vec());
        saved.finish();
        assert_eq!(saved.files.iter().map(|file| &file.path).collect::<Vec<_>>(), [&old]);
        fs::remove_dir(&in_the_way).unwrap();
        saved.write("a", longer(), b"new".to_vec());
        saved.finish();
        assert!(!old.exists() && saved.files.len() == 1);
        assert_eq!(saved.read(&Found { keep: 0, index: 0 }), Some((longer(), Arc::new(b"new".to_vec()))));
    }

    #[test]
    fn every_damage_is_noticed() {
        let temporary = tempfile::tempdir().unwrap();
        let mut saved = SavedSequences::open(folder(temporary.path(), 1 << 20), 7).unwrap();
        saved.write("a", head(), vec![1; 300]);
        saved.finish();
        let path = saved.files[0].path.clone();
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(read_whole(&path, 7).is_err(), "cut to {length} bytes");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            fs::write(&path, &changed).unwrap();
            assert!(read_whole(&path, 7).is_err(), "byte {at} changed");
        }
        fs::write(&path, [whole.as_slice(), b"more"].concat()).unwrap();
        assert!(saved.read(&Found { keep: 0, index: 0 }).is_none());
        assert!(!path.exists(), "a damaged file goes");
    }

    #[test]
    fn the_oldest_go_when_there_is_too_much() {
        let temporary = tempfile::tempdir().unwrap();
        let mut saved = SavedSequences::open(folder(temporary.path(), 3000), 7).unwrap();
        for owner in ["a", "b", "c", "d"] {
            let tokens = (0..100).map(|token| token + i32::from(owner.as_bytes()[0])).collect();
            saved.write(owner, Head { tokens, replies: Vec::new() }, vec![0; 400]);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let left: Vec<_> = saved.files.iter().filter_map(|file| owner_of(&file.path)).collect();
        assert_eq!(left, ["b", "c", "d"]);
        saved.write("large", head(), vec![0; 5000]);
        assert_eq!(saved.files.len(), 3, "what never fits is not written, and nothing goes for it");
    }

    #[test]
    fn an_owner_is_never_a_path() {
        let temporary = tempfile::tempdir().unwrap();
        let mut saved = SavedSequences::open(folder(&temporary.path().join("kv"), 1 << 20), 7).unwrap();
        for owner in ["../x", "", "a/b", "a.b", &"long".repeat(40)] {
            saved.write(owner, head(), b"state".to_vec());
        }
        assert!(saved.files.is_empty());
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 1);
    }
}
