//! Where each event of an engine goes, and what everybody is told when it ends.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use engawa_engine_protocol::{
    DeviceInfo, EmbedRequest, EngineEvent, EngineRequest, GenerateError, LoadError, LoadEstimate, PromptCount,
    ProtocolError, RankRequest, RequestId,
};
use tokio::sync::{mpsc, oneshot, watch};

use crate::embedding::{Embeddings, Gathering};
use crate::engine::LoadEvent;
use crate::{ExitCause, ExitReport, ReplyEvent};

/// The waiting parts of an engine's conversation. A `std` mutex: nothing is awaited under it.
pub(crate) struct Routes {
    state: Mutex<State>,
    exit: watch::Sender<Option<ExitReport>>,
}

#[derive(Default)]
struct State {
    hello: Option<oneshot::Sender<u32>>,
    devices: Vec<oneshot::Sender<Vec<DeviceInfo>>>,
    /// Answered in their order.
    estimates: VecDeque<oneshot::Sender<Result<LoadEstimate, LoadError>>>,
    load: Option<mpsc::UnboundedSender<LoadEvent>>,
    replies: HashMap<RequestId, mpsc::UnboundedSender<ReplyEvent>>,
    counts: HashMap<RequestId, oneshot::Sender<Result<PromptCount, GenerateError>>>,
    vectors: HashMap<RequestId, Gathering>,
    /// Why we ended it, where we did.
    blame: Option<ExitCause>,
}

