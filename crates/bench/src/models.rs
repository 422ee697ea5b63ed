//! Reading and writing with models of two sizes and two types, by one thread and two, against a bare loop in turns.

use std::path::Path;

use anyhow::Context;
use engawa_chat::Speculation;
use engawa_testkit::RandomModel;
use engawa_testkit::gguf::TensorType;

use crate::bare_loop::BareLoop;
use crate::report;
use crate::whole_path::WholePath;

const ROUNDS: u32 = 3;
const TOKENS: u32 = 40;
/// Some 200 tokens, which fit a batch.
const WORDS: usize = 24;

pub(crate) async fn measure(folder: &Path) -> anyhow::Result<()> {
    for (size, model) in [("0.5 B", RandomModel::half_billion()), ("1.5 B", RandomModel::one_and_a_half_billion())] {
        for (kind, tensor_type) in [("Q8_0", TensorType::Q8_0), ("Q4_K", TensorType::Q4K)] {
            let path = folder.join("model.gguf");
            let model = model.clone().tensor_type(tensor_type);
            model.write(&path).context("while writing a model")?;
            for threads in [1, 2] {
                measure_one(&path, &folder.join("models"), &format!("{size} {kind}, {threads} threads"), threads)
                    .await?;
            }
        }
    }
    Ok(())
}

async fn measure_one(model: &Path, folder: &Path, name: &str, threads: u32) -> anyhow::Result<()> {
    let bare = BareLoop::load(model)?;
    let mut whole = WholePath::open(folder)?;
    whole.load_with(model, Speculation::Off, threads).await?;
    let (mut reading, mut writing) = (Ratios::default(), Ratios::default());
    // The first round warms both up.
    for round in 0..=ROUNDS {
        // Another beginning each time, so that nothing is in the cache.
        let prompt: Vec<String> = (0..WORDS).map(|word| format!("{threads}{round}porch{word}")).collect();
        let prompt = prompt.join(" ");
        let speeds = bare.run(&prompt, TOKENS, round, threads)?;
        let id = whole.conversation(TOKENS)?;
        let observed = whole.observe(|chat| Ok(chat.send(id, &prompt)?)).await?;
        let timings = &observed.timings;
        // The template's own beginning may be there.
        anyhow::ensure!(timings.reused_tokens < 32, "the prompt was in the cache: {timings:?}");
        let read = f64::from(timings.processed_tokens) / (timings.first_token_us as f64 * 1e-6);
        let wrote = f64::from(timings.generated_tokens.saturating_sub(1)) / observed.writing.as_secs_f64();
        eprintln!(
            "{name}, round {round}: reading {:.1} bare, {read:.1} whole; writing {:.1} bare, {wrote:.1} whole; {timings:?}",
            speeds.reading, speeds.writing
        );
        if round > 0 {
            reading.add(speeds.reading, read);
            writing.add(speeds.writing, wrote);
        }
    }
    whole.chat.shut_down().await;
    reading.report(&format!("reading, {name}: whole path ÷ bare loop"));
    writing.report(&format!("writing, {name}: whole path ÷ bare loop"));
    Ok(())
}

/// Speeds of both sides, in tokens per second.
#[derive(Default)]
struct Ratios {
    bare: Vec<f64>,
    ratios: Vec<f64>,
}

impl Ratios {
    fn add(&mut self, bare: f64, whole: f64) {
        self.bare.push(bare);
        self.ratios.push(whole / bare);
    }

    fn report(&mut self, figure: &str) {
        let (bare, ratio) = (report::median(&mut self.bare), report::median(&mut self.ratios));
        report::line(figure, &format!("{ratio:.3} of {bare:.1} tokens/s"), "≥ 0.98");
    }
}
