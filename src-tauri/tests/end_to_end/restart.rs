//! What is back after Engawa was closed.

use fantoccini::key::Key;

use crate::desk::Desk;
use crate::models;

#[tokio::test]
async fn everything_is_as_it_was_left() {
    let desk = Desk::new("restart").await;
    let window = desk.open_with(&desk.model("最後 の.gguf", &models::quick())).await;
    window.send("tea").await;
    window.until_reply(1).await;
    window.click("article:last-child .message-retry").await;
    window.until_messages("a second version", |messages| messages[1].branch.as_deref() == Some("2/2")).await;
    window.until_reply(1).await;
    window.click("article:last-child .branch-previous").await;
    let left =
        window.until_messages("the first version", |messages| messages[1].branch.as_deref() == Some("1/2")).await;
    window.fill("#sampling-temperature-number", "0.35").await;
    window.click("#sampling-max-tokens-unlimited").await;
    window.fill("#sampling-max-tokens-number", "321").await;
    window
        .until(
            "the limit to be set",
            "document.querySelector('[data-sampling=max_tokens] .from').innerText === 'this chat'",
        )
        .await;
    window.click("#settings-button").await;
    window.click("#settings-theme label:has([value=dark])").await;
    window.speak_japanese().await;
    window.screenshot("1-settings").await;
    window.press_in("#settings-language", Key::Escape).await;
    window.until_gone("#settings-dialog").await;
    window.click("#toggle-sidebar").await;
    window.until_gone("#sidebar").await;
    window.resize(1180, 700).await;
    window.until("the new size to be stored", "window.innerWidth === 1180 && window.innerHeight === 700").await;
    desk.until_settings("the size", |settings| {
        settings["window"]["width"] == 1180.0 && settings["window"]["height"] == 700.0
    })
    .await;
    window.screenshot("2-before").await;
    drop(window);

    let window = desk.open().await;
    window.until_model_ready().await;
    window.screenshot("3-after").await;
    let mut back = window.messages().await;
    for (message, before) in back.iter_mut().zip(&left) {
        // The names follow the language.
        message.author.clone_from(&before.author);
        message.timings.clone_from(&before.timings);
    }
    assert_eq!(back, left);
    let page = "[document.documentElement.lang, document.documentElement.dataset.theme, innerWidth, innerHeight]";
    assert_eq!(window.read(page).await, serde_json::json!(["ja", "dark", 1180, 700]));
    assert!(!window.shows("#sidebar").await && window.shows("#inspector").await);
    assert!(window.text("#model-button").await.contains("Quick scripted"), "the last model was loaded by itself");
    let sampling = window.conversation().await["sampling"].clone();
    assert_eq!((&sampling["temperature"]["value"], &sampling["max_tokens"]["value"]), (&0.35.into(), &321.into()));
    assert_eq!(window.read("document.querySelector('#sampling-temperature-number').value").await, "0.35");
}
