//! llama.cpp's own tools, if a copy of them is on the machine: the environment variable `LLAMA_BIN` names their folder.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use crate::bare_loop::{BATCH, CONTEXT, Speeds};

/// How long the server may take to load a model, and for a reply.
const PATIENCE: Duration = Duration::from_secs(5 * 60);
const POLL: Duration = Duration::from_millis(50);

/// The folder with `llama-bench` and `llama-server`.
pub(crate) struct PeerTools {
    folder: PathBuf,
}

impl PeerTools {
    /// `None` without `LLAMA_BIN`.
    pub(crate) fn find() -> anyhow::Result<Option<Self>> {
        let Some(folder) = std::env::var_os("LLAMA_BIN").map(PathBuf::from) else { return Ok(None) };
        for name in ["llama-bench", "llama-server"] {
            ensure!(folder.join(name).is_file(), "there is no {name} in {}, which LLAMA_BIN names", folder.display());
        }
        Ok(Some(Self { folder }))
    }

    /// Reads a prompt of `read` tokens and, behind as many, writes `write` tokens, `repeats` times: what llama-bench measures.
    pub(crate) fn bench(
        &self,
        model: &Path,
        (read, write): (u32, u32),
        threads: u32,
        repeats: u32,
    ) -> anyhow::Result<Vec<Speeds>> {
        let reading = self.bench_one(model, threads, repeats, (read, 0, 0))?;
        let writing = self.bench_one(model, threads, repeats, (0, write, read))?;
        Ok(reading.into_iter().zip(writing).map(|(reading, writing)| Speeds { reading, writing }).collect())
    }

    /// Tokens per second of one test of llama-bench: tokens that are read, tokens that are written, and those in front of them.
    fn bench_one(
        &self,
        model: &Path,
        threads: u32,
        repeats: u32,
        (read, write, before): (u32, u32, u32),
    ) -> anyhow::Result<Vec<f64>> {
        let numbers = [
            ("-p", read),
            ("-n", write),
            ("-d", before),
            ("-t", threads),
            ("-b", BATCH),
            ("-ub", BATCH),
            ("-r", repeats),
        ];
        let output = Command::new(self.folder.join("llama-bench"))
            .arg("-m")
            .arg(model)
            .args(numbers.iter().flat_map(|(option, number)| [(*option).to_owned(), number.to_string()]))
            .args(["-fa", "auto", "-o", "json"])
            .stderr(Stdio::null())
            .output()
            .context("while starting llama-bench")?;
        ensure!(output.status.success(), "llama-bench ended with {}", output.status);
        let tests: Vec<Value> =
            serde_json::from_slice(&output.stdout).context("while reading what llama-bench wrote")?;
        let samples = tests.first().and_then(|test| test["samples_ts"].as_array());
        let speeds = samples.into_iter().flatten().filter_map(Value::as_f64).collect::<Vec<_>>();
        ensure!(speeds.len() == repeats as usize, "llama-bench left tests out: {tests:?}");
        Ok(speeds)
    }

    /// Starts `llama-server` as it is by default, but for the comparison's context, batch and threads, and `slots` if given.
    pub(crate) fn serve(&self, model: &Path, threads: u32, slots: Option<usize>) -> anyhow::Result<PeerServer> {
        // Free now; nobody else asks for ports in this second.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr())?.port();
        let mut command = Command::new(self.folder.join("llama-server"));
        command
            .arg("-m")
            .arg(model)
            .args(["--host", "127.0.0.1", "--port", &port.to_string(), "-t", &threads.to_string()])
            .args(["-c", &CONTEXT.to_string(), "-b", &BATCH.to_string(), "--jinja"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(slots) = slots {
            command.args(["-np", &slots.to_string()]);
        }
        let child = command.spawn().context("while starting llama-server")?;
        let config = ureq::Agent::config_builder().proxy(None).timeout_global(Some(PATIENCE));
        let mut server =
            PeerServer { child, address: format!("http://127.0.0.1:{port}"), agent: config.build().new_agent() };
        server.wait_until_ready()?;
        Ok(server)
    }
}

/// A running `llama-server`; it ends with this value.
pub(crate) struct PeerServer {
    child: Child,
    address: String,
    agent: ureq::Agent,
}

/// A reply as whoever asked for it saw it.
pub(crate) struct PeerReply {
    /// From the request to the first text.
    pub(crate) first_text: Duration,
    pub(crate) text: String,
    pub(crate) tokens: u64,
    /// What the server says of the prompt.
    pub(crate) timings: Value,
}

impl PeerServer {
    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        while self.agent.get(format!("{}/health", self.address)).call().is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("llama-server ended with {status} while it loaded the model");
            }
            ensure!(began.elapsed() < PATIENCE, "llama-server was not ready after {PATIENCE:?}");
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Asks for a reply to messages `{"role", "content"}`, with the sampling of Engawa's defaults.
    pub(crate) fn reply(&self, messages: &[Value], max_tokens: u32) -> anyhow::Result<PeerReply> {
        let body = json!({
            "messages": messages, "max_tokens": max_tokens, "stream": true, "timings_per_token": false,
            "temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05, "repeat_penalty": 1.1, "repeat_last_n": 64,
        });
        let began = Instant::now();
        let response = self
            .agent
            .post(format!("{}/v1/chat/completions", self.address))
            .header("Content-Type", "application/json")
            .send(body.to_string())
            .context("while asking llama-server")?;
        let mut reply = PeerReply { first_text: Duration::ZERO, text: String::new(), tokens: 0, timings: Value::Null };
        for line in BufReader::new(response.into_body().into_reader()).lines() {
            let line = line.context("while reading llama-server's reply")?;
            let Some(event) = line.strip_prefix("data: ").filter(|event| *event != "[DONE]") else { continue };
            let event: Value = serde_json::from_str(event).context("while reading llama-server's reply")?;
            let delta = &event["choices"][0]["delta"];
            for text in [&delta["reasoning_content"], &delta["content"]].into_iter().filter_map(Value::as_str) {
                if reply.text.is_empty() && !text.is_empty() {
                    reply.first_text = began.elapsed();
                }
                reply.text.push_str(text);
            }
            if !event["timings"].is_null() {
                reply.timings = event["timings"].clone();
                reply.tokens = reply.timings["predicted_n"].as_u64().unwrap_or(0);
            }
        }
        ensure!(!reply.text.is_empty(), "a reply of llama-server has no text");
        Ok(reply)
    }

    /// Asks for replies to the same message, all at once; gives the tokens per second of all together, from the first text of any
    /// to the end of the last.
    pub(crate) fn write_at_once(&self, count: usize, text: &str, max_tokens: u32) -> anyhow::Result<f64> {
        let message = [user(text)];
        let began = Instant::now();
        let replies = std::thread::scope(|scope| {
            let asked: Vec<_> = (0..count).map(|_| scope.spawn(|| self.reply(&message, max_tokens))).collect();
            asked.into_iter().map(|asked| asked.join().expect("a request ends")).collect::<anyhow::Result<Vec<_>>>()
        })?;
        let ended = began.elapsed();
        let first = replies.iter().map(|reply| reply.first_text).min().unwrap_or_default();
        let tokens: u64 = replies.iter().map(|reply| reply.tokens).sum();
        Ok(tokens as f64 / ended.saturating_sub(first).as_secs_f64())
    }
}

impl Drop for PeerServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A message of a person.
pub(crate) fn user(text: &str) -> Value {
    json!({ "role": "user", "content": text })
}

/// A message of the model.
pub(crate) fn assistant(text: &str) -> Value {
    json!({ "role": "assistant", "content": text })
}
