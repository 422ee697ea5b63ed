//! Conversations that are longer than the model's context.

use engawa_chat::{ChatEvent, ConversationId, MessageId, Status};
use engawa_engine_client::protocol::Role;

use crate::session::{Session, error_code};

fn trims(session: &Session) -> Vec<MessageId> {
    let trimmed = session.log.iter().filter_map(|event| match event {
        ChatEvent::ContextTrimmed { first_in_context, .. } => Some(*first_in_context),
        _ => None,
    });
    trimmed.collect()
}

/// A question that counts as 100 tokens.
async fn ask_hundred(session: &mut Session, id: ConversationId, number: usize) {
    let reply = session.ask(id, &format!("tokens: 100\nsay: reply {number}")).await;
    assert_eq!(reply.status, Status::Complete, "{:?}", reply.error);
}

#[tokio::test]
async fn the_oldest_block_leaves_once_and_then_the_prompt_begins_the_same() {
    let mut session = Session::with_context(2048).await;
    let id = session.new_conversation(Some("casual"));
    let mut number = 0;
    while trims(&session).is_empty() {
        assert!(number < 40, "2048 tokens are full long before");
        ask_hundred(&mut session, id, number).await;
        number += 1;
    }
    let first = session.view(id).first_in_context.expect("something left");
    assert_eq!(trims(&session), [first]);
    let messages = session.messages(id);
    let position = messages.iter().position(|message| message.id == first).unwrap();
    assert!(position > 4, "a large block leaves: {position}");
    assert_eq!(messages[position].role, engawa_chat::Role::User, "what stays begins with the person");

    // Several turns with the same beginning: the engine reuses what it has.
    for number in number..number + 4 {
        ask_hundred(&mut session, id, number).await;
        let timings = session.last(id).timings.unwrap();
        assert_eq!(session.view(id).first_in_context, Some(first));
        assert!(timings["processed_tokens"].as_u64().unwrap() < 120, "{timings}");
    }
    assert_eq!(trims(&session).len(), 1);

    let request = session.received(id).await;
    let casual = session.chat.characters().iter().find(|known| known.id() == "casual").unwrap();
    assert_eq!(request.messages[0].role, Role::System);
    assert!(request.messages[0].content.starts_with(&casual.system_prompt("User")), "the instructions stay");
    assert_eq!(request.messages[1].content, messages[position].content);
    assert_eq!(session.messages(id).len(), 3 + 2 * (number + 4), "in the store nothing leaves");
}

#[tokio::test]
async fn the_mark_survives_and_other_branches_have_their_own() {
    let mut session = Session::with_context(1024).await;
    let id = session.new_conversation(None);
    for number in 0..12 {
        ask_hundred(&mut session, id, number).await;
    }
    let first = session.view(id).first_in_context.unwrap();
    let oldest = session.messages(id)[0].id;
    // On a branch beside the mark the model sees all.
    session.chat.edit(id, oldest, "say: anders").unwrap();
    session.finished().await;
    assert_eq!(session.view(id).first_in_context, None);
    let view = session.chat.select_branch(id, first).unwrap();
    assert_eq!(view.first_in_context, Some(first));
}

#[tokio::test]
async fn a_message_that_is_too_long_alone_says_by_how_much() {
    let mut session = Session::with_context(512).await;
    let id = session.new_conversation(None);
    session.ask(id, "say: fine").await;
    let reply = session.ask(id, "tokens: 600").await;
    assert_eq!((reply.status, error_code(&reply)), (Status::Failed, Some("context_too_small")));
    let error = reply.error.unwrap();
    // The message, the two tokens around it and the one that opens the reply; nothing else is left in the prompt.
    assert_eq!((&error["prompt_tokens"], &error["context_size"]), (&603.into(), &512.into()));
    assert_eq!(session.ask(id, "say: shorter").await.content, "shorter", "the next one fits again");
}

#[tokio::test]
async fn a_full_context_ends_the_reply() {
    let mut session = Session::with_context(256).await;
    let id = session.new_conversation(None);
    let reply = session.ask(id, "tokens: 100\nsay: word\nrepeat: 1000").await;
    assert_eq!((reply.status, reply.content.len()), (Status::Length, 4 * (256 - 103)));
    let context = session.view(id).context.unwrap();
    assert_eq!((context.used, context.size), (256, 256));
}
