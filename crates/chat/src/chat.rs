//! The application as an object: what it holds and how it begins and ends.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use engawa_catalog::presets::{CardProblem, Character, built_in_characters, load_characters};
use engawa_engine_client::EngineProgram;
use engawa_engine_client::protocol::{LoadEstimate, LoadSettings};
use engawa_store::{ConversationId, Opened, Recovered, Store};
use tokio::sync::broadcast;

use crate::conversation::ContextUse;
use crate::model::{ModelCard, ModelError, ModelState, Models};
use crate::reply::RunningReplies;
use crate::{ChatError, ChatEvent};

/// Events that a shell may lag behind before it misses some; at sixty a second, about a minute.
const EVENT_QUEUE: usize = 4096;

/// Gives the time in milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Where and when things are.
pub struct ChatConfig {
    /// Engawa's folder: the database and the person's characters are in it.
    pub data_folder: PathBuf,
    /// What plays the engine.
    pub engine: EngineProgram,
    /// The time.
    pub clock: Clock,
}

/// The application. Cheap to clone; all clones are the same one.
#[derive(Clone)]
pub struct Chat {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    store: Store,
    characters: Vec<Character>,
    character_problems: Vec<CardProblem>,
    recovered: Option<Recovered>,
    pub(crate) models: Arc<Models>,
    pub(crate) replies: RunningReplies,
    contexts: Mutex<HashMap<ConversationId, ContextUse>>,
    events: broadcast::Sender<ChatEvent>,
    clock: Clock,
}

impl Chat {
    /// Opens the database and reads the characters. Blocks.
    ///
    /// # Errors
    /// [`ChatError::Store`] when there is no way to keep conversations. Damage is not an error, see
    /// [`Chat::recovered`].
    pub fn open(config: ChatConfig) -> Result<Self, ChatError> {
        let ChatConfig { data_folder, engine, clock } = config;
        let Opened { store, recovered, interrupted_messages } = Store::open(&data_folder.join("engawa.db"), clock())?;
        if interrupted_messages > 0 {
            tracing::info!(interrupted_messages, "replies were being written when the app last ended");
        }
        let (characters, character_problems) = read_characters(&data_folder.join("characters"));
        let events = broadcast::Sender::new(EVENT_QUEUE);
        let models = Arc::new(Models::new(engine, data_folder.join("cache").join("kv"), events.clone()));
        let shared = Shared {
            store,
            characters,
            character_problems,
            recovered,
            models,
            replies: RunningReplies::default(),
            contexts: Mutex::default(),
            events,
            clock,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Everything that happens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<ChatEvent> {
        self.shared.events.subscribe()
    }

    /// What became of a damaged database, if it was.
    pub fn recovered(&self) -> Option<&Recovered> {
        self.shared.recovered.as_ref()
    }

    /// The characters: those that come with Engawa, then the person's own.
    pub fn characters(&self) -> &[Character] {
        &self.shared.characters
    }

    /// Character files that could not be read.
    pub fn character_problems(&self) -> &[CardProblem] {
        &self.shared.character_problems
    }

    /// Where the model is in its life.
    pub fn model(&self) -> ModelState {
        self.shared.models.state()
    }

    /// Reads what a model's header says.
    ///
    /// # Errors
    /// [`ModelError::File`].
    pub async fn inspect_model(&self, path: &Path) -> Result<ModelCard, ModelError> {
        self.shared.models.inspect(path).await
    }

    /// Reckons what a load would take now, in an engine of its own; nothing is loaded.
    ///
    /// # Errors
    /// [`ModelError::NoEngine`], [`ModelError::Load`] and [`ModelError::EngineEnded`].
    pub async fn estimate_load(&self, path: &Path, settings: LoadSettings) -> Result<LoadEstimate, ModelError> {
        self.shared.models.estimate(path, settings).await
    }

    /// Sets how many bytes the state of conversations may take on disk, from the next load on; 4 GiB if nobody does. With 0
    /// nothing is kept, and what is there goes at once.
    pub fn set_cache_bytes(&self, bytes: u64) {
        self.shared.models.set_cache_bytes(bytes);
    }

    /// Begins to load a model in place of the current one; the rest are [`ChatEvent::ModelChanged`] events. A model that answers
    /// stays, with a [`ChatEvent::LoadRefused`], when files are not what they should be, and comes back when the load fails later.
    ///
    /// # Errors
    /// [`ModelError::File`], and [`ModelError::Load`] where a model answers.
    pub async fn load_model(&self, path: &Path, settings: LoadSettings) -> Result<(), ModelError> {
        self.shared.models.load(path, settings).await
    }

    /// Ends a running load.
    pub async fn cancel_load(&self) {
        self.shared.models.cancel_load().await;
    }

    /// Lets go of the model.
    pub fn unload_model(&self) {
        self.shared.models.unload();
    }

    /// The process id of the engine, if one runs.
    pub fn engine_process_id(&self) -> Option<u32> {
        self.shared.models.engine_process_id()
    }

    /// Stops all replies, keeping what they have, and ends the engine.
    pub async fn shut_down(&self) {
        self.stop_all_replies().await;
        self.shared.models.shut_down().await;
    }

    pub(crate) fn store(&self) -> &Store {
        &self.shared.store
    }

    pub(crate) fn now(&self) -> i64 {
        (self.shared.clock)()
    }

    pub(crate) fn emit(&self, event: ChatEvent) {
        // Nobody listening is fine.
        let _ = self.shared.events.send(event);
    }

    pub(crate) fn character(&self, id: &str) -> Option<Character> {
        self.shared.characters.iter().find(|character| character.id() == id).cloned()
    }

    pub(crate) fn known_character(&self, id: &str) -> Result<Character, ChatError> {
        self.character(id).ok_or_else(|| ChatError::UnknownCharacter(id.to_owned()))
    }

    pub(crate) fn context_use(&self, id: ConversationId) -> Option<ContextUse> {
        self.shared.contexts.lock().unwrap_or_else(PoisonError::into_inner).get(&id).copied()
    }

    pub(crate) fn remember_context(&self, id: ConversationId, context: ContextUse) {
        self.shared.contexts.lock().unwrap_or_else(PoisonError::into_inner).insert(id, context);
    }
}

/// The built-in characters and those in `folder`; one of the person's own with the same id replaces a built-in one.
fn read_characters(folder: &Path) -> (Vec<Character>, Vec<CardProblem>) {
    let mut characters = built_in_characters();
    if let Err(error) = std::fs::create_dir_all(folder) {
        tracing::warn!(%error, "the folder of the characters can't be made");
        return (characters, Vec::new());
    }
    let (own, problems) = load_characters(folder);
    for character in own {
        match characters.iter_mut().find(|known| known.id() == character.id()) {
            Some(known) => *known = character,
            None => characters.push(character),
        }
    }
    (characters, problems)
}
