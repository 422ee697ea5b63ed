//! Model files that are wrong, each in its way.

use std::path::Path;

use engawa_testkit::Fault;
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::models;
use crate::window::Window;

/// What each fault is called. A file with none of these codes loads.
fn expected_code(fault: Fault) -> Option<&'static str> {
    match fault {
        Fault::HtmlPage | Fault::Empty => Some("not_gguf"),
        Fault::HeaderCut | Fault::DataCut => Some("gguf_truncated"),
        Fault::OldVersion
        | Fault::BigEndian
        | Fault::TensorCount
        | Fault::MetadataCount
        | Fault::StringLength
        | Fault::ArrayLength
        | Fault::TensorOffset
        | Fault::BlockCount => Some("gguf_damaged"),
        Fault::UnknownArchitecture => Some("unknown_architecture"),
        Fault::NoTemplate | Fault::BrokenTemplate => None,
    }
}

#[tokio::test]
async fn a_wrong_file_in_the_dialog_is_explained() {
    let desk = Desk::new("wrong-file").await;
    let path = desk.file("ログイン ページ.gguf");
    Fault::HtmlPage.write(&path).expect("the file can be written");
    let window = desk.open().await;
    window.click("#welcome-open").await;
    window.choose_file("Open a model", &path, "1-dialog").await;
    window.until_shown("[data-testid=notice][data-code=not_gguf]").await;
    window.screenshot("2-explained").await;
    assert!(!window.shows("#load-dialog").await);

    let unheard = desk.file("unheard.gguf");
    Fault::UnknownArchitecture.write(&unheard).expect("the file can be written");
    window.click("[data-testid=notice] [data-testid=notice-open-model]").await;
    window.choose_file("Open a model", &unheard, "3-dialog").await;
    let told = "document.querySelector('#memory').innerText.includes('not supported yet')";
    window.until("what the load would end with", told).await;
    window.screenshot("4-told-before-it-is-loaded").await;
    window.click("#load-dismiss").await;

    let good = desk.model("good.gguf", &models::quick());
    window.click("[data-testid=notice] [data-testid=notice-open-model]").await;
    window.choose_file("Open a model", &good, "5-dialog").await;
    window.click("#load-confirm").await;
    window.until_model_ready().await;
    window.until_gone("[data-testid=notice]").await;
}

#[tokio::test]
async fn every_fault_has_its_message_and_the_window_works_on() {
    let desk = Desk::new("faults").await;
    let good = desk.model("good.gguf", &models::quick());
    let window = desk.open_with(&good).await;
    let settings = window.invoke("inspect_model", json!({ "path": good })).await["settings"].clone();
    for fault in Fault::ALL {
        let path = desk.file(&format!("{fault:?}.gguf"));
        fault.write(&path).expect("the file can be written");
        load(&window, &path, &settings).await;
        if let Some(code) = expected_code(fault) {
            window.until_shown(&format!("[data-testid=notice][data-code={code}]")).await;
            assert_eq!(window.text("#model-badge").await, "CPU only", "the model stays");
            window.screenshot(&format!("{fault:?}")).await;
            // The next one is shown again.
            window.click("[data-testid=notice] .notice-close").await;
            window.until_gone("[data-testid=notice]").await;
        } else {
            window.until(&format!("{fault:?} to be loaded"), &model_is(&path)).await;
            assert!(window.text("#model-facts").await.contains("ChatML"));
            window.screenshot(&format!("{fault:?}")).await;
        }
    }
    load(&window, &good, &settings).await;
    window.until("the good model", &model_is(&good)).await;
    window.send("tea").await;
    assert_eq!(window.until_reply(1).await.text, models::TEA);
}

/// An expression: whether this model is loaded.
fn model_is(path: &Path) -> String {
    format!("document.querySelector('#model-button').title.endsWith({})", json!(path))
}

#[tokio::test]
async fn the_last_model_may_be_gone_at_the_next_start() {
    let desk = Desk::new("model-gone").await;
    let path = desk.model("gone.gguf", &models::quick());
    let window = desk.open_with(&path).await;
    window.send("tea").await;
    window.until_reply(1).await;
    drop(window);
    std::fs::remove_file(&path).expect("the file can be deleted");
    let window = desk.open().await;
    window.until_shown("#model-failure[data-code=model_not_found]").await;
    assert_eq!(window.messages().await[1].text, models::TEA, "the conversation can be read");
    window.screenshot("1-gone").await;
    window.send("coffee").await;
    window.until_shown("[data-testid=composer-error][data-code=model_not_found]").await;
    assert_eq!(window.read("document.querySelector('#composer-input').value").await, "coffee", "the text is kept");
    assert!(!window.shows("#model-failure").await, "it is said once");
    window.screenshot("2-kept").await;
}

#[tokio::test]
async fn a_file_that_may_not_be_read_is_explained() {
    if rustix::process::geteuid().is_root() {
        // Root may read everything.
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new("no-permission").await;
    let path = desk.model("locked.gguf", &models::quick());
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).expect("the mode can be changed");
    let window = desk.open_loading(&path).await;
    window.until_shown("#model-failure[data-code=model_no_permission]").await;
    window.screenshot("1-explained").await;
}

/// Asks for a model as the page does; a refusal is shown by the page.
async fn load(window: &Window<'_>, path: &Path, settings: &Value) {
    let call = format!(
        "window.__TAURI__.core.invoke('load_model', {{ path: {}, settings: {settings} }}).catch(() => null); return true",
        json!(path)
    );
    window.run(&call).await;
}
