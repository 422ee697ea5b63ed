//! What goes into a batch, and what comes of it.

use std::time::{Duration, Instant};

use engawa_engine_protocol::{EngineEvent, FinishReason, GenerateError};

use super::{Inference, Part};
use crate::draft_heads::News;
use crate::drafter::Drafter;
use crate::llama::{DecodeOutcome, Token};
use crate::media::{MediaReader, is_shown};
use crate::sequence::Sequence;
use crate::task::{Step, Task};

/// How long replies that are being written may wait for a part of somebody's prompt.
const PROMPT_PART: Duration = Duration::from_millis(100);
/// The tokens of such a part before it is known how fast prompts are read, and the fewest.
const FIRST_PART: usize = 32;
const SMALLEST_PART: usize = 16;
/// For so many rounds nothing is drafted when drafts found no room.
const WITHOUT_DRAFTS: u32 = 32;

impl Inference<'_, '_> {
    /// Computes one batch and takes its results in.
    pub(super) fn compute(&mut self) {
        let parts = self.fill_batch();
        self.waits_for_media = parts.is_empty() && self.media.as_ref().is_some_and(MediaReader::is_computing);
        if parts.is_empty() {
            return;
        }
        self.context.set_threads(self.threads.threads());
        let began = Instant::now();
        match self.context.decode() {
            DecodeOutcome::Done => {
                self.take_results(&parts);
                self.note_time(&parts, began.elapsed());
            }
            outcome => self.give_up(&parts, outcome),
        }
    }

    /// Takes back a batch that was not computed, and goes on without it.
    pub(super) fn give_up(&mut self, parts: &[Part], outcome: DecodeOutcome) {
        // llama.cpp may hold a part of what it was given.
        for part in parts {
            let length = self.sequences[part.sequence].len();
            self.sequences[part.sequence].cut(&mut self.context, length);
        }
        self.recover(parts, outcome);
    }

