//! Text as it enters and as it leaves.

/// How long, in bytes, one node of text may become before it is sanitised, and what ends one.
pub(crate) const NODE_BYTES: usize = 4 << 10;
pub(crate) const NODE_END: &str = "<!---->";

/// Gives every line the ending `\n`, and U+FFFD for U+0000, as Markdown's specification asks.
pub(crate) fn normalised(text: &str) -> String {
    let mut normalised = String::with_capacity(text.len());
    push_normalised(&mut normalised, text);
    normalised
}

/// Appends text in normal form.
pub(crate) fn push_normalised(normalised: &mut String, text: &str) {
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\r' => {
                characters.next_if_eq(&'\n');
                normalised.push('\n');
            }
            '\0' => normalised.push('\u{fffd}'),
            _ => normalised.push(character),
        }
    }
}

/// Appends text for the inside of an element or of an attribute in double quotes.
pub(crate) fn push_escaped(html: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            // These reorder the text around them, so that a line can read differently from what it is.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => push_number(html, character),
            _ => html.push(character),
        }
    }
}

fn push_number(html: &mut String, character: char) {
    let escape = format!("[U+{:04X}]", u32::from(character));
    html.push_str(&escape);
}

/// Appends a text of any length for the inside of an element that is sanitised afterwards.
///
/// The sanitiser takes time by the square of the escapes in one node of text, so a comment, which it removes, ends the
/// node from time to time.
pub(crate) fn push_run(html: &mut String, text: &str) {
    let mut rest = text;
    while rest.len() > NODE_BYTES {
        let (node, after) = rest.split_at(node_end(rest));
        push_escaped(html, node);
        html.push_str(NODE_END);
        rest = after;
    }
    push_escaped(html, rest);
}

/// The last place, up to the longest node, where the text may be cut.
fn node_end(text: &str) -> usize {
    (0..=NODE_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Appends escaped text with its line breaks.
pub(crate) fn push_lines(html: &mut String, text: &str) {
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            html.push_str("<br>");
        }
        push_escaped(html, line);
    }
}
