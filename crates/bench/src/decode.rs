//! Decoding through the whole path against a bare loop, in turns.

use std::path::Path;

use engawa_chat::Speculation;

use crate::bare_loop::{BareLoop, THREADS};
use crate::report;
use crate::whole_path::WholePath;

const ROUNDS: u32 = 7;
const TOKENS: u32 = 96;
const PROMPT: &str = "Tell a long story about a porch.";

pub(crate) async fn measure(model: &Path, folder: &Path) -> anyhow::Result<()> {
    let bare = BareLoop::load(model)?;
    let mut whole = WholePath::open(&folder.join("decode"))?;
    // The bare loop has no drafts either.
    whole.load_with(model, Speculation::Off, THREADS).await?;
    let (mut ratios, mut bare_speeds, mut whole_speeds) = (Vec::new(), Vec::new(), Vec::new());
    // The first round warms both up.
    for round in 0..=ROUNDS {
        let bare_speed = bare.run(PROMPT, TOKENS, round, THREADS)?.writing;
        let id = whole.conversation(TOKENS)?;
        let observed = whole.observe(|chat| Ok(chat.send(id, PROMPT)?)).await?;
        let tokens = observed.timings.generated_tokens.saturating_sub(1);
        let whole_speed = f64::from(tokens) / observed.writing.as_secs_f64();
        eprintln!(
            "round {round}: bare {bare_speed:.1}, whole path {whole_speed:.1} tokens/s, {} bytes of HTML, {:?}",
            observed.html_bytes, observed.timings
        );
        if round > 0 {
            ratios.push(whole_speed / bare_speed);
            bare_speeds.push(bare_speed);
            whole_speeds.push(whole_speed);
        }
    }
    whole.chat.shut_down().await;
    report::line(
        "decode, bare llama-cpp-2 loop (0.5 B Q8_0, 1 thread)",
        &format!("{:.1} tokens/s", report::median(&mut bare_speeds)),
        "",
    );
    report::line(
        "decode, whole path without drafts (child, pipe, chat, store, render)",
        &format!("{:.1} tokens/s", report::median(&mut whole_speeds)),
        "",
    );
    report::line(
        "whole path ÷ bare loop, median of 7 rounds in turns",
        &format!("{:.3}", report::median(&mut ratios)),
        "≥ 0.97",
    );
    Ok(())
}
