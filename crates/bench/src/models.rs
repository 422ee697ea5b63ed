//! Reading and writing with models of two sizes and two types, by one thread and two, in turns with llama-bench or, where
//! there is none, with a bare loop.

use std::path::Path;

use anyhow::Context;
use engawa_chat::Speculation;
use engawa_testkit::RandomModel;
use engawa_testkit::gguf::TensorType;

use crate::bare_loop::{BareLoop, Speeds};
use crate::peer::PeerTools;
use crate::report;
use crate::whole_path::WholePath;

const ROUNDS: u32 = 3;
const TOKENS: u32 = 40;
/// Some 200 tokens, which fit a batch.
const WORDS: usize = 24;

/// What the whole path is measured by.
enum Yardstick<'tools> {
    Bare(BareLoop),
    LlamaBench(&'tools PeerTools),
}

impl Yardstick<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Bare(_) => "bare loop",
            Self::LlamaBench(_) => "llama-bench",
        }
    }
}

pub(crate) async fn measure(peer: Option<&PeerTools>, folder: &Path) -> anyhow::Result<()> {
    for (size, model) in [("0.5 B", RandomModel::half_billion()), ("1.5 B", RandomModel::one_and_a_half_billion())] {
        for (kind, tensor_type) in [("Q8_0", TensorType::Q8_0), ("Q4_K", TensorType::Q4K)] {
            let path = folder.join("model.gguf");
            let model = model.clone().tensor_type(tensor_type);
            model.write(&path).context("while writing a model")?;
            for threads in [1, 2] {
                let yardstick = match peer {
                    Some(tools) => Yardstick::LlamaBench(tools),
                    None => Yardstick::Bare(BareLoop::load(&path)?),
                };
                let name = format!("{size} {kind}, {threads} threads");
                measure_one(&path, &folder.join("models"), &yardstick, &name, threads).await?;
            }
        }
    }
    Ok(())
}

async fn measure_one(
    model: &Path,
    folder: &Path,
    yardstick: &Yardstick<'_>,
    name: &str,
    threads: u32,
) -> anyhow::Result<()> {
    let mut whole = WholePath::open(folder)?;
    whole.load_with(model, Speculation::Off, threads).await?;
    let (mut reading, mut writing) = (Ratios::default(), Ratios::default());
    // The first round warms both up.
    for round in 0..=ROUNDS {
        // Another beginning each time, so that nothing is in the cache.
        let prompt: Vec<String> = (0..WORDS).map(|word| format!("{threads}{round}porch{word}")).collect();
        let prompt = prompt.join(" ");
        let id = whole.conversation(TOKENS)?;
        let observed = whole.observe(|chat| Ok(chat.send(id, &prompt)?)).await?;
        let timings = &observed.timings;
        // The template's own beginning may be there.
        anyhow::ensure!(timings.reused_tokens < 32, "the prompt was in the cache: {timings:?}");
        let speeds: Speeds = match yardstick {
            Yardstick::Bare(bare) => bare.run(&prompt, TOKENS, round, threads)?,
            Yardstick::LlamaBench(tools) => tools.bench(model, timings.processed_tokens, TOKENS, threads)?,
        };
        let read = f64::from(timings.processed_tokens) / (timings.first_token_us as f64 * 1e-6);
        let wrote = f64::from(timings.generated_tokens.saturating_sub(1)) / observed.writing.as_secs_f64();
        eprintln!(
            "{name}, round {round}: reading {:.1} alone, {read:.1} whole; writing {:.1} alone, {wrote:.1} whole; {timings:?}",
            speeds.reading, speeds.writing
        );
        if round > 0 {
            reading.add(speeds.reading, read);
            writing.add(speeds.writing, wrote);
        }
    }
    whole.chat.shut_down().await;
    let yardstick = yardstick.name();
    reading.report(&format!("reading, {name}: whole path ÷ {yardstick}"));
    writing.report(&format!("writing, {name}: whole path ÷ {yardstick}"));
    Ok(())
}

/// Speeds of both sides, in tokens per second.
#[derive(Default)]
struct Ratios {
    alone: Vec<f64>,
    ratios: Vec<f64>,
}

impl Ratios {
    fn add(&mut self, alone: f64, whole: f64) {
        self.alone.push(alone);
        self.ratios.push(whole / alone);
    }

    fn report(&mut self, figure: &str) {
        let (alone, ratio) = (report::median(&mut self.alone), report::median(&mut self.ratios));
        report::line(figure, &format!("{ratio:.3} of {alone:.1} tokens/s"), "≥ 0.98");
    }
}
