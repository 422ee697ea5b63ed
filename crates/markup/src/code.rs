//! Code blocks, in pieces that a page can take while the block still grows.

use crate::highlight::{self, Language};
use crate::text;

/// A block goes on in another element at the first line that ends after this many bytes.
const PIECE_BYTES: usize = 8 << 10;

/// Of every block, this many bytes are highlighted.
const HIGHLIGHTED_BYTES: usize = 64 << 10;

/// The most characters of a language's name that are shown.
const LABEL_CHARACTERS: usize = 32;

/// Where the first piece of `code` ends, if more follows it.
pub(crate) fn first_piece_end(code: &str) -> Option<usize> {
    let line_end = code.as_bytes().iter().skip(PIECE_BYTES).position(|byte| *byte == b'\n')?;
    let end = PIECE_BYTES + line_end + 1;
    (end < code.len()).then_some(end)
}

/// Appends a block. `info` is what stands after the fence; `continued` is how many bytes came in earlier pieces.
pub(crate) fn push_block(html: &mut String, info: &str, code: &str, continued: usize) {
    let name = info.split([' ', '\t', ',', '{']).next().unwrap_or_default();
    let language = highlight::language(name);
    let mut offset = 0;
    loop {
        let piece_end = first_piece_end(&code[offset..]).map_or(code.len(), |end| offset + end);
        push_piece(html, name, language, &code[offset..piece_end], continued + offset);
        offset = piece_end;
        if offset == code.len() {
            return;
        }
    }
}

fn push_piece(html: &mut String, name: &str, language: Option<&Language>, piece: &str, before: usize) {
    if before == 0 {
        html.push_str(r#"<div class="code"><div class="code-head"><span class="code-lang">"#);
        let label: String = name.chars().take(LABEL_CHARACTERS).collect();
        text::push_escaped(html, &label);
        html.push_str("</span></div>");
    } else {
        html.push_str(r#"<div class="code code-continued">"#);
    }
    // An HTML parser drops a line break that begins a `pre`, but not one that begins its `code`.
    html.push_str("<pre><code>");
    match language {
        Some(language) if before + piece.len() <= HIGHLIGHTED_BYTES => highlight::push(html, piece, language),
        _ => text::push_run(html, piece),
    }
    html.push_str("</code></pre></div>");
}
