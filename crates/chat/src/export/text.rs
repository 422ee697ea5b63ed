//! The chosen branch for reading: Markdown and plain text.

use engawa_store::{Conversation, Message, Role};

/// The branch as Markdown: a heading per message, its text as it is, thinking folded away.
pub(super) fn markdown(conversation: &Conversation, messages: &[Message]) -> String {
    let mut text = format!("# {}\n", title(conversation));
    for message in messages {
        text.push_str(&format!("\n## {}\n\n", speaker(message)));
        if !message.reasoning.trim().is_empty() {
            text.push_str("<details><summary>Thinking</summary>\n\n");
            text.push_str(message.reasoning.trim());
            text.push_str("\n\n</details>\n\n");
        }
        text.push_str(message.content.trim_end());
        text.push('\n');
    }
    text
}

/// The branch as plain text: the speaker's name before each message. Thinking is left out.
pub(super) fn plain(conversation: &Conversation, messages: &[Message]) -> String {
    let mut text = format!("{}\n", title(conversation));
    for message in messages {
        text.push_str(&format!("\n{}:\n{}\n", speaker(message), message.content.trim_end()));
    }
    text
}

fn title(conversation: &Conversation) -> &str {
    if conversation.title.is_empty() { "Conversation" } else { &conversation.title }
}

fn speaker(message: &Message) -> String {
    match (message.role, &message.author_name, &message.author_emoji) {
        (Role::User, ..) => "You".to_owned(),
        (_, Some(name), Some(emoji)) if !emoji.is_empty() => format!("{emoji} {name}"),
        (_, Some(name), _) => name.clone(),
        (Role::Assistant, None, _) => message.model.clone().unwrap_or_else(|| "Model".to_owned()),
        (Role::System, None, _) => "System".to_owned(),
    }
}
