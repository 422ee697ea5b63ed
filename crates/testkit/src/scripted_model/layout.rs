use super::plan::{JUNCTIONS, Plan};

/// Which feature of the hidden state means what.
#[derive(Debug)]
pub(super) struct Layout {
    /// The code words begin at feature 0.
    pub(super) ballast: usize,
    /// The token opens a message.
    pub(super) message_start: usize,
    /// The token closes a message.
    pub(super) message_end: usize,
    /// The token is a trigger.
    pub(super) trigger: usize,
    /// `1 / (2n - 1)` in message number `n`; written by the first attention.
    pub(super) age: usize,
    /// How much older than this message a trigger must be to be out of scope; written by the first feed-forward part.
    pub(super) distance: usize,
    junctions: usize,
    targets: usize,
    rules: usize,
    selected: usize,
    openings: usize,
    /// The length of the hidden state, a multiple of 64.
    pub(super) dimension: usize,
}

impl Layout {
    pub(super) fn new(plan: &Plan) -> Self {
        let mut next = plan.code.features();
        let mut take = |count: usize| {
            let first = next;
            next += count;
            first
        };
        Self {
            ballast: take(1),
            message_start: take(1),
            message_end: take(1),
            trigger: take(1),
            age: take(1),
            distance: take(1),
            junctions: take(JUNCTIONS),
            targets: take(plan.targets.len()),
            rules: take(plan.triggers.len()),
            selected: take(plan.triggers.len()),
            openings: take(plan.openings.len()),
            dimension: take(0).next_multiple_of(64),
        }
    }

    /// The token is this junction.
    pub(super) fn junction(&self, index: usize) -> usize {
        self.junctions + index
    }

    /// The token leads to this target.
    pub(super) fn target(&self, index: usize) -> usize {
        self.targets + index
    }

    /// The token triggers this rule, counted without the default.
    pub(super) fn rule(&self, index: usize) -> usize {
        self.rules + index
    }

    /// The part of this rule among the deciding triggers; written by the second attention.
    pub(super) fn selected(&self, index: usize) -> usize {
        self.selected + index
    }

    /// The reply goes on with this opening; written by the second feed-forward part.
    pub(super) fn opening(&self, index: usize) -> usize {
        self.openings + index
    }
}
