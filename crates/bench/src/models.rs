//! Reading and writing with models of two sizes and two types, by one thread and two: the engine, and llama-bench or, where there
//! is none, a bare loop, in turns.

use std::path::Path;

use anyhow::Context;
use engawa_chat::Speculation;
use engawa_engine_client::protocol::{PromptMessage, Role, Sampling, Timings};
use engawa_testkit::RandomModel;
use engawa_testkit::gguf::TensorType;

use crate::bare_loop::{BareLoop, Speeds};
use crate::engine_alone::EngineAlone;
use crate::peer::PeerTools;
use crate::report;
use crate::whole_path::settings;

const ROUNDS: u32 = 4;
/// How often each side is measured before it is the other's turn.
const REPEATS: u32 = 3;
const TOKENS: u32 = 40;
/// Some 200 tokens, which fit a batch.
const WORDS: usize = 24;

/// What the engine is measured by.
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
                measure_one(&path, &yardstick, &name, threads).await?;
            }
        }
    }
    Ok(())
}

async fn measure_one(model: &Path, yardstick: &Yardstick<'_>, name: &str, threads: u32) -> anyhow::Result<()> {
    let mut pairs = Pairs::default();
    for round in 0..ROUNDS {
        // Where the system puts a process makes it slow or fast for its whole life, so the engine begins anew each time, as llama-bench does.
        let engine = EngineAlone::load(model, settings(Speculation::Off, threads)).await?;
        let mut ours = Vec::new();
        let mut read = 0;
        // The first warms all up, as llama-bench does by itself.
        for repeat in 0..=REPEATS {
            let message = PromptMessage::new(Role::User, prompt(threads, round, repeat));
            let sampling = Sampling { max_tokens: Some(TOKENS), ..Sampling::default() };
            let answer = engine.answer(vec![message], Vec::new(), sampling).await?;
            // As in llama-bench, nothing of it slows down what is read next.
            engine.forget();
            read = answer.timings.processed_tokens;
            let speeds = speeds(&answer.timings)?;
            if repeat > 0 {
                ours.push(speeds);
            }
        }
        engine.stop().await;
        let alone = match yardstick {
            Yardstick::Bare(bare) => (0..REPEATS)
                .map(|repeat| bare.run(&prompt(threads, round, repeat), TOKENS, round * REPEATS + repeat, threads))
                .collect::<anyhow::Result<_>>()?,
            Yardstick::LlamaBench(tools) => tools.bench(model, (read, TOKENS), threads, REPEATS)?,
        };
        pairs.ours.extend(ours);
        pairs.alone.extend(alone);
        eprintln!("{name}: {} of {ROUNDS} rounds", round + 1);
    }
    pairs.report(name, yardstick.name());
    Ok(())
}

/// Another beginning each time, so that nothing is in the cache.
fn prompt(threads: u32, round: u32, repeat: u32) -> String {
    let words: Vec<String> = (0..WORDS).map(|word| format!("{threads}{round}{repeat}porch{word}")).collect();
    words.join(" ")
}

fn speeds(timings: &Timings) -> anyhow::Result<Speeds> {
    // The template's own beginning may be there.
    anyhow::ensure!(timings.reused_tokens < 32, "the prompt was in the cache: {timings:?}");
    anyhow::ensure!(timings.generated_tokens == TOKENS, "the reply ended by itself: {timings:?}");
    let reading = f64::from(timings.processed_tokens) / (timings.first_token_us as f64 * 1e-6);
    Ok(Speeds { reading, writing: timings.tokens_per_second() })
}

/// What both sides reached.
#[derive(Default)]
struct Pairs {
    ours: Vec<Speeds>,
    alone: Vec<Speeds>,
}

impl Pairs {
    /// Other work on the machine only ever slows: what a side can do is its fastest time. The medians say how quiet it was.
    fn report(&self, name: &str, yardstick: &str) {
        let reading = |speeds: &Speeds| speeds.reading;
        let writing = |speeds: &Speeds| speeds.writing;
        self.report_one(&format!("reading, {name}: engine ÷ {yardstick}"), reading);
        self.report_one(&format!("writing, {name}: engine ÷ {yardstick}"), writing);
    }

    fn report_one(&self, figure: &str, speed: impl Fn(&Speeds) -> f64) {
        let [ours, alone] = [&self.ours, &self.alone].map(|side| side.iter().map(&speed).collect::<Vec<_>>());
        let best = |side: &[f64]| side.iter().copied().fold(0.0, f64::max);
        let (ratio, reached) = (best(&ours) / best(&alone), best(&alone));
        let usual = report::median(&mut ours.clone()) / report::median(&mut alone.clone());
        report::line(figure, &format!("{ratio:.3} of {reached:.1} tokens/s (medians: {usual:.3})"), "≥ 0.98");
    }
}
