//! One reply as it arrives.

use std::sync::Arc;

use engawa_engine_protocol::{
    EngineRequest, FinishReason, GenerateError, RequestId, Sampling, Timings, TokenLogprob, ToolCall,
};
use tokio::sync::mpsc;

use crate::{Engine, ExitReport};

/// A reply that is being written. Dropping it cancels it.
pub struct Reply {
    /// What happens, in order. The last one is `Finished`, `Failed` or `Lost`. Whoever reads slowly makes nobody wait: there
    /// is room for all that a context can hold.
    pub events: mpsc::UnboundedReceiver<ReplyEvent>,
    /// Steers it; can be kept apart from the events.
    pub control: ReplyControl,
}

/// What happens to a reply.
#[derive(Debug, Clone, PartialEq)]
pub enum ReplyEvent {
    /// The prompt is being processed.
    PromptProgress {
        /// Tokens in the context, reused ones included.
        processed: u32,
        /// Tokens of the prompt.
        total: u32,
    },
    /// A token was chosen; only where [`protocol::Decoding::logprobs`](crate::protocol::Decoding::logprobs) asks for it.
    TokenChosen(TokenLogprob),
    /// Text was written: whole characters.
    Text {
        /// Thinking, to append.
        reasoning: String,
        /// Reply, to append.
        content: String,
        /// Tokens of the reply so far.
        generated: u32,
    },
    /// The model called tools; `Finished` with [`FinishReason::ToolCalls`] follows.
    ToolsCalled {
        /// The calls, in their order.
        calls: Vec<ToolCall>,
    },
    /// New sampling settings are in use.
    SamplingApplied {
        /// The number of the first token that they choose, from 0.
        from_token: u32,
    },
    /// It ended.
    Finished {
        /// Why.
        reason: FinishReason,
        /// What it cost.
        timings: Timings,
    },
    /// The request was refused or failed; the engine lives.
    Failed(GenerateError),
    /// The engine ended.
    Lost(ExitReport),
}

/// Steers a running reply.
#[derive(Clone)]
pub struct ReplyControl {
    engine: Arc<Engine>,
    id: RequestId,
    // Cancels when the last control is gone.
    _guard: Arc<CancelOnDrop>,
}

struct CancelOnDrop {
    engine: Arc<Engine>,
    id: RequestId,
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        // A reply that has ended needs no cancelling, and the request would disturb the next one.
        if self.engine.routes.forget_reply(self.id) {
            self.engine.send(EngineRequest::Cancel { id: self.id });
        }
    }
}

impl ReplyControl {
    pub(crate) fn new(engine: Arc<Engine>, id: RequestId) -> Self {
        let guard = Arc::new(CancelOnDrop { engine: Arc::clone(&engine), id });
        Self { engine, id, _guard: guard }
    }

    /// Uses other settings from the reply's next token on.
    pub fn update_sampling(&self, sampling: Sampling) {
        self.engine.send(EngineRequest::UpdateSampling { id: self.id, sampling });
    }

    /// Asks the reply to end; its last event follows.
    pub fn cancel(&self) {
        self.engine.send(EngineRequest::Cancel { id: self.id });
    }

    /// Ends the whole engine, because the reply does not end.
    pub fn end_engine(&self) {
        self.engine.kill_unresponsive();
    }
}
