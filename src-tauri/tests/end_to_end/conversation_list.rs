//! The list of conversations: renamed, searched, deleted and taken back.

use crate::desk::Desk;
use crate::models;
use crate::window::Window;

#[tokio::test]
async fn conversations_are_renamed_searched_deleted_and_restored() {
    let desk = Desk::new("list").await;
    let window = desk.open_with(&desk.model("quick.gguf", &models::quick())).await;
    window.send("縁側で飲むお茶 tea").await;
    window.until_reply(1).await;
    window.click("#new-conversation").await;
    window.until_messages("an empty conversation", <[_]>::is_empty).await;
    window.send("雨の日の coffee").await;
    window.until_reply(1).await;
    assert_eq!(titles(&window).await, ["雨の日の coffee", "縁側で飲むお茶 tea"]);

    menu(&window, "rename").await;
    window.fill(".item-rename", "梅雨の珈琲").await;
    window.until_text("conversation-item .item-title", "梅雨の珈琲").await;
    window.screenshot("1-renamed").await;

    window.type_into("#search", "お茶").await;
    window.until("one found by its text", &listed(&["縁側で飲むお茶 tea"])).await;
    window.screenshot("2-found").await;
    window.press_in("#search", fantoccini::key::Key::Escape).await;
    window.type_into("#search", "珈琲").await;
    window.until("one found by its new title", &listed(&["梅雨の珈琲"])).await;
    window.press_in("#search", fantoccini::key::Key::Escape).await;
    window.until("both again", &listed(&["梅雨の珈琲", "縁側で飲むお茶 tea"])).await;

    menu(&window, "delete").await;
    window.until("one left", &listed(&["縁側で飲むお茶 tea"])).await;
    window
        .until_messages("the neighbour", |messages| messages.first().is_some_and(|first| first.text.contains("お茶")))
        .await;
    window.screenshot("3-deleted").await;
    window.click("[data-testid=toast-action]").await;
    window.until("both again", &listed(&["梅雨の珈琲", "縁側で飲むお茶 tea"])).await;
    let restored = window
        .until_messages("the restored one", |messages| {
            messages.first().is_some_and(|first| first.text.contains("coffee"))
        })
        .await;
    assert_eq!(restored[1].text, models::COFFEE);
    window.screenshot("4-restored").await;
}

/// Chooses in the menu of the first conversation.
async fn menu(window: &Window<'_>, action: &str) {
    window.click("conversation-item .item-more").await;
    window.click(&format!(".menu [data-action={action}]")).await;
}

const TITLES: &str =
    "[...document.querySelectorAll('#conversation-list .item-title')].map((title) => title.textContent)";

async fn titles(window: &Window<'_>) -> Vec<String> {
    serde_json::from_value(window.read(TITLES).await).expect("titles are texts")
}

/// An expression: whether these titles are listed.
fn listed(titles: &[&str]) -> String {
    format!("JSON.stringify({TITLES}) === JSON.stringify({titles:?})")
}
