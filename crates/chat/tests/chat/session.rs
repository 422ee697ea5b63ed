//! A running application with its temporary folder, and what it said so far.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use engawa_chat::{
    Chat, ChatConfig, ChatEvent, ConversationId, ConversationView, EngineProgram, LoadSettings, LoadedModel, Message,
    ModelState, Role,
};
use engawa_engine_client::protocol::GenerateRequest;
use engawa_testkit::RandomModel;
use engawa_testkit::scripted_engine::ModelBehaviour;
use tempfile::TempDir;
use tokio::sync::broadcast::Receiver;

/// Far more than anything here takes; what does not come by then never comes.
const LIMIT: Duration = Duration::from_secs(30);
/// The time at which a session begins, in milliseconds since 1970. Each look at the clock is a second later.
const BEGIN: i64 = 1_800_000_000_000;

/// A character of the person's own, whose texts no release changes.
const MIO: &str = r#"{
    "spec": "chara_card_v2",
    "spec_version": "2.0",
    "data": {
        "name": "Mio",
        "system_prompt": "You are {{char}}. You talk with {{user}} on the porch.",
        "first_mes": "Tea, {{user}}?",
        "mes_example": "<START>\n{{user}}: Hello.\n{{char}}: Sit down."
    }
}"#;

/// A small file with a right header; the scripted engine reads its name only.
static MODEL_FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    RandomModel::new().name("Scripted").write(&path).unwrap();
    fs::read(path).unwrap()
});

pub(crate) struct Session {
    pub(crate) chat: Chat,
    pub(crate) home: Arc<TempDir>,
    events: Receiver<ChatEvent>,
    /// What happened since this was last emptied.
    pub(crate) log: Vec<ChatEvent>,
}

impl Session {
    /// Without a model.
    pub(crate) fn open() -> Self {
        Self::open_in(Arc::new(tempfile::tempdir().unwrap()))
    }

    pub(crate) fn open_in(home: Arc<TempDir>) -> Self {
        let characters = home.path().join("characters");
        fs::create_dir_all(&characters).unwrap();
        fs::write(characters.join("mio.json"), MIO).unwrap();
        let time = AtomicI64::new(BEGIN);
        let config = ChatConfig {
            data_folder: home.path().to_owned(),
            engine: engine_program(),
            clock: Arc::new(move || time.fetch_add(1000, Ordering::Relaxed)),
        };
        let chat = Chat::open(config).unwrap();
        Self { events: chat.subscribe(), chat, home, log: Vec::new() }
    }

    pub(crate) async fn with_model() -> Self {
        Self::with(ModelBehaviour::Plain, LoadSettings::default()).await
    }

    pub(crate) async fn with_context(n_ctx: u32) -> Self {
        Self::with(ModelBehaviour::Plain, LoadSettings { n_ctx, ..LoadSettings::default() }).await
    }

    pub(crate) async fn with(behaviour: ModelBehaviour, settings: LoadSettings) -> Self {
        let mut session = Self::open();
        session.chat.load_model(&session.model_file(behaviour), settings).await.unwrap();
        session.ready().await;
        session.log.clear();
        session
    }

    /// Writes the file of a model that behaves so.
    pub(crate) fn model_file(&self, behaviour: ModelBehaviour) -> PathBuf {
        let path = self.home.path().join(behaviour.file_name());
        fs::write(&path, &*MODEL_FILE).unwrap();
        path
    }

    pub(crate) async fn begin_to_load(&self, behaviour: ModelBehaviour) {
        self.chat.load_model(&self.model_file(behaviour), LoadSettings::default()).await.unwrap();
    }

    pub(crate) async fn load(&mut self, behaviour: ModelBehaviour) -> LoadedModel {
        self.begin_to_load(behaviour).await;
        self.ready().await
    }

    pub(crate) async fn ready(&mut self) -> LoadedModel {
        self.until("a model", |event| match event {
            ChatEvent::ModelChanged(ModelState::Ready(model)) => Some((**model).clone()),
            _ => None,
        })
        .await
    }

    /// Waits for an event that `pick` takes; all events on the way go to the log.
    pub(crate) async fn until<T>(&mut self, what: &str, mut pick: impl FnMut(&ChatEvent) -> Option<T>) -> T {
        let limit = tokio::time::Instant::now() + LIMIT;
        loop {
            let event = match tokio::time::timeout_at(limit, self.events.recv()).await {
                Ok(event) => event.expect("the test reads fast enough"),
                Err(_) => panic!("{what} did not come within {LIMIT:?}, but\n{}", described(&self.log)),
            };
            let picked = pick(&event);
            self.log.push(event);
            if let Some(picked) = picked {
                return picked;
            }
        }
    }

    /// Waits for the model's state to be one that `pick` takes, from the next change on.
    pub(crate) async fn model_becomes(&mut self, what: &str, pick: impl Fn(&ModelState) -> bool) -> ModelState {
        self.until(what, |event| match event {
            ChatEvent::ModelChanged(state) if pick(state) => Some(state.clone()),
            _ => None,
        })
        .await
    }

    /// Waits for the end of a reply.
    pub(crate) async fn finished(&mut self) -> Message {
        self.until("the end of a reply", |event| match event {
            ChatEvent::ReplyFinished { message, .. } => Some(message.message.clone()),
            _ => None,
        })
        .await
    }

