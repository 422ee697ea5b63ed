//! A long conversation that goes on after the application was started again, against reading it anew.

use std::path::Path;

use crate::report;
use crate::whole_path::WholePath;

const TURNS: usize = 2;
/// About 3,400 tokens in all.
const WORDS_PER_MESSAGE: usize = 430;
const WORDS_OF_LAST_MESSAGE: usize = 3;
/// Short: see `first_token.rs`.
const REPLY_TOKENS: u32 = 2;

pub(crate) async fn measure(model: &Path, folder: &Path) -> anyhow::Result<()> {
    let folder = folder.join("restart");
    let mut whole = WholePath::open(&folder)?;
    whole.load(model).await?;
    let id = whole.conversation(REPLY_TOKENS)?;
    for turn in 0..TURNS {
        let text: Vec<String> = (0..WORDS_PER_MESSAGE).map(|word| format!("word{turn}of{word}")).collect();
        let observed = whole.observe(|chat| Ok(chat.send(id, &text.join(" "))?)).await?;
        eprintln!("turn {}: {:?}", turn + 1, observed.timings);
    }
    whole.chat.shut_down().await;
    drop(whole);

    let mut whole = WholePath::open(&folder)?;
    whole.load(model).await?;
    let text = (0..WORDS_OF_LAST_MESSAGE).map(|word| format!("word{word}")).collect::<Vec<_>>().join(" ");
    let warm = whole.observe(|chat| Ok(chat.send(id, &text)?)).await?;
    whole.chat.shut_down().await;
    drop(whole);
    eprintln!("after the restart: {:?}", warm.timings);

    // What was kept is gone: the same turn again reads everything.
    std::fs::remove_dir_all(folder.join("cache"))?;
    let mut whole = WholePath::open(&folder)?;
    whole.load(model).await?;
    let cold = whole.observe(|chat| Ok(chat.retry(id, warm.message.message.id).map(drop)?)).await?;
    whole.chat.shut_down().await;
    anyhow::ensure!(cold.timings.reused_tokens == 0, "the cache was not empty: {:?}", cold.timings);
    let reused = format!("{} of {} prompt tokens reused", warm.timings.reused_tokens, warm.timings.prompt_tokens);
    report::line(&format!("first text after a restart, {reused}"), &report::milliseconds(warm.first_text), "");
    report::line("first text of the same prompt, read anew", &report::milliseconds(cold.first_text), "");
    let ratio = warm.first_text.as_secs_f64() / cold.first_text.as_secs_f64();
    report::line("after a restart ÷ read anew", &format!("{ratio:.3}"), "≤ 0.1");
    Ok(())
}
