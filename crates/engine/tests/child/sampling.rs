//! Sampling settings, also while a reply is written.

use engawa_engine_client::protocol::{FinishReason, GenerateRequest, Sampling};
use engawa_testkit::{RandomModel, ScriptedModel};

use crate::support::{ModelFile, finish, first_text, load, request, settings, start, start_with, user};

/// A few milliseconds per token, so that something can arrive in the middle.
fn slow_and_endless() -> ScriptedModel {
    ScriptedModel::new("x").endless_rule("on", "and on and on ").padding_layers(4, 4096)
}

#[tokio::test]
async fn new_settings_are_used_from_the_next_token() {
    let (engine, _file) = start_with(&slow_and_endless()).await;
    let sampling = Sampling { max_tokens: Some(1_500), ..Sampling::default() };
    let mut reply = engine.generate(GenerateRequest { sampling, ..request(&[user("on")]) });
    first_text(&mut reply).await;
    reply.control.update_sampling(Sampling { max_tokens: Some(2), ..sampling });
    let reply = finish(reply).await;
    let [applied] = reply.applied[..] else { panic!("{:?}", reply.applied) };
    assert_eq!(reply.reason, FinishReason::MaxTokens);
    // Most often the limit was behind it already, so that no token followed.
    assert_eq!(reply.timings.generated_tokens, applied.max(2));
    assert!(applied < 1_500);
}

#[tokio::test]
async fn a_seed_gives_the_same_reply_and_another_one_another() {
    let file = ModelFile::new(|path| RandomModel::new().write(path).unwrap());
    let engine = start().await;
    load(&engine, &file, settings()).await.unwrap();
    let reply = async |seed: Option<u32>| {
        let sampling = Sampling { seed, temperature: 1.0, max_tokens: Some(24), ..Sampling::default() };
        finish(engine.generate(GenerateRequest { sampling, ..request(&[user("hello")]) })).await.content
    };
    assert_eq!(reply(Some(1)).await, reply(Some(1)).await);
    assert_ne!(reply(Some(1)).await, reply(Some(2)).await);
    assert_ne!(reply(None).await, reply(None).await, "a new seed for each reply");
}

#[tokio::test]
async fn every_setting_reaches_the_sampler() {
    let file = ModelFile::new(|path| RandomModel::new().write(path).unwrap());
    let engine = start().await;
    load(&engine, &file, settings()).await.unwrap();
    let plain = Sampling {
        temperature: 1.5,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        repeat_penalty: 1.0,
        repeat_last_n: 64,
        seed: Some(3),
        max_tokens: Some(32),
        ..Sampling::default()
    };
    let reply = async |sampling: Sampling| {
        finish(engine.generate(GenerateRequest { sampling, ..request(&[user("hello")]) })).await.content
    };
    let before = reply(plain).await;
    for (name, changed) in [
        ("temperature", Sampling { temperature: 0.0, ..plain }),
        ("top_k", Sampling { top_k: 1, ..plain }),
        ("top_p", Sampling { top_p: 0.05, ..plain }),
        ("min_p", Sampling { min_p: 0.9, ..plain }),
        ("typical_p", Sampling { typical_p: 0.05, ..plain }),
        ("repeat_penalty", Sampling { repeat_penalty: 5.0, ..plain }),
        ("frequency_penalty", Sampling { frequency_penalty: 2.0, repeat_last_n: -1, ..plain }),
        ("presence_penalty", Sampling { presence_penalty: 2.0, repeat_last_n: -1, ..plain }),
    ] {
        assert_ne!(reply(changed).await, before, "{name} changes nothing");
    }
    assert_eq!(reply(plain).await, before, "it is the setting that makes the difference");
}
