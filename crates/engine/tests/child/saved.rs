//! Conversations on disk: after the engine's end, and after others took their place in the KV cache.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use engawa_engine_client::protocol::{Adapter, CacheFolder, GenerateRequest, LoadRequest, LoadSettings, PromptMessage};
use engawa_engine_client::{Engine, EngineProgram, LoadEvent};
use engawa_testkit::{RandomAdapter, RandomModel, ScriptedModel};
use tempfile::TempDir;

use crate::support::{
    Finished, ModelFile, assistant, finish, patiently, request, settings, start, start_program, user,
};

pub(crate) fn cache(folder: &Path) -> CacheFolder {
    CacheFolder { path: folder.join("kv"), max_bytes: 64 << 20 }
}

pub(crate) async fn start_with(file: &ModelFile, cache: CacheFolder, settings: LoadSettings) -> Arc<Engine> {
    let engine = start().await;
    load_with(&engine, file, cache, settings).await;
    engine
}

async fn load_with(engine: &Engine, file: &ModelFile, cache: CacheFolder, settings: LoadSettings) {
    let mut events = engine.load(LoadRequest { cache: Some(cache), ..LoadRequest::new(file.path.clone(), settings) });
    loop {
        match patiently(events.recv()).await.unwrap() {
            LoadEvent::Progress(_) => {}
            LoadEvent::Loaded(_) => return,
            other => panic!("{other:?}"),
        }
    }
}

async fn say(engine: &Arc<Engine>, owner: &str, messages: &[PromptMessage]) -> Finished {
    let mut asked = GenerateRequest { owner: Some(owner.into()), ..request(messages) };
    asked.sampling.temperature = 0.0;
    asked.sampling.max_tokens = Some(24);
    finish(engine.generate(asked)).await
}

/// A message of some hundred tokens.
fn long(text: &str) -> PromptMessage {
    user(&format!("{text} ").repeat(90))
}

fn files(folder: &TempDir) -> Vec<std::path::PathBuf> {
    fs::read_dir(folder.path().join("kv")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn a_conversation_goes_on_after_the_engine_was_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = ModelFile::new(|path| RandomModel::new().write(path).unwrap());
    let engine = start_with(&file, cache(folder.path()), settings()).await;
    let first = say(&engine, "a-1", &[long("the weather")]).await;
    patiently(engine.stop()).await;
    assert_eq!(files(&folder).len(), 1);

    let messages = [long("the weather"), assistant(&first.content), user("and then?")];
    let engine = start_with(&file, cache(folder.path()), settings()).await;
    let second = say(&engine, "a-1", &messages).await;
    assert!(second.timings.reused_tokens >= first.timings.prompt_tokens, "{:?}", second.timings);
    patiently(engine.stop()).await;
    let fresh = tempfile::tempdir().unwrap();
    let engine = start_with(&file, cache(fresh.path()), settings()).await;
    let cold = say(&engine, "a-1", &messages).await;
    assert_eq!(cold.timings.reused_tokens, 0);
    assert_eq!(second.content, cold.content);
}

#[tokio::test]
async fn what_was_computed_with_other_weights_is_not_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = ModelFile::new(|path| RandomModel::new().write(path).unwrap());
    let adapter = ModelFile::new(|path| RandomAdapter::new().write(path).unwrap());
    let with = |scale| LoadSettings { adapters: vec![Adapter { path: adapter.path.clone(), scale }], ..settings() };
    let reused = async |settings| {
        let engine = start_with(&file, cache(folder.path()), settings).await;
        let finished = say(&engine, "a-1", &[long("the weather")]).await;
        patiently(engine.stop()).await;
        finished.timings.reused_tokens
    };
    assert_eq!(reused(settings()).await, 0);
    assert_eq!(reused(with(1.0)).await, 0, "an adapter is another model");
    assert_eq!(reused(with(0.5)).await, 0, "and so is less of it");
    assert!(reused(with(0.5)).await > 0);
}

#[tokio::test]
async fn more_conversations_than_fit_are_all_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = ModelFile::scripted(&ScriptedModel::new("yes"));
    let settings = LoadSettings { n_ctx: 512, ..settings() };
    let engine = start_with(&file, cache(folder.path()), settings).await;
    let names: Vec<_> = (0..12).map(|number| format!("c-{number}")).collect();
    let mut lengths = Vec::new();
    for name in &names {
        let timings = say(&engine, name, &[long(name)]).await.timings;
        assert!(timings.prompt_tokens > 200, "{timings:?}");
        lengths.push(timings.prompt_tokens + timings.generated_tokens);
    }
    for (name, length) in names.iter().zip(lengths) {
        let reply = say(&engine, name, &[long(name), assistant("yes"), user("again")]).await;
        assert_eq!((reply.content.as_str(), reply.timings.reused_tokens), ("yes", length), "{name}");
    }
}

#[tokio::test]
async fn what_is_forgotten_is_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let file = ModelFile::scripted(&ScriptedModel::new("yes"));
    let engine = start_with(&file, cache(folder.path()), settings()).await;
    say(&engine, "stays", &[long("one")]).await;
    say(&engine, "goes", &[long("two")]).await;
    engine.forget("goes".into());
    let again = say(&engine, "other", &[long("two")]).await;
    assert!(again.timings.reused_tokens < 16, "{:?}", again.timings);
    engine.forget("other".into());
    patiently(engine.stop()).await;
    let names: Vec<_> = files(&folder);
    assert!(
        matches!(names.as_slice(), [one] if one.file_name().unwrap().to_string_lossy().starts_with("stays.")),
        "{names:?}"
    );
    let engine = start_with(&file, cache(folder.path()), settings()).await;
    engine.forget("stays".into());
    say(&engine, "new", &[user("short")]).await;
    assert!(files(&folder).is_empty());
}

