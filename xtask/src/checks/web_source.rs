//! Just enough understanding of JavaScript, CSS and HTML to tell code from comments and text.

use std::ops::Range;

/// A piece of JavaScript that matters to a check.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// An identifier or a keyword.
    Word(String),
    /// The inside of a quoted string, escapes as written.
    Text(String),
    Mark(char),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RegionKind {
    Code,
    Comment,
    Quoted,
    Template,
    RegularExpression,
}

/// Replaces JavaScript's comments by spaces; lines and columns stay where they were.
pub(crate) fn javascript_without_comments(source: &str) -> String {
    let comments = regions(source).into_iter().filter(|(kind, _)| *kind == RegionKind::Comment).map(|(_, range)| range);
    blanked(source, comments)
}

/// Replaces CSS comments by spaces; lines and columns stay where they were.
pub(crate) fn css_without_comments(source: &str) -> String {
    blanked(source, ranges_between(source, "/*", "*/").into_iter())
}

/// Replaces HTML comments by spaces; lines and columns stay where they were.
pub(crate) fn html_without_comments(source: &str) -> String {
    blanked(source, ranges_between(source, "<!--", "-->").into_iter())
}

/// Splits JavaScript into tokens, each with the number of its line, from 1; templates and regular expressions are left out.
pub(crate) fn javascript_tokens(source: &str) -> Vec<(usize, Token)> {
    let mut tokens = Vec::new();
    for (kind, range) in regions(source) {
        match kind {
            RegionKind::Quoted => {
                let quote = &source[range.start..=range.start];
                let inside = &source[range.start + 1..range.end];
                let text = inside.strip_suffix(quote).unwrap_or(inside).to_owned();
                tokens.push((line_at(source, range.start), Token::Text(text)));
            }
            RegionKind::Code => code_tokens(source, range, &mut tokens),
            RegionKind::Comment => {}
            // They stand for a value, which a mark that occurs nowhere else represents.
            RegionKind::Template | RegionKind::RegularExpression => {
                tokens.push((line_at(source, range.start), Token::Mark('`')));
            }
        }
    }
    tokens
}

/// Returns the number of the line at a byte offset, from 1.
pub(crate) fn line_at(source: &str, offset: usize) -> usize {
    source[..offset].matches('\n').count() + 1
}

fn code_tokens(source: &str, range: Range<usize>, tokens: &mut Vec<(usize, Token)>) {
    let code = &source[range.clone()];
    let mut characters = code.char_indices().peekable();
    while let Some((offset, character)) = characters.next() {
        if character.is_whitespace() {
            continue;
        }
        let line = line_at(source, range.start + offset);
        if !is_word_part(character) {
            tokens.push((line, Token::Mark(character)));
            continue;
        }
        let mut end = offset + character.len_utf8();
        while let Some((next, part)) = characters.next_if(|(_, next)| is_word_part(*next)) {
            end = next + part.len_utf8();
        }
        tokens.push((line, Token::Word(code[offset..end].to_owned())));
    }
}

fn is_word_part(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$'
}

/// Cuts JavaScript into code, comments, strings, templates and regular expressions, in order.
fn regions(source: &str) -> Vec<(RegionKind, Range<usize>)> {
    let bytes = source.as_bytes();
    let mut regions: Vec<(RegionKind, Range<usize>)> = Vec::new();
    // For each `${` that is open: how many braces are open inside it.
    let mut open_substitutions: Vec<usize> = Vec::new();
    let mut code_start = 0;
    let mut position = 0;
    while position < bytes.len() {
        let rest = &bytes[position..];
        let special = match bytes[position] {
            b'/' if rest.starts_with(b"//") => Some((RegionKind::Comment, line_end(source, position))),
            b'/' if rest.starts_with(b"/*") => Some((RegionKind::Comment, end_after(source, position + 2, "*/"))),
            b'/' if expression_may_start(source, &regions, code_start..position) => {
                regular_expression_end(bytes, position).map(|end| (RegionKind::RegularExpression, end))
            }
            quote @ (b'"' | b'\'') => Some((RegionKind::Quoted, quoted_end(bytes, position + 1, quote))),
            b'`' => Some((RegionKind::Template, template_part_end(bytes, position + 1, &mut open_substitutions))),
            b'}' if open_substitutions.last() == Some(&0) => {
                open_substitutions.pop();
                Some((RegionKind::Template, template_part_end(bytes, position + 1, &mut open_substitutions)))
            }
            byte => {
                if let Some(open_braces) = open_substitutions.last_mut() {
                    match byte {
                        b'{' => *open_braces += 1,
                        b'}' => *open_braces -= 1,
                        _ => {}
                    }
                }
                None
            }
        };
        let Some((kind, end)) = special else {
            position += 1;
            continue;
        };
        if code_start < position {
            regions.push((RegionKind::Code, code_start..position));
        }
        regions.push((kind, position..end));
        position = end;
        code_start = end;
    }
    if code_start < bytes.len() {
        regions.push((RegionKind::Code, code_start..bytes.len()));
    }
    regions
}

