//! What a person's message says about the reply to it.

use std::time::Duration;

use engawa_engine_protocol::{ContinueFinal, GenerateRequest, Role};

/// The characters of a token where the message does not say.
const PIECE_LENGTH: usize = 4;

/// Asks for the request itself, as one token.
const ECHO: &str = "what did you get?";

/// What a reply is to be.
pub(super) struct Script {
    /// Its tokens: thinking, then text.
    pub(super) pieces: Vec<Piece>,
    /// How many of them the request had already.
    pub(super) written: usize,
    /// Between two tokens.
    pub(super) pause: Duration,
    /// What happens after so many tokens.
    happenings: Vec<(usize, Happening)>,
    /// Why the template refuses the conversation.
    pub(super) refusal: Option<String>,
}

/// A token of a reply.
#[derive(Clone)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) is_thinking: bool,
}

/// What can happen to an engine while it writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Happening {
    Wait,
    Hang,
    Abort,
    Exit,
    Nonsense,
    Fail,
}

impl Script {
    /// Reads the last message of the person; text that the request has already is not written again.
    pub(super) fn of(request: &GenerateRequest) -> Self {
        let message = request.messages.iter().rev().find(|message| message.role == Role::User);
        let message = message.map_or("", |message| message.content.as_str());
        let is_echo = message.lines().any(|line| line == ECHO);
        let length = if is_echo { usize::MAX } else { PIECE_LENGTH };
        let length = number(message, "piece length:").unwrap_or(length);
        let mut pieces = split(&texts(message, "think:"), length, true);
        pieces.extend(split(&text(message, request), length, false));
        let written = match request.messages.last() {
            Some(last) if request.continue_final == ContinueFinal::LastMessage => {
                written(&pieces, &last.reasoning, &last.content)
            }
            _ => 0,
        };
        Self {
            pieces,
            written,
            pause: Duration::from_millis(number(message, "slow:").unwrap_or(0) as u64),
            happenings: happenings(message),
            refusal: value(message, "refuse:").map(str::to_owned),
        }
    }

    /// What happens when so many tokens are written; not again when a reply goes on from there.
    pub(super) fn happening(&self, position: usize) -> Option<Happening> {
        let is_new = position > self.written || position == 0;
        let found = self.happenings.iter().find(|(after, _)| *after == position && is_new);
        found.map(|(_, happening)| *happening)
    }
}

/// The number of tokens that a message says it has.
pub(super) fn pretended_tokens(message: &str) -> Option<usize> {
    number(message, "tokens:")
}

/// Whether counting this message never ends.
pub(super) fn hangs_when_counted(message: &str) -> bool {
    message.lines().any(|line| line == "hang when counted")
}

/// Splits a text into pieces of so many characters.
pub(super) fn pieces(text: &str, length: usize) -> impl Iterator<Item = String> {
    let characters: Vec<char> = text.chars().collect();
    let pieces: Vec<String> = characters.chunks(length.max(1)).map(|chunk| chunk.iter().collect()).collect();
    pieces.into_iter()
}

fn text(message: &str, request: &GenerateRequest) -> String {
    if message.lines().any(|line| line == ECHO) {
        return serde_json::to_string(request).expect("a request can be written as JSON");
    }
    let said = texts(message, "say:");
    if said.is_empty() && happenings(message).is_empty() {
        return format!("You said: {message}");
    }
    said.repeat(number(message, "repeat:").unwrap_or(1))
}

fn happenings(message: &str) -> Vec<(usize, Happening)> {
    let kinds = [
        ("wait after:", Happening::Wait),
        ("hang after:", Happening::Hang),
        ("abort after:", Happening::Abort),
        ("exit after:", Happening::Exit),
        ("nonsense after:", Happening::Nonsense),
        ("fail after:", Happening::Fail),
    ];
    kinds.into_iter().filter_map(|(key, happening)| Some((number(message, key)?, happening))).collect()
}

/// How many of the pieces make up what was written before; none if that was something else.
fn written(pieces: &[Piece], reasoning: &str, content: &str) -> usize {
    let (mut thought, mut said) = (String::new(), String::new());
    for (index, piece) in pieces.iter().enumerate() {
        if thought == reasoning && said == content {
            return index;
        }
        if piece.is_thinking { &mut thought } else { &mut said }.push_str(&piece.text);
    }
    if thought == reasoning && said == content { pieces.len() } else { 0 }
}

fn split(text: &str, length: usize, is_thinking: bool) -> Vec<Piece> {
    pieces(text, length).map(|text| Piece { text, is_thinking }).collect()
}

fn values<'a>(message: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    message.lines().filter_map(move |line| line.strip_prefix(key)).map(str::trim)
}

fn value<'a>(message: &'a str, key: &'a str) -> Option<&'a str> {
    values(message, key).next()
}

fn texts(message: &str, key: &str) -> String {
    values(message, key).collect::<Vec<_>>().join("\n")
}

fn number(message: &str, key: &str) -> Option<usize> {
    value(message, key)?.parse().ok()
}
