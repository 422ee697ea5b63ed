//! Starts engines, loads models and collects replies.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engawa_engine_client::protocol::{
    ContinueFinal, Decoding, FinishReason, GenerateRequest, LoadError, LoadEstimate, LoadRequest, LoadSettings,
    ModelInfo, PromptMessage, Purpose, RequestId, Role, Sampling, Timings, TokenLogprob, ToolCall,
};
use engawa_engine_client::{Engine, EngineProgram, LoadEvent, Reply, ReplyEvent};
use engawa_testkit::ScriptedModel;
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine: what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a model file.
pub(crate) struct ModelFile {
    pub(crate) path: PathBuf,
    _folder: TempDir,
}

impl ModelFile {
    pub(crate) fn new(write: impl FnOnce(&std::path::Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        write(&path);
        Self { path, _folder: folder }
    }

    /// Without its last 100 bytes.
    pub(crate) fn cut(self) -> Self {
        let bytes = std::fs::read(&self.path).unwrap();
        std::fs::write(&self.path, &bytes[..bytes.len() - 100]).unwrap();
        self
    }

    pub(crate) fn scripted(model: &ScriptedModel) -> Self {
        Self::new(|path| {
            model.write(path).unwrap();
        })
    }
}

pub(crate) fn settings() -> LoadSettings {
    LoadSettings { n_ctx: 2048, ..LoadSettings::default() }
}

pub(crate) async fn start() -> Arc<Engine> {
    start_program(&EngineProgram::new(env!("CARGO_BIN_EXE_engawa-engine").into())).await
}

pub(crate) async fn start_program(program: &EngineProgram) -> Arc<Engine> {
    Arc::new(Engine::start(program).await.unwrap())
}

/// Loads a model; its error, or how the engine ended, as text.
pub(crate) async fn load(engine: &Engine, file: &ModelFile, settings: LoadSettings) -> Result<ModelInfo, LoadError> {
    load_for(engine, file, settings, Purpose::Replies).await
}

pub(crate) async fn load_for(
    engine: &Engine,
    file: &ModelFile,
    settings: LoadSettings,
    purpose: Purpose,
) -> Result<ModelInfo, LoadError> {
    load_fitted(engine, file, settings, purpose).await.map(|(info, _)| info)
}

/// Loads; gives also the settings that were used in place of those that were asked for.
pub(crate) async fn load_fitted(
    engine: &Engine,
    file: &ModelFile,
    settings: LoadSettings,
    purpose: Purpose,
) -> Result<(ModelInfo, Option<LoadSettings>), LoadError> {
    let mut fitted = None;
    let mut events = engine.load(LoadRequest { purpose, ..LoadRequest::new(file.path.clone(), settings) });
    loop {
        match patiently(events.recv()).await.expect("a load ends with an event") {
            LoadEvent::Progress(fraction) => assert!((0.0..=1.0).contains(&fraction), "{fraction}"),
            LoadEvent::Fitted(settings) => fitted = Some(*settings),
            LoadEvent::Loaded(info) => return Ok((*info, fitted)),
            LoadEvent::Failed(error) => return Err(error),
            LoadEvent::Lost(report) => panic!("{report}"),
        }
    }
}

pub(crate) async fn start_with(model: &ScriptedModel) -> (Arc<Engine>, ModelFile) {
    let file = ModelFile::scripted(model);
    let engine = start().await;
    load(&engine, &file, settings()).await.unwrap();
    (engine, file)
}

pub(crate) fn message(role: Role, content: &str) -> PromptMessage {
    PromptMessage::new(role, content)
}

pub(crate) fn user(content: &str) -> PromptMessage {
    message(Role::User, content)
}

pub(crate) fn assistant(content: &str) -> PromptMessage {
    message(Role::Assistant, content)
}

pub(crate) fn request(messages: &[PromptMessage]) -> GenerateRequest {
    GenerateRequest {
        id: RequestId(0),
        owner: None,
        messages: messages.to_vec(),
        tools: Vec::new(),
        continue_final: ContinueFinal::NewTurn,
        sampling: Sampling { seed: Some(7), ..Sampling::default() },
        decoding: Decoding::default(),
        stop: Vec::new(),
    }
}

/// A finished reply.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) reasoning: String,
    pub(crate) content: String,
    pub(crate) calls: Vec<ToolCall>,
    pub(crate) chosen: Vec<TokenLogprob>,
    pub(crate) reason: FinishReason,
    pub(crate) timings: Timings,
    /// The tokens from which other settings were used.
    pub(crate) applied: Vec<u32>,
}

/// Takes a reply in to its end.
pub(crate) async fn finish(reply: Reply) -> Finished {
    match finish_or_lose(reply).await {
        Ok(finished) => finished,
        Err(event) => panic!("{event:?}"),
    }
}

/// Takes a reply in to its end; the last event if that was no success.
pub(crate) async fn finish_or_lose(mut reply: Reply) -> Result<Finished, ReplyEvent> {
    let (mut reasoning, mut content, mut applied) = (String::new(), String::new(), Vec::new());
    let (mut called, mut chosen) = (Vec::new(), Vec::new());
    loop {
        match patiently(reply.events.recv()).await.expect("a reply ends with an event") {
            ReplyEvent::Text { reasoning: thought, content: text, .. } => {
                reasoning.push_str(&thought);
                content.push_str(&text);
            }
            ReplyEvent::PromptProgress { processed, total } => assert!(processed <= total),
            ReplyEvent::SamplingApplied { from_token } => applied.push(from_token),
            ReplyEvent::ToolsCalled { calls } => called = calls,
            ReplyEvent::TokenChosen(token) => chosen.push(token),
            ReplyEvent::Finished { reason, timings } => {
                return Ok(Finished { reasoning, content, calls: called, chosen, reason, timings, applied });
            }
            event @ (ReplyEvent::Failed(_) | ReplyEvent::Lost(_)) => return Err(event),
        }
    }
}

/// What a load would take.
pub(crate) async fn estimate(
    engine: &Engine,
    file: &ModelFile,
    settings: LoadSettings,
) -> Result<LoadEstimate, LoadError> {
    let request = LoadRequest::new(file.path.clone(), settings);
    patiently(engine.estimate(request)).await.unwrap()
}

/// Waits for the first text of a reply.
pub(crate) async fn first_text(reply: &mut Reply) -> String {
    loop {
        if let ReplyEvent::Text { content, .. } = patiently(reply.events.recv()).await.expect("a reply has text") {
            return content;
        }
    }
}

pub(crate) async fn say(engine: &Arc<Engine>, messages: &[PromptMessage]) -> Finished {
    finish(engine.generate(request(messages))).await
}

pub(crate) async fn patiently<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it ends within a minute")
}
