//! Measures what Engawa promises of its speed, as ratios within one run; `cargo xtask bench` builds and starts it.
//!
//! `engawa-bench [decode] [first-token] [chats] [restart] [busy] [lookup] [models] [server] [window]`: all without a name. `server` needs llama.cpp's own
//! tools, whose folder `LLAMA_BIN` names; `models` compares with them, too, where they are. Figures go to
//! standard output as a table; `docs/benchmarks.md` keeps them with their machine.
//!
//! `engawa-bench replies MODEL` measures nothing: it answers prompts for the evaluation of a model.

#![expect(clippy::print_stdout, reason = "its figures are its output")]

mod bare_loop;
mod busy;
mod chats;
mod decode;
mod engine_alone;
mod first_token;
mod lookup;
mod models;
mod peer;
mod replies;
mod report;
mod restart;
mod server;
mod whole_path;
mod window;

use std::path::{Path, PathBuf};

use anyhow::Context;
use engawa_testkit::RandomModel;

use crate::peer::PeerTools;

fn main() -> anyhow::Result<()> {
    engawa_engine::run_if_engine_child();
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|word| word == name);
    if let [command, model] = wanted.as_slice()
        && command == "replies"
    {
        let runtime = tokio::runtime::Runtime::new().context("while starting tokio")?;
        return runtime.block_on(replies::answer_all(Path::new(model)));
    }
    let folder = tempfile::tempdir().context("while making a folder for the models")?;
    let runtime = tokio::runtime::Runtime::new().context("while starting tokio")?;
    let peer = PeerTools::find()?;
    report::heading();
    if ["decode", "first-token", "chats", "restart", "busy", "server"].iter().any(|part| wants(part)) {
        let model = half_billion(folder.path())?;
        if wants("decode") {
            runtime.block_on(decode::measure(&model, folder.path()))?;
        }
        if wants("first-token") {
            runtime.block_on(first_token::measure(&model, folder.path()))?;
        }
        if wants("chats") {
            runtime.block_on(chats::measure(&model, folder.path()))?;
        }
        if wants("restart") {
            runtime.block_on(restart::measure(&model, folder.path()))?;
        }
        if wants("busy") {
            runtime.block_on(busy::measure(&model))?;
        }
        if wants("server") {
            match &peer {
                Some(tools) => runtime.block_on(server::measure(tools, &model, folder.path()))?,
                None => eprintln!("Left out: LLAMA_BIN names no folder with llama-server."),
            }
        }
    }
    if wants("models") {
        runtime.block_on(models::measure(peer.as_ref(), folder.path()))?;
    }
    if wants("lookup") {
        runtime.block_on(lookup::measure(folder.path()))?;
    }
    if wants("window") {
        window::measure(folder.path())?;
    }
    Ok(())
}

/// A model of Qwen2.5 0.5B's shape with random weights: as slow as the real one.
fn half_billion(folder: &Path) -> anyhow::Result<PathBuf> {
    eprintln!("Writing a model of 0.5 B random parameters…");
    let path = folder.join("half-billion.gguf");
    RandomModel::half_billion().write(&path).context("while writing a model")?;
    Ok(path)
}
