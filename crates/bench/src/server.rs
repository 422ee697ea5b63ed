//! The whole path against llama.cpp's own server: the same model, messages and threads, in turns.

use std::path::Path;

use engawa_chat::ConversationId;
use serde_json::Value;

use crate::bare_loop::THREADS;
use crate::peer::{PeerServer, PeerTools, assistant, user};
use crate::report;
use crate::whole_path::WholePath;

const CHATS: usize = 4;
/// As long as a page of text.
const LONG: usize = 600;
const SHORT: usize = 12;
/// Short: a model with random weights writes words that its own tokenizer cuts into several tokens.
const REPLY_TOKENS: u32 = 2;
const TURNS: usize = 8;
const WORDS_PER_TURN: usize = 34;
const EDITS: usize = 3;
const TOKENS_AT_ONCE: u32 = 64;
const ROUNDS: usize = 7;

pub(crate) async fn measure(tools: &PeerTools, model: &Path, folder: &Path) -> anyhow::Result<()> {
    visit_in_turn(&mut Sides::open(tools, model, &folder.join("visits")).await?).await?;
    eight_turns(&mut Sides::open(tools, model, &folder.join("turns")).await?).await?;
    edit_the_last(&mut Sides::open(tools, model, &folder.join("edits")).await?).await?;
    write_at_once(tools, model, &folder.join("slots")).await
}

/// Both, with the same model.
struct Sides {
    whole: WholePath,
    server: PeerServer,
}

/// The same conversation with both.
struct Pair {
    id: ConversationId,
    messages: Vec<Value>,
}

impl Sides {
    async fn open(tools: &PeerTools, model: &Path, folder: &Path) -> anyhow::Result<Self> {
        let mut whole = WholePath::open(folder)?;
        whole.load(model).await?;
        Ok(Self { whole, server: tools.serve(model, THREADS, None)? })
    }

    fn pair(&self) -> anyhow::Result<Pair> {
        Ok(Pair { id: self.whole.conversation(REPLY_TOKENS)?, messages: Vec::new() })
    }

    /// Sends a text to both; gives the times to the first text, in seconds.
    async fn send(&mut self, pair: &mut Pair, text: &str) -> anyhow::Result<Times> {
        let observed = self.whole.observe(|chat| Ok(chat.send(pair.id, text)?)).await?;
        pair.messages.push(user(text));
        let theirs = self.server.reply(&pair.messages, REPLY_TOKENS)?;
        pair.messages.push(assistant(&theirs.text));
        eprintln!("{:?} / {:?}; {:?} / {}", observed.first_text, theirs.first_text, observed.timings, theirs.timings);
        Ok(Times { ours: observed.first_text.as_secs_f64(), theirs: theirs.first_text.as_secs_f64() })
    }
}

/// From the request to the first text, in seconds.
struct Times {
    ours: f64,
    theirs: f64,
}

/// Sums of both sides.
fn report_times(what: &str, times: &[Times], promise: &str) {
    let ours: f64 = times.iter().map(|times| times.ours).sum();
    let theirs: f64 = times.iter().map(|times| times.theirs).sum();
    let both = format!("{:.3} ({:.0} ms ÷ {:.0} ms)", ours / theirs, ours * 1e3, theirs * 1e3);
    report::line(&format!("{what}: whole path ÷ llama-server"), &both, promise);
}

/// Words that are the same in no other text: `name` tells them apart.
fn words(name: &str, count: usize) -> String {
    (0..count).map(|word| format!("{name}{}", word % 90)).collect::<Vec<_>>().join(" ")
}

async fn visit_in_turn(sides: &mut Sides) -> anyhow::Result<()> {
    let mut chats = (0..CHATS).map(|_| sides.pair()).collect::<anyhow::Result<Vec<_>>>()?;
    let mut visits = [Vec::new(), Vec::new()];
    for (length, times) in [LONG, SHORT].into_iter().zip(&mut visits) {
        for (chat, name) in chats.iter_mut().zip(["red", "sea", "tea", "old"]) {
            times.push(sides.send(chat, &words(name, length)).await?);
        }
    }
    let [first, second] = visits;
    report_times(&format!("first text of {CHATS} chats, first visits in all"), &first, "");
    report_times(&format!("first text of {CHATS} chats, second visits in all"), &second, "≤ 0.9");
    sides.whole.chat.shut_down().await;
    Ok(())
}

