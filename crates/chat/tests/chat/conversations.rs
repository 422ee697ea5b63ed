//! Conversations between starts of the app, in the list, in the bin and in the search.

use std::sync::Arc;

use engawa_chat::{ChatError, ChatEvent, ConversationId, Status, StoreError};

use crate::session::{Session, described};

#[test]
fn a_reply_that_the_end_of_the_app_broke_off_is_there_as_interrupted() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (home, id) = runtime.block_on(async {
        let mut session = Session::with_model().await;
        let id = session.new_conversation(Some("tsundere"));
        session.ask(id, "say: 一つ目").await;
        session.chat.send(id, "say: abcdefghijkl\nslow: 10\nwait after: 2").unwrap();
        session.written("abcdefgh").await;
        session.chat.send(session.new_conversation(None), "say: never answered").unwrap();
        (Arc::clone(&session.home), id)
    });
    // Without a farewell, as when the process is killed.
    drop(runtime);

    let session = Session::open_in(home);
    let messages = session.messages(id);
    let texts: Vec<_> = messages[1..4].iter().map(|message| message.content.as_str()).collect();
    assert_eq!(texts, ["say: 一つ目", "一つ目", "say: abcdefghijkl\nslow: 10\nwait after: 2"]);
    let broken = messages.last().unwrap();
    assert_eq!(broken.status, Status::Interrupted);
    assert!("abcdefgh".starts_with(&broken.content), "{}", broken.content);
    assert!(session.chat.recovered().is_none());
    let all = session.chat.conversations().unwrap();
    let titles: Vec<_> = all.iter().map(|summary| summary.title.as_str()).collect();
    assert_eq!(titles, ["say: never answered", "say: 一つ目"], "the last used is first");
    assert_eq!(session.last(all[0].id).status, Status::Interrupted);
    assert!(!session.chat.is_replying(id));
}

#[tokio::test]
async fn an_interrupted_reply_goes_on_after_a_restart() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(None);
    let failed = session.ask(id, "say: abcdefghijkl\nexit after: 2").await;
    assert_eq!((failed.content.as_str(), failed.status), ("abcdefgh", Status::Failed));
    let home = Arc::clone(&session.home);
    drop(session);
    let mut session = Session::open_in(home);
    session.load(engawa_testkit::scripted_engine::ModelBehaviour::Plain).await;
    session.chat.continue_reply(id, failed.id).unwrap();
    let reply = session.finished().await;
    assert_eq!((reply.content.as_str(), reply.status, reply.error), ("abcdefghijkl", Status::Complete, None));
}

#[tokio::test]
async fn the_bin_takes_and_gives_back() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(None);
    session.ask(id, "縁側の話\nsay: ひなたぼっこ").await;
    let before = session.messages(id);
    session.chat.delete_conversation(id).unwrap();
    assert_eq!(session.chat.conversations().unwrap(), []);
    assert_eq!(session.chat.search("ひなた").unwrap(), []);
    session
        .until("the removal", |event| matches!(event, ChatEvent::ConversationRemoved(it) if *it == id).then_some(()))
        .await;

    session.log.clear();
    session.chat.restore_conversation(id).unwrap();
    session
        .until("the return", |event| matches!(event, ChatEvent::ConversationChanged(it) if it.id == id).then_some(()))
        .await;
    assert_eq!(session.chat.conversations().unwrap().len(), 1);
    assert_eq!(session.messages(id), before);
}

#[tokio::test]
async fn what_engines_keep_of_a_conversation_goes_with_it() {
    let mut session = Session::with_model().await;
    let (id, other) = (session.new_conversation(None), session.new_conversation(None));
    session.ask(id, "say: yes").await;
    assert_eq!(session.received(id).await.owner, Some(id.to_string()));
    let folder = session.home.path().join("cache").join("kv");
    std::fs::create_dir_all(&folder).unwrap();
    let file_of = |owner: ConversationId| folder.join(format!("{owner}.0123.kv"));
    for owner in [id, other] {
        std::fs::write(file_of(owner), "state").unwrap();
    }
    session.chat.delete_conversation(id).unwrap();
    assert!(!file_of(id).exists() && file_of(other).exists());
    session.chat.set_cache_bytes(1 << 30);
    assert!(file_of(other).exists());
    session.chat.set_cache_bytes(0);
    assert!(!file_of(other).exists(), "nothing may be kept");
}

