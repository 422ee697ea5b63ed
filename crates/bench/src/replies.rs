//! Answers prompts with a model, through the engine child: what an evaluation of a model asks for.
//!
//! Standard input has a JSON object on each line:
//! `{"messages": […], "tools": […], "temperature": 0.7, "seed": 1, "max_tokens": 200}`, messages and tools as in the
//! engine's protocol; sampling is Engawa's default but for what is named. Standard output gets `{"loaded_ms": 0}` and then
//! a line for each: `{"content": "", "reasoning": "", "tool_calls": […], "finish": "end_of_turn", "prompt_tokens": 0, …}`.
//! The engine computes with one thread, so that speeds can be compared.

use std::io::BufRead;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use engawa_engine_client::protocol::{LoadSettings, PromptMessage, Sampling, ToolDefinition};
use serde::Deserialize;
use serde_json::json;

use crate::engine_alone::EngineAlone;

#[derive(Deserialize)]
struct Question {
    messages: Vec<PromptMessage>,
    #[serde(default)]
    tools: Vec<ToolDefinition>,
    temperature: f32,
    seed: u32,
    max_tokens: u32,
}

/// Answers all lines of standard input.
pub(crate) async fn answer_all(model: &Path) -> anyhow::Result<()> {
    let started = Instant::now();
    let engine = EngineAlone::load(model, LoadSettings { n_threads: 1, ..LoadSettings::default() }).await?;
    println!("{}", json!({ "loaded_ms": started.elapsed().as_secs_f64() * 1e3 }));
    for line in std::io::stdin().lock().lines() {
        let question: Question = serde_json::from_str(&line?).context("while reading a question")?;
        println!("{}", answer(&engine, question).await?);
    }
    engine.stop().await;
    Ok(())
}

async fn answer(engine: &EngineAlone, question: Question) -> anyhow::Result<serde_json::Value> {
    let Question { messages, tools, temperature, seed, max_tokens } = question;
    let sampling = Sampling { temperature, seed: Some(seed), max_tokens: Some(max_tokens), ..Sampling::default() };
    let answer = engine.answer(messages, tools, sampling).await?;
    Ok(json!({
        "content": answer.content, "reasoning": answer.reasoning, "tool_calls": answer.calls, "finish": answer.finish,
        "prompt_tokens": answer.timings.prompt_tokens, "generated_tokens": answer.timings.generated_tokens,
        "generation_us": answer.timings.generation_us,
    }))
}
