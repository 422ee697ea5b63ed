use super::{Class, Output};

/// Reads HTML and XML: what stands between `<` and `>` is coloured, the text is not.
pub(super) fn read(code: &str, output: &mut Output<'_>) {
    let mut rest = code;
    while !rest.is_empty() {
        let tag_start = rest.find('<').unwrap_or(rest.len());
        output.push(Class::Plain, &rest[..tag_start]);
        rest = &rest[tag_start..];
        if let Some(inside) = rest.strip_prefix("<!--") {
            let length = inside.find("-->").map_or(rest.len(), |at| at + "<!---->".len());
            output.push(Class::Comment, &rest[..length]);
            rest = &rest[length..];
        } else if !rest.is_empty() {
            rest = read_tag(rest, output);
        }
    }
}

/// Reads from a `<` to after its `>` and returns what follows.
fn read_tag<'code>(tag: &'code str, output: &mut Output<'_>) -> &'code str {
    let name_start = tag.find(|character: char| !"</!?".contains(character)).unwrap_or(tag.len());
    output.push(Class::Punctuation, &tag[..name_start]);
    let mut rest = &tag[name_start..];
    let mut word_class = Class::Keyword;
    while let Some(first) = rest.chars().next() {
        let (class, length) = match first {
            '>' => {
                output.push(Class::Punctuation, ">");
                return &rest[1..];
            }
            '<' => return rest,
            '"' | '\'' => (Class::String, rest[1..].find(first).map_or(rest.len(), |at| at + 2)),
            '=' => (Class::Operator, 1),
            '/' | '?' => (Class::Punctuation, 1),
            _ if first.is_whitespace() => {
                word_class = Class::Type;
                (Class::Plain, word_length(rest, char::is_whitespace))
            }
            _ => (
                word_class,
                word_length(rest, |character| !character.is_whitespace() && !"<>\"'=/?".contains(character)),
            ),
        };
        output.push(class, &rest[..length]);
        rest = &rest[length..];
    }
    rest
}

fn word_length(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|character| !belongs(character)).unwrap_or(text.len())
}
