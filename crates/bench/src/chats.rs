//! Several chats with one model: visited in turn, and written at once.

use std::path::Path;

use crate::report;
use crate::whole_path::WholePath;

const CHATS: usize = 4;
/// As long as a page of text.
const WORDS_OF_FIRST_MESSAGE: usize = 600;
const WORDS_OF_SECOND_MESSAGE: usize = 12;
/// Short: a model with random weights writes words that its own tokenizer cuts into several tokens.
const REPLY_TOKENS: u32 = 2;
const TOKENS_AT_ONCE: u32 = 64;
const ROUNDS: usize = 3;

pub(crate) async fn measure(model: &Path, folder: &Path) -> anyhow::Result<()> {
    visit_in_turn(model, &folder.join("chats")).await?;
    write_at_once(model, &folder.join("at-once")).await
}

/// The first text of a chat's second message, when three others were visited in between.
async fn visit_in_turn(model: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut whole = WholePath::open(folder)?;
    whole.load(model).await?;
    let chats = (0..CHATS).map(|_| whole.conversation(REPLY_TOKENS)).collect::<anyhow::Result<Vec<_>>>()?;
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let mut reused = 0;
    for (words, times) in [(WORDS_OF_FIRST_MESSAGE, &mut first), (WORDS_OF_SECOND_MESSAGE, &mut second)] {
        for (number, &id) in chats.iter().enumerate() {
            // The first word differs, so that the chats have no beginning in common.
            let text: Vec<_> =
                (0..words).map(|word| format!("{}{}", ["red", "sea", "tea", "old"][number], word % 90)).collect();
            let observed = whole.observe(|chat| Ok(chat.send(id, &text.join(" "))?)).await?;
            eprintln!(
                "chat {}: first text after {}, {:?}",
                number + 1,
                report::milliseconds(observed.first_text),
                observed.timings
            );
            times.push(observed.first_text.as_secs_f64());
            reused = observed.timings.reused_tokens;
        }
    }
    whole.chat.shut_down().await;
    let (first, second) = (report::median(&mut first), report::median(&mut second));
    report::line(
        &format!("first text in the second of {CHATS} chats visited in turn, {reused} tokens reused"),
        &format!("{:.0} ms", second * 1e3),
        "",
    );
    report::line("second visit ÷ first visit", &format!("{:.3}", second / first), "");
    Ok(())
}

/// All tokens per second of four replies at once against one alone.
async fn write_at_once(model: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut whole = WholePath::open(folder)?;
    whole.load(model).await?;
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        for (chats, speeds) in [(1, &mut alone), (CHATS, &mut together)] {
            let ids = (0..chats).map(|_| whole.conversation(TOKENS_AT_ONCE)).collect::<anyhow::Result<Vec<_>>>()?;
            let speed = whole.write_at_once(&ids, "Tell a long story about a porch.").await?;
            eprintln!("round {round}: {chats} at once, {speed:.1} tokens/s in all");
            // The first round warms up.
            if round > 0 {
                speeds.push(speed);
            }
        }
    }
    whole.chat.shut_down().await;
    let (alone, together) = (report::median(&mut alone), report::median(&mut together));
    report::line(&format!("{CHATS} replies at once, all tokens"), &format!("{together:.1} tokens/s"), "");
    report::line(&format!("{CHATS} replies at once ÷ one alone"), &format!("{:.2}", together / alone), "");
    Ok(())
}
