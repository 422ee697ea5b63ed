//! The store as its callers see it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod conversations;
mod damage;
mod import;
mod messages;
mod process_death;
mod search;
mod tree;

use engawa_store::{ConversationId, MessageId, NewMessage, Role, Store};

/// A time to start from, in milliseconds since 1970.
const NOW: i64 = 1_800_000_000_000;

fn new_conversation(store: &Store) -> ConversationId {
    store.create_conversation("New chat", NOW).unwrap().id
}

fn say(store: &Store, conversation: ConversationId, parent: Option<MessageId>, text: &str) -> MessageId {
    store.insert_message(&NewMessage::new(conversation, parent, Role::User, text, NOW)).unwrap().id
}

fn texts(store: &Store, leaf: MessageId) -> Vec<String> {
    store.path_to(leaf).unwrap().into_iter().map(|message| message.content).collect()
}
