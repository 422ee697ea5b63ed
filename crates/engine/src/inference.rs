//! The loop of the one inference thread: requests in, batches through the model, events out.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Instant;

use engawa_engine_protocol::{
    ContinueFinal, EngineEvent, EngineRequest, FinishReason, GenerateError, GenerateRequest, LoadError, PromptCount,
    PromptMessage, RequestId, Sampling, Timings, ToolDefinition,
};

use crate::child::{Signals, list_devices};
use crate::generation::{Generation, Written};
use crate::llama::{Context, DecodeOutcome, Model, Templates, Token};
use crate::outbox::Outbox;
use crate::prompt::{MarkerGuard, Prompt, build_prompt, count_messages};
use crate::sequence::Sequence;

/// A loaded model with all that answering needs.
pub(crate) struct Inference<'model, 'io> {
    pub(crate) model: &'model Model,
    pub(crate) context: Context<'model>,
    pub(crate) templates: Templates<'model>,
    pub(crate) guard: MarkerGuard,
    pub(crate) sequence: Sequence,
    pub(crate) requests: &'io Receiver<EngineRequest>,
    pub(crate) outbox: &'io mut Outbox,
    pub(crate) signals: &'static Signals,
    pub(crate) waiting: VecDeque<GenerateRequest>,
}

/// The app closed the pipe: the engine ends.
pub(crate) struct Closed;

/// What arrived for the running request while a batch was computed.
#[derive(Default)]
struct Interruption {
    cancelled: bool,
    sampling: Option<Sampling>,
}

/// Why a reply ended early.
enum Stop {
    Closed,
    Cancelled,
    Failed(GenerateError),
}

impl From<Closed> for Stop {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

impl From<GenerateError> for Stop {
    fn from(error: GenerateError) -> Self {
        Self::Failed(error)
    }
}

impl From<crate::llama::LlamaError> for Stop {
    fn from(error: crate::llama::LlamaError) -> Self {
        Self::Failed(GenerateError::Sampling { reason: error.0 })
    }
}

impl Inference<'_, '_> {
    /// Answers requests until the app closes the pipe.
    pub(crate) fn run(mut self) {
        loop {
            if let Some(request) = self.waiting.pop_front() {
                if self.generate(request).is_err() {
                    return;
                }
                continue;
            }
            match self.requests.recv() {
                Ok(request) => {
                    self.signals.abort_seen();
                    self.accept(request, None);
                }
                Err(_) => return,
            }
        }
    }

    /// Takes a request in; what concerns `running` is returned instead of done.
    fn accept(&mut self, request: EngineRequest, running: Option<RequestId>) -> Interruption {
        let mut interruption = Interruption::default();
        match request {
            EngineRequest::Generate(request) => self.waiting.push_back(request),
            EngineRequest::CountPrompt { id, messages } => {
                let event = match self.count(&messages) {
                    Ok(count) => EngineEvent::PromptCounted { id, count },
                    Err(error) => EngineEvent::RequestFailed { id, error },
                };
                self.outbox.send(&event);
            }
            EngineRequest::Cancel { id } if running == Some(id) => interruption.cancelled = true,
            EngineRequest::Cancel { id } => {
                if let Some(index) = self.waiting.iter().position(|request| request.id == id) {
                    self.waiting.remove(index);
                    let event =
                        EngineEvent::Finished { id, reason: FinishReason::Cancelled, timings: Timings::default() };
                    self.outbox.send(&event);
                }
            }
            EngineRequest::UpdateSampling { id, sampling } if running == Some(id) => {
                interruption.sampling = Some(sampling);
            }
            EngineRequest::UpdateSampling { id, sampling } => {
                if let Some(request) = self.waiting.iter_mut().find(|request| request.id == id) {
                    request.sampling = sampling;
                }
            }
            EngineRequest::ListDevices => self.outbox.send(&EngineEvent::Devices { devices: list_devices() }),
            EngineRequest::LoadModel(_) => {
                let error = LoadError::Refused { reason: "this engine already has a model".into() };
                self.outbox.send(&EngineEvent::LoadFailed(error));
            }
            EngineRequest::Hello { .. } | EngineRequest::CancelLoad => {}
        }
        interruption
    }

