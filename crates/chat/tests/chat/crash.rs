use engawa_chat::{ChatEvent, ConversationId, ModelError, ModelState, SamplingName, Status};
use engawa_testkit::scripted_engine::ModelBehaviour;

use crate::session::{Session, error_code, is_running};

/// Lets the engine end in the middle of a reply; the report that the reply keeps.
async fn check_death(how: &str) -> String {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(None);
    let first_engine = session.chat.engine_process_id().unwrap();
    let reply = session.ask(id, &format!("say: abcdefghijklmnop\n{how} after: 2")).await;
    assert_eq!((reply.content.as_str(), reply.status), ("abcdefgh", Status::Failed));
    assert_eq!(error_code(&reply), Some("engine_crashed"));
    assert_eq!(session.last(id), reply);

    let next = session.ask(id, "say: as if nothing had happened").await;
    assert_eq!((next.content.as_str(), next.status), ("as if nothing had happened", Status::Complete));
    assert_ne!(session.chat.engine_process_id(), Some(first_engine));
    assert!(!is_running(first_engine));
    assert_eq!(session.messages(id)[1], reply, "the reply that failed stays as it is");
    reply.error.unwrap()["report"].as_str().unwrap().to_owned()
}

#[cfg(unix)]
#[tokio::test]
async fn an_engine_that_aborts() {
    let report = check_death("abort").await;
    assert_eq!(report, "the engine ended by signal 6\nscripted engine: GGML_ASSERT(false) failed");
}

#[tokio::test]
async fn an_engine_that_exits() {
    assert_eq!(check_death("exit").await, "the engine ended with status 3");
}

#[tokio::test]
async fn an_engine_that_talks_nonsense() {
    assert_eq!(check_death("nonsense").await, "the engine spoke out of turn and was ended");
}

async fn crash(session: &mut Session, id: ConversationId) -> Option<String> {
    let reply = session.ask(id, "exit after: 0").await;
    error_code(&reply).map(str::to_owned)
}

#[tokio::test]
async fn after_three_deaths_only_a_person_starts_the_engine_again() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(None);
    for round in 0..3 {
        assert_eq!(crash(&mut session, id).await.as_deref(), Some("engine_crashed"), "death {round}");
    }
    session.log.clear();
    let reply = session.ask(id, "say: too often").await;
    assert_eq!((error_code(&reply), reply.status), (Some("engine_limit"), Status::Failed));
    assert_eq!(session.chat.engine_process_id(), None);
    let loads = session.log.iter().filter(|event| matches!(event, ChatEvent::ModelChanged(ModelState::Loading(_))));
    assert_eq!(loads.count(), 0, "nothing was started");

    session.load(ModelBehaviour::Plain).await;
    assert_eq!(session.ask(id, "say: again").await.content, "again");
    assert_eq!(crash(&mut session, id).await.as_deref(), Some("engine_crashed"), "the count begins anew");
    assert_eq!(session.ask(id, "say: and again").await.content, "and again");
}

#[tokio::test]
async fn nothing_starts_or_is_sent_again_by_itself() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(None);
    session.chat.send(id, "say: abcdefgh\nabort after: 1").unwrap();
    session
        .model_becomes("the engine's end", |state| {
            matches!(state, ModelState::Failed { error: ModelError::EngineEnded(_), .. })
        })
        .await;
    // The end of the reply may have come before or after.
    while session.chat.is_replying(id) {
        tokio::task::yield_now().await;
    }
    assert_eq!(session.chat.engine_process_id(), None);
    assert!(matches!(session.chat.model(), ModelState::Failed { .. }));
    assert_eq!(session.texts(id), ["say: abcdefgh\nabort after: 1", "abcd"]);
}

#[tokio::test]
async fn a_model_that_kills_its_engine_is_given_up() {
    let mut session = Session::open();
    session.begin_to_load(ModelBehaviour::ExitsWhenLoaded).await;
    session.model_becomes("the engine's end", |state| matches!(state, ModelState::Failed { .. })).await;
    let id = session.new_conversation(None);
    let mut codes = Vec::new();
    while codes.last().is_none_or(|code| code != "engine_limit") {
        assert!(codes.len() < 5, "{codes:?}");
        let reply = session.ask(id, "say: never").await;
        assert_eq!((reply.content.as_str(), reply.status), ("", Status::Failed));
        codes.push(error_code(&reply).unwrap().to_owned());
    }
    assert_eq!(session.messages(id).len(), 2 * codes.len());
}

#[tokio::test]
async fn what_the_engine_refuses_does_not_end_it() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(None);
    let engine = session.chat.engine_process_id();
    let refused = session.ask(id, "refuse: roles must alternate").await;
    assert_eq!((error_code(&refused), refused.status), (Some("template_refused"), Status::Failed));
    assert_eq!(refused.error.unwrap()["reason"], "roles must alternate");
    let failed = session.ask(id, "say: abcdefgh\nfail after: 1").await;
    assert_eq!((failed.content.as_str(), error_code(&failed)), ("abcd", Some("generation_failed")));
    assert_eq!(session.ask(id, "say: fine").await.content, "fine");
    assert_eq!(session.chat.engine_process_id(), engine);
}

#[tokio::test]
async fn conversations_that_write_when_the_engine_dies_share_the_next_one() {
    let mut session = Session::with_model().await;
    let (one, two) = (session.new_conversation(None), session.new_conversation(None));
    session.chat.send(one, "say: abcdefgh\nwait after: 1").unwrap();
    session.written("abcd").await;
    session.chat.send(two, "exit after: 0").unwrap();
    session.chat.set_sampling(one, SamplingName::TopP, Some(0.5)).unwrap();
    let first = session.finished().await;
    assert_eq!((first.content.as_str(), first.status), ("abcdefgh", Status::Complete));
    assert_eq!(error_code(&session.finished().await), Some("engine_crashed"));

    session.log.clear();
    session.chat.send(one, "say: eins").unwrap();
    session.chat.send(two, "say: zwei").unwrap();
    session.finished().await;
    session.finished().await;
    assert_eq!((session.last(one).content, session.last(two).content), ("eins".to_owned(), "zwei".to_owned()));
    let ready = session.log.iter().filter(|event| matches!(event, ChatEvent::ModelChanged(ModelState::Ready(_))));
    assert_eq!(ready.count(), 1, "one engine was started for both");
}
