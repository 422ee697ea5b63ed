//! Turns the bytes of tokens into whole characters and finds stop texts.

/// A stream of text that never splits a character and never shows the start of a stop text.
pub(crate) struct TextStream {
    /// Bytes that are not yet a whole character: at most three.
    bytes: Vec<u8>,
    /// Text held back because it may be the start of a stop text.
    held: String,
    stops: Vec<String>,
}

/// What a token added.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Emitted {
    /// Text to show.
    pub(crate) text: String,
    /// Whether a stop text was found; it is not part of `text`, nor is anything after it.
    pub(crate) stopped: bool,
}

impl TextStream {
    /// A stream that ends at any of `stops`; empty ones are ignored.
    pub(crate) fn new(stops: impl IntoIterator<Item = String>) -> Self {
        let stops = stops.into_iter().filter(|stop| !stop.is_empty()).collect();
        Self { bytes: Vec::new(), held: String::new(), stops }
    }

    /// Takes the bytes of the next token.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Emitted {
        self.bytes.extend_from_slice(bytes);
        self.decode();
        self.emit()
    }

    /// Gives out all that was held back; an unfinished character becomes U+FFFD.
    pub(crate) fn finish(&mut self) -> String {
        if !self.bytes.is_empty() {
            self.bytes.clear();
            self.held.push(char::REPLACEMENT_CHARACTER);
        }
        std::mem::take(&mut self.held)
    }

    /// Moves whole characters from `bytes` to `held`. Bytes that can't become one turn into U+FFFD, and so does
    /// NUL, which C strings and many files can't carry.
    fn decode(&mut self) {
        loop {
            match std::str::from_utf8(&self.bytes) {
                Ok(text) => {
                    push_text(&mut self.held, text);
                    self.bytes.clear();
                    return;
                }
                Err(error) => {
                    let (valid, rest) = self.bytes.split_at(error.valid_up_to());
                    // The split is where the valid part ends, so nothing is lost here.
                    push_text(&mut self.held, &String::from_utf8_lossy(valid));
                    let Some(broken) = error.error_len() else {
                        self.bytes = rest.to_vec();
                        return;
                    };
                    self.held.push(char::REPLACEMENT_CHARACTER);
                    self.bytes = rest[broken..].to_vec();
                }
            }
        }
    }

    fn emit(&mut self) -> Emitted {
        let found = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min();
        if let Some(position) = found {
            self.held.truncate(position);
            self.bytes.clear();
            return Emitted { text: std::mem::take(&mut self.held), stopped: true };
        }
        let keep = self.stops.iter().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0);
        let text: String = self.held.drain(..self.held.len() - keep).collect();
        Emitted { text, stopped: false }
    }
}

fn push_text(target: &mut String, text: &str) {
    target
        .extend(text.chars().map(|character| if character == '\0' { char::REPLACEMENT_CHARACTER } else { character }));
}

/// The length of the longest end of `text` that is a start of `stop`, in bytes.
fn overlap(text: &str, stop: &str) -> usize {
    let longest = stop.len().min(text.len());
    (1..=longest)
        .rev()
        .find(|&length| text.as_bytes().ends_with(&stop.as_bytes()[..length]) && stop.is_char_boundary(length))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(stops: &[&str], pieces: &[&[u8]]) -> (Vec<String>, bool, String) {
        let mut stream = TextStream::new(stops.iter().map(ToString::to_string));
        let mut texts = Vec::new();
        for piece in pieces {
            let emitted = stream.push(piece);
            texts.push(emitted.text);
            if emitted.stopped {
                return (texts, true, stream.finish());
            }
        }
        (texts, false, stream.finish())
    }

    #[test]
    fn a_character_comes_whole() {
        let bytes = "縁🎐".as_bytes();
        let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
        let (texts, stopped, rest) = stream(&[], &pieces);
        assert_eq!(texts, ["", "", "縁", "", "", "", "🎐"]);
        assert_eq!((stopped, rest.as_str()), (false, ""));
    }

    #[test]
    fn broken_bytes_become_replacement_characters() {
        assert_eq!(
            stream(&[], &[b"a\xff", b"b\0", b"\xe7\xb8"]),
            (vec!["a\u{fffd}".into(), "b\u{fffd}".into(), String::new()], false, "\u{fffd}".into())
        );
        assert_eq!(stream(&[], &[b"\xe7", b"a"]).0, ["", "\u{fffd}a"]);
    }

    #[test]
    fn a_stop_text_is_found_across_tokens_and_never_shown() {
        assert_eq!(
            stream(&["STOP"], &[b"one ST", b"O", b"P two"]),
            (vec!["one ".into(), String::new(), String::new()], true, String::new())
        );
        assert_eq!(stream(&["STOP"], &[b"one ST", b"AY"]), (vec!["one ".into(), "STAY".into()], false, String::new()));
        assert_eq!(
            stream(&["。終", "。了"], &["はい。".as_bytes(), "了".as_bytes()]),
            (vec!["はい".into(), String::new()], true, String::new())
        );
    }

    #[test]
    fn the_first_stop_text_wins() {
        assert_eq!(stream(&["b", "a"], &[b"xayb"]), (vec!["x".into()], true, String::new()));
    }

    #[test]
    fn what_was_held_back_comes_at_the_end() {
        assert_eq!(stream(&["<end>"], &[b"done <en"]), (vec!["done ".into()], false, "<en".into()));
    }
}
