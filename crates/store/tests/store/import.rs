use engawa_store::{ConversationTree, Message, MessageId, Status, Store, StoreError};

use crate::{new_conversation, say, texts};

fn exported(store: &Store) -> ConversationTree {
    let id = new_conversation(store);
    let question = say(store, id, None, "question");
    say(store, id, Some(question), "first answer");
    let second = say(store, id, Some(question), "second answer");
    store.set_active_leaf(id, Some(second)).unwrap();
    store.set_first_in_context(id, Some(question)).unwrap();
    ConversationTree { conversation: store.conversation(id).unwrap(), messages: store.all_messages(id).unwrap() }
}

#[test]
fn free_ids_are_kept() {
    let tree = exported(&Store::open_in_memory().unwrap());
    let store = Store::open_in_memory().unwrap();
    let mut shuffled = tree.clone();
    shuffled.messages.reverse();
    let id = store.import_conversation(&shuffled).unwrap();
    assert_eq!(id, tree.conversation.id);
    assert_eq!(store.conversation(id).unwrap(), tree.conversation);
    assert_eq!(store.all_messages(id).unwrap(), tree.messages);
}

#[test]
fn taken_ids_are_made_anew() {
    let store = Store::open_in_memory().unwrap();
    let mut tree = exported(&store);
    tree.messages[2].status = Status::Streaming;
    let id = store.import_conversation(&tree).unwrap();
    assert_ne!(id, tree.conversation.id);
    let copy = store.conversation(id).unwrap();
    let leaf = copy.active_leaf.unwrap();
    assert_ne!(Some(leaf), tree.conversation.active_leaf);
    assert_eq!(texts(&store, leaf), ["question", "second answer"]);
    assert_eq!(copy.first_in_context, store.message(leaf).unwrap().parent_id);
    assert_eq!(store.message(leaf).unwrap().status, Status::Interrupted);
    let original = store.all_messages(tree.conversation.id).unwrap();
    assert_eq!(original[..2], tree.messages[..2], "the conversation that was there is as it was");
}

#[test]
fn refuses_what_is_no_tree() {
    let tree = exported(&Store::open_in_memory().unwrap());
    let question = tree.messages[0].id;
    let with = |change: fn(&mut Vec<Message>, MessageId)| {
        let mut broken = tree.clone();
        change(&mut broken.messages, question);
        broken
    };
    let store = Store::open_in_memory().unwrap();
    for broken in [
        with(|messages, _| drop(messages.remove(0))),
        with(|messages, _| messages[0].parent_id = Some(messages[1].id)),
        with(|messages, _| messages.push(messages[1].clone())),
        with(|messages, question| messages[0].parent_id = Some(question)),
    ] {
        let result = store.import_conversation(&broken);
        assert!(matches!(result, Err(StoreError::NotATree)), "{result:?}");
    }
    assert_eq!(store.conversations().unwrap(), []);
}
