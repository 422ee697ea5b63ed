//! Engines that are killed or stop reacting, while they write and while they load.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::desk::Desk;
use crate::models::{self, assert_goes_on, long_reply};

/// The promise is 3 s; the rest is for a busy machine.
const STOP_LIMIT: Duration = Duration::from_secs(6);

#[tokio::test]
async fn an_engine_killed_while_writing_costs_nothing_but_the_rest_of_the_reply() {
    let desk = Desk::new("engine-killed").await;
    let window = desk.open_with(&desk.model("slow.gguf", &models::slow())).await;
    window.send("count").await;
    let written = window.until_writing(1).await;
    let engine = window.engine().await;
    engine.signal(Signal::KILL);
    let broken = window.until_reply(1).await;
    assert_eq!((broken.status.as_str(), broken.error.as_deref()), ("failed", Some("engine_crashed")));
    assert!(broken.text.starts_with(&written.text), "what was shown is kept: {written:?}, then {broken:?}");
    assert!(long_reply().starts_with(&window.content(1).await));
    window.until_shown("#model-failure[data-code=engine_crashed]").await;
    window.until_text("#model-badge", "Stopped").await;
    window.screenshot("1-killed").await;

    window.send("hello").await;
    let answer = window.until_reply(3).await;
    assert_eq!((answer.text.as_str(), answer.status.as_str()), (models::SLOW_GREETING, "complete"));
    window.until_text("#model-badge", "CPU only").await;
    window.until_gone("#model-failure").await;
    assert_ne!(window.engine().await, engine, "a new engine answered");
    window.screenshot("2-next-message").await;
}

#[tokio::test]
async fn a_broken_off_reply_goes_on_with_the_next_engine() {
    let desk = Desk::new("engine-killed-continue").await;
    let window = desk.open_with(&desk.model("slow.gguf", &models::slow())).await;
    window.send("count").await;
    window.until_writing(1).await;
    window.engine().await.signal(Signal::KILL);
    window.until_reply(1).await;
    let kept = window.content(1).await;
    window.click("article:last-child .message-continue").await;
    window.until_messages("the whole reply", |messages| messages[1].status == "complete").await;
    assert_goes_on(&kept, &window.content(1).await);
}

/// A system that is out of memory ends an engine so.
#[tokio::test]
async fn an_engine_killed_while_loading_comes_with_safer_settings_and_a_notice() {
    let desk = Desk::new("load-killed").await;
    // Large enough to be caught while it loads.
    let path = desk.model("large.gguf", &models::slow().padding_layers(160, 16384));
    let window = desk.open_loading(&path).await;
    window.until_shown("#load-cancel").await;
    window.engine().await.signal(Signal::KILL);
    window.until_text("#model-badge", "CPU only").await;
    window.until_shown("[data-testid=notice]").await;
    window.until_gone("#load-cancel").await;
    window.screenshot("1-loaded").await;
    // What was asked for can be tried again.
    window.click("[data-testid=notice-configure]").await;
    window.until_shown("load-dialog").await;
    window.screenshot("2-settings").await;
}

#[tokio::test]
async fn stop_ends_an_engine_that_does_not_react_any_more() {
    let desk = Desk::new("engine-frozen").await;
    let window = desk.open_with(&desk.model("slow.gguf", &models::slow())).await;
    window.send("count").await;
    let written = window.until_writing(1).await;
    let engine = window.engine().await;
    engine.signal(Signal::STOP);
    let begun = Instant::now();
    window.click("#stop").await;
    let stopped = window.until_reply(1).await;
    let took = begun.elapsed();
    assert!(took < STOP_LIMIT, "stop took {took:?}");
    assert_eq!((stopped.status.as_str(), stopped.error), ("stopped", None));
    assert!(stopped.text.starts_with(&written.text), "what was shown is kept: {written:?}, then {:?}", stopped.text);
    engine.until_ended("the frozen engine").await;
    window.screenshot("1-stopped").await;

    window.send("hello").await;
    let answer = window.until_reply(3).await;
    assert_eq!((answer.text.as_str(), answer.status.as_str()), (models::SLOW_GREETING, "complete"));
    window.screenshot("2-next-message").await;
}
