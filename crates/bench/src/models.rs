//! Reading and writing with models of two sizes and two types, by one thread and two: the engine alone, the whole path, and
//! llama-bench or, where there is none, a bare loop, in turns.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use engawa_chat::Speculation;
use engawa_engine_client::protocol::{PromptMessage, Role, Sampling, Timings};
use engawa_testkit::RandomModel;
use engawa_testkit::gguf::TensorType;

use crate::bare_loop::{BareLoop, Speeds};
use crate::engine_alone::EngineAlone;
use crate::peer::PeerTools;
use crate::report;
use crate::whole_path::{WholePath, settings};

const ROUNDS: u32 = 5;
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
    let speculation = Speculation::Off;
    let mut whole = WholePath::open(folder)?;
    whole.load_with(model, speculation, threads).await?;
    let engine = EngineAlone::load(model, settings(speculation, threads)).await?;
    let (mut of_engine, mut of_whole) = (Ratios::default(), Ratios::default());
    // The first round warms all up.
    for round in 0..=ROUNDS {
        // Another beginning each time, so that nothing is in the cache.
        let prompt: Vec<String> = (0..WORDS).map(|word| format!("{threads}{round}porch{word}")).collect();
        let prompt = prompt.join(" ");
        let sampling = Sampling { max_tokens: Some(TOKENS), ..Sampling::default() };
        let answer = engine.answer(vec![PromptMessage::new(Role::User, &*prompt)], Vec::new(), sampling).await?;
        let engine_speeds = speeds(&answer.timings, answer.writing)?;
        let id = whole.conversation(TOKENS)?;
        let observed = whole.observe(|chat| Ok(chat.send(id, &prompt)?)).await?;
        let whole_speeds = speeds(&observed.timings, observed.writing)?;
        let alone = match yardstick {
            Yardstick::Bare(bare) => bare.run(&prompt, TOKENS, round, threads)?,
            Yardstick::LlamaBench(tools) => tools.bench(model, answer.timings.processed_tokens, TOKENS, threads)?,
        };
        eprintln!(
            "{name}, round {round}: reading {:.1} alone, {:.1} engine, {:.1} whole; writing {:.1} alone, {:.1} engine, {:.1} whole",
            alone.reading,
            engine_speeds.reading,
            whole_speeds.reading,
            alone.writing,
            engine_speeds.writing,
            whole_speeds.writing
        );
        if round > 0 {
            of_engine.add(&alone, &engine_speeds);
            of_whole.add(&alone, &whole_speeds);
        }
    }
    engine.stop().await;
    whole.chat.shut_down().await;
    let yardstick = yardstick.name();
    of_engine.report(name, &format!("engine ÷ {yardstick}"), "≥ 0.98");
    of_whole.report(name, &format!("whole path ÷ {yardstick}"), "");
    Ok(())
}

/// The speeds of a reply whose text took `writing` to come.
fn speeds(timings: &Timings, writing: Duration) -> anyhow::Result<Speeds> {
    // The template's own beginning may be there.
    anyhow::ensure!(timings.reused_tokens < 32, "the prompt was in the cache: {timings:?}");
    Ok(Speeds {
        reading: f64::from(timings.processed_tokens) / (timings.first_token_us as f64 * 1e-6),
        writing: f64::from(timings.generated_tokens.saturating_sub(1)) / writing.as_secs_f64(),
    })
}

/// Speeds, in tokens per second, and what share of them something has.
#[derive(Default)]
struct Ratios {
    reading: (Vec<f64>, Vec<f64>),
    writing: (Vec<f64>, Vec<f64>),
}

impl Ratios {
    fn add(&mut self, alone: &Speeds, compared: &Speeds) {
        self.reading.0.push(alone.reading);
        self.reading.1.push(compared.reading / alone.reading);
        self.writing.0.push(alone.writing);
        self.writing.1.push(compared.writing / alone.writing);
    }

    fn report(&mut self, name: &str, figure: &str, promise: &str) {
        for (what, (alone, ratios)) in [("reading", &mut self.reading), ("writing", &mut self.writing)] {
            let (alone, ratio) = (report::median(alone), report::median(ratios));
            report::line(&format!("{what}, {name}: {figure}"), &format!("{ratio:.3} of {alone:.1} tokens/s"), promise);
        }
    }
}
