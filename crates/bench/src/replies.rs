//! Answers prompts with a model, through the engine child: what an evaluation of a model asks for.
//!
//! Standard input has a JSON object on each line:
//! `{"messages": […], "tools": […], "temperature": 0.7, "seed": 1, "max_tokens": 200}`, messages and tools as in the
//! engine's protocol; sampling is Engawa's default but for what is named. Standard output gets `{"loaded_ms": 0}` and then
//! a line for each: `{"content": "", "reasoning": "", "tool_calls": […], "finish": "end_of_turn", "prompt_tokens": 0, …}`.
//! The engine computes with one thread, so that speeds can be compared.

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use engawa_engine_client::protocol::{
    ContinueFinal, Decoding, GenerateRequest, LoadRequest, LoadSettings, PromptMessage, Purpose, RequestId, Sampling,
    ToolCall, ToolDefinition,
};
use engawa_engine_client::{Engine, EngineProgram, LoadEvent, ReplyEvent};
use serde::Deserialize;
use serde_json::json;

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
    let program = EngineProgram::new(std::env::current_exe().context("while looking for this program")?);
    let engine = Arc::new(Engine::start(&program).await.context("while starting the engine")?);
    let started = Instant::now();
    load(&engine, model).await?;
    println!("{}", json!({ "loaded_ms": started.elapsed().as_secs_f64() * 1e3 }));
    for line in std::io::stdin().lock().lines() {
        let question: Question = serde_json::from_str(&line?).context("while reading a question")?;
        println!("{}", answer(&engine, question).await?);
    }
    engine.stop().await;
    Ok(())
}

async fn load(engine: &Arc<Engine>, model: &Path) -> anyhow::Result<()> {
    let settings = LoadSettings { n_threads: 1, ..LoadSettings::default() };
    let mut events =
        engine.load(LoadRequest { path: model.to_owned(), settings, purpose: Purpose::Replies, cache: None });
    while let Some(event) = events.recv().await {
        match event {
            LoadEvent::Loaded(_) => return Ok(()),
            LoadEvent::Progress(_) => {}
            other => bail!("the model could not be loaded: {other:?}"),
        }
    }
    bail!("the engine ended while loading")
}

async fn answer(engine: &Arc<Engine>, question: Question) -> anyhow::Result<serde_json::Value> {
    let Question { messages, tools, temperature, seed, max_tokens } = question;
    let sampling = Sampling { temperature, seed: Some(seed), max_tokens: Some(max_tokens), ..Sampling::default() };
    let mut reply = engine.generate(GenerateRequest {
        id: RequestId(0),
        owner: None,
        messages,
        tools,
        continue_final: ContinueFinal::NewTurn,
        sampling,
        decoding: Decoding::default(),
        stop: Vec::new(),
    });
    let (mut thought, mut text) = (String::new(), String::new());
    let mut called: Vec<ToolCall> = Vec::new();
    loop {
        match reply.events.recv().await.context("the reply ended without an end")? {
            ReplyEvent::Text { reasoning, content, .. } => {
                thought.push_str(&reasoning);
                text.push_str(&content);
            }
            ReplyEvent::ToolsCalled { calls } => called = calls,
            ReplyEvent::PromptProgress { .. } | ReplyEvent::SamplingApplied { .. } | ReplyEvent::TokenChosen(_) => {}
            ReplyEvent::Finished { reason, timings } => {
                return Ok(json!({
                    "content": text, "reasoning": thought, "tool_calls": called, "finish": reason,
                    "prompt_tokens": timings.prompt_tokens, "generated_tokens": timings.generated_tokens,
                    "generation_us": timings.generation_us,
                }));
            }
            end @ (ReplyEvent::Failed(_) | ReplyEvent::Lost(_)) => bail!("no reply: {end:?}"),
        }
    }
}