/// Says whether a `/` here begins a regular expression rather than divides, judged by what stands before it.
fn expression_may_start(source: &str, regions: &[(RegionKind, Range<usize>)], code: Range<usize>) -> bool {
    let mut before = source[code].trim_end();
    for (kind, range) in regions.iter().rev() {
        if !before.is_empty() {
            break;
        }
        match kind {
            RegionKind::Comment => {}
            RegionKind::Code => before = source[range.clone()].trim_end(),
            RegionKind::Quoted | RegionKind::Template | RegionKind::RegularExpression => {
                return false;
            }
        }
    }
    let last_word_start = before
        .rfind(|character| !is_word_part(character))
        .map_or(0, |index| index + before[index..].chars().next().map_or(1, char::len_utf8));
    match &before[last_word_start..] {
        "" => !before.ends_with([')', ']', '}']),
        word => ["return", "typeof", "case", "in", "of", "void", "throw", "await", "yield"].contains(&word),
    }
}

/// Finds the end of a regular expression; `None` if the line ends first, so that it was a division.
fn regular_expression_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut is_in_class = false;
    let mut position = start + 1;
    while position < bytes.len() {
        match bytes[position] {
            b'\n' => return None,
            b'\\' => position += 1,
            b'[' => is_in_class = true,
            b']' => is_in_class = false,
            b'/' if !is_in_class => return Some(position + 1),
            _ => {}
        }
        position += 1;
    }
    None
}

/// Finds the end of a quoted string; an unclosed one ends with its line.
fn quoted_end(bytes: &[u8], mut position: usize, quote: u8) -> usize {
    while position < bytes.len() {
        match bytes[position] {
            b'\n' => return position,
            b'\\' => position += 1,
            byte if byte == quote => return position + 1,
            _ => {}
        }
        position += 1;
    }
    bytes.len()
}

/// Finds the end of a template's text: its closing backtick, or a `${`, which it notes as open.
fn template_part_end(bytes: &[u8], mut position: usize, open_substitutions: &mut Vec<usize>) -> usize {
    while position < bytes.len() {
        match bytes[position] {
            b'\\' => position += 1,
            b'`' => return position + 1,
            b'$' if bytes.get(position + 1) == Some(&b'{') => {
                open_substitutions.push(0);
                return position + 2;
            }
            _ => {}
        }
        position += 1;
    }
    bytes.len()
}

fn line_end(source: &str, position: usize) -> usize {
    source[position..].find('\n').map_or(source.len(), |length| position + length)
}

fn end_after(source: &str, position: usize, end: &str) -> usize {
    source[position..].find(end).map_or(source.len(), |length| position + length + end.len())
}

fn ranges_between(source: &str, start: &str, end: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut position = 0;
    while let Some(offset) = source[position..].find(start) {
        let range_start = position + offset;
        position = end_after(source, range_start + start.len(), end);
        ranges.push(range_start..position);
    }
    ranges
}

/// Replaces ranges by spaces, byte for byte, and keeps line ends.
fn blanked(source: &str, ranges: impl Iterator<Item = Range<usize>>) -> String {
    let mut text = String::with_capacity(source.len());
    let mut position = 0;
    for range in ranges {
        text.push_str(&source[position..range.start]);
        text.extend(source[range.clone()].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        position = range.end;
    }
    text.push_str(&source[position..]);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without_comments(source: &str, expected: &str) {
        let result = javascript_without_comments(source);
        assert_eq!(result, expected, "for `{source}`");
        assert_eq!(result.len(), source.len(), "offsets stay the same in `{source}`");
    }

    #[test]
    fn comments_go_and_lines_stay() {
        without_comments("a // b\nc", "a     \nc");
        without_comments("a /* b\n日 */ c", "a     \n       c");
    }

    #[test]
    fn what_looks_like_a_comment_in_text_stays() {
        for source in [
            r#"open("https://example.org")"#,
            r"open('a\'//b')",
            "`http://${host}`",
            r#"x.replace(/\/\/["']/g, "") / 2"#,
            "return /[/]*/.test(x)",
            "(a + b) / c / d",
        ] {
            without_comments(source, source);
        }
    }

    #[test]
    fn code_inside_a_template_is_code() {
        without_comments("`a ${b({c: `//${d}`}) /* e */} // f` // g", "`a ${b({c: `//${d}`})        } // f`     ");
    }

    #[test]
    fn tokens_have_lines_and_tell_words_from_text() {
        let word = |text: &str| Token::Word(text.to_owned());
        let text = |text: &str| Token::Text(text.to_owned());
        assert_eq!(
            javascript_tokens("// import 'no'\nimport {a}\n  from \"./a.js\""),
            [
                (2, word("import")),
                (2, Token::Mark('{')),
                (2, word("a")),
                (2, Token::Mark('}')),
                (3, word("from")),
                (3, text("./a.js")),
            ]
        );
    }

    #[test]
    fn quotes_inside_a_text_belong_to_it() {
        for (source, inside) in [(r#"'"a"'"#, r#""a""#), ("''", ""), ("'a", "a")] {
            assert_eq!(javascript_tokens(source), [(1, Token::Text(inside.to_owned()))], "for `{source}`");
        }
    }

    #[test]
    fn an_unfinished_file_does_not_stop_the_scanner() {
        for source in ["/* a", "'a", "`a ${b", "`a", "/a", "a\\", "'\\", "`\\", "<!-- a"] {
            javascript_tokens(source);
            javascript_without_comments(source);
            html_without_comments(source);
        }
    }
}
