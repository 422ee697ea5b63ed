//! A settings file that can't be read.

use crate::desk::Desk;

#[tokio::test]
async fn a_damaged_settings_file_is_set_aside_and_the_defaults_are_used() {
    let desk = Desk::new("damaged-settings").await;
    let damaged = b"{\"settings\":{\"language\":\"ja\",\"theme\":\"da";
    let folder = desk.engawa_home();
    std::fs::write(folder.join("settings.json"), damaged).expect("the folder can be written");
    let window = desk.open().await;
    window.until_shown("[data-testid=notice][data-code=settings_damaged]").await;
    window.screenshot("1-notice").await;
    let page = "[document.documentElement.lang, document.documentElement.dataset.theme]";
    assert_eq!(window.read(page).await, serde_json::json!(["en", "system"]));
    assert_eq!(std::fs::read(folder.join("settings.json.damaged-1")).expect("it was set aside"), damaged);
    window.click("[data-testid=notice] .notice-close").await;
    window.until_gone("[data-testid=notice]").await;

    window.click("#toggle-inspector").await;
    window.until_gone("#inspector").await;
    desk.until_settings("the new settings", |settings| settings["settings"]["inspectorOpen"] == false).await;
    drop(window);
    let window = desk.open().await;
    assert!(!window.shows("#inspector").await, "what was set since is remembered");
    assert!(!window.shows("[data-testid=notice]").await, "it is told once");
}
