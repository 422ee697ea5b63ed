//! The first minutes with Engawa.

use engawa_testkit::{Scope, ScriptedModel};

use crate::desk::Desk;

const GREETING: &str = "こんばんは 🏮 縁側へようこそ！\n\nお茶を**一杯**どうぞ 🍵。";
const CODE: &str = "## Reading a file\n\n```rust\nfn main() {\n    let text = std::fs::read_to_string(\"雨.txt\");\n    println!(\"{text:?}\");\n}\n```\n\nThat is all of it.";
const FAREWELL: &str = "1. 灯りを消す\n2. 戸を閉める\n\n| 時 | 空 |\n|---|---|\n| 夜 | 星 ✨ |\n\nおやすみなさい。";

#[tokio::test]
async fn a_model_is_opened_through_the_dialog_and_three_turns_are_streamed() {
    let desk = Desk::new("first-run").await;
    let script = ScriptedModel::new("?")
        .name("縁側 Scripted")
        .scope(Scope::LastMessage)
        .split_utf8(true)
        .rule("こんばんは", GREETING)
        .rule("Rust", CODE)
        .rule("おやすみ", FAREWELL);
    let path = desk.model("日本 モデル.gguf", &script);
    let window = desk.open().await;
    assert_eq!(window.read("document.querySelector('app-shell').dataset.view").await, "welcome");
    window.screenshot("1-welcome").await;

    window.click("#welcome-open").await;
    window.choose_file("Open a model", &path, "2-dialog").await;
    window.until_shown("#load-dialog").await;
    let card = window.text("#load-dialog").await;
    for fact in ["縁側 Scripted", "日本 モデル.gguf", "llama", "2 layers", "8,192", "from the file"] {
        assert!(card.contains(fact), "{fact:?} is missing in {card:?}");
    }
    window
        .until("the engine's figures", "document.querySelector('#memory [title*=\"working memory\"]') !== null")
        .await;
    window.screenshot("3-load-card").await;
    window.click("#load-confirm").await;
    window.until_text("#model-badge", "CPU only").await;
    window.until_gone("#load-dialog").await;

    for (turn, (message, reply)) in
        [("こんばんは", GREETING), ("Rust please", CODE), ("おやすみ", FAREWELL)].into_iter().enumerate()
    {
        window.send(message).await;
        let shown = window.until_reply(turn * 2 + 1).await;
        assert_eq!((shown.status.as_str(), shown.error), ("complete", None));
        assert_eq!(window.content(turn * 2).await, message);
        assert_eq!(window.content(turn * 2 + 1).await, reply, "the reply is the script's, byte for byte");
        let timings = shown.timings.expect("a reply that ended has timings");
        assert!(timings.contains("tok/s"), "{timings}");
        assert_eq!(
            timings.contains("reused"),
            turn > 0,
            "from the second turn on the prompt is in the cache: {timings}"
        );
        window.screenshot(&format!("{}-turn", turn + 4)).await;
    }

    let code = "document.querySelector('article.message:nth-of-type(4) pre code').textContent";
    assert_eq!(
        window.read(code).await,
        "fn main() {\n    let text = std::fs::read_to_string(\"雨.txt\");\n    println!(\"{text:?}\");\n}\n"
    );
    assert_eq!(window.read("document.querySelectorAll('#log table tbody tr').length").await, 1);
    assert_eq!(window.read("document.querySelector('#log strong').textContent").await, "一杯");
    assert_eq!(window.text("conversation-item .item-title").await, "こんばんは");
}
