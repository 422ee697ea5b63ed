//! Which messages the model sees when not all of them fit its context.

use engawa_engine_client::protocol::{PromptCount, PromptMessage, Role};

/// The share of the context that is kept free for the reply: its limit of tokens, but at most a quarter.
pub(crate) fn reserve(n_ctx: u32, max_tokens: Option<u32>) -> u32 {
    max_tokens.unwrap_or(512).clamp(1, (n_ctx / 4).max(1))
}

/// Whether a prompt fits for certain, without counting its tokens: each token stands for at least one byte of text.
pub(crate) fn fits_surely(prompt: &[PromptMessage], n_ctx: u32, reserve: u32) -> bool {
    /// More than any template puts around a message, in tokens.
    const TEMPLATE_TOKENS: usize = 32;
    let bytes: usize =
        prompt.iter().map(|message| message.content.len() + message.reasoning.len() + TEMPLATE_TOKENS).sum();
    // Templates of models with tools or thinking may write a preamble of their own.
    bytes + 1024 < n_ctx.saturating_sub(reserve) as usize
}

/// How many of the oldest spoken messages leave, so that the rest fits; `None` when all of them do.
///
/// They leave in one large block, down to half of the context: so the beginning of the prompt stays the same for
/// many turns, and what the engine has computed for it stays valid. The instructions stay, and so does everything
/// from the last message of the person on. What stays begins with a message of the person.
pub(crate) fn block_to_drop(prompt: &[PromptMessage], count: &PromptCount, n_ctx: u32, reserve: u32) -> Option<usize> {
    if count.total.saturating_add(reserve) <= n_ctx {
        return None;
    }
    let spoken_from = usize::from(prompt.first().is_some_and(|first| first.role == Role::System));
    let spoken = &prompt[spoken_from..];
    let last_user = spoken.iter().rposition(|message| message.role == Role::User)?;
    let target = n_ctx / 2;
    let mut total = count.total;
    let mut dropped = 0;
    for index in 0..last_user {
        total = total.saturating_sub(*count.messages.get(spoken_from + index).unwrap_or(&0));
        dropped = index + 1;
        if total <= target && spoken[dropped].role == Role::User {
            break;
        }
    }
    (dropped > 0).then_some(dropped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(roles: &[(Role, u32)]) -> (Vec<PromptMessage>, PromptCount) {
        let message = |role: &Role| PromptMessage::new(*role, "");
        let prompt = roles.iter().map(|(role, _)| message(role)).collect();
        let messages: Vec<u32> = roles.iter().map(|(_, tokens)| *tokens).collect();
        (prompt, PromptCount { total: messages.iter().sum(), messages })
    }

    fn check(roles: &[(Role, u32)], n_ctx: u32, reserve: u32, expected: Option<usize>) {
        let (prompt, count) = prompt(roles);
        assert_eq!(block_to_drop(&prompt, &count, n_ctx, reserve), expected);
    }

    #[test]
    fn nothing_leaves_while_all_fits() {
        check(&[(Role::System, 10), (Role::User, 20), (Role::Assistant, 20), (Role::User, 10)], 100, 40, None);
    }

    #[test]
    fn a_block_leaves_down_to_half_of_the_context() {
        let turns = [
            (Role::System, 10),
            (Role::User, 20),
            (Role::Assistant, 20),
            (Role::User, 20),
            (Role::Assistant, 20),
            (Role::User, 10),
        ];
        // 100 tokens: after four messages 20 are left; after two, 60 would be over half of 100.
        check(&turns, 100, 25, Some(4));
        check(&turns, 120, 25, Some(2));
    }

    #[test]
    fn the_last_question_stays_whatever_its_size() {
        check(&[(Role::User, 20), (Role::Assistant, 20), (Role::User, 500)], 100, 25, Some(2));
        check(&[(Role::System, 10), (Role::User, 500)], 100, 25, None);
    }

    #[test]
    fn what_stays_begins_with_the_person() {
        check(&[(Role::Assistant, 30), (Role::User, 30), (Role::Assistant, 30), (Role::User, 5)], 80, 20, Some(3));
    }

    #[test]
    fn the_reply_gets_a_quarter_at_most() {
        assert_eq!(
            [reserve(4096, None), reserve(4096, Some(100)), reserve(1000, Some(5000)), reserve(2, None)],
            [512, 100, 250, 1]
        );
    }
}
