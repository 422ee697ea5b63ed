use engawa_store::{Conversation, ConversationId, ConversationSummary, MessageId, Record, Store, StoreError};
use serde_json::json;

use crate::{NOW, new_conversation, say};

#[test]
fn keeps_every_setting() {
    let store = Store::open_in_memory().unwrap();
    let id = new_conversation(&store);
    let message = say(&store, id, None, "hello");
    store.set_character(id, Some("tsundere")).unwrap();
    store.set_model(id, Some("/models/qwen.gguf")).unwrap();
    store.set_sampling(id, &json!({"temperature": 0.5})).unwrap();
    store.set_first_in_context(id, Some(message)).unwrap();
    store.rename(id, "旅行の計画").unwrap();
    assert_eq!(
        store.conversation(id).unwrap(),
        Conversation {
            id,
            title: "旅行の計画".to_owned(),
            title_is_custom: true,
            created_at: NOW,
            updated_at: NOW,
            deleted_at: None,
            model_path: Some("/models/qwen.gguf".to_owned()),
            character_id: Some("tsundere".to_owned()),
            sampling: json!({"temperature": 0.5}),
            active_leaf: Some(message),
            first_in_context: Some(message),
        }
    );
}

#[test]
fn lists_the_last_used_first() {
    let store = Store::open_in_memory().unwrap();
    let [first, second, third] = [1, 2, 3].map(|time| store.create_conversation("", NOW + time).unwrap().id);
    store
        .insert_message(&engawa_store::NewMessage::new(first, None, engawa_store::Role::User, "hi", NOW + 10))
        .unwrap();
    store.delete(third, NOW).unwrap();
    let summary = |id, updated_at| ConversationSummary { id, title: String::new(), character_id: None, updated_at };
    assert_eq!(store.conversations().unwrap(), [summary(first, NOW + 10), summary(second, NOW + 2)]);
}

#[test]
fn a_generated_title_never_replaces_one_a_person_chose() {
    let store = Store::open_in_memory().unwrap();
    let id = new_conversation(&store);
    assert!(store.set_title_if_default(id, "Generated").unwrap());
    store.rename(id, "Mine").unwrap();
    assert!(!store.set_title_if_default(id, "Generated again").unwrap());
    assert_eq!(store.conversation(id).unwrap().title, "Mine");
}

#[test]
fn purges_only_what_was_deleted_long_enough_ago() {
    let store = Store::open_in_memory().unwrap();
    let [kept, recent, old] = [(); 3].map(|()| new_conversation(&store));
    // Deeper than the database lets deletions follow one another from row to row.
    let mut parent = None;
    for _ in 0..1500 {
        parent = Some(say(&store, old, parent, "deep"));
    }
    store.set_first_in_context(old, parent).unwrap();
    store.delete(recent, NOW + 100).unwrap();
    store.delete(old, NOW).unwrap();

    assert_eq!(store.purge_deleted(NOW + 100).unwrap(), 1);

    assert_eq!(store.all_messages(old).unwrap(), []);
    assert!(matches!(store.restore(old), Err(StoreError::NotFound(Record::Conversation))));
    store.restore(recent).unwrap();
    let listed: Vec<ConversationId> =
        store.conversations().unwrap().into_iter().map(|conversation| conversation.id).collect();
    assert_eq!(listed, [recent, kept]);
}

#[test]
fn refuses_what_is_not_there() {
    let store = Store::open_in_memory().unwrap();
    let id = new_conversation(&store);
    let elsewhere = say(&store, new_conversation(&store), None, "elsewhere");
    let nowhere = ConversationId::new(NOW);
    let conversation_is_missing =
        |result| assert!(matches!(result, Err(StoreError::NotFound(Record::Conversation))), "{result:?}");
    conversation_is_missing(store.rename(nowhere, ""));
    conversation_is_missing(store.set_active_leaf(nowhere, None));
    conversation_is_missing(store.set_active_leaf(nowhere, Some(elsewhere)));
    conversation_is_missing(store.set_title_if_default(nowhere, "").map(drop));
    conversation_is_missing(store.conversation(nowhere).map(drop));
    for message in [elsewhere, MessageId::new(NOW)] {
        let result = store.set_active_leaf(id, Some(message));
        assert!(matches!(result, Err(StoreError::NotFound(Record::Message))), "{result:?}");
    }
}
