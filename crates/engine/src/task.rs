//! A request while it is answered.

use std::sync::Arc;
use std::time::Instant;

use engawa_engine_protocol::{EngineEvent, FinishReason, GenerateError, GenerateRequest, RequestId, Sampling, Timings};

use crate::generation::{Generation, Written};
use crate::llama::{Context, LlamaError, Model, Row, Token};
use crate::media::{Shown, is_shown};
use crate::outbox::Outbox;
use crate::prompt::Prompt;
use crate::speculation::{DraftCost, Drafts};

/// A request with what has become of it.
///
/// All of its tokens, the prompt's and the reply's, have to be in its sequence; whatever is missing there is computed.
/// So a sequence may be taken away at any time: the task goes on when it has one again.
pub(crate) struct Task<'model> {
    pub(crate) request: GenerateRequest,
    arrived: Instant,
    /// What the template made of the request, once it was its turn.
    pub(crate) prompt: Option<Prompt>,
    /// The prompt's tokens, then the reply's.
    pub(crate) tokens: Vec<Token>,
    /// Its place among the context's sequences, while it has one.
    pub(crate) sequence: Option<usize>,
    /// The cache had no room for it: it waits until another task has ended.
    pub(crate) waits_for_room: bool,
    generation: Option<Generation<'model>>,
    drafts: Drafts,
    timings: Timings,
}

/// What a step came to.
pub(crate) enum Step {
    /// There is more to write.
    GoesOn,
    /// The reply is whole.
    Ends(FinishReason),
    /// It can't go on.
    Fails(GenerateError),
}

impl From<LlamaError> for Step {
    fn from(error: LlamaError) -> Self {
        Self::Fails(GenerateError::Sampling { reason: error.0 })
    }
}

impl<'model> Task<'model> {
    pub(crate) fn new(request: GenerateRequest) -> Self {
        Self {
            request,
            arrived: Instant::now(),
            prompt: None,
            tokens: Vec::new(),
            sequence: None,
            waits_for_room: false,
            generation: None,
            drafts: Drafts::default(),
            timings: Timings::default(),
        }
    }

    pub(crate) fn id(&self) -> RequestId {
        self.request.id
    }

    /// Whether its reply has begun.
    pub(crate) fn is_writing(&self) -> bool {
        self.generation.is_some()
    }

    /// Whether there is anything but text in its prompt.
    pub(crate) fn has_media(&self) -> bool {
        self.prompt.as_ref().is_some_and(|prompt| !prompt.shown.is_empty())
    }

    /// What is to be shown behind its first `length` tokens, if that is what comes there.
    pub(crate) fn next_shown(&self, length: usize) -> Option<Arc<Shown>> {
        let next = self.tokens.get(length..).filter(|next| next.first().is_some_and(|&token| is_shown(token)))?;
        self.prompt.as_ref()?.shown.iter().find(|shown| next.starts_with(&shown.tokens)).cloned()
    }

    /// Notes how much of the prompt was in the cache.
    pub(crate) fn note_reused(&mut self, reused: usize) {
        if self.generation.is_some() {
            return;
        }
        self.timings.prompt_tokens = count(self.tokens.len());
        self.timings.reused_tokens = count(reused);
        self.timings.processed_tokens = count(self.tokens.len() - reused);
    }

    /// Takes over other settings.
    pub(crate) fn update_sampling(&mut self, sampling: Sampling, outbox: &mut Outbox) -> Step {
        self.request.sampling = sampling;
        if let Some(generation) = &mut self.generation {
            match generation.update(sampling, &self.tokens) {
                Ok(event) => outbox.send(&event),
                Err(error) => return Step::Fails(error),
            }
        }
        Step::GoesOn
    }

    /// All tokens are in the cache and `row` is behind the last: chooses the next one.
    pub(crate) fn write(&mut self, model: &'model Model, context: &Context<'_>, row: Row, outbox: &mut Outbox) -> Step {
        let generation = match self.generation.take() {
            Some(generation) => generation,
            None => match self.begin(model, context.size()) {
                Ok(generation) => generation,
                Err(error) => return Step::Fails(error),
            },
        };
        let generation = self.generation.insert(generation);
        if generation.is_at_limit() {
            return self.end(FinishReason::MaxTokens, outbox);
        }
        let (written, events) = match generation.next(context, row, &self.tokens) {
            Ok(next) => next,
            Err(error) => return Step::Fails(error),
        };
        for event in &events {
            outbox.send(event);
        }
        match written {
            Written::Token(token) => self.tokens.push(token),
            Written::End => return self.end_turn(outbox),
            Written::StopText => {
                return self.tell_calls(outbox).map_or_else(Step::from, |_| Step::Ends(FinishReason::StopText));
            }
        }
        if self.generation.as_ref().is_some_and(Generation::is_at_limit) {
            return self.end(FinishReason::MaxTokens, outbox);
        }
        if self.tokens.len() > context.size() as usize {
            return self.end(FinishReason::ContextFull, outbox);
        }
        Step::GoesOn
    }

