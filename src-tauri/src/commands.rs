//! What the page may ask, one file per topic. Each command parses, calls `engawa-chat` and converts.

mod characters;
mod conversations;
mod files;
mod link;
mod messages;
mod model;
mod sampling;
mod settings;
mod start;

use tauri::ipc::Invoke;

/// Every command, as `build.rs` and `capabilities/main.json` list them.
pub(crate) fn handler() -> impl Fn(Invoke) -> bool + Send + Sync + 'static {
    tauri::generate_handler![
        start::subscribe,
        start::start,
        conversations::create_conversation,
        conversations::open_conversation,
        conversations::search_conversations,
        conversations::rename_conversation,
        conversations::delete_conversation,
        conversations::restore_conversation,
        messages::send_message,
        messages::stop_reply,
        messages::retry_reply,
        messages::edit_message,
        messages::continue_reply,
        messages::select_branch,
        characters::set_character,
        sampling::set_sampling,
        model::pick_model,
        model::pick_part,
        model::inspect_model,
        model::estimate_load,
        model::load_model,
        model::load_demo,
        model::cancel_load,
        model::unload_model,
        files::export_conversation,
        files::import_conversation,
        settings::save_settings,
        link::open_link,
    ]
}
