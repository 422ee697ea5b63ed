//! Embeds the window's files, lists the commands that the window may call, and lets the executable find llama.cpp.

/// Every command; a window may call none that is not here and in `capabilities/main.json`.
const COMMANDS: &[&str] = &[
    "subscribe",
    "start",
    "create_conversation",
    "open_conversation",
    "search_conversations",
    "rename_conversation",
    "delete_conversation",
    "restore_conversation",
    "send_message",
    "stop_reply",
    "retry_reply",
    "edit_message",
    "continue_reply",
    "select_branch",
    "set_character",
    "set_sampling",
    "pick_model",
    "pick_part",
    "inspect_model",
    "estimate_load",
    "load_model",
    "load_demo",
    "cancel_load",
    "unload_model",
    "export_conversation",
    "import_conversation",
    "save_settings",
    "open_link",
];

fn main() {
    // Without it a new file under `ui/` would not be embedded.
    println!("cargo::rerun-if-changed=../ui");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        // llama.cpp's libraries lie next to the executable; see crates/engine/build.rs.
        println!("cargo::rustc-link-arg=-Wl,--disable-new-dtags,-rpath,$ORIGIN,-rpath,$ORIGIN/..");
    }
    let manifest = tauri_build::AppManifest::new().commands(COMMANDS);
    tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest)).expect("tauri.conf.json is valid");
}