impl Routes {
    pub(crate) fn new(hello: oneshot::Sender<u32>) -> Self {
        Self { state: Mutex::new(State { hello: Some(hello), ..State::default() }), exit: watch::Sender::new(None) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The exit report, as soon as there is one.
    pub(crate) fn exit(&self) -> watch::Receiver<Option<ExitReport>> {
        self.exit.subscribe()
    }

    pub(crate) fn expect_devices(&self, answer: oneshot::Sender<Vec<DeviceInfo>>) {
        self.lock().devices.push(answer);
    }

    pub(crate) fn expect_estimate(&self, answer: oneshot::Sender<Result<LoadEstimate, LoadError>>) {
        self.lock().estimates.push_back(answer);
    }

    pub(crate) fn expect_load(&self, events: mpsc::UnboundedSender<LoadEvent>) {
        self.lock().load = Some(events);
    }

    pub(crate) fn expect_reply(&self, id: RequestId, events: mpsc::UnboundedSender<ReplyEvent>) {
        self.lock().replies.insert(id, events);
    }

    pub(crate) fn expect_count(&self, id: RequestId, answer: oneshot::Sender<Result<PromptCount, GenerateError>>) {
        self.lock().counts.insert(id, answer);
    }

    pub(crate) fn expect_vectors(&self, id: RequestId, answer: oneshot::Sender<Result<Embeddings, GenerateError>>) {
        self.lock().vectors.insert(id, Gathering { vectors: Vec::new(), answer });
    }

    pub(crate) fn forget_vectors(&self, id: RequestId) {
        self.lock().vectors.remove(&id);
    }

    pub(crate) fn forget_load(&self) {
        self.lock().load = None;
    }

    /// The replies that have not ended.
    pub(crate) fn replies(&self) -> Vec<RequestId> {
        self.lock().replies.keys().copied().collect()
    }

    /// Forgets a reply; whether it was still being written.
    pub(crate) fn forget_reply(&self, id: RequestId) -> bool {
        self.lock().replies.remove(&id).is_some()
    }

    /// Says why the engine is about to end; the first reason stays.
    pub(crate) fn blame(&self, cause: ExitCause) {
        self.lock().blame.get_or_insert(cause);
    }

    /// Passes an event on; called by the thread that reads the pipe, which waits here for nobody.
    pub(crate) fn dispatch(&self, event: EngineEvent) {
        match event {
            EngineEvent::Hello { version } => {
                if let Some(hello) = self.lock().hello.take() {
                    let _ = hello.send(version);
                }
            }
            EngineEvent::Devices { devices } => {
                for answer in std::mem::take(&mut self.lock().devices) {
                    let _ = answer.send(devices.clone());
                }
            }
            EngineEvent::LoadFitted { settings } => self.send_load(LoadEvent::Fitted(settings)),
            EngineEvent::LoadProgress { fraction } => self.send_load(LoadEvent::Progress(fraction)),
            EngineEvent::ModelLoaded(info) => self.end_load(LoadEvent::Loaded(Box::new(info))),
            EngineEvent::LoadFailed(error) => self.end_load(LoadEvent::Failed(error)),
            EngineEvent::LoadEstimated(estimate) => self.end_estimate(Ok(estimate)),
            EngineEvent::EstimateFailed(error) => self.end_estimate(Err(error)),
            EngineEvent::PromptCounted { id, count } => {
                if let Some(answer) = self.lock().counts.remove(&id) {
                    let _ = answer.send(Ok(count));
                }
            }
            EngineEvent::PromptProgress { id, processed, total } => {
                self.send_reply(id, ReplyEvent::PromptProgress { processed, total });
            }
            EngineEvent::TokenChosen { id, token } => self.send_reply(id, ReplyEvent::TokenChosen(token)),
            EngineEvent::Text { id, reasoning, content, generated } => {
                self.send_reply(id, ReplyEvent::Text { reasoning, content, generated });
            }
            EngineEvent::ToolsCalled { id, calls } => self.send_reply(id, ReplyEvent::ToolsCalled { calls }),
            EngineEvent::SamplingApplied { id, from_token } => {
                self.send_reply(id, ReplyEvent::SamplingApplied { from_token });
            }
            EngineEvent::Finished { id, reason, timings } => {
                self.end_reply(id, ReplyEvent::Finished { reason, timings });
            }
            EngineEvent::Embedded { id, embedding } => self.gather(id, embedding),
            EngineEvent::Ranked { id, score } => self.gather(id, vec![score]),
            EngineEvent::Measured { id, tokens } => {
                let gathered = self.lock().vectors.remove(&id);
                if let Some(Gathering { vectors, answer }) = gathered {
                    let _ = answer.send(Ok(Embeddings { vectors, tokens }));
                }
            }
            EngineEvent::RequestFailed { id, error } => {
                let (count, vectors) = {
                    let mut state = self.lock();
                    (state.counts.remove(&id), state.vectors.remove(&id))
                };
                match (count, vectors) {
                    (Some(answer), _) => drop(answer.send(Err(error))),
                    (_, Some(gathering)) => drop(gathering.answer.send(Err(error))),
                    (None, None) => self.end_reply(id, ReplyEvent::Failed(error)),
                }
            }
        }
    }

    /// Fails a request that can't be sent.
    pub(crate) fn refuse(&self, request: &EngineRequest, error: &ProtocolError) {
        tracing::warn!(%error, "a request can't be sent");
        let id = match request {
            EngineRequest::CountPrompt { id, .. }
            | EngineRequest::Embed(EmbedRequest { id, .. })
            | EngineRequest::Rank(RankRequest { id, .. }) => *id,
            EngineRequest::Generate(request) => request.id,
            _ => return,
        };
        self.dispatch(EngineEvent::RequestFailed { id, error: GenerateError::Tokenize { reason: error.to_string() } });
    }

    fn gather(&self, id: RequestId, vector: Vec<f32>) {
        if let Some(gathering) = self.lock().vectors.get_mut(&id) {
            gathering.vectors.push(vector);
        }
    }

    fn send_load(&self, event: LoadEvent) {
        let events = self.lock().load.clone();
        if let Some(events) = events {
            let _ = events.send(event);
        }
    }

    fn end_load(&self, event: LoadEvent) {
        let events = self.lock().load.take();
        if let Some(events) = events {
            let _ = events.send(event);
        }
    }

    fn end_estimate(&self, estimate: Result<LoadEstimate, LoadError>) {
        let answer = self.lock().estimates.pop_front();
        if let Some(answer) = answer {
            let _ = answer.send(estimate);
        }
    }

    fn send_reply(&self, id: RequestId, event: ReplyEvent) {
        let events = self.lock().replies.get(&id).cloned();
        if let Some(events) = events {
            let _ = events.send(event);
        }
    }

    fn end_reply(&self, id: RequestId, event: ReplyEvent) {
        let events = self.lock().replies.remove(&id);
        if let Some(events) = events {
            let _ = events.send(event);
        }
    }

    /// Tells everybody that the engine ended.
    pub(crate) fn ended(&self, code: Option<i32>, signal: Option<i32>, last_lines: Vec<String>) {
        let mut state = std::mem::take(&mut *self.lock());
        let cause = state.blame.take().or(signal.map(ExitCause::Signal)).unwrap_or(ExitCause::Code(code.unwrap_or(-1)));
        let report = ExitReport { cause, last_lines };
        // Requests that come from now on find the report; those that waited get it here.
        self.exit.send_replace(Some(report.clone()));
        // Who registered between the two is told as well.
        let late = std::mem::take(&mut *self.lock());
        for load in state.load.into_iter().chain(late.load) {
            let _ = load.send(LoadEvent::Lost(report.clone()));
        }
        for (_, reply) in state.replies.into_iter().chain(late.replies) {
            let _ = reply.send(ReplyEvent::Lost(report.clone()));
        }
    }
}
