//! The yardstick: llama-cpp-2 in one process, with nothing around it.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Once;
use std::time::Instant;

use anyhow::Context;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::{LlamaBackend, load_backends_from_path};
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::sampling::LlamaSampler;

/// A loaded model.
pub(crate) struct BareLoop {
    backend: LlamaBackend,
    model: LlamaModel,
}

/// Tokens per second.
pub(crate) struct Speeds {
    /// Of the prompt, up to the choice of the first token.
    pub(crate) reading: f64,
    /// Behind the first token.
    pub(crate) writing: f64,
}

/// Settings that both sides of a comparison use.
pub(crate) const THREADS: u32 = 1;
pub(crate) const CONTEXT: u32 = 4096;
pub(crate) const BATCH: u32 = 512;

impl BareLoop {
    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        let executable = std::env::current_exe().context("while looking for the back ends")?;
        static BACK_ENDS: Once = Once::new();
        BACK_ENDS.call_once(|| load_backends_from_path(&executable.with_file_name("backends")));
        let mut backend = LlamaBackend::init().context("while starting llama.cpp")?;
        backend.void_logs();
        let model = LlamaModel::load_from_file(&backend, path, &LlamaModelParams::default())
            .context("while loading the model without Engawa")?;
        Ok(Self { backend, model })
    }

    /// Reads a prompt of at most a batch, and writes `count` tokens behind it.
    pub(crate) fn run(&self, prompt: &str, count: u32, seed: u32, threads: u32) -> anyhow::Result<Speeds> {
        let threads = i32::try_from(threads)?;
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(CONTEXT))
            .with_n_batch(BATCH)
            .with_n_threads(threads)
            .with_n_threads_batch(threads);
        let mut context = self.model.new_context(&self.backend, params).context("while making a context")?;
        let vocabulary = self.model.vocab();
        // The chain of Engawa's defaults.
        let mut sampler = LlamaSampler::chain_simple([
            LlamaSampler::penalties(vocabulary.n_tokens(), 64, 1.1, 0.0, 0.0),
            LlamaSampler::top_k(40),
            LlamaSampler::top_p(0.95, 0),
            LlamaSampler::min_p(0.05, 0),
            LlamaSampler::temp(0.8),
            LlamaSampler::dist(seed),
        ]);
        let tokens = vocabulary.tokenize(prompt.as_bytes(), true, true);
        let mut batch = LlamaBatch::new(BATCH as usize, 1);
        let begun = Instant::now();
        for (index, &token) in tokens.iter().enumerate() {
            batch.add(token, i32::try_from(index)?, &[0], index + 1 == tokens.len())?;
        }
        context.decode(&mut batch)?;
        let from = i32::try_from(tokens.len())?;
        let mut text = Vec::new();
        let mut first = None;
        let mut reading = 0.0;
        for position in (from..).take(count as usize) {
            let token = sampler.sample(&context, -1);
            first.get_or_insert_with(|| {
                reading = tokens.len() as f64 / begun.elapsed().as_secs_f64();
                Instant::now()
            });
            text.extend(vocabulary.token_to_piece(token, true, None));
            batch.clear();
            batch.add(token, position, &[0], true)?;
            context.decode(&mut batch)?;
        }
        let elapsed = first.context("no token was written")?.elapsed();
        anyhow::ensure!(!text.is_empty(), "no text was written");
        Ok(Speeds { reading, writing: f64::from(count) / elapsed.as_secs_f64() })
    }
}
