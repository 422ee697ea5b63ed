//! The demo model that comes with Engawa: from the first start to a conversation.
//!
//! At the lowest temperature, where a reply depends on the model nearly alone.

use crate::desk::Desk;
use crate::window::Window;

/// Opens Engawa for the first time and takes the demo that it offers.
async fn begin(desk: &Desk) -> Window<'_> {
    let window = desk.open().await;
    assert_eq!(window.read("document.querySelector('app-shell').dataset.view").await, "welcome");
    window.click("#welcome-demo").await;
    window.until_model_ready().await;
    window
}

impl Window<'_> {
    async fn choose_likeliest_words(&self) {
        self.fill("#sampling-temperature-number", "0.1").await;
        self.until("the temperature to be this chat's", IS_SET).await;
    }
}

const IS_SET: &str = "document.querySelector('[data-sampling=temperature] .from').innerText === 'this chat'";

#[tokio::test]
async fn the_first_start_offers_it_and_it_remembers_a_name() {
    let desk = Desk::new("demo").await;
    let window = begin(&desk).await;
    window.until_text("#model-button .model-name", "Engawa Demo").await;
    window.choose_likeliest_words().await;
    let mut replies = Vec::new();
    for (turn, text) in ["My name is Mirela.", "How do I open a model?", "What is my name?"].into_iter().enumerate() {
        window.send(text).await;
        let reply = window.until_reply(turn * 2 + 1).await;
        assert_eq!((reply.status.as_str(), reply.error.as_deref()), ("complete", None), "{reply:?}");
        replies.push(reply.text);
    }
    window.screenshot("1-three-turns").await;
    assert!(replies[1].contains("Ctrl+O"), "{replies:?}");
    assert!(replies[2].contains("Mirela"), "{replies:?}");
    drop(window);

    // It is the last model now, and ready at the next start.
    let window = desk.open().await;
    window.until_model_ready().await;
    window.until_text("#model-button .model-name", "Engawa Demo").await;
}

#[tokio::test]
async fn a_change_of_the_character_changes_its_voice() {
    let desk = Desk::new("demo-character").await;
    let window = begin(&desk).await;
    window.until_shown("[data-character=friendly]").await;
    window.click("[data-character=friendly]").await;
    window.until_shown("#greeting").await;
    window.choose_likeliest_words().await;
    window.send("How do I search my chats?").await;
    let friendly = window.until_reply(2).await;
    assert!(friendly.text.contains("Ctrl+K"), "{friendly:?}");
    assert!(friendly.text.contains('😊') || friendly.text.contains('🌸'), "{friendly:?}");

    window.click("[data-character=academic]").await;
    window
        .until("the other character", "document.querySelector('[data-character=academic]').ariaPressed === 'true'")
        .await;
    window.send("How do I change the theme?").await;
    let academic = window.until_reply(4).await;
    window.screenshot("1-both-voices").await;
    assert!(academic.text.contains("Ctrl+comma"), "{academic:?}");
    let marks = ["Conclusion.", "Thesis.", "For review:"];
    assert!(marks.iter().any(|mark| academic.text.contains(mark)), "{academic:?}");
    assert!(!academic.text.contains('😊') && !academic.text.contains('🌸'), "{academic:?}");
}

#[tokio::test]
async fn it_speaks_japanese_with_whoever_does() {
    let desk = Desk::new("demo-japanese").await;
    let settings = serde_json::json!({ "settings": { "language": "ja" } });
    std::fs::write(desk.engawa_home().join("settings.json"), settings.to_string()).unwrap();
    let window = begin(&desk).await;
    window.fill("#sampling-temperature-number", "0.1").await;
    for (turn, (text, wanted)) in [
        ("こんにちは！", "デモモデル"),
        ("私の名前はミズキです。", "ミズキ"),
        ("会話を検索するにはどうすればいいですか？", "Ctrl+K"),
        ("私の名前は何ですか？", "ミズキ"),
    ]
    .into_iter()
    .enumerate()
    {
        window.send(text).await;
        let reply = window.until_reply(turn * 2 + 1).await;
        assert!(reply.text.contains(wanted), "{wanted} is missing in {reply:?}");
    }
    window.screenshot("1-talk").await;
}
