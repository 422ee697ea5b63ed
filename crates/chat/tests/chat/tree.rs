use engawa_chat::{ChatError, ConversationId, MessageId, Role, Status, StoreError};

use crate::session::{Session, branches, texts};

async fn conversation_of_two_turns(session: &mut Session) -> ConversationId {
    let id = session.new_conversation(None);
    session.ask(id, "say: one").await;
    session.ask(id, "say: two").await;
    id
}

#[tokio::test]
async fn another_reply_stands_beside_the_first() {
    let mut session = Session::with_model().await;
    let id = conversation_of_two_turns(&mut session).await;
    let first = session.messages(id)[1].id;
    let view = session.chat.retry(id, first).unwrap();
    assert_eq!((texts(&view), branches(&view)), (vec!["say: one".to_owned(), String::new()], vec![(0, 1), (1, 2)]));
    let second = session.finished().await;
    assert_eq!((second.content.as_str(), second.status), ("one", Status::Complete));
    session.chat.retry(id, second.id).unwrap();
    session.finished().await;
    assert_eq!(branches(&session.view(id)), [(0, 1), (2, 3)]);

    let view = session.chat.select_branch(id, first).unwrap();
    assert_eq!(
        (texts(&view).join("|"), branches(&view)),
        ("say: one|one|say: two|two".to_owned(), vec![(0, 1), (0, 3), (0, 1), (0, 1)])
    );
    let place = view.messages[1].branch;
    assert_eq!((place.previous, place.next), (None, Some(second.id)));
}

#[tokio::test]
async fn an_edited_question_begins_a_branch_with_a_reply() {
    let mut session = Session::with_model().await;
    let id = conversation_of_two_turns(&mut session).await;
    let old = session.messages(id)[2].clone();
    let view = session.chat.edit(id, old.id, "say: zwei").unwrap();
    assert_eq!(
        (texts(&view).join("|"), branches(&view)),
        ("say: one|one|say: zwei|".to_owned(), vec![(0, 1), (0, 1), (1, 2), (0, 1)])
    );
    session.finished().await;
    assert_eq!(session.texts(id).join("|"), "say: one|one|say: zwei|zwei");
    // The oldest message can be edited too: the tree has two roots then.
    let first = session.messages(id)[0].id;
    session.chat.edit(id, first, "say: eins").unwrap();
    session.finished().await;
    assert_eq!(
        (session.texts(id).join("|"), branches(&session.view(id))),
        ("say: eins|eins".to_owned(), vec![(1, 2), (0, 1)])
    );
    let view = session.chat.select_branch(id, old.id).unwrap();
    assert_eq!(texts(&view).join("|"), "say: one|one|say: two|two");
}

#[tokio::test]
async fn an_edited_reply_is_a_branch_and_nothing_is_generated() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(Some("tsundere"));
    session.ask(id, "say: one").await;
    session.ask(id, "say: two").await;
    let old = session.messages(id)[2].clone();
    let view = session.chat.edit(id, old.id, "eins").unwrap();
    assert!(!session.chat.is_replying(id));
    let edited = view.messages.last().unwrap();
    assert_eq!(
        (edited.message.content.as_str(), edited.message.role, edited.message.status),
        ("eins", Role::Assistant, Status::Complete)
    );
    assert_eq!(
        (edited.message.character_id.as_deref(), edited.message.model.as_deref()),
        (Some("tsundere"), Some("Scripted"))
    );
    assert_eq!((edited.branch.index, edited.branch.count), (1, 2));
    assert_eq!(session.ask(id, "say: drei").await.content, "drei");
    assert_eq!(session.texts(id)[1..].join("|"), "say: one|eins|say: drei|drei");
    // The edited reply does not need a model.
    session.chat.unload_model();
    session.chat.edit(id, edited.message.id, "ein").unwrap();
}

#[tokio::test]
async fn a_reply_that_was_stopped_goes_on_in_the_same_message() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(None);
    session.chat.send(id, "think: hm\nsay: abcdefghijkl\nwait after: 3").unwrap();
    session.written("abcdefgh").await;
    session.chat.stop_reply(id);
    let stopped = session.finished().await;
    assert_eq!((stopped.content.as_str(), stopped.status), ("abcdefgh", Status::Stopped));
    let thought = stopped.reasoning_ms;
    assert!(thought.is_some());

    session.log.clear();
    session.chat.continue_reply(id, stopped.id).unwrap();
    session.written("ijkl").await;
    let reply = session.finished().await;
    assert_eq!((reply.id, reply.content.as_str(), reply.status), (stopped.id, "abcdefghijkl", Status::Complete));
    assert_eq!((reply.reasoning.as_str(), reply.reasoning_ms), ("hm", thought), "what was thought before stays");
    assert_eq!(branches(&session.view(id)), [(0, 1), (0, 1)]);
}

