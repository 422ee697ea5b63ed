use std::time::{Duration, Instant};

use engawa_chat::{ExitCause, ModelError, ModelState, Status};
use engawa_testkit::scripted_engine::ModelBehaviour;

use crate::session::{Session, is_running};

#[tokio::test]
async fn a_stopped_reply_keeps_its_text() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(None);
    session.chat.send(id, "say: abcdefghijklmnop\nwait after: 2").unwrap();
    session.written("abcdefgh").await;
    session.chat.stop_reply(id);
    let reply = session.finished().await;
    assert_eq!((reply.content.as_str(), reply.status, reply.error), ("abcdefgh", Status::Stopped, None));
    assert_eq!(session.ask(id, "say: next").await.content, "next");
}

#[tokio::test]
async fn a_reply_that_waits_for_the_model_stops_at_once() {
    let mut session = Session::open();
    session.begin_to_load(ModelBehaviour::WaitsWhileLoading).await;
    let id = session.new_conversation(None);
    session.chat.send(id, "say: never").unwrap();
    session.model_becomes("progress", |state| matches!(state, ModelState::Loading(it) if it.progress > 0.0)).await;
    session.chat.stop_reply(id);
    let reply = session.finished().await;
    assert_eq!((reply.content.as_str(), reply.status), ("", Status::Stopped));
    assert!(matches!(session.chat.model(), ModelState::Loading(_)), "the load goes on");
}

/// Stops the reply that runs in an engine that does not react; the next message gets a new engine.
async fn check_hanging(mut session: Session, message: &str, written: &str) {
    let id = session.new_conversation(None);
    let hanging = session.chat.engine_process_id().unwrap();
    session.chat.send(id, message).unwrap();
    if written.is_empty() {
        // Everything before the engine's own work is done when other tasks have had their turns.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    } else {
        session.written(written).await;
    }
    let begun = Instant::now();
    session.chat.stop_reply(id);
    let reply = session.finished().await;
    // It is 2.5 seconds by design; beside other work anything may take longer.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!((reply.content.as_str(), reply.status, reply.error), (written, Status::Stopped, None));

    let next = session.ask(id, "say: back again").await;
    assert_eq!((next.content.as_str(), next.status), ("back again", Status::Complete));
    assert_ne!(session.chat.engine_process_id(), Some(hanging));
    assert!(!is_running(hanging));
    let ended = session.log.iter().any(|event| {
        matches!(event, engawa_chat::ChatEvent::ModelChanged(ModelState::Failed { error: ModelError::EngineEnded(report), .. })
            if report.cause == ExitCause::Unresponsive)
    });
    assert!(ended, "the model's state says what happened");
}

#[tokio::test]
async fn an_engine_that_hangs_while_it_writes_is_ended() {
    check_hanging(Session::with_model().await, "say: abcdefghijklmnop\nhang after: 2", "abcdefgh").await;
}

#[tokio::test]
async fn an_engine_that_hangs_before_it_writes_is_ended() {
    check_hanging(Session::with_model().await, "say: never\nhang after: 0", "").await;
}

#[tokio::test]
async fn an_engine_that_hangs_while_it_counts_is_ended() {
    check_hanging(Session::with_context(1024).await, "hang when counted", "").await;
}

#[tokio::test]
async fn all_replies_stop_when_the_app_ends() {
    let mut session = Session::with_model().await;
    let (one, two) = (session.new_conversation(None), session.new_conversation(None));
    session.chat.send(one, "say: abcdefghijklmnop\nwait after: 2").unwrap();
    session.written("abcdefgh").await;
    session.chat.send(two, "say: never").unwrap();
    let engine = session.chat.engine_process_id().unwrap();
    session.chat.shut_down().await;
    let (one, two) = (session.last(one), session.last(two));
    assert_eq!((one.content.as_str(), one.status), ("abcdefgh", Status::Stopped));
    assert_eq!((two.content.as_str(), two.status), ("", Status::Stopped));
    assert!(!is_running(engine));
}
