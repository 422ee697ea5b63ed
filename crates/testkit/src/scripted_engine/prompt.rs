//! Prompts as tokens, and what of them is in the context already.

use engawa_engine_protocol::{ContinueFinal, PromptCount, PromptMessage};

use super::script::{pieces, pretended_tokens};

/// The characters of a token of a prompt.
const TOKEN_LENGTH: usize = 4;

/// The tokens of a whole prompt.
pub(super) fn tokens(messages: &[PromptMessage], continue_final: ContinueFinal) -> Vec<String> {
    let mut tokens: Vec<String> = messages.iter().flat_map(message_with_marks).collect();
    match continue_final {
        ContinueFinal::NewTurn => tokens.push("<Assistant>".to_owned()),
        // The reply is open: nothing after it.
        ContinueFinal::LastMessage => drop(tokens.pop()),
    }
    tokens
}

/// Counts a prompt.
pub(super) fn count(messages: &[PromptMessage]) -> PromptCount {
    PromptCount {
        total: tokens(messages, ContinueFinal::NewTurn).len() as u32,
        messages: messages.iter().map(|message| message_tokens(message).len() as u32).collect(),
    }
}

/// The number of tokens at the beginning that two prompts share.
pub(super) fn common_prefix(left: &[String], right: &[String]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}

fn message_with_marks(message: &PromptMessage) -> Vec<String> {
    let mut tokens = vec![format!("<{:?}>", message.role)];
    tokens.extend(message_tokens(message));
    tokens.push("<end>".to_owned());
    tokens
}

fn message_tokens(message: &PromptMessage) -> Vec<String> {
    match pretended_tokens(&message.content) {
        Some(count) => vec!["pretended".to_owned(); count],
        None => pieces(&message.reasoning, TOKEN_LENGTH).chain(pieces(&message.content, TOKEN_LENGTH)).collect(),
    }
}