#[tokio::test]
async fn nothing_is_kept_of_requests_without_an_owner() {
    let folder = tempfile::tempdir().unwrap();
    let file = ModelFile::scripted(&ScriptedModel::new("yes"));
    let engine = start_with(&file, cache(folder.path()), settings()).await;
    finish(engine.generate(request(&[long("one")]))).await;
    patiently(engine.stop()).await;
    assert!(files(&folder).is_empty());
}

#[tokio::test]
async fn damaged_files_and_those_of_another_model_are_never_used() {
    let folder = tempfile::tempdir().unwrap();
    let file = ModelFile::scripted(&ScriptedModel::new("yes"));
    let messages = [long("one"), assistant("yes"), user("again")];
    let engine = start_with(&file, cache(folder.path()), settings()).await;
    say(&engine, "a", &messages[..1]).await;
    patiently(engine.stop()).await;
    let [path] = &files(&folder)[..] else { panic!() };
    let whole = fs::read(path).unwrap();

    let other = ModelFile::scripted(&ScriptedModel::new("no"));
    let engine = start_with(&other, cache(folder.path()), settings()).await;
    let reply = say(&engine, "b", &messages[..1]).await;
    assert_eq!((reply.content.as_str(), reply.timings.reused_tokens), ("no", 0));
    engine.forget("b".into());
    patiently(engine.stop()).await;
    assert!(path.exists(), "it is the other model's still");

    let mut flipped = whole.clone();
    flipped[whole.len() - 100] ^= 1;
    // Whole, but of a version to come: behind the 8 letters, the checksum of the head counts it in.
    let mut newer = whole.clone();
    newer[8] += 1;
    let numbers: Vec<usize> =
        newer[8..56].as_chunks().0.iter().map(|&number| usize::try_from(u64::from_le_bytes(number)).unwrap()).collect();
    let head = 56 + 4 * numbers[2] + 8 * numbers[3];
    let checksum = u64::from(crc32fast::hash(&newer[..head]));
    newer[head..head + 8].copy_from_slice(&checksum.to_le_bytes());
    let senseless = b"engawakv and then nothing that makes sense";
    for damaged in [&whole[..whole.len() / 2], &whole[..20], &[], &flipped, &newer, senseless] {
        fs::write(path, damaged).unwrap();
        let engine = start_with(&file, cache(folder.path()), settings()).await;
        let reply = say(&engine, "a", &messages).await;
        assert_eq!((reply.content.as_str(), reply.timings.reused_tokens), ("yes", 0), "{} bytes", damaged.len());
        engine.forget("a".into());
        patiently(engine.stop()).await;
        assert!(!path.exists());
    }
}

#[tokio::test]
async fn a_folder_that_can_not_be_used_keeps_nobody_from_answering() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("file");
    fs::write(&in_the_way, "").unwrap();
    let file = ModelFile::scripted(&ScriptedModel::new("yes"));
    for cache in [
        CacheFolder { path: in_the_way.join("kv"), max_bytes: 1 << 20 },
        CacheFolder { path: in_the_way.clone(), max_bytes: 1 << 20 },
        CacheFolder { path: folder.path().join("full"), max_bytes: 10 },
    ] {
        let engine = start_with(&file, cache, settings()).await;
        assert_eq!(say(&engine, "a", &[long("one")]).await.content, "yes");
        let exit = engine.exit_watch();
        patiently(engine.stop()).await;
        assert!(patiently(exit.wait()).await.last_lines.iter().all(|line| !line.contains("panicked")));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_full_disk_keeps_nobody_from_answering() {
    let folder = tempfile::tempdir().unwrap();
    // Files of this engine may have 4 KiB: writing more fails as it does on a full disk. Written by another process, so that no
    // engine that starts meanwhile has the script open.
    let program = folder.path().join("engine");
    let script =
        format!("#!/bin/sh\ntrap '' XFSZ\nulimit -f 8\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_engawa-engine"));
    let written = std::process::Command::new("sh")
        .args(["-c", "printf %s \"$1\" > \"$2\" && chmod 755 \"$2\"", "sh", &script])
        .arg(&program)
        .status();
    assert!(written.unwrap().success());
    let engine = start_program(&EngineProgram::new(program)).await;
    let file = ModelFile::new(|path| RandomModel::new().write(path).unwrap());
    load_with(&engine, &file, cache(folder.path()), LoadSettings { n_ctx: 512, ..settings() }).await;
    // More than fit the context, so that some are written while others answer.
    for name in ["a", "b", "c", "d", "e"] {
        assert!(say(&engine, name, &[long(name)]).await.timings.generated_tokens > 0);
    }
    let exit = engine.exit_watch();
    patiently(engine.stop()).await;
    let lines = patiently(exit.wait()).await.last_lines;
    assert!(lines.iter().any(|line| line.contains("could not be saved")), "{lines:?}");
    assert_eq!(files(&folder).len(), 0, "nothing unfinished stays");
}
