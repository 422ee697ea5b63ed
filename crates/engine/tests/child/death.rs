//! The engine's end, wanted and not.

use engawa_engine_client::{ExitCause, ReplyEvent};
use engawa_testkit::ScriptedModel;

use crate::support::{finish_or_lose, first_text, patiently, request, start_with, user};

#[tokio::test]
async fn a_killed_engine_ends_its_reply_with_a_report() {
    let (engine, _file) = start_with(&ScriptedModel::new("x").endless_rule("on", "and on and on ")).await;
    let mut reply = engine.generate(request(&[user("on")]));
    first_text(&mut reply).await;
    engine.kill_unresponsive();
    let lost = finish_or_lose(reply).await.unwrap_err();
    let ReplyEvent::Lost(report) = lost else { panic!("{lost:?}") };
    assert_eq!(report.cause, ExitCause::Unresponsive);
    assert!(report.last_lines.iter().any(|line| line.contains("llama")), "its log explains it: {report}");
    // Whatever is asked of it later is told the same.
    let later = finish_or_lose(engine.generate(request(&[user("one")]))).await.unwrap_err();
    assert_eq!(later, ReplyEvent::Lost(report));
}

#[tokio::test]
async fn a_stopped_engine_is_gone() {
    let (engine, _file) = start_with(&ScriptedModel::new("x")).await;
    let process = std::path::PathBuf::from(format!("/proc/{}", engine.process_id()));
    assert!(process.exists() || cfg!(not(target_os = "linux")));
    let exit = engine.exit_watch();
    patiently(engine.stop()).await;
    assert_eq!(patiently(exit.wait()).await.cause, ExitCause::Stopped);
    assert!(!process.exists());
}

#[tokio::test]
async fn an_engine_ends_when_it_is_dropped_while_it_writes() {
    let (engine, _file) = start_with(&ScriptedModel::new("x").endless_rule("on", "and on and on ")).await;
    let mut reply = engine.generate(request(&[user("on")]));
    first_text(&mut reply).await;
    let exit = engine.exit_watch();
    drop(reply);
    drop(engine);
    assert_eq!(patiently(exit.wait()).await.cause, ExitCause::Stopped);
}