    /// Takes in all that arrived, without waiting.
    fn poll(&mut self, running: RequestId) -> Result<Interruption, Closed> {
        let mut all = Interruption::default();
        self.signals.abort_seen();
        loop {
            match self.requests.try_recv() {
                Ok(request) => {
                    let one = self.accept(request, Some(running));
                    all.cancelled |= one.cancelled;
                    all.sampling = one.sampling.or(all.sampling);
                }
                Err(TryRecvError::Empty) => return Ok(all),
                Err(TryRecvError::Disconnected) => return Err(Closed),
            }
        }
    }

    fn count(&self, messages: &[PromptMessage]) -> Result<PromptCount, GenerateError> {
        let prompt = self.prompt(messages, &[], ContinueFinal::NewTurn)?;
        let messages = count_messages(self.model.vocabulary(), messages)?;
        Ok(PromptCount { total: u32::try_from(prompt.tokens.len()).unwrap_or(u32::MAX), messages })
    }

    fn prompt(
        &self,
        messages: &[PromptMessage],
        tools: &[ToolDefinition],
        continue_final: ContinueFinal,
    ) -> Result<Prompt, GenerateError> {
        build_prompt(&self.templates, self.model.vocabulary(), &self.guard, messages, tools, continue_final)
    }

    /// Writes one reply, from its prompt to its last event.
    fn generate(&mut self, request: GenerateRequest) -> Result<(), Closed> {
        let id = request.id;
        let mut timings = Timings::default();
        let event = match self.write_reply(request, &mut timings) {
            Ok(reason) => EngineEvent::Finished { id, reason, timings },
            Err(Stop::Cancelled) => EngineEvent::Finished { id, reason: FinishReason::Cancelled, timings },
            Err(Stop::Failed(error)) => EngineEvent::RequestFailed { id, error },
            Err(Stop::Closed) => return Err(Closed),
        };
        self.outbox.send(&event);
        Ok(())
    }

    fn write_reply(&mut self, request: GenerateRequest, timings: &mut Timings) -> Result<FinishReason, Stop> {
        let arrived = Instant::now();
        let id = request.id;
        let mut prompt = self.prompt(&request.messages, &request.tools, request.continue_final)?;
        let mut sampling = request.sampling;
        self.check_size(prompt.tokens.len())?;
        self.prefill(id, std::mem::take(&mut prompt.tokens), &mut sampling, timings)?;
        let mut generation = Generation::new(
            id,
            self.model,
            &self.context,
            &prompt,
            sampling,
            request.stop,
            self.sequence.tokens(),
            *timings,
            arrived,
        )?;
        self.sequence.begin_reply();
        let reason = self.write_tokens(id, &mut generation);
        *timings = generation.timings;
        reason
    }

    fn check_size(&self, prompt_tokens: usize) -> Result<(), GenerateError> {
        let prompt_tokens = u32::try_from(prompt_tokens).unwrap_or(u32::MAX);
        if prompt_tokens < self.context.size() { Ok(()) } else { Err(self.context_too_small(prompt_tokens)) }
    }

    /// Brings the prompt into the context, reusing what is there.
    fn prefill(
        &mut self,
        id: RequestId,
        prompt: Vec<Token>,
        sampling: &mut Sampling,
        timings: &mut Timings,
    ) -> Result<(), Stop> {
        let continuation = self.sequence.continuation(self.model.vocabulary(), prompt);
        self.sequence.truncate(&mut self.context, continuation.keep);
        let total = u32::try_from(continuation.tokens.len()).unwrap_or(u32::MAX);
        timings.prompt_tokens = total;
        timings.reused_tokens = u32::try_from(self.sequence.len()).unwrap_or(u32::MAX);
        timings.processed_tokens = total - timings.reused_tokens.min(total);
        while self.sequence.len() < continuation.tokens.len() {
            let interruption = self.poll(id)?;
            if interruption.cancelled {
                return Err(Stop::Cancelled);
            }
            *sampling = interruption.sampling.unwrap_or(*sampling);
            let from = self.sequence.len();
            let to = continuation.tokens.len().min(from + self.context.batch_size());
            match self.sequence.decode(&mut self.context, &continuation.tokens[from..to]) {
                // The request that set the flag is among those polled next.
                DecodeOutcome::Done | DecodeOutcome::Aborted => {}
                DecodeOutcome::CacheFull => return Err(Stop::Failed(self.context_too_small(total))),
                DecodeOutcome::Failed(status) => return Err(Stop::Failed(GenerateError::Decode { status })),
            }
            let processed = u32::try_from(self.sequence.len()).unwrap_or(u32::MAX);
            self.outbox.send(&EngineEvent::PromptProgress { id, processed, total });
        }
        Ok(())
    }