    fn begin(&self, model: &'model Model, n_ctx: u32) -> Result<Generation<'model>, GenerateError> {
        let Some(prompt) = &self.prompt else { return Err(GenerateError::Sampling { reason: "no prompt".into() }) };
        Generation::new(model, &self.request, prompt, n_ctx, &self.tokens, self.timings, self.arrived)
    }

    /// What the reply may go on with because it did before, at most `room` tokens.
    pub(crate) fn draft(&mut self, n_ctx: u32, room: usize, cost: &DraftCost) -> Vec<Token> {
        let room = self.draft_room(n_ctx, room);
        if room == 0 {
            return Vec::new();
        }
        let mut draft = self.drafts.draft(&self.tokens, room, cost);
        draft.truncate(draft.iter().take_while(|&&token| !is_shown(token)).count());
        draft
    }

    /// How many tokens a model should draft, at most `room`.
    pub(crate) fn model_draft_length(&mut self, n_ctx: u32, room: usize, cost: &DraftCost) -> usize {
        let room = self.draft_room(n_ctx, room);
        if room == 0 { 0 } else { self.drafts.model_length(cost).min(room) }
    }

    /// How many of `room` drafted tokens the reply could still take.
    fn draft_room(&self, n_ctx: u32, room: usize) -> usize {
        let Some(generation) = &self.generation else { return 0 };
        let in_context = (n_ctx as usize).saturating_sub(self.tokens.len());
        // The last token is chosen behind the draft.
        let to_limit = generation.tokens_to_limit().saturating_sub(1);
        room.min(in_context).min(to_limit)
    }

    /// Takes into account that a model had nothing to draft where it should have.
    pub(crate) fn note_empty_draft(&mut self) {
        self.drafts.note(1, 0);
    }

    /// Takes into account that the first `accepted` of `drafted` tokens were right.
    pub(crate) fn note_draft(&mut self, drafted: usize, accepted: usize) {
        self.drafts.note(drafted, accepted);
        if let Some(generation) = &mut self.generation {
            generation.timings.drafted_tokens += count(drafted);
            generation.timings.accepted_tokens += count(accepted);
        }
    }

    /// Tells what is written and was not told yet, because the reply has to wait.
    pub(crate) fn flush(&mut self, outbox: &mut Outbox) {
        if let Some(Ok(Some(event))) = self.generation.as_mut().map(Generation::flush) {
            outbox.send(&event);
        }
    }

    /// Tells the rest of a reply that fails.
    pub(crate) fn tell_rest(&mut self, outbox: &mut Outbox) {
        if let Some(Ok(Some(event))) = self.generation.as_mut().map(Generation::finish) {
            outbox.send(&event);
        }
    }

    /// Ends the reply where it is: what was held back of its text comes out.
    pub(crate) fn end(&mut self, reason: FinishReason, outbox: &mut Outbox) -> Step {
        match self.generation.as_mut().map(Generation::finish).transpose() {
            Ok(event) => {
                if let Some(event) = event.flatten() {
                    outbox.send(&event);
                }
                // What was begun of a call is not in the text.
                self.tell_calls(outbox).map_or_else(Step::from, |_| Step::Ends(reason))
            }
            Err(error) => error.into(),
        }
    }

    /// The model ended its turn; it may have called tools in it.
    fn end_turn(&mut self, outbox: &mut Outbox) -> Step {
        match self.tell_calls(outbox) {
            Ok(true) => Step::Ends(FinishReason::ToolCalls),
            Ok(false) => Step::Ends(FinishReason::EndOfTurn),
            Err(error) => error.into(),
        }
    }

    /// Tells which tools the finished text calls; whether it calls any.
    fn tell_calls(&mut self, outbox: &mut Outbox) -> Result<bool, LlamaError> {
        let calls = self.generation.as_ref().map(Generation::tool_calls).transpose()?.unwrap_or_default();
        if calls.is_empty() {
            return Ok(false);
        }
        outbox.send(&EngineEvent::ToolsCalled { id: self.id(), calls });
        Ok(true)
    }

    /// What the reply cost so far.
    pub(crate) fn timings(&self) -> Timings {
        self.generation.as_ref().map_or(self.timings, |generation| generation.timings)
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
