//! Sampling settings, also while a reply is written.

use engawa_engine_client::protocol::{
    Decoding, FinishReason, GenerateError, GenerateRequest, LogitBias, Mirostat, SamplerKind, Sampling,
};
use engawa_testkit::{RandomModel, ScriptedModel};

use engawa_engine_client::ReplyEvent;

use crate::support::{ModelFile, finish, finish_or_lose, first_text, load, request, settings, start, start_with, user};

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
        ("dynatemp", Sampling { dynatemp_range: 1.4, ..plain }),
        ("top_n_sigma", Sampling { top_n_sigma: 0.5, ..plain }),
        ("xtc", Sampling { xtc_probability: 1.0, xtc_threshold: 0.0001, ..plain }),
        ("mirostat", Sampling { mirostat: Mirostat::V1, ..plain }),
        ("mirostat 2", Sampling { mirostat: Mirostat::V2, ..plain }),
    ] {
        assert_ne!(reply(changed).await, before, "{name} changes nothing");
    }
    assert_eq!(reply(plain).await, before, "it is the setting that makes the difference");
    let dynamic = Sampling { dynatemp_range: 1.4, ..plain };
    let xtc = Sampling { xtc_probability: 1.0, xtc_threshold: 0.0001, ..plain };
    let mirostat = Sampling { mirostat: Mirostat::V2, ..plain };
    let adaptive = Sampling { temperature: 0.3, adaptive_target: 0.4, adaptive_decay: 0.1, ..plain };
    for (name, without, changed) in [
        ("dynatemp_exponent", dynamic, Sampling { dynatemp_exponent: 8.0, ..dynamic }),
        ("xtc_threshold", xtc, Sampling { xtc_threshold: 0.4, ..xtc }),
        ("mirostat_tau", mirostat, Sampling { mirostat_tau: 0.5, ..mirostat }),
        ("mirostat_eta", mirostat, Sampling { mirostat_eta: 1.0, ..mirostat }),
        ("adaptive_target", Sampling { adaptive_target: -1.0, ..adaptive }, adaptive),
        ("adaptive_decay", adaptive, Sampling { adaptive_decay: 0.98, ..adaptive }),
    ] {
        assert_ne!(reply(changed).await, reply(without).await, "{name} changes nothing");
    }
}

#[tokio::test]
async fn dry_ends_what_repeats_itself() {
    let (engine, _file) = start_with(&ScriptedModel::new("x").endless_rule("on", "and on and on ")).await;
    let reply = async |dry_multiplier: f32| {
        let sampling = Sampling { dry_multiplier, dry_penalty_last_n: -1, max_tokens: Some(60), ..Sampling::default() };
        finish(engine.generate(GenerateRequest { sampling, ..request(&[user("on")]) })).await.content
    };
    assert!(reply(0.0).await.starts_with(&"and on and on ".repeat(3)));
    assert!(!reply(100.0).await.starts_with(&"and on and on ".repeat(3)));
}

#[tokio::test]
async fn the_order_of_the_samplers_is_that_of_the_request() {
    let file = ModelFile::new(|path| RandomModel::new().write(path).unwrap());
    let engine = start().await;
    load(&engine, &file, settings()).await.unwrap();
    let reply = async |samplers: &[SamplerKind]| {
        let sampling = Sampling {
            temperature: 3.0,
            min_p: 0.5,
            top_k: 0,
            seed: Some(3),
            max_tokens: Some(32),
            ..Sampling::default()
        };
        let decoding = Decoding { samplers: samplers.to_vec(), ..Decoding::default() };
        finish(engine.generate(GenerateRequest { sampling, decoding, ..request(&[user("hello")]) })).await.content
    };
    use SamplerKind::{MinP, Temperature, TopK};
    // A high temperature evens all out, so that min-p behind it drops less.
    let [early, late] = [reply(&[MinP, Temperature]).await, reply(&[Temperature, MinP]).await];
    assert_ne!(early, late);
    // Neither does anything without being named.
    assert_ne!(reply(&[TopK]).await, early);
}

