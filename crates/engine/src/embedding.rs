//! The loop of an engine whose model turns texts into vectors or scores: one request after the other, several texts in
//! each batch, nothing kept between them.

use std::collections::VecDeque;
use std::sync::mpsc::Receiver;

use engawa_engine_protocol::{EmbedRequest, EngineEvent, EngineRequest, GenerateError, RankRequest, RequestId};

use crate::child::{Signals, has_model, list_devices};
use crate::llama::{Context, DecodeOutcome, Model, SEQUENCES, SequenceIndex, TextKind, Token};
use crate::outbox::Outbox;

/// A model that was loaded for vectors or scores.
pub(crate) struct Embedder<'model, 'io> {
    pub(crate) model: &'model Model,
    pub(crate) context: Context<'model>,
    /// Whether it scores documents.
    pub(crate) ranks: bool,
    pub(crate) requests: &'io Receiver<EngineRequest>,
    pub(crate) outbox: &'io mut Outbox,
    pub(crate) signals: &'static Signals,
    /// What arrived while something was computed.
    pub(crate) waiting: VecDeque<EngineRequest>,
}

impl Embedder<'_, '_> {
    /// Answers requests until the app closes the pipe.
    pub(crate) fn run(mut self) {
        while let Some(request) = self.waiting.pop_front().or_else(|| self.requests.recv().ok()) {
            let failed = match request {
                EngineRequest::Embed(request) => self.embed(&request).err().map(|error| (request.id, error)),
                EngineRequest::Rank(request) => self.rank(&request).err().map(|error| (request.id, error)),
                EngineRequest::Generate(request) => Some((request.id, GenerateError::WrongPurpose)),
                EngineRequest::CountPrompt { id, .. } => Some((id, GenerateError::WrongPurpose)),
                EngineRequest::ListDevices => {
                    self.outbox.send(&EngineEvent::Devices { devices: list_devices() });
                    None
                }
                EngineRequest::LoadModel(_) => {
                    self.outbox.send(&EngineEvent::LoadFailed(has_model()));
                    None
                }
                EngineRequest::EstimateLoad(_) => {
                    self.outbox.send(&EngineEvent::EstimateFailed(has_model()));
                    None
                }
                EngineRequest::Hello { .. }
                | EngineRequest::CancelLoad
                | EngineRequest::UpdateSampling { .. }
                | EngineRequest::Forget { .. }
                | EngineRequest::Cancel { .. } => None,
            };
            if let Some((id, error)) = failed {
                self.outbox.send(&EngineEvent::RequestFailed { id, error });
            }
        }
    }

    fn embed(&mut self, request: &EmbedRequest) -> Result<(), GenerateError> {
        if self.ranks {
            return Err(GenerateError::WrongPurpose);
        }
        let vocabulary = self.model.vocabulary();
        let inputs = request.texts.iter().map(|text| vocabulary.tokenize(text, TextKind::Whole));
        let inputs =
            inputs.collect::<Result<Vec<_>, _>>().map_err(|error| GenerateError::Tokenize { reason: error.0 })?;
        let EmbedRequest { id, normalize, .. } = *request;
        self.pool(id, &inputs, |vector| {
            let embedding = if normalize { normalized(vector) } else { vector.to_vec() };
            EngineEvent::Embedded { id, embedding }
        })
    }

    fn rank(&mut self, request: &RankRequest) -> Result<(), GenerateError> {
        if !self.ranks {
            return Err(GenerateError::WrongPurpose);
        }
        let inputs = request.documents.iter().map(|document| self.model.rank_prompt(&request.query, document));
        let inputs =
            inputs.collect::<Result<Vec<_>, _>>().map_err(|error| GenerateError::Tokenize { reason: error.0 })?;
        let id = request.id;
        self.pool(id, &inputs, |scores| EngineEvent::Ranked { id, score: scores.first().copied().unwrap_or_default() })
    }

    /// Computes all inputs and sends what `tell` makes of each one's vector.
    fn pool(
        &mut self,
        id: RequestId,
        inputs: &[Vec<Token>],
        tell: impl Fn(&[f32]) -> EngineEvent,
    ) -> Result<(), GenerateError> {
        let limit = self.context.batch_size().min(self.context.size() as usize);
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        if let Some(input) = inputs.iter().find(|input| input.len() > limit) {
            return Err(GenerateError::ContextTooSmall {
                prompt_tokens: count(input.len()),
                context_size: count(limit),
            });
        }
        let mut rest = inputs;
        while !rest.is_empty() {
            self.check_cancelled(id)?;
            let mut room = limit;
            let fitting = rest.iter().take(usize::from(SEQUENCES)).take_while(|input| {
                let fits = input.len() <= room;
                room = room.saturating_sub(input.len());
                fits
            });
            let (batch, later) = rest.split_at(fitting.count());
            match self.compute(batch) {
                DecodeOutcome::Done => {}
                // Whoever set the flag is among the requests that are looked at next.
                DecodeOutcome::Aborted => continue,
                DecodeOutcome::CacheFull => return Err(GenerateError::Decode { status: 1 }),
                DecodeOutcome::Failed(status) => return Err(GenerateError::Decode { status }),
            }
            for (sequence, input) in (0..).map(SequenceIndex).zip(batch) {
                // An empty text has no token to tell of.
                let vector = if input.is_empty() { Vec::new() } else { self.context.pooled(sequence).to_vec() };
                self.outbox.send(&tell(&vector));
            }
            rest = later;
        }
        self.outbox.send(&EngineEvent::Measured { id, tokens: count(inputs.iter().map(Vec::len).sum()) });
        Ok(())
    }

    fn compute(&mut self, inputs: &[Vec<Token>]) -> DecodeOutcome {
        self.context.clear_batch();
        for (sequence, input) in (0..).map(SequenceIndex).zip(inputs) {
            self.context.push(input, 0, sequence, input.len());
        }
        if inputs.iter().all(Vec::is_empty) {
            return DecodeOutcome::Done;
        }
        let outcome = self.context.decode();
        for sequence in (0..SEQUENCES).map(SequenceIndex) {
            self.context.clear(sequence);
        }
        outcome
    }

    /// Takes in what arrived.
    ///
    /// # Errors
    /// [`GenerateError::Cancelled`] if this request is not wanted any more.
    fn check_cancelled(&mut self, id: RequestId) -> Result<(), GenerateError> {
        self.signals.abort_seen();
        self.waiting.extend(self.requests.try_iter());
        let cancelled =
            |request: &EngineRequest| matches!(request, EngineRequest::Cancel { id: other } if *other == id);
        if self.waiting.iter().any(cancelled) { Err(GenerateError::Cancelled) } else { Ok(()) }
    }
}

/// The vector with the length 1; zeros stay.
fn normalized(vector: &[f32]) -> Vec<f32> {
    let length = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    #[expect(clippy::cast_possible_truncation, reason = "a share of the length")]
    let scaled = |value: &f32| if length > 0.0 { (f64::from(*value) / length) as f32 } else { *value };
    vector.iter().map(scaled).collect()
}
