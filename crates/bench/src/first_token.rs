//! The first token of turn 8 against that of the same prompt on an empty cache.

use std::path::Path;

use crate::report;
use crate::whole_path::WholePath;

const TURNS: usize = 8;
/// Short: a model with random weights writes words that its own tokenizer cuts into several tokens, so that long
/// replies would make the prompt on the empty cache a longer one.
const REPLY_TOKENS: u32 = 2;
const WORDS_PER_MESSAGE: usize = 34;
/// The last turn is a question about the history.
const WORDS_OF_LAST_MESSAGE: usize = 3;

pub(crate) async fn measure(model: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut whole = WholePath::open(&folder.join("first-token"))?;
    whole.load(model).await?;
    let id = whole.conversation(REPLY_TOKENS)?;
    let mut last = None;
    for turn in 0..TURNS {
        let words = if turn + 1 == TURNS { WORDS_OF_LAST_MESSAGE } else { WORDS_PER_MESSAGE };
        let text = (0..words).map(|word| format!("word{turn}of{word}")).collect::<Vec<_>>().join(" ");
        let observed = whole.observe(|chat| Ok(chat.send(id, &text)?)).await?;
        eprintln!(
            "turn {}: first text after {}, {:?}",
            turn + 1,
            report::milliseconds(observed.first_text),
            observed.timings
        );
        last = Some(observed);
    }
    let Some(warm) = last else { anyhow::bail!("there are no turns") };
    // A fresh engine has an empty cache where nothing is kept on disk; the same prompt again is another try of the same turn.
    whole.chat.set_cache_bytes(0);
    whole.load(model).await?;
    let message = warm.message.message.id;
    let cold = whole.observe(|chat| Ok(chat.retry(id, message).map(drop)?)).await?;
    whole.chat.shut_down().await;
    anyhow::ensure!(cold.timings.reused_tokens == 0, "the cache was not empty: {:?}", cold.timings);
    report::line(
        &format!(
            "first text of turn {TURNS}, {} of {} prompt tokens reused",
            warm.timings.reused_tokens, warm.timings.prompt_tokens
        ),
        &report::milliseconds(warm.first_text),
        "",
    );
    report::line("first text of the same prompt on an empty cache", &report::milliseconds(cold.first_text), "");
    let ratio = warm.first_text.as_secs_f64() / cold.first_text.as_secs_f64();
    report::line(&format!("turn {TURNS} ÷ empty cache"), &format!("{ratio:.3}"), "≤ 0.15");
    Ok(())
}
