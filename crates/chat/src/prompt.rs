//! A conversation as the messages of a prompt.

use engawa_catalog::presets::{Character, Speaker};
use engawa_engine_client::protocol::{self, PromptMessage};
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
/// `accepts_assistant_first` is whether the model's template allows a conversation that the model begins; where it
/// does not, a greeting becomes part of the instructions.
pub(crate) fn build(character: Option<&Character>, messages: &[&Message], accepts_assistant_first: bool) -> Prompt {
    let mut instructions = character.map(instructions).unwrap_or_default();
    let mut spoken: Vec<&Message> =
        messages.iter().copied().filter(|message| message.role != Role::System && !is_empty(message)).collect();
    if !accepts_assistant_first && spoken.first().is_some_and(|first| first.role == Role::Assistant) {
        if !instructions.is_empty() {
            instructions.push_str("\n\n");
        }
        instructions.push_str("You opened the conversation with these words:\n");
        instructions.push_str(&spoken.remove(0).content);
    }
    let mut prompt = Prompt { messages: Vec::new(), sources: Vec::new() };
    if !instructions.is_empty() {
        let (role, reasoning) = (protocol::Role::System, String::new());
        prompt.messages.push(PromptMessage { role, content: instructions, reasoning });
        prompt.sources.push(None);
    }
    for message in spoken {
        prompt.messages.push(to_prompt(message));
        prompt.sources.push(Some(message.id));
    }
    prompt
}

/// A reply that failed before its first word says nothing.
pub(crate) fn is_empty(message: &Message) -> bool {
    message.content.trim().is_empty() && message.reasoning.is_empty()
}

fn to_prompt(message: &Message) -> PromptMessage {
    PromptMessage {
        role: match message.role {
            Role::User => protocol::Role::User,
            Role::Assistant => protocol::Role::Assistant,
            Role::System => protocol::Role::System,
        },
        content: message.content.clone(),
        reasoning: message.reasoning.clone(),
    }
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
