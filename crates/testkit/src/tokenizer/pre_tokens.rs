/// Splits text into the stretches that merges never cross, nearly as the "qwen2" rule does.
///
/// Merges learned from a slightly different split are still valid, so the rule's finer cases
/// (contractions, the last of several spaces) are left out.
pub(super) fn split(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (piece, tail) = rest.split_at(piece_length(first, rest));
        pieces.push(piece);
        rest = tail;
    }
    pieces
}

#[derive(Clone, Copy, PartialEq)]
enum Class {
    Letter,
    Digit,
    Break,
    Space,
    Mark,
}

fn class(character: char) -> Class {
    match character {
        '\r' | '\n' => Class::Break,
        _ if character.is_alphabetic() => Class::Letter,
        _ if character.is_numeric() => Class::Digit,
        _ if character.is_whitespace() => Class::Space,
        _ => Class::Mark,
    }
}

/// Returns the length in bytes of the piece that `text` begins with.
fn piece_length(first: char, text: &str) -> usize {
    let run = |from: usize, wanted: Class| {
        let tail = &text[from..];
        tail.find(|character| class(character) != wanted).unwrap_or(tail.len())
    };
    let after = first.len_utf8();
    match class(first) {
        Class::Letter => run(0, Class::Letter),
        Class::Digit => after,
        Class::Break => run(0, Class::Break),
        // One space or mark belongs to the word after it.
        Class::Space | Class::Mark if run(after, Class::Letter) > 0 => after + run(after, Class::Letter),
        Class::Space if first == ' ' && run(after, Class::Mark) > 0 => after + run(after, Class::Mark),
        other => run(0, other),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn splits_words_numbers_marks_and_breaks() {
        assert_eq!(
            split("Hello, world 42!\n\n縁側で。"),
            ["Hello", ",", " world", " ", "4", "2", "!", "\n\n", "縁側で", "。"]
        );
    }

    #[test]
    fn joins_to_the_same_text() {
        let text = super::super::CORPUS;
        assert_eq!(split(text).concat(), text);
    }
}
