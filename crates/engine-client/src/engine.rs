//! One engine: started, given a model, asked for replies, stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use engawa_engine_protocol::{
    DeviceInfo, EngineEvent, EngineRequest, GenerateError, GenerateRequest, LoadError, LoadEstimate, LoadRequest,
    LoadSettings, ModelInfo, PROTOCOL_VERSION, PromptCount, PromptMessage, RequestId,
};
use tokio::sync::{mpsc, oneshot, watch};

use crate::process::{self, EngineProgram, Process};
use crate::routes::Routes;
use crate::{ExitCause, ExitReport, Reply, ReplyControl};

/// How long an engine may take to greet: it does so before it touches a driver.
const GREETING_TIMEOUT: Duration = Duration::from_secs(20);
/// Levels that the parameters of a tool may have: a frame with more is one that can't be read.
const DEEPEST_PARAMETERS: usize = 64;
/// How long an engine may take to end by itself: it saves conversations for up to three seconds.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// A running engine. Dropping it stops it.
pub struct Engine {
    pub(crate) process: Process,
    pub(crate) routes: Arc<Routes>,
    next_id: AtomicU64,
}

/// Waits for an engine's end without keeping it alive.
pub struct ExitWatch(watch::Receiver<Option<ExitReport>>);

impl ExitWatch {
    /// Resolves when the engine ended, for whatever reason.
    pub async fn wait(self) -> ExitReport {
        wait_for_exit(self.0).await
    }
}

/// How a load goes.
#[derive(Debug)]
pub enum LoadEvent {
    /// What was asked for does not fit the memory that is free: these settings are used.
    Fitted(Box<LoadSettings>),
    /// 0..=1, llama.cpp's own.
    Progress(f32),
    /// The model is ready.
    Loaded(Box<ModelInfo>),
    /// It could not be loaded.
    Failed(LoadError),
    /// The engine ended.
    Lost(ExitReport),
}

/// Why an engine could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system could not start the program.
    #[error("the engine could not be started")]
    Spawn(#[from] std::io::Error),
    /// It ended, or said nothing, before its greeting.
    #[error("the engine did not answer: {0}")]
    NoGreeting(ExitReport),
    /// It is of another version than the app.
    #[error("the engine speaks version {found} of the protocol, the app version {PROTOCOL_VERSION}")]
    Version {
        /// What it speaks.
        found: u32,
    },
}

