use std::sync::Arc;

use engawa_engine_client::protocol::FinishReason;
use engawa_engine_client::{ExitCause, ExitReport, ReplyEvent};
use engawa_testkit::scripted_engine::ModelBehaviour;

use crate::{is_running, load_request, read, read_texts, request, start, start_with_model, user, within};

/// Writes two tokens, then does `what`; how the reply ended.
async fn after_two_tokens(what: &str) -> (String, ExitReport) {
    let engine = start_with_model().await;
    let came = read(&mut engine.generate(request(&format!("say: abcdefghijkl\n{what} after: 2")))).await;
    let Some(ReplyEvent::Lost(report)) = came.last else { panic!("{came:?}") };
    assert_eq!(within("the end", engine.exited()).await, report);
    assert_eq!(engine.exit_report(), Some(report.clone()));
    assert!(!is_running(engine.process_id()));
    (came.content, report)
}

#[cfg(unix)]
#[tokio::test]
async fn an_abort_is_reported_with_the_last_lines() {
    let (content, report) = after_two_tokens("abort").await;
    assert_eq!(content, "abcdefgh");
    assert_eq!(report.to_string(), "the engine ended by signal 6\nscripted engine: GGML_ASSERT(false) failed");
}

#[tokio::test]
async fn an_exit_is_reported_with_its_status() {
    let (content, report) = after_two_tokens("exit").await;
    assert_eq!(
        (content.as_str(), report),
        ("abcdefgh", ExitReport { cause: ExitCause::Code(3), last_lines: Vec::new() })
    );
}

#[tokio::test]
async fn an_engine_that_talks_nonsense_is_killed() {
    let (content, report) = after_two_tokens("nonsense").await;
    assert_eq!((content.as_str(), report.cause), ("abcdefgh", ExitCause::Protocol));
}

#[tokio::test]
async fn an_engine_that_hangs_can_be_killed() {
    let engine = start_with_model().await;
    let mut reply = engine.generate(request("say: abcdefghijkl\nhang after: 2"));
    read_texts(&mut reply, 2).await;
    reply.control.cancel();
    reply.control.end_engine();
    let came = read(&mut reply).await;
    assert!(
        matches!(&came.last, Some(ReplyEvent::Lost(report)) if report.cause == ExitCause::Unresponsive),
        "{came:?}"
    );
}

#[tokio::test]
async fn all_who_wait_are_told_once() {
    let engine = start_with_model().await;
    let mut writing = engine.generate(request("say: abcdefghijkl\nhang after: 1"));
    read_texts(&mut writing, 1).await;
    let mut waiting = engine.generate(request("say: never"));
    let counting = engine.count_prompt(vec![user("never")]);
    engine.kill_unresponsive();
    for reply in [&mut writing, &mut waiting] {
        let last = read(reply).await.last;
        assert!(matches!(last, Some(ReplyEvent::Lost(_))), "{last:?}");
        assert!(reply.events.recv().await.is_none(), "nothing comes after the last event");
    }
    within("the end of the count", counting).await.unwrap_err();
    within("no devices", engine.devices()).await.unwrap_err();
    let late = read(&mut engine.generate(request("say: late"))).await.last;
    assert!(matches!(late, Some(ReplyEvent::Lost(_))), "{late:?}");
}

#[tokio::test]
async fn dropping_an_engine_stops_it() {
    let engine = start_with_model().await;
    let (process_id, exit) = (engine.process_id(), engine.exit_watch());
    drop(engine);
    assert_eq!(within("the end", exit.wait()).await, ExitReport { cause: ExitCause::Stopped, last_lines: Vec::new() });
    assert!(!is_running(process_id));
}

#[tokio::test]
async fn dropping_an_engine_that_hangs_kills_it() {
    let engine = start_with_model().await;
    let exit = engine.exit_watch();
    let mut reply = engine.generate(request("say: abcdefghijkl\nhang after: 1"));
    read_texts(&mut reply, 1).await;
    drop(reply);
    drop(engine);
    assert_eq!(within("the end", exit.wait()).await.cause, ExitCause::Stopped);
}

#[tokio::test]
async fn stopping_waits_for_the_end() {
    let engine = start_with_model().await;
    let process_id = engine.process_id();
    within("the end", engine.stop()).await;
    assert!(!is_running(process_id));
}

/// A reply holds the engine, and so its pipe: it is cancelled, so that nothing waits for a time limit.
#[tokio::test]
async fn stopping_ends_the_reply_that_runs() {
    let engine = start_with_model().await;
    let mut reply = engine.generate(request("say: abcdefghijkl\nwait after: 2"));
    read_texts(&mut reply, 2).await;
    let stopped = tokio::spawn(Arc::clone(&engine).stop());
    drop(engine);
    let came = read(&mut reply).await;
    assert!(matches!(came.last, Some(ReplyEvent::Finished { reason: FinishReason::Cancelled, .. })), "{came:?}");
    drop(reply);
    within("the end", stopped).await.unwrap();
}

#[tokio::test]
async fn stopping_kills_what_does_not_end() {
    let engine = start().await;
    let process_id = engine.process_id();
    let exit = engine.exit_watch();
    let mut events = engine.load(load_request(ModelBehaviour::HangsWhileLoading));
    within("progress", events.recv()).await.unwrap();
    // From here on the clock runs ahead, because nothing else is to be done.
    tokio::time::pause();
    within("the end", engine.stop()).await;
    assert!(!is_running(process_id));
    assert_eq!(exit.wait().await.cause, ExitCause::Stopped);
}
