//! What a file holds: a head, the tokens, the places where replies begin, and the state as llama.cpp writes it, each part with a
//! checksum. llama.cpp ends the process over a state that is cut short, so nothing reaches it unchecked. Files are read by
//! the same version on the same kind of machine only: numbers are in the machine's order.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use crate::llama::Token;

const MAGIC: [u8; 8] = *b"engawakv";
/// Counted up with every change of the format.
const VERSION: u64 = 1;
/// Of a file that is not whole yet.
pub(super) const UNFINISHED_SUFFIX: &str = "part";
/// Magic, then six numbers.
const HEAD_BYTES: usize = 8 + 6 * 8;
/// The longest head that is believed, in tokens.
const LONGEST: u64 = 1 << 26;

/// What a saved sequence holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) tokens: Vec<Token>,
    pub(crate) replies: Vec<usize>,
}

/// The head as bytes, its own checksum at the end.
pub(super) fn encode_head(head: &Head, state_bytes: usize, state_checksum: u64, model: u64) -> Vec<u8> {
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
pub(super) struct StateFacts {
    bytes: usize,
    checksum: u64,
}

/// Reads and checks a head against the file's length; the head is `None` when another model wrote it.
pub(super) fn read_head(file: &mut impl Read, length: u64, model: u64) -> io::Result<(Option<Head>, StateFacts)> {
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

/// Reads and checks a whole file, which this model wrote.
pub(super) fn read_whole(path: &Path, model: u64) -> io::Result<(Head, Vec<u8>)> {
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

/// The checksum of a part of a file.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    crc32fast::hash(bytes).into()
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |&number| u64::from_le_bytes(number))
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Writes beside the name and renames, so that nobody finds half a file.
pub(super) fn write_file(path: &Path, head: &[u8], state: &[u8]) -> io::Result<()> {
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