    /// Waits until the reply that is being written has this text.
    pub(crate) async fn written(&mut self, expected: &str) {
        let mut text = String::new();
        self.until("text", |event| match event {
            ChatEvent::ReplyWritten { content, .. } => {
                text.push_str(content);
                (text == expected).then_some(())
            }
            _ => None,
        })
        .await;
    }

    /// Sends a message and waits for the end of the reply.
    pub(crate) async fn ask(&mut self, id: ConversationId, text: &str) -> Message {
        self.chat.send(id, text).unwrap();
        self.finished().await
    }

    /// Sends a message to which the engine replies with what it got.
    pub(crate) async fn received(&mut self, id: ConversationId) -> GenerateRequest {
        let reply = self.ask(id, "what did you get?").await;
        serde_json::from_str(&reply.content).unwrap()
    }

    pub(crate) fn new_conversation(&self, character: Option<&str>) -> ConversationId {
        self.chat.create_conversation(character).unwrap().conversation.id
    }

    pub(crate) fn view(&self, id: ConversationId) -> ConversationView {
        self.chat.open_conversation(id).unwrap()
    }

    /// The messages of the branch that is shown.
    pub(crate) fn messages(&self, id: ConversationId) -> Vec<Message> {
        self.view(id).messages.into_iter().map(|entry| entry.message).collect()
    }

    pub(crate) fn texts(&self, id: ConversationId) -> Vec<String> {
        texts(&self.view(id))
    }

    pub(crate) fn last(&self, id: ConversationId) -> Message {
        self.messages(id).pop().unwrap()
    }
}

pub(crate) fn texts(view: &ConversationView) -> Vec<String> {
    view.messages.iter().map(|entry| entry.message.content.clone()).collect()
}

/// Each message's place among its siblings and their number.
pub(crate) fn branches(view: &ConversationView) -> Vec<(u32, u32)> {
    view.messages.iter().map(|entry| (entry.branch.index, entry.branch.count)).collect()
}

/// The code of a reply's error.
pub(crate) fn error_code(message: &Message) -> Option<&str> {
    message.error.as_ref()?.get("code")?.as_str()
}

/// A prompt for reading.
pub(crate) fn rendered(request: &GenerateRequest) -> String {
    let mut text = String::new();
    for message in &request.messages {
        let role = format!("{:?}", message.role).to_lowercase();
        text.push_str(&format!("[{role}]\n"));
        if !message.reasoning.is_empty() {
            text.push_str(&format!("(thinking) {}\n", message.reasoning));
        }
        text.push_str(&format!("{}\n", message.content));
    }
    text
}

/// Events for reading, one a line. How many `ReplyWritten` there are is a matter of time, so they are one line.
pub(crate) fn described(events: &[ChatEvent]) -> String {
    let mut lines: Vec<String> = events.iter().map(describe).collect();
    lines.dedup_by(|later, earlier| later == earlier && later.starts_with("ReplyWritten"));
    lines.join("\n") + "\n"
}

fn describe(event: &ChatEvent) -> String {
    let said = |message: &Message| {
        let role = if message.role == Role::User { "user" } else { "assistant" };
        format!("{role} {:?} {:?}", message.content, message.status)
    };
    match event {
        ChatEvent::ConversationChanged(summary) => format!("ConversationChanged {:?}", summary.title),
        ChatEvent::ConversationRemoved(_) => "ConversationRemoved".to_owned(),
        ChatEvent::MessageAdded { message, .. } => format!("MessageAdded {}", said(&message.message)),
        ChatEvent::PromptProgress { processed, total, .. } => format!("PromptProgress {processed} of {total}"),
        ChatEvent::ReplyWritten { .. } => "ReplyWritten".to_owned(),
        ChatEvent::ReplyFinished { message, context, .. } => {
            let context = context.map(|context| format!(" {} of {}", context.used, context.size)).unwrap_or_default();
            format!("ReplyFinished {}{context}", said(&message.message))
        }
        ChatEvent::SamplingApplied { from_token, .. } => format!("SamplingApplied from {from_token}"),
        ChatEvent::ContextTrimmed { .. } => "ContextTrimmed".to_owned(),
        ChatEvent::ModelChanged(ModelState::None) => "ModelChanged none".to_owned(),
        ChatEvent::ModelChanged(ModelState::Loading(loading)) => {
            format!("ModelChanged loading {:.1}", loading.progress)
        }
        ChatEvent::ModelChanged(ModelState::Ready(_)) => "ModelChanged ready".to_owned(),
        ChatEvent::ModelChanged(ModelState::Failed { error, .. }) => format!("ModelChanged failed: {error}"),
        ChatEvent::LoadRefused(error) => format!("LoadRefused {error}"),
        ChatEvent::SavingFailed { reason, .. } => format!("SavingFailed {reason}"),
    }
}

/// The example that `cargo test` builds beside this test.
pub(crate) fn engine_program() -> EngineProgram {
    let test = std::env::current_exe().unwrap();
    let name = format!("examples/chat-scripted-engine{}", std::env::consts::EXE_SUFFIX);
    let executable = test.parent().and_then(Path::parent).unwrap().join(name);
    assert!(executable.exists(), "first: cargo build -p engawa-chat --examples");
    EngineProgram::new(executable)
}

/// Whether a process is there, ended ones that nobody has waited for included.
pub(crate) fn is_running(process_id: u32) -> bool {
    Path::new(&format!("/proc/{process_id}")).exists()
}
