//! Replies that must have a form, and forms that can't be used.

use std::sync::Arc;

use engawa_engine_client::protocol::{Constraint, Decoding, FinishReason, GenerateError, GenerateRequest, Sampling};
use engawa_engine_client::{Engine, ReplyEvent};
use engawa_testkit::{RandomModel, ScriptedModel, Template};

use crate::support::{
    ModelFile, finish, finish_or_lose, first_text, load, request, say, settings, start, start_with, user,
};

fn asked(constraint: Constraint) -> GenerateRequest {
    GenerateRequest {
        decoding: Decoding { constraint: Some(constraint), ..Decoding::default() },
        sampling: Sampling { max_tokens: Some(400), seed: Some(7), ..Sampling::default() },
        ..request(&[user("go")])
    }
}

fn grammar(text: &str) -> GenerateRequest {
    asked(Constraint::Grammar(text.to_owned()))
}

fn schema(text: &str) -> GenerateRequest {
    asked(Constraint::JsonSchema(text.to_owned()))
}

/// An engine whose model writes anything.
async fn babbler(model: RandomModel) -> (Arc<Engine>, ModelFile) {
    let file = ModelFile::new(|path| model.write(path).unwrap());
    let engine = start().await;
    load(&engine, &file, settings()).await.unwrap();
    (engine, file)
}

#[tokio::test]
async fn a_model_that_babbles_keeps_to_a_grammar_and_a_schema() {
    let (engine, _file) = babbler(RandomModel::new()).await;
    let reply = finish(engine.generate(grammar("root ::= \"yes\" | \"no, \" [a-c]{2,4}"))).await;
    assert_eq!(reply.reason, FinishReason::EndOfTurn);
    let kept = reply.content == "yes"
        || reply.content.strip_prefix("no, ").is_some_and(|rest| {
            (2..=4).contains(&rest.len()) && rest.chars().all(|letter| ('a'..='c').contains(&letter))
        });
    assert!(kept, "{:?}", reply.content);
    let wanted = r#"{
        "type": "object",
        "properties": { "name": { "type": "string", "maxLength": 12 }, "tall": { "type": "boolean" } },
        "required": ["name", "tall"],
        "additionalProperties": false
    }"#;
    // A model that babbles would never end its thinking.
    let template =
        Template::Custom("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: ".to_owned());
    let (engine, _file) = babbler(RandomModel::new().template(template)).await;
    for seed in 0..3 {
        let mut asked = schema(wanted);
        asked.sampling.seed = Some(seed);
        let reply = finish(engine.generate(asked)).await;
        let value: serde_json::Value = serde_json::from_str(&reply.content).unwrap_or_else(|_| panic!("{reply:?}"));
        assert!(value["name"].is_string() && value["tall"].is_boolean(), "{value}");
        assert_eq!(reply.reason, FinishReason::EndOfTurn);
    }
}

#[tokio::test]
async fn settings_may_change_within_a_form() {
    let (engine, _file) = babbler(RandomModel::new()).await;
    let mut asked = grammar("root ::= (\"a\" \"b\"){200}");
    asked.sampling.max_tokens = None;
    let mut reply = engine.generate(asked);
    let begun = first_text(&mut reply).await;
    reply.control.update_sampling(Sampling { temperature: 1.5, ..Sampling::default() });
    let rest = finish(reply).await;
    assert_eq!(begun + &rest.content, "ab".repeat(200));
    assert_eq!(rest.applied.len(), 1);
}

#[tokio::test]
async fn what_can_not_be_used_is_an_error_and_others_go_on() {
    let (engine, _file) = start_with(
        &ScriptedModel::new("fine").endless_rule("on", "and on ").padding_layers(4, 4096).context_length(16_384),
    )
    .await;
    let mut running = engine.generate(request(&[user("on")]));
    first_text(&mut running).await;
    let deep_groups = format!("root ::= {}\"a\"{}", "(".repeat(20_000), ")".repeat(20_000));
    // Short enough, and still far deeper than anything should be.
    let deep_schema = format!("{}{{}}{}", r#"{"items":"#.repeat(20_000), "}".repeat(20_000));
    let many = "|\"a\"".repeat(30_000);
    let many_again = format!("root ::= {}\nx ::= \"a\"{many}", "x? ".repeat(5000));
    let doubling = (0..60).fold(String::new(), |rules, n| rules + &format!("r{n} ::= r{} | r{}\n", n + 1, n + 1));
    for bad in [
        grammar("root ::= (\"a\""),
        grammar("no grammar at all"),
        grammar("root ::= missing"),
        grammar("other ::= \"there is no root\""),
        grammar("root ::= root \"a\""),
        grammar(&deep_groups),
        grammar(&format!("root ::= r0\n{doubling}r60 ::= \"a\"")),
        grammar(&format!("root ::= \"{}\"{{2000}}", "a".repeat(50_000))),
        grammar(&format!("root ::= \"a\"{many}")),
        grammar(&many_again),
        schema("no JSON"),
        schema(r#"{"type": "nothing known"}"#),
        schema(r##"{"$ref": "#/nowhere"}"##),
        schema(&deep_schema),
        schema(&format!("\"{}\"", "x".repeat(300_000))),
    ] {
        let shown = format!("{:.80}", format!("{:?}", bad.decoding.constraint));
        match finish_or_lose(engine.generate(bad)).await {
            Err(ReplyEvent::Failed(GenerateError::Constraint { reason })) => assert!(!reason.is_empty(), "{shown}"),
            other => panic!("{shown}: {other:?}"),
        }
    }
    // What it wrote meanwhile was not read yet.
    while running.events.try_recv().is_ok() {}
    first_text(&mut running).await;
    running.control.cancel();
    assert_eq!(finish(running).await.reason, FinishReason::Cancelled);
    assert_eq!(say(&engine, &[user("and now?")]).await.content, "fine");
}

#[tokio::test]
async fn a_form_without_an_end_ends_at_the_limit() {
    let (engine, _file) = babbler(RandomModel::new()).await;
    let mut asked = grammar("root ::= \"a\" root");
    asked.sampling.max_tokens = Some(50);
    let reply = finish(engine.generate(asked)).await;
    assert_eq!(reply.reason, FinishReason::MaxTokens);
    assert!(reply.content.chars().all(|letter| letter == 'a'), "{:?}", reply.content);
}
