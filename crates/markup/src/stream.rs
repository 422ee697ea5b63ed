//! Renders a text that is still being written, without beginning anew with every word.

mod open_ends;

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag};

use crate::render::{Breaks, EXTENSIONS, render_blocks};
use crate::{code, text};

/// From this size on, in bytes, an open block is rendered again only once it has grown by a sixteenth: all its
/// renderings together then take the time of about seventeen.
const THROTTLED_BYTES: usize = 24 << 10;
const THROTTLE: usize = 16;

/// What a piece of text changes in the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// HTML to append for good, before the tail.
    pub settled: String,
    /// HTML of what may still change; it takes the place of the tail before. `None` leaves that one as it is.
    pub tail: Option<String>,
}

/// Renders Markdown that arrives in pieces.
///
/// All `settled` of a text and of [`StreamRenderer::finish`], one after the other, are what
/// [`render_with`](crate::render_with) makes of the whole text, with two exceptions. A link by reference (`[text][name]`)
/// is a link only where its definition stands in the same block. A text of more than
/// [`MAX_MARKDOWN_BYTES`](crate::MAX_MARKDOWN_BYTES) stays Markdown.
#[derive(Debug)]
pub struct StreamRenderer {
    breaks: Breaks,
    /// The text that is not settled. It begins with the line that begins a block.
    pending: String,
    /// A carriage return that came last: whether it is a line break of its own depends on what follows.
    held_return: bool,
    /// How many bytes of the code block that `pending` begins with are settled.
    continued: usize,
    /// How long `pending` was when it was last looked at.
    examined: usize,
}

impl StreamRenderer {
    /// Begins a text.
    #[must_use]
    pub fn new(breaks: Breaks) -> Self {
        Self { breaks, pending: String::new(), held_return: false, continued: 0, examined: 0 }
    }

    /// Takes the next piece of the text, which may be any part of it, and says what changes.
    pub fn push(&mut self, delta: &str) -> Update {
        let before = self.pending.len();
        self.append(delta);
        if self.pending.len() > THROTTLED_BYTES
            && self.pending.len() - self.examined.min(self.pending.len()) < self.pending.len() / THROTTLE
        {
            return Update::default();
        }
        let settled = if self.pending[before..].contains('\n') || before > THROTTLED_BYTES {
            self.settle()
        } else {
            String::new()
        };
        self.examined = self.pending.len();
        let tail = render_blocks(&open_ends::closed(&self.pending), self.breaks, self.continued);
        Update { settled, tail: Some(tail) }
    }

    /// Ends the text: everything is settled, and the tail is empty. The renderer can take another text then.
    pub fn finish(&mut self) -> Update {
        if std::mem::take(&mut self.held_return) {
            self.pending.push('\n');
        }
        let mut settled = self.settle();
        settled.push_str(&render_blocks(&self.pending, self.breaks, self.continued));
        *self = Self::new(self.breaks);
        Update { settled, tail: Some(String::new()) }
    }

    fn append(&mut self, delta: &str) {
        let mut delta = delta;
        if self.held_return && !delta.is_empty() {
            self.held_return = false;
            self.pending.push('\n');
            delta = delta.strip_prefix('\n').unwrap_or(delta);
        }
        if let Some(before_return) = delta.strip_suffix('\r') {
            self.held_return = true;
            delta = before_return;
        }
        text::push_normalised(&mut self.pending, delta);
    }

    /// Takes away what no later text can change: every block but the last, and full pieces of an open code block.
    fn settle(&mut self) -> String {
        let mut settled = String::new();
        // Lines decide where blocks end, so only whole ones count.
        let whole_lines = self.pending.rfind('\n').map_or(0, |at| at + 1);
        let last = last_block(&self.pending[..whole_lines]);
        if last.start > 0 {
            settled.push_str(&render_blocks(&self.pending[..last.start], self.breaks, self.continued));
            self.pending.drain(..last.start);
            self.continued = 0;
        }
        if let Some(fence) = last.fence {
            self.settle_pieces(&fence, &mut settled);
        }
        settled
    }

    fn settle_pieces(&mut self, fence: &Fence, settled: &mut String) {
        let mut code = fence.code.as_str();
        let mut lines = 0;
        while let Some(end) = code::first_piece_end(code) {
            let (piece, rest) = code.split_at(end);
            let mut html = String::new();
            code::push_block(&mut html, &fence.info, piece, self.continued);
            settled.push_str(&crate::sanitise::clean(&html));
            self.continued += end;
            lines += piece.bytes().filter(|byte| *byte == b'\n').count();
            code = rest;
        }
        // The line that opens the fence stays, so that what is left is still a code block; each line of code is one line
        // of the text.
        let mut line_ends = self.pending.match_indices('\n').map(|(at, _)| at + 1);
        if lines > 0
            && let Some(code_start) = line_ends.next()
            && let Some(rest_start) = line_ends.nth(lines - 1)
        {
            self.pending.drain(code_start..rest_start);
        }
    }
}

/// The block at the end of a text.
#[derive(Default)]
struct LastBlock {
    /// Where its first line begins; 0 if there is no block before it.
    start: usize,
    fence: Option<Fence>,
}

/// A code block between fences that stands in no other block.
struct Fence {
    info: String,
    code: String,
}

fn last_block(markdown: &str) -> LastBlock {
    let mut last = LastBlock::default();
    let mut depth = 0_usize;
    let mut blocks = 0_usize;
    for (event, range) in Parser::new_ext(markdown, EXTENSIONS).into_offset_iter() {
        if depth == 0 && !matches!(event, Event::End(_)) {
            blocks += 1;
            let line_start = markdown[..range.start].rfind('\n').map_or(0, |at| at + 1);
            let fence = match &event {
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                    Some(Fence { info: info.to_string(), code: String::new() })
                }
                _ => None,
            };
            last = LastBlock { start: if blocks > 1 || fence.is_some() { line_start } else { 0 }, fence };
        }
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::Text(text) if depth == 1 => {
                if let Some(fence) = &mut last.fence {
                    fence.code.push_str(&text);
                }
            }
            _ => {}
        }
    }
    last
}
