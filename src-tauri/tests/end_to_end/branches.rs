//! Replies that are stopped, continued and tried again, and messages that are edited.

use fantoccini::key::Key;

use crate::desk::Desk;
use crate::models::{self, long_reply};

#[tokio::test]
async fn a_stopped_reply_is_kept_and_goes_on_to_its_end() {
    let desk = Desk::new("stop-continue").await;
    let window = desk.open_with(&desk.model("slow.gguf", &models::slow())).await;
    window.send("count").await;
    let written = window.until_writing(1).await;
    window.screenshot("1-writing").await;
    window.click("#stop").await;
    let stopped = window.until_reply(1).await;
    assert_eq!(stopped.status, "stopped");
    let kept = window.content(1).await;
    assert!(stopped.text.starts_with(&written.text), "what was shown is kept: {written:?}, then {stopped:?}");
    assert!(long_reply().starts_with(&kept) && kept.len() < long_reply().len(), "{kept:?}");
    assert!(!window.shows("#stop").await);
    window.screenshot("2-stopped").await;

    window.click("article:last-child .message-continue").await;
    let whole = window.until_messages("the whole reply", |messages| messages[1].status == "complete").await;
    assert_eq!((whole.len(), &whole[1].id), (2, &stopped.id), "it is the same reply");
    assert_eq!(window.content(1).await, long_reply(), "it goes on where it was stopped");
    window.screenshot("3-continued").await;
}

#[tokio::test]
async fn retries_and_edits_are_branches_to_go_back_and_forth_between() {
    let desk = Desk::new("branches").await;
    let window = desk.open_with(&desk.model("quick.gguf", &models::quick())).await;
    window.send("tea").await;
    let first = window.until_reply(1).await;
    assert_eq!((first.text.as_str(), first.branch.as_deref()), (models::TEA, None));

    window.click("article:last-child .message-retry").await;
    let second =
        window.until_messages("the second version", |messages| messages[1].branch.as_deref() == Some("2/2")).await;
    assert_ne!(second[1].id, first.id);
    let second = window.until_reply(1).await;
    assert_eq!((second.text.as_str(), second.status.as_str()), (models::TEA, "complete"));
    window.screenshot("1-retried").await;

    window.click("article:last-child .branch-previous").await;
    let back =
        window.until_messages("the first version", |messages| messages[1].branch.as_deref() == Some("1/2")).await;
    assert_eq!(back[1].id, first.id);
    window.click("article:last-child .branch-next").await;
    let forth =
        window.until_messages("the second version", |messages| messages[1].branch.as_deref() == Some("2/2")).await;
    assert_eq!(forth[1].id, second.id);

    window.click("article:first-child .message-edit").await;
    window.until("the text to edit", "document.querySelector('.edit-input')?.value === 'tea'").await;
    window.type_into(".edit-input", &(Key::Control + "a")).await;
    window.type_into(".edit-input", "coffee").await;
    window.screenshot("2-editing").await;
    window.click(".edit-save").await;
    window.until_messages("the edited message", |messages| messages[0].branch.as_deref() == Some("2/2")).await;
    let reply = window.until_reply(1).await;
    let shown = window.messages().await;
    assert_eq!((shown[0].text.as_str(), reply.text.as_str()), ("coffee", models::COFFEE));
    assert_eq!((shown.len(), reply.branch), (2, None), "the new branch has a reply of its own");
    window.screenshot("3-edited").await;

    window.click("article:first-child .branch-previous").await;
    let back = window.until_messages("the first question", |messages| messages[0].text == "tea").await;
    assert_eq!((back[1].id.as_str(), back[1].branch.as_deref()), (second.id.as_str(), Some("2/2")), "as it was left");
}