impl Engine {
    /// Starts an engine and waits for its greeting.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(program: &EngineProgram) -> Result<Self, StartError> {
        let (hello, greeting) = oneshot::channel();
        let routes = Arc::new(Routes::new(hello));
        let process = process::start(program, &routes)?;
        let engine = Self { process, routes, next_id: AtomicU64::new(1) };
        engine.send(EngineRequest::Hello { version: PROTOCOL_VERSION });
        match tokio::time::timeout(GREETING_TIMEOUT, greeting).await {
            Ok(Ok(PROTOCOL_VERSION)) => Ok(engine),
            Ok(Ok(found)) => Err(StartError::Version { found }),
            Ok(Err(_)) => Err(StartError::NoGreeting(engine.exited().await)),
            Err(_) => {
                engine.kill_unresponsive();
                Err(StartError::NoGreeting(engine.exited().await))
            }
        }
    }

    /// The operating system's id of the process.
    pub fn process_id(&self) -> u32 {
        self.process.child.id()
    }

    /// Resolves when the engine ended, for whatever reason.
    pub async fn exited(&self) -> ExitReport {
        wait_for_exit(self.routes.exit()).await
    }

    /// Waits for the engine's end without keeping the engine.
    pub fn exit_watch(&self) -> ExitWatch {
        ExitWatch(self.routes.exit())
    }

    /// The report, if the engine has ended.
    pub fn exit_report(&self) -> Option<ExitReport> {
        self.routes.exit().borrow().clone()
    }

    /// The devices that models can be computed on; this initialises the GPU drivers in the engine.
    ///
    /// # Errors
    /// The engine ended.
    pub async fn devices(&self) -> Result<Vec<DeviceInfo>, ExitReport> {
        let (answer, devices) = oneshot::channel();
        self.routes.expect_devices(answer);
        self.send(EngineRequest::ListDevices);
        self.answer(devices).await
    }

    /// Tells what a load would take; the engine may then load, or be dropped.
    ///
    /// # Errors
    /// The engine ended (outer), or it can't be told (inner).
    pub async fn estimate(&self, request: LoadRequest) -> Result<Result<LoadEstimate, LoadError>, ExitReport> {
        let (answer, estimate) = oneshot::channel();
        self.routes.expect_estimate(answer);
        self.send(EngineRequest::EstimateLoad(request));
        self.answer(estimate).await
    }

    /// Loads the engine's one model. The last event is anything but [`LoadEvent::Fitted`] and [`LoadEvent::Progress`].
    pub fn load(&self, request: LoadRequest) -> mpsc::UnboundedReceiver<LoadEvent> {
        let (sender, events) = mpsc::unbounded_channel();
        self.routes.expect_load(sender.clone());
        // An engine that ended before that told nobody here; one that ends from now on does.
        if let Some(report) = self.exit_report() {
            self.routes.forget_load();
            let _ = sender.send(LoadEvent::Lost(report));
        }
        self.send(EngineRequest::LoadModel(request));
        events
    }

    /// Asks a running load to end; it does so with [`LoadError::Cancelled`], within milliseconds on a healthy engine.
    pub fn cancel_load(&self) {
        self.send(EngineRequest::CancelLoad);
    }

    /// Counts the tokens of a prompt.
    ///
    /// # Errors
    /// The engine ended (outer), or the prompt can't be built (inner).
    pub async fn count_prompt(
        &self,
        messages: Vec<PromptMessage>,
    ) -> Result<Result<PromptCount, GenerateError>, ExitReport> {
        let id = self.new_id();
        let (answer, count) = oneshot::channel();
        self.routes.expect_count(id, answer);
        self.send(EngineRequest::CountPrompt { id, messages });
        self.answer(count).await
    }

    /// Drops what the engine keeps of an owner's conversations, in memory and on disk.
    pub fn forget(&self, owner: String) {
        self.send(EngineRequest::Forget { owner });
    }

    /// Asks for a reply; `request.id` is replaced by a fresh one.
    pub fn generate(self: &Arc<Self>, mut request: GenerateRequest) -> Reply {
        let id = self.new_id();
        request.id = id;
        let (sender, events) = mpsc::unbounded_channel();
        self.routes.expect_reply(id, sender.clone());
        if let Some(report) = self.exit_report() {
            self.routes.forget_reply(id);
            let _ = sender.send(crate::ReplyEvent::Lost(report));
        }
        if request.tools.iter().any(|tool| is_deeper(&tool.parameters, DEEPEST_PARAMETERS)) {
            let reason = format!("a tool's parameters are nested more than {DEEPEST_PARAMETERS} deep");
            self.routes.dispatch(EngineEvent::RequestFailed { id, error: GenerateError::TemplateRefused { reason } });
        } else {
            self.send(EngineRequest::Generate(Box::new(request)));
        }
        Reply { events, control: ReplyControl::new(Arc::clone(self), id) }
    }

    /// Ends what the engine does, closes its input and waits for its end; kills it when that takes too long.
    pub async fn stop(self: Arc<Self>) {
        self.routes.blame(ExitCause::Stopped);
        // Whoever waits for a load or a reply holds the engine, and so keeps its input open.
        self.cancel_load();
        for id in self.routes.replies() {
            self.send(EngineRequest::Cancel { id });
        }
        let exit = self.routes.exit();
        let child = Arc::clone(&self.process.child);
        // The last sender of requests closes the pipe.
        drop(self);
        if tokio::time::timeout(STOP_TIMEOUT, wait_for_exit(exit.clone())).await.is_err() {
            let _ = child.kill();
            wait_for_exit(exit).await;
        }
    }

    /// Ends the engine at once, because it does not react.
    pub fn kill_unresponsive(&self) {
        self.routes.blame(ExitCause::Unresponsive);
        self.kill();
    }

    fn kill(&self) {
        if let Err(error) = self.process.child.kill() {
            tracing::warn!(%error, "the engine could not be killed");
        }
    }

    pub(crate) fn new_id(&self) -> RequestId {
        RequestId(self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    /// Hands a request to the writing thread. One that can't take it any more belongs to an engine that does not read.
    pub(crate) fn send(&self, request: EngineRequest) {
        if let Err(std::sync::mpsc::TrySendError::Full(_)) = self.process.requests.try_send(request) {
            self.kill_unresponsive();
        }
    }

    pub(crate) fn routes(&self) -> &Routes {
        &self.routes
    }

    pub(crate) async fn answer<T>(&self, answer: oneshot::Receiver<T>) -> Result<T, ExitReport> {
        let exit = self.routes.exit();
        tokio::select! {
            biased;
            Ok(value) = answer => Ok(value),
            report = wait_for_exit(exit) => Err(report),
        }
    }
}

/// Whether a value has more than so many levels.
fn is_deeper(value: &serde_json::Value, levels: usize) -> bool {
    let Some(inner) = levels.checked_sub(1) else { return true };
    match value {
        serde_json::Value::Array(items) => items.iter().any(|item| is_deeper(item, inner)),
        serde_json::Value::Object(fields) => fields.values().any(|field| is_deeper(field, inner)),
        _ => false,
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Stops it when nobody did: the pipe closes with the last sender, and an engine that hangs is killed.
        self.routes.blame(ExitCause::Stopped);
        let child = Arc::clone(&self.process.child);
        let ended = std::thread::Builder::new().name("engine-stop".into()).spawn(move || {
            if !matches!(child.wait_timeout(STOP_TIMEOUT), Ok(Some(_))) {
                let _ = child.kill();
            }
        });
        if ended.is_err() {
            let _ = self.process.child.kill();
        }
    }
}

async fn wait_for_exit(mut exit: watch::Receiver<Option<ExitReport>>) -> ExitReport {
    match exit.wait_for(Option::is_some).await.map(|report| report.clone()) {
        Ok(Some(report)) => report,
        // The sender lives in the routes, which the reaping thread holds until it has sent.
        Ok(None) | Err(_) => ExitReport { cause: ExitCause::Stopped, last_lines: Vec::new() },
    }
}
