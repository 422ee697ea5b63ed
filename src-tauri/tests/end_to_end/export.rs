//! Conversations to files and back, through the system's dialogs.

use serde_json::Value;

use crate::desk::Desk;
use crate::models;
use crate::window::Window;

const EDITED: &str = "tea or coffee?\n\n日本語 🍵";

#[tokio::test]
async fn an_exported_conversation_reads_well_and_can_be_imported_with_its_branches() {
    let desk = Desk::new("export").await;
    let window = desk.open_with(&desk.model("quick.gguf", &models::quick())).await;
    window.send("tea").await;
    window.until_reply(1).await;
    window.click("article:last-child .message-retry").await;
    window.until_messages("a second version", |messages| messages[1].branch.as_deref() == Some("2/2")).await;
    window.until_reply(1).await;
    window.click("article:first-child .message-edit").await;
    window.put_into(".edit-input", EDITED).await;
    window.click(".edit-save").await;
    window.until_messages("the edited message", |messages| messages[0].branch.as_deref() == Some("2/2")).await;
    window.until_reply(1).await;

    let path = desk.file("夜の 会話.md");
    export(&window, "markdown", &path, "1-markdown").await;
    let written = std::fs::read_to_string(&path).expect("the file was written");
    let reply = models::COFFEE;
    assert_eq!(written, format!("# tea\n\n## You\n\n{EDITED}\n\n## Quick scripted\n\n{reply}\n"));

    let path = desk.file("夜の 会話.json");
    export(&window, "json", &path, "2-json").await;
    let written = std::fs::read(&path).expect("the file was written");
    let written: Value = serde_json::from_slice(&written).expect("it is JSON");
    let texts: Vec<&str> = written["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .filter_map(|message| message["content"].as_str())
        .collect();
    assert_eq!(texts, ["tea", models::TEA, models::TEA, EDITED, models::COFFEE]);

    let original = outline(&window.conversation().await);
    window.click("#sidebar-menu").await;
    window.click("#import-open").await;
    window.choose_file("Import a chat", &path, "3-import").await;
    window.until("two conversations", "document.querySelectorAll('conversation-item').length === 2").await;
    window.until("the imported one to be shown", "document.querySelectorAll('article.message').length === 2").await;
    window.screenshot("4-imported").await;
    assert_eq!(outline(&window.conversation().await), original);
    window.click("article:first-child .branch-previous").await;
    let other = window.until_messages("the other branch", |messages| messages[0].text == "tea").await;
    assert_eq!((other[1].text.as_str(), other[1].branch.as_deref()), (models::TEA, Some("2/2")));
    window.screenshot("5-other-branch").await;
}

async fn export(window: &Window<'_>, format: &str, path: &std::path::Path, step: &str) {
    window.click("#sidebar-menu").await;
    window.click("#export-open").await;
    window.click(&format!("#export-dialog [data-format={format}]")).await;
    window.choose_name("Export the chat", path, step).await;
    let name = path.file_name().expect("it has a name").to_string_lossy();
    let told = format!(
        "[...document.querySelectorAll('[data-testid=toast]')].some((toast) => toast.innerText.includes({name:?}))"
    );
    window.until("the export to be told", &told).await;
}

/// What the messages say and how they branch, without the ids.
fn outline(conversation: &Value) -> Vec<Value> {
    let messages = conversation["messages"].as_array().expect("a conversation has messages");
    let fields = |message: &Value| {
        serde_json::json!([
            message["role"],
            message["content"],
            message["status"],
            message["createdAt"],
            message["timings"],
            message["branch"]["index"],
            message["branch"]["count"],
        ])
    };
    messages.iter().map(fields).collect()
}
