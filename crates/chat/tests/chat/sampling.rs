use std::sync::Arc;

use engawa_chat::{ChatError, ChatEvent, SamplingName, SamplingSource, SettingView, Status};
use engawa_engine_client::protocol::Sampling;
use engawa_testkit::scripted_engine::ModelBehaviour;

use crate::session::Session;

fn setting(value: f64, source: SamplingSource) -> SettingView {
    SettingView { value: Some(value), source }
}

#[tokio::test]
async fn a_conversation_comes_before_its_character_and_that_before_the_defaults() {
    let mut session = Session::with_model().await;
    let plain = session.new_conversation(None);
    assert_eq!(session.received(plain).await.sampling, Sampling::default());

    let id = session.new_conversation(Some("tsundere"));
    let view = session.view(id).sampling.0;
    assert_eq!(view[&SamplingName::Temperature], setting(0.9, SamplingSource::Character));
    assert_eq!(view[&SamplingName::TopK], setting(40.0, SamplingSource::Default));
    let view = session.chat.set_sampling(id, SamplingName::Temperature, Some(0.2)).unwrap().0;
    assert_eq!(view[&SamplingName::Temperature], setting(0.2, SamplingSource::Conversation));
    session.chat.set_sampling(id, SamplingName::MaxTokens, None).unwrap();
    let expected = Sampling { temperature: 0.2, repeat_penalty: 1.08, max_tokens: None, ..Sampling::default() };
    assert_eq!(session.received(id).await.sampling, expected);

    let view = session.chat.reset_sampling(id, SamplingName::Temperature).unwrap().0;
    assert_eq!(view[&SamplingName::Temperature], setting(0.9, SamplingSource::Character));
    session.chat.set_character(id, None).unwrap();
    let view = session.view(id).sampling.0;
    assert_eq!(view[&SamplingName::Temperature], setting(0.8, SamplingSource::Default));
    assert_eq!(view[&SamplingName::MaxTokens], SettingView { value: None, source: SamplingSource::Conversation });
}

#[tokio::test]
async fn a_running_reply_goes_on_with_new_settings() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(None);
    session.chat.send(id, "say: abcdefghijklmnopqrstuvwxyz\nwait after: 2").unwrap();
    session.written("abcdefgh").await;
    session.chat.set_sampling(id, SamplingName::MaxTokens, Some(3.0)).unwrap();
    let from_token = session
        .until("the new settings", |event| match event {
            ChatEvent::SamplingApplied { from_token, .. } => Some(*from_token),
            _ => None,
        })
        .await;
    let reply = session.finished().await;
    assert_eq!((from_token, reply.content.as_str(), reply.status), (2, "abcdefghijkl", Status::Length));
}

#[tokio::test]
async fn settings_made_while_the_model_loads_are_those_of_the_reply() {
    let mut session = Session::open();
    session.begin_to_load(ModelBehaviour::LoadsSlowly).await;
    let id = session.new_conversation(None);
    session.chat.send(id, "what did you get?").unwrap();
    session.chat.set_sampling(id, SamplingName::TopP, Some(0.5)).unwrap();
    let reply = session.finished().await;
    let sampling = serde_json::from_str::<serde_json::Value>(&reply.content).unwrap()["sampling"].clone();
    assert_eq!(sampling["top_p"], 0.5);
}

#[tokio::test]
async fn values_out_of_range_are_refused() {
    let session = Session::open();
    let id = session.new_conversation(Some("tsundere"));
    let before = session.view(id).sampling;
    for (name, value) in [
        (SamplingName::Temperature, Some(5.1)),
        (SamplingName::TopP, Some(-0.1)),
        (SamplingName::TopP, None),
        (SamplingName::Seed, Some(5e9)),
        (SamplingName::MaxTokens, Some(f64::INFINITY)),
    ] {
        let refused = session.chat.set_sampling(id, name, value);
        assert!(matches!(refused, Err(ChatError::SamplingOutOfRange { .. })), "{name:?} {value:?}: {refused:?}");
    }
    assert_eq!(session.view(id).sampling, before);
}

#[tokio::test]
async fn settings_survive_a_restart() {
    let session = Session::open();
    let id = session.new_conversation(Some("tsundere"));
    session.chat.set_sampling(id, SamplingName::Seed, Some(f64::from(u32::MAX))).unwrap();
    let before = session.chat.set_sampling(id, SamplingName::TopP, Some(0.35)).unwrap();
    let home = Arc::clone(&session.home);
    drop(session);
    assert_eq!(Session::open_in(home).view(id).sampling, before);
}
