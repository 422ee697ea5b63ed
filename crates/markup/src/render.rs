use pulldown_cmark::Options;

use crate::writer::Writer;
use crate::{sanitise, text};

/// Longer texts, in bytes, are shown as they were written.
pub const MAX_MARKDOWN_BYTES: usize = 2 << 20;

/// The extensions of Markdown that models write.
pub(crate) const EXTENSIONS: Options = Options::ENABLE_TABLES
    .union(Options::ENABLE_STRIKETHROUGH)
    .union(Options::ENABLE_TASKLISTS)
    .union(Options::ENABLE_MATH);

/// Says what becomes of a single line break within a paragraph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Breaks {
    /// It breaks the line, as the person who typed it expects.
    Hard,
    /// It is a space, as Markdown has it.
    #[default]
    Soft,
}

/// Renders Markdown with soft line breaks.
///
/// What can come out, beside text:
/// - `p`, `h1` to `h6`, `blockquote`, `ul`, `ol start`, `li`, `hr`, `br`, `em`, `strong`, `del`, `code`;
/// - `<div class="code"><div class="code-head"><span class="code-lang">rust</span></div><pre><code>…</code></pre></div>`,
///   where the code has `span`s of the classes `tok-keyword`, `tok-string`, `tok-comment`, `tok-number`, `tok-function`,
///   `tok-type`, `tok-operator` and `tok-punctuation`. A block of more than 8 KiB goes on in
///   `<div class="code code-continued"><pre>…` right after it, and is highlighted for its first 64 KiB;
/// - `<div class="table"><table>…`, whose cells may have `align`;
/// - `<input type="checkbox" disabled checked>` for tasks;
/// - `<code class="math">` and `<div class="math">` around the source of a formula;
/// - `<a data-href="https://…" role="link" tabindex="0">` for http, https and mailto; other links are only their text;
/// - `<span class="image-placeholder" data-src="https://…">` around the description of an image.
///
/// HTML in the text is shown, not obeyed. Characters that change the direction of the text around them are shown by
/// number. More than [`MAX_MARKDOWN_BYTES`] are rendered by [`render_plain`].
///
/// Known limit: in `CommonMark`, `**「強調」**です` is not emphasis, because a closing `**` after punctuation must be
/// followed by a space or more punctuation.
#[must_use]
pub fn render(markdown: &str) -> String {
    render_with(markdown, Breaks::Soft)
}

/// Renders Markdown as [`render`] does, with the choice of line breaks: hard ones suit what people type.
#[must_use]
pub fn render_with(markdown: &str, breaks: Breaks) -> String {
    if markdown.len() > MAX_MARKDOWN_BYTES {
        return render_plain(markdown);
    }
    render_blocks(&text::normalised(markdown), breaks, 0)
}

/// Renders text as it was written, with its line breaks, in one paragraph.
#[must_use]
pub fn render_plain(text: &str) -> String {
    let mut html = String::from("<p>");
    text::push_lines(&mut html, &text::normalised(text));
    html.push_str("</p>");
    html
}

/// Renders normalised Markdown. `continued` is how many bytes of the first code block are already in the page.
pub(crate) fn render_blocks(markdown: &str, breaks: Breaks, continued: usize) -> String {
    sanitise::clean(&Writer::new(breaks, continued).write(markdown))
}
