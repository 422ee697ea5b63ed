//! One reply while it is being written.

use std::time::{Duration, Instant};

use engawa_engine_protocol::{
    Decoding, EngineEvent, GenerateError, GenerateRequest, RequestId, Sampling, Timings, ToolCall,
};
use serde_json::Value;

use crate::llama::{
    AppliedTemplate, Context, LlamaError, Model, ReplyDelta, ReplyParser, Row, Sampler, TextKind, Token, Vocabulary,
};
use crate::logprobs::token_logprob;
use crate::media::is_shown;
use crate::prompt::{Prompt, constraint_error};
use crate::text_stream::TextStream;

/// How long the choice of one token may take under a grammar: some have ever more ways to go on.
const PATIENCE: Duration = Duration::from_secs(2);

/// The state of a reply: how its tokens are chosen, and what became of them.
pub(crate) struct Generation<'model> {
    id: RequestId,
    plan: SamplerPlan<'model>,
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
    /// As [`SamplerPlan::make`], and [`GenerateError::TemplateRefused`].
    pub(crate) fn new(
        model: &'model Model,
        request: &GenerateRequest,
        prompt: &Prompt,
        n_ctx: u32,
        context_tokens: &[Token],
        timings: Timings,
        arrived: Instant,
    ) -> Result<Self, GenerateError> {
        let vocabulary = model.vocabulary();
        let GenerateRequest { id, sampling, .. } = *request;
        let seed = sampling.seed.unwrap_or_else(random_seed);
        let plan = SamplerPlan::new(model, request, prompt, n_ctx, context_tokens.len())?;
        let sampler = plan.make(&sampling, seed, context_tokens)?;
        let Prompt { applied, written, .. } = prompt;
        let parser =
            make_parser(applied, written).map_err(|error| GenerateError::TemplateRefused { reason: error.0 })?;
        let preserved = applied.preserved_tokens.iter().filter_map(|text| single_token(vocabulary, text)).collect();
        let stream = TextStream::new(request.stop.iter().chain(&applied.additional_stops).cloned());
        let first_token = None;
        Ok(Self { id, plan, sampler, sampling, seed, stream, parser, preserved, timings, arrived, first_token })
    }

    /// Goes on with other settings.
    ///
    /// # Errors
    /// As [`SamplerPlan::make`]; the old settings stay then.
    pub(crate) fn update(
        &mut self,
        sampling: Sampling,
        context_tokens: &[Token],
    ) -> Result<EngineEvent, GenerateError> {
        // Not the first seed again: the new sampler would draw the numbers that the old one already used.
        let seed = sampling.seed.unwrap_or(self.seed).wrapping_add(self.timings.generated_tokens);
        self.sampler = self.plan.make(&sampling, seed, context_tokens)?;
        self.sampling = sampling;
        Ok(EngineEvent::SamplingApplied { id: self.id, from_token: self.timings.generated_tokens })
    }

    /// Whether `max_tokens` is reached.
    pub(crate) fn is_at_limit(&self) -> bool {
        self.sampling.max_tokens.is_some_and(|limit| self.timings.generated_tokens >= limit)
    }

    /// How many tokens may be written yet.
    pub(crate) fn tokens_to_limit(&self) -> usize {
        let limit = self.sampling.max_tokens.unwrap_or(u32::MAX);
        limit.saturating_sub(self.timings.generated_tokens) as usize
    }

    /// Chooses the next token; gives what there is to tell of it.
    ///
    /// # Errors
    /// What llama.cpp says when it can't choose.
    pub(crate) fn next(
        &mut self,
        context: &Context<'_>,
        row: Row,
        context_tokens: &[Token],
    ) -> Result<(Written, Vec<EngineEvent>), GenerateError> {
        let asked = Instant::now();
        let token = self.choose(context, row, context_tokens)?;
        let now = Instant::now();
        if self.plan.grammar.is_some() && now - asked > PATIENCE {
            if !self.plan.give_up_calls() {
                return Err(constraint_error("the choice of a token takes too long with it"));
            }
            self.update(self.sampling, context_tokens)?;
            self.sampler.accept(token, true).map_err(|error| self.plan.error(error))?;
        }
        let first = *self.first_token.get_or_insert(now);
        self.timings.first_token_us = micros(first - self.arrived);
        self.timings.generation_us = micros(now - first);
        self.tell(context, row, token).map_err(|error| self.plan.error(error))
    }

    fn choose(&mut self, context: &Context<'_>, row: Row, context_tokens: &[Token]) -> Result<Token, GenerateError> {
        match self.sampler.sample(context, row) {
            // One token opened a call and went on in a way that no call has: what it is can be seen at its end.
            Err(_) if self.plan.give_up_calls() => {
                self.update(self.sampling, context_tokens)?;
                self.sampler.sample(context, row).map_err(|error| self.plan.error(error))
            }
            chosen => chosen.map_err(|error| self.plan.error(error)),
        }
    }

    fn tell(
        &mut self,
        context: &Context<'_>,
        row: Row,
        token: Token,
    ) -> Result<(Written, Vec<EngineEvent>), LlamaError> {
        let vocabulary = self.plan.model.vocabulary();
        let mut events = Vec::new();
        if vocabulary.is_end(token) {
            events.extend(self.finish()?);
            return Ok((Written::End, events));
        }
        if let Some(top) = self.plan.decoding.logprobs {
            let token = token_logprob(vocabulary, context.logits(row), token, top)?;
            events.push(EngineEvent::TokenChosen { id: self.id, token });
        }
        self.timings.generated_tokens += 1;
        let emitted = self.stream.push(&vocabulary.piece(token, self.preserved.contains(&token))?);
        let delta = if emitted.text.is_empty() && !emitted.stopped {
            ReplyDelta::default()
        } else {
            self.parser.push(&emitted.text, emitted.stopped)?
        };
        events.extend(self.event(delta));
        Ok((if emitted.stopped { Written::StopText } else { Written::Token(token) }, events))
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

    /// What is written and was not told yet: nobody knows when the reply goes on.
    ///
    /// # Errors
    /// What the parser says.
    pub(crate) fn flush(&mut self) -> Result<Option<EngineEvent>, LlamaError> {
        let delta = self.parser.flush("")?;
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
    parser.flush(written)?;
    Ok(parser)
}

/// What all samplers of a reply are made of; another is made when its settings change.
pub(crate) struct SamplerPlan<'model> {
    model: &'model Model,
    decoding: Decoding,
    /// What llama.cpp holds the reply to.
    grammar: Option<Value>,
    /// What the reply began with already.
    written: Vec<Token>,
    n_ctx: u32,
    /// Tokens in front of the reply.
    prompt_length: usize,
}

