//! The load card tells what will be loaded, where that is not what was asked for.

use crate::desk::Desk;
use crate::models;

/// Terabytes of keys and values.
const HUGE: &str = "4000000000";

#[tokio::test]
async fn what_does_not_fit_is_told_before_the_load_and_asked_for_again_after_it() {
    let desk = Desk::new("load-card").await;
    let path = desk.model("quick.gguf", &models::quick());
    let window = desk.open().await;
    window.click("#welcome-open").await;
    window.choose_file("Open a model", &path, "1-dialog").await;
    window.until_shown("#load-dialog").await;
    window.put_into("#load-context-number", HUGE).await;
    window.run("document.querySelector('#load-context-number').dispatchEvent(new Event('change'))").await;
    window
        .until_text(
            "#memory p",
            "As asked for, it needs more than is free. To fit, it will be loaded so: context 8,192.",
        )
        .await;
    assert!(!window.shows("#memory .too-large").await, "what will be loaded fits");
    window.screenshot("2-adjusted").await;
    window.resize(560, 760).await;
    window.screenshot("3-narrow").await;
    window.click("#load-confirm").await;
    window.until_gone("#load-dialog").await;
    window
        .until(
            "the notice",
            "document.querySelector('[data-testid=notice]')?.innerText.includes('all of it is tried again')",
        )
        .await;
    window.screenshot("4-loaded").await;
    window.send("tea").await;
    assert_eq!(window.until_reply(1).await.text, models::TEA);

    window.click("[data-testid=notice-configure]").await;
    window.until_shown("#load-dialog").await;
    let asked = window.read("document.querySelector('#load-context-number').value").await;
    assert_eq!(asked, HUGE, "what was asked for is what is offered");
    window.screenshot("5-again").await;
    window.click("#load-more").await;
    assert_eq!(window.read("document.querySelector('#load-mmap').value").await, "auto");
    window.screenshot("6-more").await;
}
