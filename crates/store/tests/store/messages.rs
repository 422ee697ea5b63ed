use engawa_store::{
    ConversationId, Message, MessageEnd, MessageId, NewMessage, Record, Role, Status, Store, StoreError,
};
use serde_json::json;
use tempfile::tempdir;

use crate::{NOW, new_conversation, say};

#[test]
fn keeps_every_field_through_the_life_of_a_reply() {
    let store = Store::open_in_memory().unwrap();
    let conversation_id = new_conversation(&store);
    let question = say(&store, conversation_id, None, "why?");
    let begun = store
        .insert_message(&NewMessage {
            status: Status::Streaming,
            author_name: Some("つんこ".to_owned()),
            author_emoji: Some("🎭".to_owned()),
            character_id: Some("tsundere".to_owned()),
            model: Some("qwen".to_owned()),
            sampling: Some(json!({"top_p": 0.9})),
            ..NewMessage::new(conversation_id, Some(question), Role::Assistant, "", NOW + 1)
        })
        .unwrap();
    assert_eq!(store.message(begun.id).unwrap(), begun);

    store.checkpoint_message(begun.id, "Bec", "hmm").unwrap();
    let half = Message { content: "Bec".to_owned(), reasoning: "hmm".to_owned(), ..begun.clone() };
    assert_eq!(store.message(begun.id).unwrap(), half);

    let end = MessageEnd {
        status: Status::Length,
        content: "Because.\0".to_owned(),
        reasoning: "hmm, hmm".to_owned(),
        reasoning_ms: Some(1200),
        error: Some(json!({"code": "limit"})),
        timings: Some(json!({"tokens_per_second": 31.5})),
        ended_at: NOW + 9,
    };
    store.finish_message(begun.id, &end).unwrap();
    let finished = Message {
        status: end.status,
        content: end.content,
        reasoning: end.reasoning,
        reasoning_ms: end.reasoning_ms,
        error: end.error,
        timings: end.timings,
        ..begun.clone()
    };
    assert_eq!(store.all_messages(conversation_id).unwrap()[1..], [finished]);
    assert_eq!(store.conversation(conversation_id).unwrap().updated_at, NOW + 9);

    let late = store.checkpoint_message(begun.id, "late", "");
    assert!(matches!(late, Err(StoreError::NotFound(Record::StreamingMessage))), "{late:?}");
    store.resume_message(begun.id).unwrap();
    store.checkpoint_message(begun.id, "Because. And", "").unwrap();
}

#[test]
fn refuses_a_parent_from_elsewhere() {
    let store = Store::open_in_memory().unwrap();
    let here = new_conversation(&store);
    let elsewhere = say(&store, new_conversation(&store), None, "elsewhere");
    for parent in [elsewhere, MessageId::new(NOW)] {
        let result = store.insert_message(&NewMessage::new(here, Some(parent), Role::User, "", NOW));
        assert!(matches!(result, Err(StoreError::NotFound(Record::Message))), "{result:?}");
    }
    let result = store.insert_message(&NewMessage::new(ConversationId::new(NOW), None, Role::User, "", NOW));
    assert!(matches!(result, Err(StoreError::NotFound(_))), "{result:?}");
    assert_eq!(store.all_messages(here).unwrap(), []);
}

#[test]
fn what_was_streaming_is_interrupted_when_the_file_is_opened_again() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("engawa.db");
    let store = Store::open(&path, NOW).unwrap().store;
    let conversation = new_conversation(&store);
    let question = say(&store, conversation, None, "why?");
    let reply = NewMessage {
        status: Status::Streaming,
        ..NewMessage::new(conversation, Some(question), Role::Assistant, "", NOW)
    };
    let reply = store.insert_message(&reply).unwrap().id;
    store.checkpoint_message(reply, "Because", "").unwrap();
    assert_eq!(store.search_conversations("Because").unwrap(), [], "a message is not indexed while it grows");
    drop(store);

    let opened = Store::open(&path, NOW).unwrap();

    assert_eq!((opened.interrupted_messages, opened.recovered), (1, None));
    let message = opened.store.message(reply).unwrap();
    assert_eq!((message.status, message.content.as_str(), message.damaged), (Status::Interrupted, "Because", false));
    assert_eq!(opened.store.search_conversations("Because").unwrap().len(), 1);
}

#[cfg(unix)]
#[test]
fn files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempdir().unwrap();
    let path = folder.path().join("data/engawa.db");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let store = Store::open(&path, NOW).unwrap().store;
    new_conversation(&store);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&path.with_extension("db-wal")), 0o600);
    drop(store);

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    drop(Store::open(&path, NOW).unwrap());
    assert_eq!(mode(&path), 0o600);
}