impl<'model> SamplerPlan<'model> {
    /// Takes from a request what concerns samplers.
    ///
    /// # Errors
    /// [`GenerateError::Sampling`] for tokens that the model does not have.
    pub(crate) fn new(
        model: &'model Model,
        request: &GenerateRequest,
        prompt: &Prompt,
        n_ctx: u32,
        prompt_length: usize,
    ) -> Result<Self, GenerateError> {
        let vocabulary = model.vocabulary();
        let decoding = request.decoding.clone();
        if let Some(bias) = decoding.logit_bias.iter().find(|bias| !(0..vocabulary.len()).contains(&bias.token)) {
            return Err(GenerateError::Sampling { reason: format!("the model has no token {}", bias.token) });
        }
        let grammar = prompt.applied.grammar.clone();
        let written = match (&grammar, prompt.written.as_str()) {
            (None, _) | (_, "") => Vec::new(),
            (_, written) => vocabulary
                .tokenize(written, TextKind::Plain)
                .map_err(|error| GenerateError::Tokenize { reason: error.0 })?,
        };
        Ok(Self { model, decoding, grammar, written, n_ctx, prompt_length })
    }

    /// A sampler that knows the tokens its penalties look back on, and what of the reply its grammar has seen.
    ///
    /// # Errors
    /// [`GenerateError::Sampling`], or [`GenerateError::Constraint`] if there is one.
    pub(crate) fn make(
        &self,
        sampling: &Sampling,
        seed: u32,
        context_tokens: &[Token],
    ) -> Result<Sampler<'model>, GenerateError> {
        let make = || {
            let mut sampler =
                Sampler::new(self.model, sampling, &self.decoding, self.grammar.as_ref(), self.n_ctx, seed)?;
            for &token in &self.written {
                sampler.accept(token, true)?;
            }
            let window = sampling.repeat_last_n.max(sampling.dry_penalty_last_n);
            let is_whole = sampling.repeat_last_n < 0 || sampling.dry_penalty_last_n < 0;
            let window = usize::try_from(window).ok().filter(|_| !is_whole).unwrap_or(context_tokens.len());
            let mut first = context_tokens.len().saturating_sub(window);
            if self.grammar.is_some() {
                first = first.min(self.prompt_length);
            }
            for (index, &token) in context_tokens.iter().enumerate().skip(first) {
                if is_shown(token) {
                    continue;
                }
                sampler.accept(token, index >= self.prompt_length)?;
            }
            Ok(sampler)
        };
        make().map_err(|error| self.error(error))
    }

    /// Holds calls of tools to no form any more; false when nothing held them.
    fn give_up_calls(&mut self) -> bool {
        self.decoding.constraint.is_none() && self.grammar.take().is_some()
    }

    fn error(&self, error: LlamaError) -> GenerateError {
        if self.grammar.is_some() { constraint_error(error.0) } else { GenerateError::Sampling { reason: error.0 } }
    }
}

/// The token that a text is, if it is exactly one.
fn single_token(vocabulary: Vocabulary<'_>, text: &str) -> Option<Token> {
    let tokens = vocabulary.tokenize(text, TextKind::PromptPart).ok()?;
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

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