#[tokio::test]
async fn a_reply_without_a_word_begins_anew_when_it_is_continued() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(None);
    let failed = session.ask(id, "say: before").await;
    assert_eq!(failed.content, "before");
    session.chat.send(id, "say: abcdefgh\nwait after: 0").unwrap();
    session.chat.stop_reply(id);
    let stopped = session.finished().await;
    assert_eq!((stopped.content.as_str(), stopped.status), ("", Status::Stopped));
    session.chat.continue_reply(id, stopped.id).unwrap();
    // It waits again, because nothing of it is written.
    session.chat.set_sampling(id, engawa_chat::SamplingName::TopP, Some(0.5)).unwrap();
    session
        .until("a prompt", |event| matches!(event, engawa_chat::ChatEvent::PromptProgress { .. }).then_some(()))
        .await;
    session.chat.set_sampling(id, engawa_chat::SamplingName::TopP, Some(0.6)).unwrap();
    let reply = session.finished().await;
    assert_eq!((reply.id, reply.content.as_str(), reply.status), (stopped.id, "abcdefgh", Status::Complete));
}

/// The last message of the prompt is what the engine goes on from: never the question.
#[tokio::test]
async fn what_is_continued_is_the_reply_and_not_the_question() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(None);
    session.chat.send(id, "what did you get?").unwrap();
    session.chat.stop_reply(id);
    let stopped = session.finished().await;
    assert_eq!((stopped.content.as_str(), stopped.status), ("", Status::Stopped));
    session.chat.continue_reply(id, stopped.id).unwrap();
    let reply = session.finished().await;
    let request: serde_json::Value = serde_json::from_str(&reply.content).unwrap();
    assert_eq!(request["continue_final"], "new_turn");
    assert_eq!(request["messages"].as_array().unwrap().len(), 1);
}

/// Everything of a conversation, for comparing.
fn everything(session: &Session, id: ConversationId) -> String {
    session.chat.export(id, engawa_chat::ExportFormat::Json).unwrap().contents
}

#[tokio::test]
async fn what_is_refused_changes_nothing() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(Some("casual"));
    session.ask(id, "say: one").await;
    let other = session.new_conversation(None);
    session.ask(other, "say: other").await;
    let [greeting, question, reply]: [MessageId; 3] =
        session.messages(id).iter().map(|message| message.id).collect::<Vec<_>>().try_into().unwrap();
    let before = everything(&session, id);
    let chat = session.chat.clone();

    assert!(matches!(chat.retry(id, question), Err(ChatError::NotAReply)));
    assert!(matches!(chat.retry(id, greeting), Err(ChatError::NotAReply)), "a greeting answers nothing");
    assert!(matches!(chat.continue_reply(id, question), Err(ChatError::NotAReply)));
    assert!(matches!(chat.continue_reply(id, greeting), Err(ChatError::NotAReply)));
    assert!(matches!(chat.edit(id, question, "  "), Err(ChatError::EmptyMessage)));
    assert!(matches!(chat.edit(id, question, &"x".repeat(9 << 20)), Err(ChatError::MessageTooLong { .. })));
    for refused in [chat.retry(other, reply), chat.edit(other, question, "x"), chat.select_branch(other, reply)] {
        assert!(matches!(refused, Err(ChatError::Store(StoreError::NotFound(_)))), "{refused:?}");
    }
    assert_eq!(everything(&session, id), before);

    chat.send(other, "say: busy now\nwait after: 1").unwrap();
    session.written("busy").await;
    let (busy_question, busy_reply) = (session.messages(other)[0].id, session.last(other).id);
    assert!(matches!(chat.retry(other, busy_reply), Err(ChatError::Busy)));
    assert!(matches!(chat.continue_reply(other, busy_reply), Err(ChatError::Busy)));
    assert!(matches!(chat.edit(other, busy_question, "x"), Err(ChatError::Busy)));
    assert!(matches!(chat.edit(other, busy_reply, "x"), Err(ChatError::Busy)));
    assert_eq!(session.messages(other).len(), 4);
    chat.stop_reply(other);
    session.finished().await;

    chat.unload_model();
    assert!(matches!(chat.send(id, "x"), Err(ChatError::NoModel)));
    assert!(matches!(chat.retry(id, reply), Err(ChatError::NoModel)));
    assert!(matches!(chat.edit(id, question, "x"), Err(ChatError::NoModel)));
    assert!(matches!(chat.continue_reply(id, reply), Err(ChatError::NoModel)));
    assert_eq!(everything(&session, id), before);
    assert!(!chat.is_replying(id));
}
