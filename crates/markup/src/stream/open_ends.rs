//! Makes the end of an unfinished text look as it will when it is finished.

use std::borrow::Cow;

/// Closes what the last line leaves open: emphasis, code and formulas; hides a mark that nothing follows yet.
pub(super) fn closed(markdown: &str) -> Cow<'_, str> {
    let last_line_start = markdown.rfind('\n').map_or(0, |at| at + 1);
    let last_line = markdown[last_line_start..].trim();
    // The beginning of a fence, or its end, would flash up as text.
    if !last_line.is_empty() && last_line.chars().all(|character| matches!(character, '`' | '~')) {
        return Cow::Borrowed(&markdown[..last_line_start]);
    }
    if in_fence(markdown) {
        return Cow::Borrowed(markdown);
    }
    let start = segment_start(markdown);
    let (kept, closers) = open_marks(&markdown[start..]);
    if closers.is_empty() && start + kept == markdown.len() {
        return Cow::Borrowed(markdown);
    }
    Cow::Owned(format!("{}{closers}", &markdown[..start + kept]))
}

fn in_fence(markdown: &str) -> bool {
    let mut fence: Option<&str> = None;
    for line in markdown.lines() {
        let line = line.trim_start();
        match fence {
            Some(mark) if line.starts_with(mark) => fence = None,
            Some(_) => {}
            None => fence = ["```", "~~~"].into_iter().find(|mark| line.starts_with(mark)),
        }
    }
    fence.is_some()
}

/// Where the last piece of text begins that emphasis could run through: after a blank line, a list mark, a `#`, a `>` or
/// the border of a table's cell.
fn segment_start(markdown: &str) -> usize {
    let mut start = 0;
    let mut offset = 0;
    for line in markdown.split_inclusive('\n') {
        let content = line.trim_start();
        let indent = line.len() - content.len();
        let number = content.trim_start_matches(|character: char| character.is_ascii_digit());
        if content.is_empty() {
            start = offset + line.len();
        } else if content.starts_with('|') {
            start = offset + line.rfind('|').map_or(indent, |at| at + 1);
        } else if content.starts_with(['#', '>']) {
            start = offset + indent + content.len() - content.trim_start_matches(['#', '>', ' ']).len();
        } else if ["- ", "* ", "+ "].iter().any(|bullet| content.starts_with(bullet)) {
            start = offset + indent + 2;
        } else if number.len() < content.len() && number.starts_with([')', '.']) {
            start = offset + line.len() - number.len() + 1;
        }
        offset += line.len();
    }
    start
}

/// How much of the segment to keep, and what closes what is open in it.
fn open_marks(segment: &str) -> (usize, String) {
    let text = segment.trim_end();
    let mut open: Vec<&str> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if let Some(escaped) = rest.strip_prefix('\\') {
            at += 1 + escaped.chars().next().map_or(0, char::len_utf8);
            continue;
        }
        if rest.starts_with('`') {
            let run = &rest[..rest.len() - rest.trim_start_matches('`').len()];
            match find_run(&rest[run.len()..], run.len()) {
                Some(end) => at += run.len() + end,
                None if run.len() == rest.len() => return (at, closers(&open)),
                None => return (text.len(), format!("{run}{}", closers(&open))),
            }
            continue;
        }
        let Some(mark) = ["$$", "**", "~~", "*"].into_iter().find(|mark| rest.starts_with(mark)) else {
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        };
        let after = rest[mark.len()..].chars().next();
        let before = text[..at].chars().next_back();
        if open.last() == Some(&mark) && (mark == "$$" || before.is_some_and(|character| !character.is_whitespace())) {
            open.pop();
        } else if open.last() == Some(&"$$") {
            // Inside a formula, other marks are signs.
        } else if after.is_none() {
            return (at, closers(&open));
        } else if mark == "$$" || after.is_some_and(|character| !character.is_whitespace()) {
            open.push(mark);
        }
        at += mark.len();
    }
    if open.is_empty() { (segment.len(), String::new()) } else { (text.len(), closers(&open)) }
}

/// The end of the first run of exactly `length` backticks.
fn find_run(text: &str, length: usize) -> Option<usize> {
    let mut at = 0;
    while let Some(start) = text[at..].find('`').map(|found| at + found) {
        let run = text[start..].len() - text[start..].trim_start_matches('`').len();
        at = start + run;
        if run == length {
            return Some(at);
        }
    }
    None
}

fn closers(open: &[&str]) -> String {
    open.iter().rev().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::closed;

    #[test]
    fn closes_what_is_open() {
        for (open, expected) in [
            ("plain", "plain"),
            ("a **bo", "a **bo**"),
            ("a **bold** and *it", "a **bold** and *it*"),
            ("a **bo ", "a **bo**"),
            ("a **", "a "),
            ("a `co", "a `co`"),
            ("a ``co`de", "a ``co`de``"),
            ("a `", "a "),
            ("$$\nx^2", "$$\nx^2$$"),
            ("$$ a*b", "$$ a*b$$"),
            ("~~gone", "~~gone~~"),
            ("2 * 3", "2 * 3"),
            ("a\\*b", "a\\*b"),
            ("- one **a\n- two", "- one **a\n- two"),
            ("1. **x", "1. **x**"),
            ("| a | **b", "| a | **b**"),
            ("# *T", "# *T*"),
            ("```rust\nlet a = **b", "```rust\nlet a = **b"),
            ("```rust\nlet a;\n``", "```rust\nlet a;\n"),
            ("text\n``", "text\n"),
            ("強調は **「これ", "強調は **「これ**"),
        ] {
            assert_eq!(closed(open), expected, "{open:?}");
        }
    }
}
