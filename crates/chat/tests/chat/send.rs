use engawa_chat::{ChatError, ChatEvent, Role, Status};
use engawa_testkit::scripted_engine::ModelBehaviour;
use expect_test::expect;

use crate::session::{Session, described, error_code};

#[tokio::test]
async fn a_message_is_stored_with_its_reply_before_anything_is_generated() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(None);
    session.chat.send(id, "exit after: 0").unwrap();
    // The task that writes the reply has had no turn yet.
    let messages = session.messages(id);
    assert_eq!(messages.iter().map(|message| message.role).collect::<Vec<_>>(), [Role::User, Role::Assistant]);
    assert_eq!((messages[0].content.as_str(), messages[0].status), ("exit after: 0", Status::Complete));
    assert_eq!((messages[1].content.as_str(), messages[1].status), ("", Status::Streaming));
    assert_eq!(messages[1].model.as_deref(), Some("Scripted"));

    let reply = session.finished().await;
    assert_eq!((reply.id, reply.status, error_code(&reply)), (messages[1].id, Status::Failed, Some("engine_crashed")));
    assert_eq!(session.messages(id)[0], messages[0]);
}

#[tokio::test]
async fn events_come_in_the_order_in_which_things_happen() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(Some("mio"));
    session.log.clear();
    session.chat.send(id, "think: まず\nsay: 縁側は、家と外のあいだ。").unwrap();
    session.finished().await;
    expect![[r#"
        ConversationChanged ""
        MessageAdded assistant "Tea, User?" Complete
        MessageAdded user "think: まず\nsay: 縁側は、家と外のあいだ。" Complete
        ConversationChanged "think: まず"
        MessageAdded assistant "" Streaming
        ConversationChanged "think: まず"
        PromptProgress 38 of 38
        ReplyWritten
        ReplyFinished assistant "縁側は、家と外のあいだ。" Complete 42 of 8192
    "#]]
    .assert_eq(&described(&session.log));
}

#[tokio::test]
async fn what_is_written_adds_up_to_what_is_stored() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(None);
    let reply = session.ask(id, "think: いろいろ考える。\nsay: 縁側で猫が寝る。\nrepeat: 200").await;
    assert_eq!(
        (reply.content.as_str(), reply.reasoning.as_str()),
        ("縁側で猫が寝る。".repeat(200).as_str(), "いろいろ考える。")
    );
    assert_eq!(reply, session.last(id));
    let (mut thought, mut said, mut tokens) = (String::new(), String::new(), 0);
    for event in &session.log {
        if let ChatEvent::ReplyWritten { message, reasoning, content, generated, .. } = event {
            assert_eq!(*message, reply.id);
            thought.push_str(reasoning);
            said.push_str(content);
            tokens = *generated;
        }
    }
    assert_eq!((thought, said, tokens), (reply.reasoning, reply.content, 402));
}

#[tokio::test]
async fn a_reply_keeps_its_times_its_settings_and_its_author() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(Some("tsundere"));
    let reply = session.ask(id, "think: うーん\nslow: 5\nsay: べ、別に。").await;
    assert!(reply.reasoning_ms.is_some_and(|time| time >= 0), "{:?}", reply.reasoning_ms);
    let timings = reply.timings.unwrap();
    assert_eq!((&timings["generated_tokens"], &timings["generation_us"]), (&3.into(), &3000.into()));
    let sampling = reply.sampling.unwrap();
    assert_eq!((&sampling["temperature"], &sampling["max_tokens"]), (&0.9.into(), &512.0.into()));
    assert_eq!(reply.author_name.as_deref(), Some("ツンデレ"));
    assert_eq!((reply.author_emoji.as_deref(), reply.character_id.as_deref()), (Some("🎭"), Some("tsundere")));

    let id = session.new_conversation(None);
    let reply = session.ask(id, "say: plain").await;
    assert_eq!((reply.reasoning_ms, reply.author_name, reply.character_id), (None, None, None));
}