    /// Puts a token of each reply into the batch, then parts of prompts as far as they fit.
    fn fill_batch(&mut self) -> Vec<Part> {
        self.context.clear_batch();
        self.rounds_without_drafts = self.rounds_without_drafts.saturating_sub(1);
        let missing = |task: &Task<'_>, sequences: &[Sequence]| {
            let behind = task.sequence.map(|sequence| &task.tokens[sequences[sequence].len()..]);
            // What is shown does not go into a batch of tokens.
            behind.filter(|next| !next.first().is_some_and(|&token| is_shown(token))).map_or(0, <[Token]>::len)
        };
        let (writing, mut reading): (Vec<usize>, Vec<usize>) = (0..self.tasks.len())
            .filter(|&index| missing(&self.tasks[index], &self.sequences) > 0)
            .partition(|&index| missing(&self.tasks[index], &self.sequences) == 1);
        if !reading.is_empty() {
            let first = usize::try_from(self.round).unwrap_or(0) % reading.len();
            reading.rotate_left(first);
        }
        let mut room = self.context.batch_size();
        let mut parts = Vec::new();
        // A recurrent state can be taken back only of a sequence that was alone.
        let drafts = reading.is_empty() && (writing.len() == 1 || !self.context.needs_snapshots());
        for (index, &task) in writing.iter().enumerate() {
            let others = writing.len() - index - 1;
            let draft = if drafts { self.draft(task, room.saturating_sub(others + 1)) } else { Vec::new() };
            room -= self.add_part(&mut parts, task, 1.min(room), draft);
        }
        if !writing.is_empty() {
            room = room.min(self.prompt_part());
        }
        for &task in &reading {
            room -= self.add_part(&mut parts, task, room, Vec::new());
        }
        parts
    }

    /// What a reply may go on with, at most `room` tokens.
    fn draft(&mut self, index: usize, room: usize) -> Vec<Token> {
        if !self.drafts || self.rounds_without_drafts > 0 {
            return Vec::new();
        }
        let n_ctx = self.context.size();
        let room = room.min(self.context.longest_draft());
        let task = &mut self.tasks[index];
        let draft = if self.lookup { task.draft(n_ctx, room, &self.draft_cost) } else { Vec::new() };
        let (Some(drafter), Some(place)) = (self.drafter.as_mut().filter(|_| draft.is_empty()), task.sequence) else {
            return draft;
        };
        if task.has_media() {
            // It sees nothing.
            return Vec::new();
        }
        match task.model_draft_length(n_ctx, room, drafter.cost()) {
            0 => Vec::new(),
            length => {
                let draft = drafter.draft(self.sequences[place].index, &task.tokens, length);
                if draft.as_ref().is_some_and(Vec::is_empty) {
                    task.note_empty_draft();
                }
                draft.unwrap_or_default()
            }
        }
    }

    /// Adds at most `room` tokens of a task, and a draft of what follows; gives how many.
    fn add_part(&mut self, parts: &mut Vec<Part>, index: usize, room: usize, draft: Vec<Token>) -> usize {
        let task = &self.tasks[index];
        let Some(place) = task.sequence.filter(|_| room > 0) else { return 0 };
        let sequence = &self.sequences[place];
        let from = sequence.len();
        let end = task.tokens.len();
        let text = task.tokens[from..].iter().take_while(|&&token| !is_shown(token)).count();
        let mut to = from + text.min(room);
        if self.context.needs_snapshots() && to == end && to - from > 1 {
            // One place in front of the reply can be gone back to: another reply needs the last token again.
            to -= 1;
        }
        let tokens = [&task.tokens[from..to], &draft].concat();
        let rows = if to == end { draft.len() + 1 } else { 0 };
        let begin = self.context.batch_length();
        let rows = self.context.push(&tokens, sequence.position(), sequence.index, rows);
        parts.push(Part { task: index, sequence: place, place: begin, tokens: to - from, draft, rows });
        tokens.len()
    }

    /// How many tokens of prompts go into a batch with replies, so that those don't stand still.
    fn prompt_part(&self) -> usize {
        let part = self.time_per_token.map_or(FIRST_PART, |took| {
            usize::try_from(PROMPT_PART.as_nanos() / took.as_nanos().max(1)).unwrap_or(usize::MAX)
        });
        part.clamp(SMALLEST_PART, self.context.batch_size())
    }

    fn note_time(&mut self, parts: &[Part], took: Duration) {
        if self.media.as_ref().is_some_and(MediaReader::is_computing) {
            // Beside that, nothing takes the time that it takes otherwise.
            self.drafter.as_mut().map(Drafter::take_spent);
            return;
        }
        if parts.iter().all(|part| part.tokens == 1 && !part.rows.is_empty()) {
            let drafted = parts.iter().map(|part| part.draft.len()).sum();
            if parts.len() + drafted == 1 {
                self.threads.note(took);
            }
            let spent = self.drafter.as_mut().map_or(Duration::ZERO, Drafter::take_spent);
            if spent.is_zero() {
                self.draft_cost.note(parts.len(), drafted, took);
            }
            // Of each kind of draft, the batches with it are compared with those that have none.
            let is_plain = drafted == 0 && spent.is_zero();
            let is_of_model = drafted > 0 && !spent.is_zero();
            if let Some(drafter) = self.drafter.as_mut().filter(|_| is_plain || is_of_model) {
                drafter.cost().note(parts.len(), drafted, took + spent);
            }
            return;
        }
        let tokens: usize = parts.iter().map(|part| part.tokens).sum();
        if tokens < SMALLEST_PART {
            return;
        }
        let each = took / u32::try_from(tokens).unwrap_or(u32::MAX);
        self.time_per_token = Some(self.time_per_token.map_or(each, |before| (before * 7 + each * 3) / 10));
    }

    pub(super) fn take_results(&mut self, parts: &[Part]) {
        let before: Vec<usize> = parts.iter().map(|part| self.sequences[part.sequence].len()).collect();
        for (part, &from) in parts.iter().zip(&before) {
            let task = &self.tasks[part.task];
            let sequence = &mut self.sequences[part.sequence];
            sequence.extend(&task.tokens[from..from + part.tokens]);
            if !task.is_writing() {
                let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
                let (processed, total) = (count(sequence.len()), count(task.tokens.len()));
                self.outbox.send(&EngineEvent::PromptProgress { id: task.id(), processed, total });
                if !part.rows.is_empty() {
                    sequence.begin_reply();
                } else if sequence.len() + 1 == task.tokens.len() {
                    sequence.take_snapshot(&mut self.context);
                }
            }
        }
        let mut steps = Vec::new();
        for part in parts {
            steps.push((part.task, self.write(part)));
        }
        if let Some(drafter) = self.drafter.as_mut().filter(|_| self.drafts) {
            for (part, &from) in parts.iter().zip(&before) {
                let sequence = &self.sequences[part.sequence];
                // It sees nothing.
                if !self.tasks[part.task].has_media() && from < sequence.len() {
                    let news = News { sequence: sequence.index, tokens: sequence.tokens(), from, place: part.place };
                    drafter.follow(&self.context, &news);
                }
            }
        }
        // From behind, so that the others keep their places.
        steps.sort_by_key(|(task, _)| std::cmp::Reverse(*task));
        for (task, step) in steps {
            self.after(task, step);
        }
    }

    /// Writes the token behind a part, and those behind its draft for as long as that is right.
    fn write(&mut self, part: &Part) -> Step {
        let mut step = Step::GoesOn;
        let mut accepted = 0;
        for (index, &row) in part.rows.iter().enumerate() {
            let task = &mut self.tasks[part.task];
            step = task.write(self.model, &self.context, row, self.outbox);
            let drafted = part.draft.get(index);
            if !matches!(step, Step::GoesOn) || drafted.is_none() || drafted != task.tokens.last() {
                break;
            }
            self.sequences[part.sequence].extend(&part.draft[index..=index]);
            accepted += 1;
        }
        if !part.draft.is_empty() {
            self.tasks[part.task].note_draft(part.draft.len(), accepted);
        }
        if accepted < part.draft.len() {
            let sequence = &mut self.sequences[part.sequence];
            let length = sequence.len();
            sequence.cut(&mut self.context, length);
            self.drafts &= sequence.len() == length;
        }
        step
    }

    /// Goes on after a batch that was not computed.
    fn recover(&mut self, parts: &[Part], outcome: DecodeOutcome) {
        match outcome {
            // Who set the flag is among the requests that are taken in next.
            DecodeOutcome::Done | DecodeOutcome::Aborted => {}
            DecodeOutcome::CacheFull if parts.iter().any(|part| !part.draft.is_empty()) => {
                self.rounds_without_drafts = WITHOUT_DRAFTS;
            }
            DecodeOutcome::CacheFull => {
                if !self.make_room() {
                    self.end_for_lack_of_room(parts);
                }
            }
            DecodeOutcome::Failed(status) => {
                let mut tasks: Vec<usize> = parts.iter().map(|part| part.task).collect();
                tasks.sort_unstable();
                for task in tasks.into_iter().rev() {
                    self.after(task, Step::Fails(GenerateError::Decode { status }));
                }
            }
        }
    }

    fn end_for_lack_of_room(&mut self, parts: &[Part]) {
        let Some(part) = parts.first() else { return };
        let task = &mut self.tasks[part.task];
        let step = if task.is_writing() {
            task.end(FinishReason::ContextFull, self.outbox)
        } else {
            let tokens = task.tokens.len();
            Step::Fails(self.context_too_small(tokens))
        };
        self.after(part.task, step);
    }
}
