//! Enter that belongs to the input method.

use crate::desk::Desk;
use crate::models;

#[tokio::test]
async fn the_enter_that_ends_a_conversion_sends_nothing_and_the_next_one_sends() {
    let desk = Desk::new("input-method").await;
    let window = desk.open_with(&desk.model("quick.gguf", &models::quick())).await;
    window.click("#composer-input").await;
    window.focus_window("Engawa").await;
    window
        .until(
            "the field to have the keyboard",
            "document.hasFocus() && document.activeElement.id === 'composer-input'",
        )
        .await;
    // GTK's own input method: a character by its number, shown underlined until Enter takes it.
    window.press(&["ctrl+shift+u", "6", "5", "e", "5"]).await;
    window.until("the text in conversion", "document.querySelector('#composer-input').value === 'u65e5'").await;
    window.screenshot("1-conversion").await;
    window.press(&["Return"]).await;
    window.until("the converted text", "document.querySelector('#composer-input').value === '日'").await;
    assert_eq!(window.messages().await, [], "nothing was sent");

    window.press(&["Return"]).await;
    window.until_reply(1).await;
    let shown = window.messages().await;
    assert_eq!((shown[0].text.as_str(), shown.len()), ("日", 2));
    assert_eq!(window.read("document.querySelector('#composer-input').value").await, "");
    window.screenshot("2-sent").await;
}