    fn context_too_small(&self, prompt_tokens: u32) -> GenerateError {
        GenerateError::ContextTooSmall { prompt_tokens, context_size: self.context.size() }
    }

    fn write_tokens(&mut self, id: RequestId, generation: &mut Generation<'_>) -> Result<FinishReason, Stop> {
        loop {
            let interruption = self.poll(id)?;
            if let Some(sampling) = interruption.sampling {
                let event = generation.update(&self.context, sampling, self.sequence.tokens())?;
                self.outbox.send(&event);
            }
            let early = if interruption.cancelled {
                Some(FinishReason::Cancelled)
            } else if generation.is_at_limit() {
                Some(FinishReason::MaxTokens)
            } else {
                None
            };
            if let Some(reason) = early {
                let event = generation.finish()?;
                self.send_some(event);
                return Ok(reason);
            }
            let (written, event) = generation.next(&self.context)?;
            self.send_some(event);
            let token = match written {
                Written::Token(token) => token,
                Written::End => return self.end_turn(id, generation),
                Written::StopText => return Ok(FinishReason::StopText),
            };
            if let Some(reason) = self.append(id, generation, token)? {
                let event = generation.finish()?;
                self.send_some(event);
                return Ok(reason);
            }
        }
    }

    /// The model ended its turn; it may have called tools in it.
    fn end_turn(&mut self, id: RequestId, generation: &Generation<'_>) -> Result<FinishReason, Stop> {
        let calls = generation.tool_calls()?;
        if calls.is_empty() {
            return Ok(FinishReason::EndOfTurn);
        }
        self.outbox.send(&EngineEvent::ToolsCalled { id, calls });
        Ok(FinishReason::ToolCalls)
    }

    /// Brings a chosen token into the context; gives the reason if the reply can't go on.
    fn append(
        &mut self,
        id: RequestId,
        generation: &mut Generation<'_>,
        token: Token,
    ) -> Result<Option<FinishReason>, Stop> {
        if self.sequence.len() >= self.context.size() as usize {
            return Ok(Some(FinishReason::ContextFull));
        }
        // What is in front of the token, should the model forget everything when a batch is aborted.
        let length = self.sequence.len();
        loop {
            if self.sequence.len() < length {
                return Ok(Some(FinishReason::Cancelled));
            }
            match self.sequence.decode(&mut self.context, &[token]) {
                DecodeOutcome::Done => return Ok(None),
                DecodeOutcome::CacheFull => return Ok(Some(FinishReason::ContextFull)),
                DecodeOutcome::Failed(status) => return Err(Stop::Failed(GenerateError::Decode { status })),
                DecodeOutcome::Aborted => {
                    let interruption = self.poll(id)?;
                    if interruption.cancelled {
                        // The token was shown already: the reply goes on behind it if it is continued.
                        self.sequence.decode(&mut self.context, &[token]);
                        return Ok(Some(FinishReason::Cancelled));
                    }
                    if let Some(sampling) = interruption.sampling {
                        let event = generation.update(&self.context, sampling, self.sequence.tokens())?;
                        self.outbox.send(&event);
                    }
                }
            }
        }
    }

    fn send_some(&mut self, event: Option<EngineEvent>) {
        if let Some(event) = event {
            self.outbox.send(&event);
        }
    }
}
