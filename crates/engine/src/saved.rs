//! Sequences on disk: what was processed once is not processed again after it had to leave the KV cache.
//!
//! A file is a head, the tokens, the places where replies begin, and the state as llama.cpp writes it, each part with a
//! checksum. llama.cpp ends the process over a state that is cut short, so nothing reaches it unchecked. Files are read by
//! the same version on the same kind of machine only: numbers are in the machine's order.
//!
//! Files are written by threads of their own, one at a time, so that no reply waits for a disk. Until one is there, its state is read
//! from memory.

use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::SystemTime;

use engawa_engine_protocol::{CacheFolder, LoadSettings};

use crate::llama::{Token, Vocabulary};
use crate::sequence::continuation_of;

const MAGIC: [u8; 8] = *b"engawakv";
/// Counted up with every change of the format, and with every llama.cpp whose states differ.
const VERSION: u64 = 1;
const SUFFIX: &str = "kv";
const UNFINISHED_SUFFIX: &str = "part";
/// What is shorter is processed again as fast as it is read.
const SHORTEST: usize = 64;
/// Pieces of the model's file that tell it from others, and their length in bytes.
const SAMPLES: u64 = 16;
const SAMPLE_BYTES: usize = 4096;
/// Magic, then six numbers.
const HEAD_BYTES: usize = 8 + 6 * 8;
/// The longest head that is believed, in tokens.
const LONGEST: u64 = 1 << 26;

/// The folder with saved sequences, and those among them that the model can go on from.
pub(crate) struct SavedSequences {
    folder: CacheFolder,
    model: u64,
    files: Vec<SavedFile>,
}

/// One saved sequence.
struct SavedFile {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
    /// `None` when another model wrote it.
    head: Option<Head>,
    /// `None` when it is there.
    writing: Option<Writing>,
}

/// A file that is being written.
struct Writing {
    /// Its state, for as long as the thread has it.
    state: Weak<Vec<u8>>,
    /// What goes when it is there, and stays when it could not be written.
    replaced: Vec<SavedFile>,
    /// Whether the file is there now.
    thread: JoinHandle<bool>,
}