async fn eight_turns(sides: &mut Sides) -> anyhow::Result<()> {
    let mut pair = sides.pair()?;
    let mut times = Vec::new();
    for turn in 0..TURNS {
        times.push(sides.send(&mut pair, &words(&format!("turn{turn}of"), WORDS_PER_TURN)).await?);
    }
    report_times(&format!("first text of {TURNS} turns, in all"), &times, "≤ 1.0");
    sides.whole.chat.shut_down().await;
    Ok(())
}

async fn edit_the_last(sides: &mut Sides) -> anyhow::Result<()> {
    let mut pair = sides.pair()?;
    sides.send(&mut pair, &words("red", LONG)).await?;
    let begun = sides.whole.observe(|chat| Ok(chat.send(pair.id, &words("sea", WORDS_PER_TURN))?)).await?;
    let mut message = begun.message.message.parent_id;
    pair.messages.push(user(&words("sea", WORDS_PER_TURN)));
    sides.server.reply(&pair.messages, REPLY_TOKENS)?;
    let mut times = Vec::new();
    for edit in 0..EDITS {
        let text =
            format!("{} {}", words("sea", WORDS_PER_TURN / 2), words(&format!("edit{edit}of"), WORDS_PER_TURN / 2));
        let Some(edited) = message else { anyhow::bail!("a reply answers nothing") };
        let observed = sides.whole.observe(|chat| Ok(chat.edit(pair.id, edited, &text).map(drop)?)).await?;
        message = observed.message.message.parent_id;
        pair.messages.pop();
        pair.messages.push(user(&text));
        let theirs = sides.server.reply(&pair.messages, REPLY_TOKENS)?;
        eprintln!("{:?} / {:?}; {:?} / {}", observed.first_text, theirs.first_text, observed.timings, theirs.timings);
        times.push(Times { ours: observed.first_text.as_secs_f64(), theirs: theirs.first_text.as_secs_f64() });
    }
    report_times(&format!("first text after an edit of the last message, {EDITS} edits in all"), &times, "≤ 1.0");
    sides.whole.chat.shut_down().await;
    Ok(())
}

/// All tokens per second of four replies at once, against four slots.
async fn write_at_once(tools: &PeerTools, model: &Path, folder: &Path) -> anyhow::Result<()> {
    const TEXT: &str = "Tell a long story about a porch.";
    let mut whole = WholePath::open(folder)?;
    whole.load(model).await?;
    let server = tools.serve(model, THREADS, Some(CHATS))?;
    let (mut ratios, mut theirs_all) = (Vec::new(), Vec::new());
    // The first round warms both up.
    for round in 0..=ROUNDS {
        let ids = (0..CHATS).map(|_| whole.conversation(TOKENS_AT_ONCE)).collect::<anyhow::Result<Vec<_>>>()?;
        let ours = whole.write_at_once(&ids, TEXT).await?;
        let theirs = server.write_at_once(CHATS, TEXT, TOKENS_AT_ONCE)?;
        eprintln!("round {round}: {ours:.1} / {theirs:.1} tokens/s");
        if round > 0 {
            ratios.push(ours / theirs);
            theirs_all.push(theirs);
        }
    }
    whole.chat.shut_down().await;
    let (ratio, theirs) = (report::median(&mut ratios), report::median(&mut theirs_all));
    let figure = format!("{CHATS} replies at once, all tokens: whole path ÷ llama-server with {CHATS} slots");
    report::line(&figure, &format!("{ratio:.3} of {theirs:.1} tokens/s"), "≥ 1.0");
    Ok(())
}
