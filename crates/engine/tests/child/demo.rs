//! The demo model that comes with Engawa, asked the way the application asks.
//!
//! At temperature 0, so that a reply is the same on every machine but for rounding; how often it is right at others is
//! measured where the model is made (`docs/demo-model.md`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use engawa_engine_client::Engine;
use engawa_engine_client::LoadEvent;
use engawa_engine_client::protocol::{
    FinishReason, GenerateRequest, LoadRequest, PromptMessage, Role, Sampling, TemplateSource, ToolDefinition,
};
use serde_json::json;

use crate::support::{Finished, assistant, finish, message, patiently, request, settings, start, user};

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/engawa-demo.gguf")
}

async fn start_demo() -> Arc<Engine> {
    let engine = start().await;
    let mut events = engine.load(LoadRequest::new(path(), settings()));
    loop {
        match patiently(events.recv()).await.unwrap() {
            LoadEvent::Progress(_) => {}
            LoadEvent::Loaded(info) => {
                assert_eq!(info.template.source, TemplateSource::File);
                assert!(info.template.supports_thinking && info.template.accepts_assistant_first, "{info:?}");
                return engine;
            }
            other => panic!("{other:?}"),
        }
    }
}

async fn ask(engine: &Arc<Engine>, messages: &[PromptMessage], tools: &[ToolDefinition]) -> Finished {
    let sampling = Sampling { temperature: 0.0, max_tokens: Some(300), ..Sampling::default() };
    finish(engine.generate(GenerateRequest { sampling, tools: tools.to_vec(), ..request(messages) })).await
}

#[tokio::test]
async fn keeps_a_name_in_mind_over_three_turns() {
    let engine = start_demo().await;
    let mut messages = Vec::new();
    let mut replies = Vec::new();
    for text in ["My name is Mirela.", "How do I open a model?", "What is my name?"] {
        messages.push(user(text));
        let reply = ask(&engine, &messages, &[]).await;
        assert_eq!(reply.reason, FinishReason::EndOfTurn, "{reply:?}");
        messages.push(assistant(&reply.content));
        replies.push(reply.content);
    }
    assert!(replies[1].contains("Ctrl+O"), "{replies:?}");
    assert!(replies[2].contains("Mirela"), "{replies:?}");
}

#[tokio::test]
async fn thinks_when_it_is_asked_to() {
    let engine = start_demo().await;
    let reply = ask(&engine, &[user("Think first: what does the temperature do?")], &[]).await;
    assert!(!reply.reasoning.is_empty() && reply.content.contains("emperature"), "{reply:?}");
    let reply = ask(&engine, &[user("What does the temperature do?")], &[]).await;
    assert!(reply.reasoning.is_empty() && reply.content.contains("emperature"), "{reply:?}");
}

#[tokio::test]
async fn calls_a_tool_and_answers_from_its_result() {
    let engine = start_demo().await;
    let tool = ToolDefinition {
        name: "get_weather".into(),
        description: "Current weather of a city.".into(),
        parameters: json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] }),
    };
    let asked = user("What is the weather in Kyoto?");
    let reply = ask(&engine, std::slice::from_ref(&asked), std::slice::from_ref(&tool)).await;
    assert_eq!((reply.content.as_str(), reply.reason), ("", FinishReason::ToolCalls), "{reply:?}");
    let [called] = reply.calls.as_slice() else { panic!("{reply:?}") };
    assert_eq!(called.name, "get_weather");
    let arguments: serde_json::Value = serde_json::from_str(&called.arguments).unwrap();
    assert_eq!(arguments, json!({ "city": "Kyoto" }));

    let calling = PromptMessage { tool_calls: vec![called.clone()], ..message(Role::Assistant, "") };
    let result = message(Role::Tool, "{\"temperature\": 17, \"sky\": \"light rain\"}");
    let answer = ask(&engine, &[asked.clone(), calling, result], &[tool]).await;
    assert!(answer.content.contains("17") && answer.content.contains("Kyoto"), "{answer:?}");
    assert_eq!(answer.reason, FinishReason::EndOfTurn);

    // Without the tool it says that it does not know.
    let alone = ask(&engine, &[asked], &[]).await;
    assert!(alone.calls.is_empty() && alone.content.contains("Open a model"), "{alone:?}");
}
