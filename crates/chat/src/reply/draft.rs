//! A reply's text so far.

use std::time::Instant;

/// What was written, and what of it was shown and stored.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) content: String,
    pub(crate) reasoning: String,
    pub(crate) generated: u32,
    shown_content: usize,
    shown_reasoning: usize,
    stored: (usize, usize),
    thinking_since: Option<Instant>,
    thought_ms: Option<i64>,
    /// How long it had thought before it was continued.
    thought_before_ms: Option<i64>,
}

impl Draft {
    /// A reply that goes on from what was written before.
    pub(crate) fn continued(content: String, reasoning: String, thought_before_ms: Option<i64>) -> Self {
        let (shown_content, shown_reasoning) = (content.len(), reasoning.len());
        let stored = (shown_content, shown_reasoning);
        Self { content, reasoning, shown_content, shown_reasoning, stored, thought_before_ms, ..Self::default() }
    }

    pub(crate) fn push(&mut self, reasoning: &str, content: &str, generated: u32, now: Instant) {
        self.generated = generated;
        if !reasoning.is_empty() {
            self.thinking_since.get_or_insert(now);
            self.reasoning.push_str(reasoning);
        }
        if !content.is_empty() {
            self.content.push_str(content);
            self.end_thinking(now);
        }
    }

    /// Thinking ends with the first word of the reply, or with the reply.
    pub(crate) fn end_thinking(&mut self, now: Instant) {
        if let (Some(since), None) = (self.thinking_since, self.thought_ms) {
            self.thought_ms = i64::try_from((now - since).as_millis()).ok();
        }
    }

    /// How long it thought, in milliseconds, once it is over.
    pub(crate) fn thought_ms(&self) -> Option<i64> {
        match (self.thought_before_ms, self.thought_ms) {
            (Some(before), Some(now)) => Some(before + now),
            (before, now) => before.or(now),
        }
    }

    /// What was written since the last call: thinking and text.
    pub(crate) fn take_unshown(&mut self) -> Option<(String, String)> {
        let reasoning = self.reasoning[self.shown_reasoning..].to_owned();
        let content = self.content[self.shown_content..].to_owned();
        self.shown_reasoning = self.reasoning.len();
        self.shown_content = self.content.len();
        (!reasoning.is_empty() || !content.is_empty()).then_some((reasoning, content))
    }

    /// Whether something was written since the last time that this was true.
    pub(crate) fn needs_storing(&mut self) -> bool {
        let now = (self.content.len(), self.reasoning.len());
        std::mem::replace(&mut self.stored, now) != now
    }
}
