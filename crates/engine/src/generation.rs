//! One reply while it is being written.

use std::time::Instant;

use engawa_engine_protocol::{EngineEvent, GenerateError, RequestId, Sampling, Timings, ToolCall};

use crate::llama::{
    AppliedTemplate, Context, LlamaError, Model, ReplyDelta, ReplyParser, Row, Sampler, Token, Vocabulary,
};
use crate::prompt::Prompt;
use crate::text_stream::TextStream;

/// The state of a reply: how its tokens are chosen, and what became of them.
pub(crate) struct Generation<'model> {
    id: RequestId,
    model: &'model Model,
    sampler: Sampler<'model>,
    sampling: Sampling,
    seed: u32,
    stream: TextStream,
    parser: ReplyParser,
    /// Control tokens that the parser must see.
    preserved: Vec<Token>,
    pub(crate) timings: Timings,
    arrived: Instant,
    first_token: Option<Instant>,
}

/// What a chosen token came to.
pub(crate) enum Written {
    /// The reply goes on with this token.
    Token(Token),
    /// The model ended its turn.
    End,
    /// A stop text was written.
    StopText,
}

impl<'model> Generation<'model> {
    /// Begins a reply to a prompt whose tokens are in the context.
    ///
    /// # Errors
    /// [`GenerateError::Sampling`] for settings that llama.cpp can't use.
    #[expect(clippy::too_many_arguments, reason = "everything a reply is made of, once")]
    pub(crate) fn new(
        id: RequestId,
        model: &'model Model,
        n_ctx: u32,
        prompt: &Prompt,
        sampling: Sampling,
        stops: Vec<String>,
        context_tokens: &[Token],
        timings: Timings,
        arrived: Instant,
    ) -> Result<Self, GenerateError> {
        let vocabulary = model.vocabulary();
        let seed = sampling.seed.unwrap_or_else(random_seed);
        let sampler = make_sampler(model, &sampling, n_ctx, seed, context_tokens)?;
        let Prompt { applied, written, .. } = prompt;
        let parser =
            make_parser(applied, written).map_err(|error| GenerateError::TemplateRefused { reason: error.0 })?;
        let preserved = applied.preserved_tokens.iter().filter_map(|text| single_token(vocabulary, text)).collect();
        let stream = TextStream::new(stops.into_iter().chain(applied.additional_stops.iter().cloned()));
        Ok(Self { id, model, sampler, sampling, seed, stream, parser, preserved, timings, arrived, first_token: None })
    }

    /// Goes on with other settings.
    ///
    /// # Errors
    /// [`GenerateError::Sampling`]; the old settings stay then.
    pub(crate) fn update(
        &mut self,
        n_ctx: u32,
        sampling: Sampling,
        context_tokens: &[Token],
    ) -> Result<EngineEvent, GenerateError> {
        // Not the first seed again: the new sampler would draw the numbers that the old one already used.
        let seed = sampling.seed.unwrap_or(self.seed).wrapping_add(self.timings.generated_tokens);
        self.sampler = make_sampler(self.model, &sampling, n_ctx, seed, context_tokens)?;
        self.sampling = sampling;
        Ok(EngineEvent::SamplingApplied { id: self.id, from_token: self.timings.generated_tokens })
    }

    /// Whether `max_tokens` is reached.
    pub(crate) fn is_at_limit(&self) -> bool {
        self.sampling.max_tokens.is_some_and(|limit| self.timings.generated_tokens >= limit)
    }

    /// Chooses the next token; gives the text to show, if any.
    ///
    /// # Errors
    /// What llama.cpp says when it can't choose.
    pub(crate) fn next(
        &mut self,
        context: &Context<'_>,
        row: Row,
    ) -> Result<(Written, Option<EngineEvent>), LlamaError> {
        let token = self.sampler.sample(context, row)?;
        let now = Instant::now();
        let first = *self.first_token.get_or_insert(now);
        self.timings.first_token_us = micros(first - self.arrived);
        self.timings.generation_us = micros(now - first);
        let vocabulary = self.model.vocabulary();
        if vocabulary.is_end(token) {
            return Ok((Written::End, self.finish()?));
        }
        self.timings.generated_tokens += 1;
        let emitted = self.stream.push(&vocabulary.piece(token, self.preserved.contains(&token))?);
        if emitted.stopped {
            let delta = self.parser.push(&emitted.text, true)?;
            return Ok((Written::StopText, self.event(delta)));
        }
        let delta =
            if emitted.text.is_empty() { ReplyDelta::default() } else { self.parser.push(&emitted.text, false)? };
        Ok((Written::Token(token), self.event(delta)))
    }

    /// Ends the text: what was held back comes out.
    ///
    /// # Errors
    /// What the parser says.
    pub(crate) fn finish(&mut self) -> Result<Option<EngineEvent>, LlamaError> {
        let rest = self.stream.finish();
        let delta = self.parser.push(&rest, true)?;
        Ok(self.event(delta))
    }

    /// The tools that the finished text calls.
    ///
    /// # Errors
    /// What the parser says.
    pub(crate) fn tool_calls(&self) -> Result<Vec<ToolCall>, LlamaError> {
        self.parser.tool_calls()
    }

    fn event(&self, delta: ReplyDelta) -> Option<EngineEvent> {
        if delta == ReplyDelta::default() {
            return None;
        }
        let ReplyDelta { reasoning, content } = delta;
        Some(EngineEvent::Text { id: self.id, reasoning, content, generated: self.timings.generated_tokens })
    }
}

/// A parser that has seen what the reply begins with, so that it gives out only what is new.
fn make_parser(applied: &AppliedTemplate, written: &str) -> Result<ReplyParser, LlamaError> {
    let mut parser = ReplyParser::new(applied)?;
    if !written.is_empty() {
        parser.push(written, false)?;
    }
    Ok(parser)
}

/// A sampler that knows the tokens its penalties look back on.
fn make_sampler<'model>(
    model: &'model Model,
    sampling: &Sampling,
    n_ctx: u32,
    seed: u32,
    context_tokens: &[Token],
) -> Result<Sampler<'model>, GenerateError> {
    let make = || {
        let mut sampler = Sampler::new(model, sampling, n_ctx, seed)?;
        let window = usize::try_from(sampling.repeat_last_n).unwrap_or(context_tokens.len());
        for &token in &context_tokens[context_tokens.len().saturating_sub(window)..] {
            sampler.accept(token)?;
        }
        Ok(sampler)
    };
    make().map_err(|error: LlamaError| GenerateError::Sampling { reason: error.0 })
}

/// The token that a text is, if it is exactly one.
fn single_token(vocabulary: Vocabulary<'_>, text: &str) -> Option<Token> {
    let tokens = vocabulary.tokenize(text, crate::llama::TextKind::PromptPart).ok()?;
    match tokens.as_slice() {
        [token] => Some(*token),
        _ => None,
    }
}

/// A seed from the operating system's randomness, which every new `RandomState` is made of.
fn random_seed() -> u32 {
    use std::hash::{BuildHasher, RandomState};
    let random = RandomState::new().hash_one(0_u8);
    (random >> 32) as u32
}

pub(crate) fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
