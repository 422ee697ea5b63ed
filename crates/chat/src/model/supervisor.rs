//! Keeps one engine with one model, and starts it again after a crash.

mod estimates;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engawa_engine_client::protocol::{LoadError, LoadRequest, LoadSettings};
use engawa_engine_client::{Engine, EngineProgram, ExitCause, LoadEvent};
use engawa_store::ConversationId;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::fallback::{is_out_of_memory, safer_settings};
use super::saved_states::SavedStates;
use super::state::{LoadedModel, LoadingModel, ModelCard, ModelError, ModelState};
use crate::{ChatError, ChatEvent};

/// How often an engine may be started again without a person asking, within [`CRASH_WINDOW`].
const CRASH_LIMIT: usize = 3;
const CRASH_WINDOW: Duration = Duration::from_secs(60);
/// How long a cancelled load may take to end by itself.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);

/// The model and its engine.
pub(crate) struct Models {
    program: EngineProgram,
    saved_states: SavedStates,
    /// Changes only while `inner` is locked, so that it and the engine belong together there.
    state: watch::Sender<ModelState>,
    inner: Mutex<Inner>,
    /// Taken while an engine's process is there: two models at a time may not fit the memory.
    seat: tokio::sync::Mutex<()>,
    /// Taken while an engine reckons what a load would take.
    estimating: tokio::sync::Mutex<()>,
    /// Counts the questions of that kind: the last one is answered.
    estimates: watch::Sender<u64>,
    /// Counts what a person asks of the model, so that a load that is still being checked is overtaken.
    wishes: AtomicU64,
    events: tokio::sync::broadcast::Sender<ChatEvent>,
}

#[derive(Default)]
struct Inner {
    /// Counts the loads, so that a late answer to an older one is recognised.
    load: u64,
    engine: Option<Arc<Engine>>,
    /// The load that has no engine yet.
    starting: Option<AbortHandle>,
    /// What to load again after a crash.
    last: Option<ModelCard>,
    /// When engines ended by themselves, the latest last.
    crashes: VecDeque<Instant>,
    /// What answered before `last`.
    former: Option<ModelCard>,
    /// What an engine would load, by the last answer to such a question.
    checked: Option<(PathBuf, LoadSettings)>,
}

/// A model that is ready to answer.
pub(crate) struct Answering {
    pub(crate) engine: Arc<Engine>,
    pub(crate) model: LoadedModel,
}

impl Models {
    pub(crate) fn new(
        program: EngineProgram,
        cache: PathBuf,
        events: tokio::sync::broadcast::Sender<ChatEvent>,
    ) -> Self {
        Self {
            program,
            saved_states: SavedStates::new(cache),
            state: watch::Sender::new(ModelState::None),
            inner: Mutex::default(),
            seat: tokio::sync::Mutex::default(),
            estimating: tokio::sync::Mutex::default(),
            estimates: watch::Sender::default(),
            wishes: AtomicU64::default(),
            events,
        }
    }

    pub(crate) fn state(&self) -> ModelState {
        self.state.borrow().clone()
    }

    /// The name of the model that answers, or will.
    pub(crate) fn name(&self) -> Option<String> {
        self.lock().last.as_ref().map(|card| card.summary.name.clone())
    }

