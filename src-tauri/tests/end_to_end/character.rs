//! Characters: who greets, who answers, whose settings apply.

use crate::desk::Desk;
use crate::models;

#[tokio::test]
async fn a_character_greets_answers_by_name_and_brings_its_settings() {
    let desk = Desk::new("character").await;
    let window = desk.open_with(&desk.model("quick.gguf", &models::quick())).await;
    window.until_shown("[data-character=tsundere]").await;
    window.click("[data-character=tsundere]").await;
    window.until_shown("#greeting").await;
    let greeting = window.text("#greeting").await;
    let name = window.text("#character-card b").await;
    assert!(!greeting.is_empty() && !name.is_empty());
    let source = "document.querySelector('[data-sampling=temperature] .from').innerText === 'from the character'";
    window.until("the character's temperature", source).await;
    window.screenshot("1-greeting").await;

    window.send("tea").await;
    let reply = window.until_reply(2).await;
    let shown = window.messages().await;
    assert_eq!((shown[0].text.as_str(), shown[0].author.as_str()), (greeting.as_str(), name.as_str()));
    assert_eq!((shown[1].text.as_str(), shown[1].author.as_str()), ("tea", "You"));
    assert_eq!((reply.text.as_str(), reply.author.as_str()), (models::TEA, name.as_str()));
    window.screenshot("2-reply").await;

    window.click("[data-character=none]").await;
    window
        .until(
            "the default temperature",
            "document.querySelector('[data-sampling=temperature] .from').innerText === 'default'",
        )
        .await;
    window.send("coffee").await;
    let plain = window.until_reply(4).await;
    assert_eq!((plain.text.as_str(), plain.author.as_str()), (models::COFFEE, "Assistant"));
    assert_eq!(window.messages().await[2].author, name, "who spoke does not change afterwards");
    window.screenshot("3-without").await;
}
