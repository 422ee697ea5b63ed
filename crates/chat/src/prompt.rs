//! A conversation as the messages of a prompt.

use engawa_catalog::presets::{Character, Speaker};
use engawa_engine_client::protocol::{self, PromptMessage, TemplateInfo};
use engawa_store::{Message, MessageId, Role};

/// What `{{user}}` stands for in a card.
pub(crate) const PERSON: &str = "User";

/// The messages of a prompt and where each comes from.
pub(crate) struct Prompt {
    pub(crate) messages: Vec<PromptMessage>,
    /// The stored message behind each, `[n_messages]`; `None` for instructions.
    pub(crate) sources: Vec<Option<MessageId>>,
}

/// The prompt for the messages that the model sees: what the character is told, then what was said.
///
/// Where the model's template allows no conversation that the model begins, a greeting becomes part of the
/// instructions. Where it allows no two messages of the same speaker in a row, as behind a reply that failed before its
/// first word, they become one.
pub(crate) fn build(character: Option<&Character>, messages: &[&Message], template: &TemplateInfo) -> Prompt {
    let mut instructions = character.map(instructions).unwrap_or_default();
    let mut spoken: Vec<&Message> =
        messages.iter().copied().filter(|message| message.role != Role::System && !is_empty(message)).collect();
    if !template.accepts_assistant_first && spoken.first().is_some_and(|first| first.role == Role::Assistant) {
        if !instructions.is_empty() {
            instructions.push_str("\n\n");
        }
        instructions.push_str("You opened the conversation with these words:\n");
        instructions.push_str(&spoken.remove(0).content);
    }
    let mut prompt = Prompt { messages: Vec::new(), sources: Vec::new() };
    if !instructions.is_empty() {
        prompt.messages.push(PromptMessage::new(protocol::Role::System, instructions));
        prompt.sources.push(None);
    }
    for message in spoken {
        let id = message.id;
        let message = to_prompt(message);
        match prompt.messages.last_mut() {
            Some(last) if last.role == message.role && !template.accepts_repeated_roles => {
                last.content.push_str("\n\n");
                last.content.push_str(&message.content);
            }
            _ => {
                prompt.messages.push(message);
                prompt.sources.push(Some(id));
            }
        }
    }
    prompt
}

/// A reply that failed before its first word says nothing.
pub(crate) fn is_empty(message: &Message) -> bool {
    message.content.trim().is_empty() && message.reasoning.is_empty()
}

fn to_prompt(message: &Message) -> PromptMessage {
    let role = match message.role {
        Role::User => protocol::Role::User,
        Role::Assistant => protocol::Role::Assistant,
        Role::System => protocol::Role::System,
    };
    PromptMessage { reasoning: message.reasoning.clone(), ..PromptMessage::new(role, message.content.clone()) }
}

/// The character's system prompt with its example dialogue.
fn instructions(character: &Character) -> String {
    let mut text = character.system_prompt(PERSON);
    for conversation in character.example_dialogue(PERSON) {
        text.push_str("\n\nExample:");
        for turn in conversation {
            let name = if turn.speaker == Speaker::User { PERSON } else { &character.card().data.name };
            text.push('\n');
            text.push_str(name);
            text.push_str(": ");
            text.push_str(&turn.text);
        }
    }
    text
}

/// The part of a branch that the model sees.
pub(crate) fn visible(branch: &[Message], first: Option<MessageId>) -> Vec<&Message> {
    let from = first.and_then(|first| branch.iter().position(|message| message.id == first)).unwrap_or(0);
    branch[from..].iter().collect()
}

#[cfg(test)]
mod tests {
    use engawa_engine_client::protocol::TemplateSource;
    use engawa_store::{NewMessage, Store};

    use super::*;

    fn roles_and_texts(accepts_repeated_roles: bool) -> Vec<(protocol::Role, String)> {
        let template = TemplateInfo {
            source: TemplateSource::File,
            accepts_assistant_first: true,
            accepts_repeated_roles,
            supports_thinking: false,
        };
        let store = Store::open_in_memory().unwrap();
        let conversation = store.create_conversation("", 0).unwrap().id;
        let mut messages: Vec<Message> = Vec::new();
        for (role, text) in [
            (Role::User, "one"),
            (Role::Assistant, ""),
            (Role::User, "two"),
            (Role::Assistant, "2"),
            (Role::User, "3?"),
        ] {
            let parent = messages.last().map(|message| message.id);
            let message = NewMessage::new(conversation, parent, role, text, 0);
            messages.push(store.insert_message(&message).unwrap());
        }
        let prompt = build(None, &messages.iter().collect::<Vec<_>>(), &template);
        assert_eq!(prompt.messages.len(), prompt.sources.len());
        prompt.messages.into_iter().map(|message| (message.role, message.content)).collect()
    }

    #[test]
    fn messages_around_an_empty_reply_become_one_where_the_template_needs_it() {
        use protocol::Role::{Assistant, User};
        let text = |texts: &[(protocol::Role, &str)]| -> Vec<_> {
            texts.iter().map(|(role, text)| (*role, (*text).to_owned())).collect()
        };
        assert_eq!(roles_and_texts(true), text(&[(User, "one"), (User, "two"), (Assistant, "2"), (User, "3?")]));
        assert_eq!(roles_and_texts(false), text(&[(User, "one\n\ntwo"), (Assistant, "2"), (User, "3?")]));
    }
}
