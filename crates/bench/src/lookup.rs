//! Prompt lookup on a text that is edited, against plain decoding.

use std::path::Path;

use anyhow::ensure;
use engawa_chat::Speculation;
use engawa_testkit::ScriptedModel;

use crate::bare_loop::THREADS;
use crate::report;
use crate::whole_path::WholePath;

const WORDS: usize = 300;
/// Each of so many words is another one in the edited text.
const EDITED: usize = 15;
const ROUNDS: usize = 5;
/// Blocks and their length: with the model's own dimension about as many weights as a model of 0.5 B has.
const LAYERS: u32 = 12;
const FEED_FORWARD: u32 = 32_768;

pub(crate) async fn measure(folder: &Path) -> anyhow::Result<()> {
    let (text, edited) = (text(false), text(true));
    let model = folder.join("editor.gguf");
    ScriptedModel::new("?")
        .rule("Correct", edited.as_str())
        .quotable()
        .padding_layers(LAYERS, FEED_FORWARD)
        .context_length(8192)
        .write(&model)?;
    let message = format!("Correct this text: {text}");
    let mut speeds = [Vec::new(), Vec::new()];
    let mut paths = Vec::new();
    for (name, speculation) in [("plain", Speculation::Off), ("lookup", Speculation::PromptLookup)] {
        let mut path = WholePath::open(&folder.join(name))?;
        path.load_with(&model, speculation, THREADS).await?;
        paths.push(path);
    }
    // The first round warms both up.
    for round in 0..=ROUNDS {
        for (path, speeds) in paths.iter_mut().zip(&mut speeds) {
            let id = path.conversation(4096)?;
            path.greedy(id)?;
            let observed = path.observe(|chat| Ok(chat.send(id, &message)?)).await?;
            ensure!(observed.message.message.content == edited, "the reply is another one");
            let speed = f64::from(observed.timings.generated_tokens - 1) / observed.writing.as_secs_f64();
            eprintln!("round {round}: {speed:.1} tokens/s, {:?}", observed.timings);
            if round > 0 {
                speeds.push(speed);
            }
        }
    }
    for path in paths {
        path.chat.shut_down().await;
    }
    let [plain, lookup] = speeds.each_mut().map(|speeds| report::median(speeds));
    report::line("writing an edited text, plain", &format!("{plain:.1} tokens/s"), "");
    report::line("writing an edited text, prompt lookup", &format!("{lookup:.1} tokens/s"), "");
    report::line("prompt lookup ÷ plain, same text at temperature 0", &format!("{:.2}", lookup / plain), "≥ 1.5");
    Ok(())
}

/// Words that nobody knows, each another one: the model tells its place in the text by them.
fn text(edited: bool) -> String {
    const SYLLABLES: [&str; 12] = ["ka", "ro", "mi", "te", "shu", "no", "fa", "li", "be", "gu", "wa", "zo"];
    let word = |number: usize| -> String {
        [number % 12, number / 12 % 12, (number / 144 + 5 * number) % 12].map(|part| SYLLABLES[part]).concat()
    };
    let words: Vec<String> = (0..WORDS)
        .map(|number| {
            let end = if number % 10 == 9 { "." } else { "" };
            let changed = edited && number % EDITED == EDITED - 1;
            word(if changed { number + 1000 } else { number }) + end
        })
        .collect();
    words.join(" ")
}
