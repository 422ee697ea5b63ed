//! The client as its callers see it, with an engine that follows a script.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod end;
mod load;
mod reply;
mod start;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engawa_engine_client::protocol::{
    ContinueFinal, Decoding, GenerateRequest, LoadRequest, LoadSettings, PromptMessage, RequestId, Role, Sampling,
};
use engawa_engine_client::{Engine, EngineProgram, LoadEvent, Reply, ReplyEvent};
use engawa_testkit::scripted_engine::{GreetingBehaviour, ModelBehaviour};

/// Far more than anything here takes; what does not come by then never comes.
const LIMIT: Duration = Duration::from_secs(30);

async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    // Not tokio's clock: some tests let it run ahead.
    let (sender, limit) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        std::thread::sleep(LIMIT);
        let _ = sender.send(());
    });
    tokio::select! {
        value = work => value,
        Ok(()) = limit => panic!("{what} did not happen within {LIMIT:?}"),
    }
}

/// The example that `cargo test` builds beside this test.
fn program() -> EngineProgram {
    let test = std::env::current_exe().unwrap();
    let name = format!("examples/client-scripted-engine{}", std::env::consts::EXE_SUFFIX);
    let executable = test.parent().and_then(|folder| folder.parent()).unwrap().join(name);
    assert!(executable.exists(), "first: cargo build -p engawa-engine-client --examples");
    EngineProgram::new(executable)
}

fn program_that_greets(greeting: GreetingBehaviour) -> EngineProgram {
    EngineProgram { environment: vec![greeting.environment()], ..program() }
}

async fn start() -> Arc<Engine> {
    Arc::new(within("the greeting", Engine::start(&program())).await.unwrap())
}

fn load_request(behaviour: ModelBehaviour) -> LoadRequest {
    LoadRequest::new(PathBuf::from(behaviour.file_name()), LoadSettings::default())
}

/// The last event of a load.
async fn load(engine: &Engine, behaviour: ModelBehaviour) -> LoadEvent {
    let mut events = engine.load(load_request(behaviour));
    within("the end of a load", async {
        loop {
            match events.recv().await.unwrap() {
                LoadEvent::Progress(_) => {}
                last => return last,
            }
        }
    })
    .await
}

async fn start_with_model() -> Arc<Engine> {
    let engine = start().await;
    let LoadEvent::Loaded(_) = load(&engine, ModelBehaviour::Plain).await else { panic!("it loads") };
    engine
}

fn user(text: &str) -> PromptMessage {
    PromptMessage::new(Role::User, text)
}

fn request(text: &str) -> GenerateRequest {
    GenerateRequest {
        id: RequestId(0),
        owner: None,
        messages: vec![user(text)],
        tools: Vec::new(),
        continue_final: ContinueFinal::NewTurn,
        sampling: Sampling::default(),
        decoding: Decoding::default(),
        stop: Vec::new(),
    }
}

/// What a reply came to.
#[derive(Debug, Default, PartialEq)]
struct Came {
    reasoning: String,
    content: String,
    texts: usize,
    applied_from: Vec<u32>,
    last: Option<ReplyEvent>,
}

async fn read(reply: &mut Reply) -> Came {
    let mut came = Came::default();
    within("the end of a reply", async {
        loop {
            match reply.events.recv().await {
                Some(ReplyEvent::PromptProgress { .. }) => {}
                Some(ReplyEvent::SamplingApplied { from_token }) => came.applied_from.push(from_token),
                Some(ReplyEvent::Text { reasoning, content, generated }) => {
                    came.reasoning.push_str(&reasoning);
                    came.content.push_str(&content);
                    came.texts += 1;
                    assert_eq!(generated as usize, came.texts, "the scripted engine sends a text per token");
                }
                last => {
                    came.last = last;
                    return came;
                }
            }
        }
    })
    .await
}

/// Waits until so many tokens of a reply have come.
async fn read_texts(reply: &mut Reply, count: usize) {
    let mut texts = 0;
    within("the first tokens", async {
        while texts < count {
            let event = reply.events.recv().await.unwrap();
            texts += usize::from(matches!(event, ReplyEvent::Text { .. }));
        }
    })
    .await;
}

#[cfg(target_os = "linux")]
fn is_running(process_id: u32) -> bool {
    std::path::Path::new(&format!("/proc/{process_id}")).exists()
}

#[cfg(not(target_os = "linux"))]
fn is_running(_: u32) -> bool {
    false
}
