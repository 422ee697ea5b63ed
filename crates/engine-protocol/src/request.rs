//! Messages from the app to an engine.

use serde::{Deserialize, Serialize};

use crate::{EmbedRequest, GenerateRequest, LoadRequest, PromptMessage, RankRequest, RequestId, Sampling};

/// What the app asks of an engine. Imperative, in the order of a life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EngineRequest {
    /// The first message. Answered by [`crate::EngineEvent::Hello`].
    Hello {
        /// [`crate::PROTOCOL_VERSION`].
        version: u32,
    },
    /// Answered by [`crate::EngineEvent::Devices`].
    ListDevices,
    /// Answered by `LoadProgress`, then `ModelLoaded` or `LoadFailed`. An engine loads one model in its life.
    LoadModel(LoadRequest),
    /// Answered by `LoadEstimated` or `EstimateFailed`; nothing is loaded. Only before a model is.
    EstimateLoad(LoadRequest),
    /// Ends a load that runs.
    CancelLoad,
    /// Answered by `PromptCounted` or `RequestFailed`.
    CountPrompt {
        /// Names the answer.
        id: RequestId,
        /// As for [`GenerateRequest::messages`].
        messages: Vec<PromptMessage>,
    },
    /// Answered by `PromptProgress` and `Text`, then `Finished` or `RequestFailed`.
    Generate(Box<GenerateRequest>),
    /// See there.
    Embed(EmbedRequest),
    /// See there.
    Rank(RankRequest),
    /// Takes effect with the reply's next token; answered by `SamplingApplied`. Unknown ids are ignored.
    UpdateSampling {
        /// The running request.
        id: RequestId,
        /// The new settings, whole.
        sampling: Sampling,
    },
    /// Ends a request within one batch; unknown ids are ignored.
    Cancel {
        /// The request.
        id: RequestId,
    },
    /// Drops what is kept of an owner's conversations, in memory and on disk, but for those that are being written.
    Forget {
        /// As for [`GenerateRequest::owner`].
        owner: String,
    },
}