/// Behind top-k few tokens are left, and only those are looked at; a sampler that does nothing in front of it makes it look at all.
#[tokio::test]
async fn looking_at_few_tokens_chooses_as_looking_at_all() {
    use SamplerKind::{MinP, Penalties, Temperature, TopK, TopP, Xtc};
    let file = ModelFile::new(|path| RandomModel::new().vocabulary(4000).write(path).unwrap());
    let engine = start().await;
    load(&engine, &file, settings()).await.unwrap();
    let plain = Sampling { temperature: 1.2, max_tokens: Some(60), seed: Some(11), ..Sampling::default() };
    let raised = vec![LogitBias { token: 700, bias: Some(4.0) }, LogitBias { token: 701, bias: None }];
    for (sampling, logit_bias) in [
        (plain, Vec::new()),
        (Sampling { repeat_penalty: 1.8, repeat_last_n: -1, ..plain }, Vec::new()),
        (Sampling { repeat_penalty: 0.7, frequency_penalty: -0.5, ..plain }, Vec::new()),
        (Sampling { top_k: 1, ..plain }, Vec::new()),
        (Sampling { top_k: 300, top_p: 1.0, min_p: 0.0, ..plain }, Vec::new()),
        (plain, raised),
    ] {
        let mut contents = Vec::new();
        for samplers in
            [vec![Penalties, TopK, TopP, MinP, Temperature], vec![Xtc, Penalties, TopK, TopP, MinP, Temperature]]
        {
            let decoding = Decoding { samplers, logit_bias: logit_bias.clone(), ..Decoding::default() };
            let reply = engine.generate(GenerateRequest { sampling, decoding, ..request(&[user("hello")]) });
            contents.push(finish(reply).await.content);
        }
        assert_eq!(contents[0], contents[1], "{sampling:?}");
    }
}

#[tokio::test]
async fn a_bias_bans_a_token_or_makes_it_come() {
    let (engine, _file) = start_with(&ScriptedModel::new("The porch is quiet.")).await;
    let reply = async |logit_bias: Vec<LogitBias>, logprobs| {
        let decoding = Decoding { logit_bias, logprobs, ..Decoding::default() };
        let sampling = Sampling { max_tokens: Some(12), seed: Some(7), ..Sampling::default() };
        finish_or_lose(engine.generate(GenerateRequest { decoding, sampling, ..request(&[user("go")]) })).await
    };
    let first = reply(Vec::new(), Some(0)).await.unwrap().chosen[0].token;
    let banned = reply(vec![LogitBias { token: first, bias: None }], Some(0)).await.unwrap();
    assert!(banned.chosen.iter().all(|chosen| chosen.token != first), "{banned:?}");
    let forced = reply(vec![LogitBias { token: 300, bias: Some(1000.0) }], Some(0)).await.unwrap();
    assert!(forced.chosen.iter().all(|chosen| chosen.token == 300), "{forced:?}");
    let unknown = reply(vec![LogitBias { token: 1_000_000, bias: Some(1.0) }], None).await.unwrap_err();
    assert!(matches!(unknown, ReplyEvent::Failed(GenerateError::Sampling { .. })), "{unknown:?}");
    assert_eq!(reply(Vec::new(), None).await.unwrap().content, "The porch is quiet.");
}

#[tokio::test]
async fn probabilities_are_told_of_each_token() {
    let (engine, _file) = start_with(&ScriptedModel::new("The porch is quiet, 縁側は静か。")).await;
    let decoding = Decoding { logprobs: Some(3), ..Decoding::default() };
    let reply = finish(engine.generate(GenerateRequest { decoding, ..request(&[user("go")]) })).await;
    assert_eq!(reply.chosen.len(), reply.timings.generated_tokens as usize);
    let text: Vec<u8> = reply.chosen.iter().flat_map(|chosen| chosen.bytes.clone()).collect();
    assert_eq!(String::from_utf8(text).unwrap(), reply.content);
    for chosen in &reply.chosen {
        assert_eq!(chosen.top.len(), 3);
        assert_eq!(chosen.top[0].token, chosen.token);
        assert!((-0.01..=0.0).contains(&chosen.logprob), "{chosen:?}");
        assert!(chosen.top.is_sorted_by(|one, next| one.logprob >= next.logprob));
    }
}