    /// The file of the model that answers, or will.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        self.lock().last.as_ref().map(|card| card.path.clone())
    }

    /// The process id of the engine, if there is one.
    pub(crate) fn engine_process_id(&self) -> Option<u32> {
        self.lock().engine.as_ref().map(|engine| engine.process_id())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a file's header.
    pub(crate) async fn inspect(&self, path: &Path) -> Result<ModelCard, ModelError> {
        let path = path.to_owned();
        let read = tokio::task::spawn_blocking(move || ModelCard::read(&path)).await;
        read.unwrap_or_else(|error| Err(ModelError::NoEngine(error.to_string())))
    }

    fn request(&self, path: &Path, settings: LoadSettings) -> LoadRequest {
        LoadRequest { cache: self.saved_states.for_engine(), ..LoadRequest::new(path.to_owned(), settings) }
    }

    /// Begins to load a model because a person asked; resolves when loading has begun.
    ///
    /// While a model answers, what can't be loaded is refused before that one goes.
    ///
    /// # Errors
    /// [`ModelError::File`], and where a model answers [`ModelError::Load`]. Where none does, the state says so as well.
    pub(crate) async fn load(self: &Arc<Self>, path: &Path, settings: LoadSettings) -> Result<(), ModelError> {
        let wish = self.wish();
        self.lock().crashes.clear();
        let answers = matches!(self.state(), ModelState::Ready(_));
        let checked = match self.inspect(path).await {
            Ok(card) if answers => self.check(path, &settings).await.map(|()| card),
            inspected => inspected,
        };
        let mut inner = self.lock();
        if self.wishes.load(Ordering::Relaxed) != wish {
            // Something else was asked for meanwhile.
            return Ok(());
        }
        match checked {
            Ok(card) => self.begin(&mut inner, ModelCard { settings, ..card }),
            Err(error) if matches!(*self.state.borrow(), ModelState::Ready(_)) => {
                let _ = self.events.send(ChatEvent::LoadRefused(error.clone()));
                return Err(error);
            }
            Err(error) => {
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                inner.retire();
                self.publish(&inner, ModelState::Failed { path: path.to_owned(), name, error: error.clone() });
                return Err(error);
            }
        }
        Ok(())
    }

    /// Counts one more wish, which all earlier ones make way for.
    fn wish(&self) -> u64 {
        self.wishes.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn begin(self: &Arc<Self>, inner: &mut Inner, card: ModelCard) {
        inner.retire();
        let last = inner.last.replace(card.clone());
        match &*self.state.borrow() {
            ModelState::Ready(_) => inner.former = last,
            // It takes the place of another that is loaded in the place of the former one.
            ModelState::Loading(_) => {}
            ModelState::None | ModelState::Failed { .. } => inner.former = None,
        }
        let loading = LoadingModel {
            path: card.path.clone(),
            name: card.summary.name.clone(),
            file_bytes: card.file_bytes,
            progress: 0.0,
            remaining: None,
        };
        self.publish(inner, ModelState::Loading(loading));
        let (models, load) = (Arc::clone(self), inner.load);
        inner.starting = Some(tokio::spawn(async move { models.run(load, card).await }).abort_handle());
    }

    /// Loads, then watches until the engine ends. What can't be loaded as it was asked for is tried with safer settings,
    /// each time in an engine of its own.
    async fn run(self: Arc<Self>, load: u64, mut card: ModelCard) {
        let _seat = self.seat.lock().await;
        let asked = card.settings.clone();
        loop {
            let engine = match Engine::start(&self.program).await {
                Ok(engine) => Arc::new(engine),
                Err(error) => return self.fail(load, &card, ModelError::NoEngine(error.to_string())),
            };
            {
                let mut inner = self.lock();
                if inner.load != load {
                    return;
                }
                inner.starting = None;
                inner.engine = Some(Arc::clone(&engine));
            }
            let mut fitted = None;
            let outcome = self.follow_load(load, &card, &engine, &mut fitted).await;
            // Whoever holds an engine keeps its pipe open, and so its process alive.
            let exit = engine.exit_watch();
            drop(engine);
            match outcome {
                Ok(mut model) => {
                    model.asked = (asked != model.settings).then_some(asked);
                    self.keep_settings(load, card.settings.clone());
                    self.publish_of(load, ModelState::Ready(Box::new(model)));
                    let report = exit.wait().await;
                    self.saved_states.clean_up();
                    if report.cause != ExitCause::Stopped {
                        self.fail(load, &card, ModelError::EngineEnded(report));
                    }
                    return;
                }
                Err(error) => match Self::next_settings(&card, fitted, &error) {
                    Some(settings) if self.retire_engine(load) => {
                        tracing::info!(%error, ?settings, "the model is tried with safer settings");
                        self.publish_of(load, progress(&card, 0.0, Duration::ZERO));
                        exit.wait().await;
                        card.settings = settings;
                    }
                    _ => {
                        self.fail(load, &card, error.clone());
                        exit.wait().await;
                        return self.go_back(load, error);
                    }
                },
            }
        }
    }

    /// What to try after an error; `fitted` is what the engine took in place of the card's settings.
    fn next_settings(card: &ModelCard, fitted: Option<LoadSettings>, error: &ModelError) -> Option<LoadSettings> {
        // Also what should have fitted did not. Otherwise it is not remembered that memory was short.
        let tried = fitted.filter(|_| is_out_of_memory(error));
        safer_settings(tried.as_ref().unwrap_or(&card.settings), error, card.summary.layers)
    }

    /// Loads again what answered before load number `load`, which was refused.
    fn go_back(self: &Arc<Self>, load: u64, error: ModelError) {
        if !matches!(&error, ModelError::Load(error) if *error != LoadError::Cancelled) {
            return;
        }
        let mut inner = self.lock();
        if inner.load != load {
            return;
        }
        if let Some(former) = inner.former.take() {
            let _ = self.events.send(ChatEvent::LoadRefused(error));
            self.begin(&mut inner, former);
        }
    }

    /// Ends the engine of load number `load`, which goes on with another one. False when it is an older load.
    fn retire_engine(&self, load: u64) -> bool {
        let mut inner = self.lock();
        if inner.load != load {
            return false;
        }
        inner.stop_engine();
        true
    }

    /// What worked is what is loaded again after a crash.
    fn keep_settings(&self, load: u64, settings: LoadSettings) {
        let mut inner = self.lock();
        if inner.load == load
            && let Some(last) = &mut inner.last
        {
            last.settings = settings;
        }
    }

    /// Follows a load to its end; `fitted` gets what the engine takes in place of the card's settings.
    async fn follow_load(
        &self,
        load: u64,
        card: &ModelCard,
        engine: &Engine,
        fitted: &mut Option<LoadSettings>,
    ) -> Result<LoadedModel, ModelError> {
        let begun = Instant::now();
        let mut events = engine.load(self.request(&card.path, card.settings.clone()));
        loop {
            match events.recv().await {
                Some(LoadEvent::Fitted(settings)) => *fitted = Some(*settings),
                Some(LoadEvent::Progress(fraction)) => {
                    self.publish_of(load, progress(card, fraction, begun.elapsed()));
                }
                Some(LoadEvent::Loaded(info)) => {
                    return Ok(LoadedModel {
                        path: card.path.clone(),
                        summary: card.summary.clone(),
                        file_bytes: card.file_bytes,
                        settings: fitted.as_ref().unwrap_or(&card.settings).clone(),
                        info: *info,
                        asked: None,
                        lasting: card.settings.clone(),
                    });
                }
                Some(LoadEvent::Failed(error)) => return Err(ModelError::Load(error)),
                Some(LoadEvent::Lost(report)) => return Err(ModelError::EngineEnded(report)),
                None => return Err(ModelError::EngineEnded(engine.exited().await)),
            }
        }
    }

    /// Ends load number `load` without a model; an older one changes nothing.
    fn fail(&self, load: u64, card: &ModelCard, error: ModelError) {
        let mut inner = self.lock();
        if inner.load != load {
            return;
        }
        inner.stop_engine();
        if let ModelError::EngineEnded(report) = &error {
            inner.crashes.push_back(Instant::now());
            tracing::warn!(%report, "the engine ended");
        }
        let state = match error {
            ModelError::Load(LoadError::Cancelled) => ModelState::None,
            error => ModelState::Failed { path: card.path.clone(), name: card.summary.name.clone(), error },
        };
        self.publish(&inner, state);
    }

    /// Publishes what became of load number `load`; of an older one, nothing.
    fn publish_of(&self, load: u64, state: ModelState) {
        let inner = self.lock();
        if inner.load == load {
            self.publish(&inner, state);
        }
    }

    fn publish(&self, _locked: &Inner, state: ModelState) {
        self.state.send_replace(state.clone());
        // Nobody listening is fine.
        let _ = self.events.send(ChatEvent::ModelChanged(state));
    }

    /// Ends a running load; the state is [`ModelState::None`] afterwards, unless the model was there sooner.
    pub(crate) async fn cancel_load(&self) {
        self.wish();
        let load = {
            let mut inner = self.lock();
            if !matches!(*self.state.borrow(), ModelState::Loading(_)) {
                return;
            }
            let Some(engine) = &inner.engine else {
                inner.retire();
                return self.publish(&inner, ModelState::None);
            };
            engine.cancel_load();
            inner.load
        };
        let mut state = self.state.subscribe();
        let ended = state.wait_for(|state| !matches!(state, ModelState::Loading(_)));
        if tokio::time::timeout(CANCEL_TIMEOUT, ended).await.is_err() {
            let mut inner = self.lock();
            // Another load may have begun in the meantime.
            if inner.load == load {
                if let Some(engine) = &inner.engine {
                    engine.kill_unresponsive();
                }
                inner.retire();
                self.publish(&inner, ModelState::None);
            }
        }
    }

    /// Drops what engines keep of a conversation.
    pub(crate) fn forget(&self, conversation: ConversationId) {
        let owner = conversation.to_string();
        let is_told = self.lock().engine.as_ref().inspect(|engine| engine.forget(owner.clone())).is_some();
        self.saved_states.forget(&owner, is_told);
    }

    /// Sets what may be kept on disk of conversations from the next load on, in bytes. With 0, what is there goes at once.
    pub(crate) fn set_cache_bytes(&self, bytes: u64) {
        self.saved_states.set_max_bytes(bytes);
    }

    /// Lets go of the model.
    pub(crate) fn unload(&self) {
        self.wish();
        let mut inner = self.lock();
        inner.retire();
        (inner.last, inner.former) = (None, None);
        self.publish(&inner, ModelState::None);
    }

    /// Waits for the model, starting its engine again if that had ended.
    ///
    /// # Errors
    /// [`ChatError::NoModel`] and [`ChatError::Model`].
    pub(crate) async fn answering(self: &Arc<Self>) -> Result<Answering, ChatError> {
        let mut state = self.state.subscribe();
        loop {
            self.restart_if_ended()?;
            let settled = state.wait_for(|state| !matches!(state, ModelState::Loading(_))).await;
            drop(settled.map_err(|_| ChatError::NoModel)?);
            if let Some(answering) = self.answering_now()? {
                return Ok(answering);
            }
            state.changed().await.map_err(|_| ChatError::NoModel)?;
        }
    }

    /// The model, if it is ready; `None` while it loads, or while the end of its engine is not in the state yet.
    fn answering_now(&self) -> Result<Option<Answering>, ChatError> {
        let inner = self.lock();
        match &*self.state.borrow() {
            ModelState::Ready(model) => {
                let engine = inner.engine.clone().ok_or(ChatError::NoModel)?;
                let is_alive = engine.exit_report().is_none();
                Ok(is_alive.then(|| Answering { engine, model: (**model).clone() }))
            }
            ModelState::Loading(_) => Ok(None),
            ModelState::Failed { error, .. } => Err(error.clone().into()),
            ModelState::None => Err(ChatError::NoModel),
        }
    }

    /// Whether a message can be sent: there is a model, or one is on its way, or one can be started again.
    pub(crate) fn check_available(&self) -> Result<(), ChatError> {
        match &*self.state.borrow() {
            ModelState::Ready(_)
            | ModelState::Loading(_)
            | ModelState::Failed { error: ModelError::EngineEnded(_), .. } => Ok(()),
            ModelState::None => Err(ChatError::NoModel),
            ModelState::Failed { error, .. } => Err(error.clone().into()),
        }
    }

    fn restart_if_ended(self: &Arc<Self>) -> Result<(), ChatError> {
        let mut inner = self.lock();
        if !matches!(&*self.state.borrow(), ModelState::Failed { error: ModelError::EngineEnded(_), .. }) {
            return Ok(());
        }
        inner.crashes.retain(|crash| crash.elapsed() < CRASH_WINDOW);
        if inner.crashes.len() >= CRASH_LIMIT {
            return Err(ModelError::EndsTooOften.into());
        }
        let card = inner.last.clone().ok_or(ChatError::NoModel)?;
        self.begin(&mut inner, card);
        Ok(())
    }

    /// Ends the engine; called when the app ends.
    pub(crate) async fn shut_down(&self) {
        self.wish();
        let engine = {
            let mut inner = self.lock();
            let engine = inner.engine.take();
            inner.retire();
            engine
        };
        if let Some(engine) = engine {
            engine.stop().await;
        }
    }
}

impl Inner {
    /// Lets go of the current load and its engine, which is stopped behind the scenes. What follows is the next load.
    fn retire(&mut self) {
        self.load += 1;
        if let Some(starting) = self.starting.take() {
            starting.abort();
        }
        self.stop_engine();
    }

    /// Stops the engine behind the scenes, if there is one.
    fn stop_engine(&mut self) {
        if let Some(engine) = self.engine.take() {
            tokio::spawn(engine.stop());
        }
    }
}

fn progress(card: &ModelCard, fraction: f32, elapsed: Duration) -> ModelState {
    // The first moments say little about the rest.
    let steady = fraction > 0.05 && elapsed > Duration::from_millis(300);
    let remaining = steady.then(|| elapsed.mul_f64(f64::from((1.0 - fraction) / fraction).max(0.0)));
    ModelState::Loading(LoadingModel {
        path: card.path.clone(),
        name: card.summary.name.clone(),
        file_bytes: card.file_bytes,
        progress: fraction.clamp(0.0, 1.0),
        remaining,
    })
}
