//! The engine child with its client, without the application around it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use engawa_engine_client::protocol::{
    ContinueFinal, Decoding, FinishReason, GenerateRequest, LoadRequest, LoadSettings, PromptMessage, RequestId,
    Sampling, Timings, ToolCall, ToolDefinition,
};
use engawa_engine_client::{Engine, EngineProgram, LoadEvent, ReplyEvent};

const OWNER: &str = "conversation";

/// An engine with a model.
pub(crate) struct EngineAlone {
    engine: Arc<Engine>,
}

/// A reply and how it came.
pub(crate) struct Answer {
    pub(crate) content: String,
    pub(crate) reasoning: String,
    pub(crate) calls: Vec<ToolCall>,
    pub(crate) finish: FinishReason,
    pub(crate) timings: Timings,
    /// From the first text to the end.
    pub(crate) writing: Duration,
}

impl EngineAlone {
    /// Starts an engine and loads a model.
    pub(crate) async fn load(model: &Path, settings: LoadSettings) -> anyhow::Result<Self> {
        let program = EngineProgram::new(std::env::current_exe().context("while looking for this program")?);
        let engine = Arc::new(Engine::start(&program).await.context("while starting the engine")?);
        let mut events = engine.load(LoadRequest::new(model.to_owned(), settings));
        while let Some(event) = events.recv().await {
            match event {
                LoadEvent::Loaded(_) => return Ok(Self { engine }),
                LoadEvent::Progress(_) => {}
                LoadEvent::Fitted(_) => bail!("there is too little memory for the settings that are compared"),
                other => bail!("the model could not be loaded: {other:?}"),
            }
        }
        bail!("the engine ended while loading")
    }

    /// Asks for a reply and waits for its end.
    pub(crate) async fn answer(
        &self,
        messages: Vec<PromptMessage>,
        tools: Vec<ToolDefinition>,
        sampling: Sampling,
    ) -> anyhow::Result<Answer> {
        let mut reply = self.engine.generate(GenerateRequest {
            id: RequestId(0),
            owner: Some(OWNER.to_owned()),
            messages,
            tools,
            continue_final: ContinueFinal::NewTurn,
            sampling,
            decoding: Decoding::default(),
            stop: Vec::new(),
        });
        let (mut content, mut reasoning) = (String::new(), String::new());
        let mut calls = Vec::new();
        let mut first = None;
        loop {
            match reply.events.recv().await.context("the reply ended without an end")? {
                ReplyEvent::Text { reasoning: thought, content: text, .. } => {
                    first.get_or_insert_with(Instant::now);
                    reasoning.push_str(&thought);
                    content.push_str(&text);
                }
                ReplyEvent::ToolsCalled { calls: called } => calls = called,
                ReplyEvent::PromptProgress { .. } | ReplyEvent::SamplingApplied { .. } | ReplyEvent::TokenChosen(_) => {
                }
                ReplyEvent::Finished { reason, timings } => {
                    let writing = first.map_or(Duration::ZERO, |first| first.elapsed());
                    return Ok(Answer { content, reasoning, calls, finish: reason, timings, writing });
                }
                end @ (ReplyEvent::Failed(_) | ReplyEvent::Lost(_)) => bail!("no reply: {end:?}"),
            }
        }
    }

    /// Empties the engine's cache.
    pub(crate) fn forget(&self) {
        self.engine.forget(OWNER.to_owned());
    }

    /// Ends the engine.
    pub(crate) async fn stop(self) {
        self.engine.stop().await;
    }
}
