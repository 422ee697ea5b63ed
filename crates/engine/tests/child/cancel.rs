//! Cancelling while a prompt is processed and while a reply is written.

use engawa_engine_client::ReplyEvent;
use engawa_engine_client::protocol::{FinishReason, LoadSettings};
use engawa_testkit::ScriptedModel;

use crate::support::{ModelFile, finish, first_text, load, patiently, request, say, settings, start, start_with, user};

#[tokio::test]
async fn a_cancelled_reply_keeps_its_text_and_the_engine_goes_on() {
    let (engine, _file) = start_with(&ScriptedModel::new("x").endless_rule("on", "and on and on ")).await;
    let mut reply = engine.generate(request(&[user("on")]));
    let begun = first_text(&mut reply).await;
    reply.control.cancel();
    let reply = finish(reply).await;
    assert_eq!(reply.reason, FinishReason::Cancelled);
    assert!(!begun.is_empty());
    assert_eq!(say(&engine, &[user("else")]).await.content, "x");
}

#[tokio::test]
async fn a_dropped_reply_is_cancelled() {
    let (engine, _file) = start_with(&ScriptedModel::new("x").endless_rule("on", "and on and on ")).await;
    let mut reply = engine.generate(request(&[user("on")]));
    first_text(&mut reply).await;
    drop(reply);
    // It would never get its turn behind a reply without end.
    assert_eq!(say(&engine, &[user("else")]).await.content, "x");
}

#[tokio::test]
async fn a_long_prompt_can_be_cancelled() {
    let model = ScriptedModel::new("x").padding_layers(4, 4096).context_length(16_384);
    let file = ModelFile::scripted(&model);
    let engine = start().await;
    load(&engine, &file, LoadSettings { n_ctx: 16_384, n_batch: 128, ..settings() }).await.unwrap();
    let long = "many words ".repeat(1500);
    let mut reply = engine.generate(request(&[user(&long)]));
    match patiently(reply.events.recv()).await {
        Some(ReplyEvent::PromptProgress { processed, total }) => {
            assert!(processed < total, "the first batch is not the whole prompt");
        }
        other => panic!("{other:?}"),
    }
    reply.control.cancel();
    let cancelled = finish(reply).await;
    assert_eq!((cancelled.reason, cancelled.timings.generated_tokens), (FinishReason::Cancelled, 0));
    assert_eq!(say(&engine, &[user("short")]).await.content, "x");
}

#[tokio::test]
async fn a_waiting_request_can_be_cancelled() {
    let (engine, _file) = start_with(&ScriptedModel::new("x").endless_rule("on", "and on and on ")).await;
    // As many as the context has places.
    let mut endless: Vec<_> = (0..8).map(|_| engine.generate(request(&[user("on")]))).collect();
    for reply in &mut endless {
        first_text(reply).await;
    }
    let waiting = engine.generate(request(&[user("one")]));
    let second = engine.generate(request(&[user("two")]));
    waiting.control.cancel();
    assert_eq!(finish(waiting).await.reason, FinishReason::Cancelled);
    for reply in endless {
        reply.control.cancel();
        assert_eq!(finish(reply).await.reason, FinishReason::Cancelled);
    }
    assert_eq!(finish(second).await.content, "x");
}