#[tokio::test]
async fn a_greeting_is_the_first_message_once() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(Some("friendly"));
    assert_eq!(session.texts(id), [""; 0], "nothing is stored before a person says something");
    session.ask(id, "say: one").await;
    session.ask(id, "say: two").await;
    let messages = session.messages(id);
    assert_eq!(messages[0].role, Role::Assistant);
    assert!(messages[0].content.starts_with("こんにちは！"), "{}", messages[0].content);
    assert_eq!(messages[0].author_name.as_deref(), Some("フレンドリー"));
    let said: Vec<_> = messages[1..].iter().map(|message| message.content.as_str()).collect();
    assert_eq!(said, ["say: one", "one", "say: two", "two"]);
}

#[tokio::test]
async fn the_first_message_gives_the_title_and_a_person_another() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(None);
    session.ask(id, "\n  縁側について\nsay: はい").await;
    assert_eq!(session.view(id).conversation.title, "縁側について");
    session.ask(id, "say: second").await;
    assert_eq!(session.view(id).conversation.title, "縁側について", "the title is made once");
    session.chat.rename_conversation(id, "  家の話 ").unwrap();
    session.ask(id, "say: third").await;
    assert_eq!(session.view(id).conversation.title, "家の話");
}

#[tokio::test]
async fn what_cannot_be_sent_changes_nothing() {
    let mut session = Session::open();
    let id = session.new_conversation(Some("tsundere"));
    assert!(matches!(session.chat.send(id, "hello"), Err(ChatError::NoModel)));
    session.load(ModelBehaviour::Plain).await;
    assert!(matches!(session.chat.send(id, " \n\t "), Err(ChatError::EmptyMessage)));
    let long = "縁".repeat(3 << 20);
    let refused = session.chat.send(id, &long);
    assert!(matches!(refused, Err(ChatError::MessageTooLong { bytes, limit }) if bytes == 9 << 20 && limit == 8 << 20));
    assert!(session.messages(id).is_empty());
    assert!(!session.chat.is_replying(id));

    session.chat.send(id, "say: a reply\nwait after: 1").unwrap();
    let before = session.texts(id);
    assert!(matches!(session.chat.send(id, "too soon"), Err(ChatError::Busy)));
    assert_eq!(session.texts(id), before);
    session.chat.stop_reply(id);
    session.finished().await;
    assert!(!session.chat.is_replying(id), "whoever hears of the end can send at once");
}

#[tokio::test]
async fn conversations_reply_beside_each_other() {
    let mut session = Session::with_model().await;
    let (one, two) = (session.new_conversation(None), session.new_conversation(None));
    session.chat.send(one, "say: first conversation\nwait after: 1").unwrap();
    session.written("firs").await;
    session.chat.send(two, "say: second conversation").unwrap();
    assert!(session.chat.is_replying(one) && session.chat.is_replying(two));
    session.chat.stop_reply(one);
    session.finished().await;
    session.finished().await;
    assert_eq!(session.texts(one)[1], "firs");
    assert_eq!(session.texts(two)[1], "second conversation");
}

#[tokio::test]
async fn a_message_sent_while_the_model_loads_is_answered_when_it_is_there() {
    let mut session = Session::open();
    session.begin_to_load(ModelBehaviour::LoadsSlowly).await;
    let id = session.new_conversation(None);
    let reply = session.ask(id, "say: here I am").await;
    assert_eq!((reply.content.as_str(), reply.status), ("here I am", Status::Complete));
}

#[tokio::test]
async fn a_message_that_waits_is_answered_by_the_model_that_comes_instead() {
    let mut session = Session::open();
    session.begin_to_load(ModelBehaviour::WaitsWhileLoading).await;
    let id = session.new_conversation(None);
    session.chat.send(id, "say: here I am").unwrap();
    session.begin_to_load(ModelBehaviour::Plain).await;
    let reply = session.finished().await;
    assert_eq!((reply.content.as_str(), reply.status), ("here I am", Status::Complete));
}

#[tokio::test]
async fn a_message_that_waits_for_a_cancelled_load_says_so() {
    let mut session = Session::open();
    session.begin_to_load(ModelBehaviour::WaitsWhileLoading).await;
    let id = session.new_conversation(None);
    session.chat.send(id, "say: never").unwrap();
    session.chat.cancel_load().await;
    let reply = session.finished().await;
    assert_eq!((reply.status, error_code(&reply)), (Status::Failed, Some("model_unavailable")));
}
