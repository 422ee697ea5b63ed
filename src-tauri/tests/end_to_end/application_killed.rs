//! The application itself is killed while a reply is written.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::desk::Desk;
use crate::models::{self, long_reply};

/// What was shown longer ago than this is on disk.
const DURABLE_AFTER: Duration = Duration::from_millis(250);
/// How long an engine may outlive the application.
const ORPHAN_LIMIT: Duration = Duration::from_secs(2);

#[tokio::test]
async fn what_was_written_survives_and_the_engine_does_not() {
    let desk = Desk::new("killed").await;
    let path = desk.model("slow.gguf", &models::slow());
    let window = desk.open_with(&path).await;
    window.send("count").await;
    let shown = window.until_writing(1).await;
    let seen = Instant::now();
    window
        .until_messages("the reply to grow", |messages| {
            messages[1].text.len() > shown.text.len() && seen.elapsed() > DURABLE_AFTER
        })
        .await;
    let (application, engine) = (window.application(), window.engine().await);
    assert_eq!(window.messages().await[1].status, "streaming", "it is killed in the middle");
    application.signal(Signal::KILL);
    let begun = Instant::now();
    application.until_ended("the application").await;
    engine.until_ended("its engine").await;
    assert!(begun.elapsed() < ORPHAN_LIMIT, "the engine lived for {:?}", begun.elapsed());
    drop(window);

    let window = desk.open().await;
    let messages = window.until_messages("the conversation", |messages| messages.len() == 2).await;
    assert_eq!((messages[0].text.as_str(), messages[0].status.as_str()), ("count", "complete"));
    assert_eq!(messages[1].status, "interrupted");
    assert!(messages[1].text.starts_with(&shown.text), "{:?} is missing in {:?}", shown.text, messages[1].text);
    let kept = window.content(1).await;
    assert!(long_reply().starts_with(&kept));
    window.until_model_ready().await;
    window.screenshot("1-started-again").await;
    window.click("article:last-child .message-continue").await;
    window.until_messages("the whole reply", |messages| messages[1].status == "complete").await;
    models::assert_goes_on(&kept, &window.content(1).await);
    window.screenshot("2-continued").await;
}
