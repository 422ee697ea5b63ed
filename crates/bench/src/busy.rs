//! Writing while other programs want all processors: the engine, and a bare loop whose threads wait for each other as OpenMP's
//! do by themselves.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use engawa_chat::Speculation;
use engawa_engine_client::protocol::{PromptMessage, Role, Sampling};

use crate::bare_loop::BareLoop;
use crate::engine_alone::EngineAlone;
use crate::report;
use crate::whole_path::settings;

const ROUNDS: u32 = 3;
const TOKENS: u32 = 48;
const PROMPT: &str = "Tell a story about a porch.";

pub(crate) async fn measure(model: &Path) -> anyhow::Result<()> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let threads = u32::try_from(processors)?;
    let engine = EngineAlone::load(model, settings(Speculation::Off, threads)).await?;
    let bare = BareLoop::load(model)?;
    let mut speeds = [(); 4].map(|()| Vec::new());
    let [engine_alone, engine_beside, bare_alone, bare_beside] = &mut speeds;
    // The first round warms all up.
    for round in 0..=ROUNDS {
        // It takes a moment until it is noticed that the other work is over, or there.
        write(&engine).await?;
        let (of_engine, of_bare) = (write(&engine).await?, bare.run(PROMPT, TOKENS, round, threads)?.writing);
        let other_work = OtherWork::begin(processors + 1);
        write(&engine).await?;
        let beside = write(&engine).await?;
        let bare_speed = bare.run(PROMPT, TOKENS, round, threads)?.writing;
        drop(other_work);
        eprintln!("round {round}: engine {of_engine:.1} alone, {beside:.1} beside; bare {of_bare:.1}, {bare_speed:.1}");
        if round > 0 {
            engine_alone.push(of_engine);
            engine_beside.push(beside);
            bare_alone.push(of_bare);
            bare_beside.push(bare_speed);
        }
    }
    engine.stop().await;
    let [engine_alone, engine_beside, bare_alone, bare_beside] = speeds.map(|mut speeds| report::median(&mut speeds));
    let name = format!("writing beside {} busy threads, {threads} of its own", processors + 1);
    report::line(&format!("{name}: bare loop"), &format!("{bare_beside:.1} of {bare_alone:.1} tokens/s"), "");
    report::line(&format!("{name}: engine"), &format!("{engine_beside:.1} of {engine_alone:.1} tokens/s"), "");
    report::line(&format!("{name}: engine ÷ bare loop"), &format!("{:.2}", engine_beside / bare_beside), "");
    Ok(())
}

/// Tokens per second of a reply.
async fn write(engine: &EngineAlone) -> anyhow::Result<f64> {
    let sampling = Sampling { max_tokens: Some(TOKENS), ..Sampling::default() };
    let answer = engine.answer(vec![PromptMessage::new(Role::User, PROMPT)], Vec::new(), sampling).await?;
    Ok(f64::from(answer.timings.generated_tokens.saturating_sub(1)) / answer.writing.as_secs_f64())
}

/// Threads of this process that never rest, until this is dropped.
struct OtherWork {
    ends: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl OtherWork {
    fn begin(threads: usize) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let work = |_| {
            let ends = Arc::clone(&ends);
            thread::spawn(move || while !ends.load(Ordering::Relaxed) {})
        };
        Self { threads: (0..threads).map(work).collect(), ends }
    }
}

impl Drop for OtherWork {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
