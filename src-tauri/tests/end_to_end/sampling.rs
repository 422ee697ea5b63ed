//! Settings that are changed while a reply is written.

use fantoccini::key::Key;

use crate::desk::Desk;
use crate::models::{self, long_reply};

/// Fewer than the tokens of the whole reply; on a fast machine there may be more when it is set.
const LIMIT: u64 = 150;

#[tokio::test]
async fn a_limit_set_while_a_reply_is_written_ends_that_reply() {
    let desk = Desk::new("sampling-limit").await;
    let window = desk.open_with(&desk.model("slow.gguf", &models::slow())).await;
    window.send("count").await;
    window.until_writing(1).await;
    window.click("#sampling-max-tokens-unlimited").await;
    window.fill("#sampling-max-tokens-number", &LIMIT.to_string()).await;
    let label = window.until_label("max_tokens", |label| label.starts_with("applied from token ")).await;
    let applied: u64 = label.trim_start_matches("applied from token ").replace(',', "").parse().unwrap();
    window.screenshot("1-applied").await;
    let reply = window.until_reply(1).await;
    assert_eq!(reply.status, "length");
    let conversation = window.conversation().await;
    let generated = conversation["messages"][1]["timings"]["generatedTokens"].as_u64().unwrap();
    // The label may still be that of the box that makes room for a limit: the limit itself comes some tokens later.
    assert!(generated >= LIMIT.max(applied), "{generated} tokens, {applied} before the change");
    assert_eq!(conversation["sampling"]["max_tokens"]["value"], LIMIT);
    let content = window.content(1).await;
    assert!(long_reply().starts_with(&content) && content.len() < long_reply().len(), "{content:?}");
    window.until_label("max_tokens", |label| label == "this chat").await;
    window.screenshot("2-ended").await;
}

#[tokio::test]
async fn a_slider_moved_while_a_reply_is_written_changes_what_follows() {
    let desk = Desk::new("sampling-slider").await;
    // Exact at a low temperature, astray at a high one.
    let window = desk.open_with(&desk.model("unsure.gguf", &models::slow().sharpness(9.0))).await;
    window.click("#sampling-max-tokens-unlimited").await;
    for (field, value) in
        [("top-p", "1"), ("top-k", "0"), ("min-p", "0"), ("max-tokens", "200"), ("temperature", "0.1")]
    {
        window.fill(&format!("#sampling-{field}-number"), value).await;
    }
    window.until_label("temperature", |label| label == "this chat").await;
    window.send("count").await;
    let before = window.until_writing(1).await;
    window.press_in("#sampling-temperature", Key::End).await;
    let label = window.until_label("temperature", |label| label.starts_with("applied from token ")).await;
    window.screenshot("1-moved").await;
    assert_ne!(label, "applied from token 0", "the reply had begun");
    assert!(long_reply().starts_with(&before.text), "before, the reply is the script's: {before:?}");
    window.until_reply(1).await;
    let content = window.content(1).await;
    assert!(content.starts_with(&before.text), "{before:?} stays in {content:?}");
    assert!(!long_reply().starts_with(&content), "it went astray: {content:?}");
    assert_eq!(window.conversation().await["sampling"]["temperature"]["value"], 2.0);
    window.screenshot("2-astray").await;
}

#[tokio::test]
async fn samplers_that_are_off_wait_folded_and_say_when_they_are_on() {
    let desk = Desk::new("sampling-groups").await;
    let window = desk.open_with(&desk.model("quick.gguf", &models::quick())).await;
    window.send("tea").await;
    window.until_reply(1).await;
    window.click("#sampling-more > summary").await;
    window.screenshot("1-more").await;
    for group in ["dry", "xtc", "dynatemp", "mirostat", "adaptive"] {
        assert!(!window.shows(&format!("#sampling-{group}-group > summary .live")).await, "{group} is off");
        window.click(&format!("#sampling-{group}-group > summary")).await;
    }
    window.run("document.querySelector('#sampling-dry-group').scrollIntoView()").await;
    window.screenshot("2-groups").await;
    window.fill("#sampling-mirostat-number", "2").await;
    window.until_label("mirostat", |label| label == "this chat").await;
    assert!(window.shows("#sampling-mirostat-group > summary .live").await);
    window.run("document.querySelector('#sampling-mirostat-group').scrollIntoView()").await;
    window.screenshot("3-on").await;
    assert_eq!(window.conversation().await["sampling"]["mirostat"]["value"], 2.0);
    window.send("tea").await;
    assert_eq!(window.until_reply(3).await.text, models::TEA);
    window.click("#sampling-mirostat-reset").await;
    window.until_label("mirostat", |label| label == "default").await;
    assert!(!window.shows("#sampling-mirostat-group > summary .live").await);

    window.fill("#sampling-dry-multiplier-number", "0.8").await;
    window.until_label("dry_multiplier", |label| label == "this chat").await;
    window.speak_japanese().await;
    let title = "document.querySelector('#sampling-dry-group > summary').title.includes('繰り返し')";
    window.until("what DRY does to be told in Japanese", title).await;
    window.run("document.querySelector('[value=dark]').click()").await;
    window.run("document.querySelector('#sampling-more').scrollIntoView()").await;
    window.screenshot("4-japanese").await;
}

impl crate::window::Window<'_> {
    /// Waits until the words beside a setting's name are as wanted.
    async fn until_label(&self, setting: &str, wanted: impl Fn(&str) -> bool) -> String {
        let label = format!("document.querySelector('[data-sampling={setting}] .from').innerText");
        self.wait(&format!("the label of {setting}"), async || {
            let seen = self.read(&label).await;
            let seen = seen.as_str().unwrap_or_default();
            if wanted(seen) { Ok(seen.to_owned()) } else { Err(format!("{seen:?}")) }
        })
        .await
    }
}