/// A shell that adds whatever changed to its list must not get it back.
#[tokio::test]
async fn a_reply_that_ends_in_the_bin_does_not_bring_its_conversation_back() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(None);
    session.chat.send(id, "say: abcdefgh\nwait after: 1").unwrap();
    session.written("abcd").await;
    session.chat.delete_conversation(id).unwrap();
    session.log.clear();
    let reply = session.finished().await;
    assert_eq!((reply.content.as_str(), reply.status), ("abcd", Status::Stopped));
    // Another conversation's news come after whatever was still said of the first.
    let other = session.new_conversation(None);
    session
        .until("news", |event| matches!(event, ChatEvent::ConversationChanged(it) if it.id == other).then_some(()))
        .await;
    let of_it = session.log.iter().filter(|event| matches!(event, ChatEvent::ConversationChanged(it) if it.id == id));
    assert_eq!(of_it.count(), 0, "{}", described(&session.log));
    session.chat.restore_conversation(id).unwrap();
    assert_eq!(session.texts(id)[1], "abcd");
}

#[tokio::test]
async fn search_finds_titles_and_messages() {
    let mut session = Session::with_model().await;
    let garden = session.new_conversation(None);
    session.ask(garden, "庭の木について\nsay: 柿の木がいい。Persimmon.").await;
    let house = session.new_conversation(None);
    session.ask(house, "say: 縁側には木の板。").await;
    session.chat.rename_conversation(house, "House 100%").unwrap();
    let found =
        |query: &str| -> Vec<_> { session.chat.search(query).unwrap().into_iter().map(|summary| summary.id).collect() };
    assert_eq!(found("木"), [house, garden]);
    assert_eq!(found("persimmon 柿"), [garden]);
    assert_eq!(found("100%"), [house]);
    assert_eq!(found("  "), []);
    assert_eq!(found("\"NOT OR"), []);
}

#[tokio::test]
async fn what_does_not_exist_is_said_to() {
    let session = Session::open();
    assert!(
        matches!(session.chat.create_conversation(Some("nobody")), Err(ChatError::UnknownCharacter(id)) if id == "nobody")
    );
    assert_eq!(session.chat.conversations().unwrap(), []);
    let elsewhere = Session::open();
    let id = elsewhere.new_conversation(None);
    assert!(matches!(session.chat.open_conversation(id), Err(ChatError::Store(StoreError::NotFound(_)))));
    assert!(matches!(session.chat.delete_conversation(id), Err(ChatError::Store(StoreError::NotFound(_)))));
    assert!(matches!(elsewhere.chat.set_character(id, Some("nobody")), Err(ChatError::UnknownCharacter(_))));
}

#[tokio::test]
async fn a_person_s_characters_stand_beside_the_built_in_ones_or_in_their_place() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let characters = home.path().join("characters");
    std::fs::create_dir(&characters).unwrap();
    let casual = r#"{"name": "My own", "extensions": {"engawa": {"id": "casual"}}}"#;
    let casual = format!(r#"{{"spec": "chara_card_v3", "spec_version": "3.0", "data": {casual}}}"#);
    std::fs::write(characters.join("mine.json"), casual).unwrap();
    std::fs::write(characters.join("broken.json"), "{").unwrap();
    let session = Session::open_in(home);
    let ids: Vec<_> = session.chat.characters().iter().map(|character| character.id().to_owned()).collect();
    assert_eq!(ids, ["tsundere", "friendly", "technical", "casual", "polite", "creative", "academic", "mio"]);
    assert_eq!(session.chat.characters()[3].card().data.name, "My own");
    assert_eq!(session.chat.character_problems().len(), 1);
}