/// What a saved sequence holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) tokens: Vec<Token>,
    pub(crate) replies: Vec<usize>,
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
                        writing: None,
                    }),
                    Err(error) => {
                        eprintln!("engine: a saved sequence is damaged and goes: {error}");
                        let _ = fs::remove_file(&path);
                    }
                }
            }
        }
        let mut saved = Self { folder, model, files };
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
        self.files.get(found.index).is_some_and(|file| file.state_in_memory().is_some())
    }

    /// Reads a found sequence; one that is damaged goes.
    pub(crate) fn read(&mut self, found: &Found) -> Option<(Head, Arc<Vec<u8>>)> {
        let file = self.files.get_mut(found.index)?;
        // The time of the last use decides what goes first.
        file.used = SystemTime::now();
        if let (Some(state), Some(head)) = (file.state_in_memory(), &file.head) {
            return Some((head.clone(), state));
        }
        let (path, used) = (file.path.clone(), file.used);
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
        let replaced = self.files.extract_if(.., is_replaced).collect();
        self.make_room(bytes);
        // Of the head without its checksum: with it, a CRC is the same for all.
        let name = format!("{owner}.{:016x}.{SUFFIX}", checksum(&unchecked[..unchecked.len() - 8]));
        let path = self.folder.path.join(name);
        match Writing::begin(path.clone(), head.clone(), state, replaced, self.model) {
            Ok(writing) => {
                let (used, writing) = (SystemTime::now(), Some(writing));
                self.files.push(SavedFile { path, bytes, used, head: Some(head), writing });
            }
            Err(error) => report_unsaved(&error),
        }
    }

    /// Waits until everything is written.
    pub(crate) fn finish(&mut self) {
        self.settle(true);
    }

    /// Takes into account what became of files that were being written; waits for those that still are, if asked to.
    fn settle(&mut self, waits: bool) {
        for mut file in std::mem::take(&mut self.files) {
            let ended = file.writing.take_if(|writing| waits || writing.thread.is_finished());
            let (is_there, replaced) =
                ended.map_or((true, Vec::new()), |writing| (writing.thread.join().unwrap_or(false), writing.replaced));
            if is_there {
                self.files.push(file);
            } else {
                self.files.extend(replaced);
            }
        }
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

impl SavedFile {
    /// The state, while it is being written.
    fn state_in_memory(&self) -> Option<Arc<Vec<u8>>> {
        self.writing.as_ref()?.state.upgrade()
    }
}

impl Writing {
    /// Begins to write a file.
    ///
    /// # Errors
    /// There is no thread for it.
    fn begin(path: PathBuf, head: Head, state: Vec<u8>, replaced: Vec<SavedFile>, model: u64) -> io::Result<Self> {
        let state = Arc::new(state);
        let kept = Arc::downgrade(&state);
        let old: Vec<PathBuf> = replaced.iter().map(|file| file.path.clone()).filter(|old| *old != path).collect();
        let thread = std::thread::Builder::new().name("saver".into()).spawn(move || {
            let head = encode_head(&head, state.len(), checksum(&state), model);
            write_file(&path, &head, &state).inspect_err(report_unsaved).is_ok_and(|()| {
                for path in old {
                    let _ = fs::remove_file(path);
                }
                true
            })
        })?;
        Ok(Self { state: kept, replaced, thread })
    }
}

fn report_unsaved(error: &io::Error) {
    eprintln!("engine: a sequence could not be saved: {error}");
}

/// A number for a model's file and all settings that its states depend on.
///
/// Takes the time of the last change and samples instead of the whole file, which may have many gigabytes.
///
/// # Errors
/// The file can't be read.
pub(crate) fn model_key(path: &Path, settings: &LoadSettings) -> io::Result<u64> {
    let mut hasher = DefaultHasher::new();
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
    use std::io::{Seek, SeekFrom};
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

/// Names become parts of paths.
fn is_plain(owner: &str) -> bool {
    (1..=64).contains(&owner.len()) && owner.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn owner_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.split('.').next()
}

/// The head as bytes, its own checksum at the end.
fn encode_head(head: &Head, state_bytes: usize, state_checksum: u64, model: u64) -> Vec<u8> {
    let numbers =
        [VERSION, model, head.tokens.len() as u64, head.replies.len() as u64, state_bytes as u64, state_checksum];
    let mut bytes = MAGIC.to_vec();
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    bytes.extend(head.tokens.iter().flat_map(|token| token.to_le_bytes()));
    bytes.extend(head.replies.iter().flat_map(|&place| (place as u64).to_le_bytes()));
    bytes.extend(checksum(&bytes).to_le_bytes());
    bytes
}

/// What the head says of the state behind it.
struct StateFacts {
    bytes: usize,
    checksum: u64,
}

/// Reads and checks a head against the file's length; the head is `None` when another model wrote it.
fn read_head(file: &mut impl Read, length: u64, model: u64) -> io::Result<(Option<Head>, StateFacts)> {
    let mut bytes = vec![0; HEAD_BYTES];
    file.read_exact(&mut bytes)?;
    let number = |index: usize| u64_at(&bytes, 8 + 8 * index);
    let [version, written_by, n_tokens, n_replies, state_bytes, state_checksum] = std::array::from_fn(number);
    if bytes[..8] != MAGIC || version != VERSION {
        return Err(damaged("it is of another version"));
    }
    let lists = n_tokens.checked_mul(4).zip(n_replies.checked_mul(8)).and_then(|(a, b)| a.checked_add(b));
    let expected = lists.and_then(|lists| (HEAD_BYTES as u64 + 8).checked_add(lists)?.checked_add(state_bytes));
    if n_tokens > LONGEST || n_replies > n_tokens || expected != Some(length) {
        return Err(damaged("its length is wrong"));
    }
    let lists = usize::try_from(lists.unwrap_or(0)).map_err(|_| damaged("it is too long"))?;
    bytes.resize(HEAD_BYTES + lists, 0);
    file.read_exact(&mut bytes[HEAD_BYTES..])?;
    let mut own_checksum = [0; 8];
    file.read_exact(&mut own_checksum)?;
    if checksum(&bytes) != u64::from_le_bytes(own_checksum) {
        return Err(damaged("its head is damaged"));
    }
    let facts = StateFacts {
        bytes: usize::try_from(state_bytes).map_err(|_| damaged("it is too long"))?,
        checksum: state_checksum,
    };
    if written_by != model {
        return Ok((None, facts));
    }
    let (tokens, replies) = bytes[HEAD_BYTES..].split_at(lists - usize::try_from(n_replies).unwrap_or(0) * 8);
    let tokens: Vec<Token> = tokens.as_chunks().0.iter().map(|&token| Token::from_le_bytes(token)).collect();
    let replies = replies.as_chunks().0.iter().map(|&place| u64::from_le_bytes(place));
    let replies: Vec<usize> = replies.filter_map(|place| usize::try_from(place).ok()).collect();
    if replies.iter().any(|&place| place > tokens.len()) {
        return Err(damaged("its head is wrong"));
    }
    Ok((Some(Head { tokens, replies }), facts))
}

fn read_whole(path: &Path, model: u64) -> io::Result<(Head, Vec<u8>)> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let (head, facts) = read_head(&mut file, length, model)?;
    let head = head.ok_or_else(|| damaged("another model wrote it"))?;
    let mut state = vec![0; facts.bytes];
    file.read_exact(&mut state)?;
    if checksum(&state) != facts.checksum {
        return Err(damaged("its state is damaged"));
    }
    Ok((head, state))
}

fn checksum(bytes: &[u8]) -> u64 {
    crc32fast::hash(bytes).into()
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |&number| u64::from_le_bytes(number))
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Writes beside the name and renames, so that nobody finds half a file.
fn write_file(path: &Path, head: &[u8], state: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension(UNFINISHED_SUFFIX);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&unfinished).and_then(|mut file| {
        file.write_all(head)?;
        file.write_all(state)
    });
    written.and_then(|()| fs::rename(&unfinished, path)).inspect_err(|_| {
        let _ = fs::remove_file(&unfinished);
    })
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
