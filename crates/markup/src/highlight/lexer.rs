use super::language::{Language, Quote};
use super::{Class, Output};

/// How far a character literal may reach, in bytes: `'\u{10ffff}'`.
const MAX_CHARACTER_LITERAL: usize = 14;

/// Reads code as words, strings, comments, numbers and signs. Each step takes at least one character away.
pub(super) fn read(code: &str, language: &Language, output: &mut Output<'_>) {
    let mut rest = code;
    let mut line_starts = true;
    let mut after_word = false;
    while let Some(first) = rest.chars().next() {
        let (class, length) = next(rest, first, language, line_starts, after_word);
        let (token, after) = rest.split_at(length);
        output.push(class, token);
        line_starts = if first.is_whitespace() { line_starts || token.contains('\n') } else { false };
        after_word = first == '.';
        rest = after;
    }
}

fn next(rest: &str, first: char, language: &Language, line_starts: bool, after_dot: bool) -> (Class, usize) {
    if first.is_whitespace() {
        return (Class::Plain, while_matching(rest, char::is_whitespace));
    }
    if language.line_comments.iter().any(|start| rest.starts_with(start)) {
        return (Class::Comment, line_length(rest));
    }
    if let Some((start, end)) = language.block_comment
        && let Some(inside) = rest.strip_prefix(start)
    {
        return (Class::Comment, inside.find(end).map_or(rest.len(), |at| start.len() + at + end.len()));
    }
    if language.has_lifetimes && first == '\'' {
        return character_or_lifetime(rest);
    }
    if let Some(quote) = language.quotes.iter().find(|quote| rest.starts_with(quote.mark)) {
        let length = string_length(rest, quote);
        let class = if is_key(&rest[length..], language) { Class::Type } else { Class::String };
        return (class, length);
    }
    if first.is_ascii_digit() {
        return (Class::Number, number_length(rest));
    }
    if let Some((_, class)) = language.sigils.iter().find(|(sigil, _)| *sigil == first) {
        let name = while_matching(&rest[first.len_utf8()..], is_word);
        if name > 0 && (*class != Class::Keyword || line_starts) {
            return (*class, first.len_utf8() + name);
        }
    }
    if is_word_start(first) {
        let length =
            while_matching(rest, |character| is_word(character) || (character == '-' && language.dashes_in_words));
        return (word_class(&rest[..length], &rest[length..], language, after_dot), length);
    }
    let class = if "()[]{},;.:".contains(first) { Class::Punctuation } else { Class::Operator };
    (if first.is_ascii_punctuation() { class } else { Class::Plain }, first.len_utf8())
}

fn word_class(word: &str, after: &str, language: &Language, after_dot: bool) -> Class {
    let is_in = |list: &[&str]| {
        list.iter().any(|entry| if language.ignores_case { entry.eq_ignore_ascii_case(word) } else { *entry == word })
    };
    if is_key(after, language) {
        Class::Type
    } else if !after_dot && is_in(language.keywords) {
        Class::Keyword
    } else if is_in(language.types) {
        Class::Type
    } else if language.calls_functions && after.starts_with(['(', '!']) && !after.starts_with("!=") {
        Class::Function
    } else if language.capitalises_types && word.starts_with(char::is_uppercase) {
        Class::Type
    } else {
        Class::Plain
    }
}

/// True where the sign that follows a key comes next, on the same line.
fn is_key(after: &str, language: &Language) -> bool {
    let Some(sign) = language.key_sign else { return false };
    // A key is not looked for further than this, so that a row of words costs no more than it is long.
    let spaces = after.bytes().take(8).take_while(|byte| *byte == b' ').count();
    after[spaces..].starts_with(sign)
}

fn string_length(rest: &str, quote: &Quote) -> usize {
    let bytes = rest.as_bytes();
    let mark = quote.mark.as_bytes();
    let mut at = mark.len();
    while at < bytes.len() {
        if quote.escapes && bytes[at] == b'\\' {
            at += 2;
        } else if bytes[at..].starts_with(mark) {
            return at + mark.len();
        } else if bytes[at] == b'\n' && !quote.spans_lines {
            return at;
        } else {
            at += 1;
        }
    }
    // A backslash may be followed by a character of several bytes, or by nothing.
    rest.len()
}

fn character_or_lifetime(rest: &str) -> (Class, usize) {
    let literal = if rest.starts_with("'\\") {
        rest.bytes().take(MAX_CHARACTER_LITERAL).skip(3).position(|byte| byte == b'\'').map(|at| at + 4)
    } else {
        let mut characters = rest.char_indices().skip(2);
        characters.next().filter(|(_, character)| *character == '\'').map(|(at, _)| at + 1)
    };
    match literal {
        Some(length) => (Class::String, length),
        None => (Class::Type, 1 + while_matching(&rest[1..], is_word)),
    }
}

fn number_length(rest: &str) -> usize {
    let mut previous = ' ';
    while_matching(rest, |character| {
        let belongs = is_word(character)
            || (character == '.' && previous.is_ascii_digit())
            || (matches!(character, '+' | '-') && matches!(previous, 'e' | 'E'));
        previous = character;
        belongs
    })
}

fn line_length(rest: &str) -> usize {
    rest.find('\n').unwrap_or(rest.len())
}

fn is_word_start(character: char) -> bool {
    character.is_alphabetic() || character == '_'
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn while_matching(text: &str, mut matches: impl FnMut(char) -> bool) -> usize {
    text.find(|character| !matches(character)).unwrap_or(text.len())
}
