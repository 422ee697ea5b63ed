use engawa_engine_client::protocol::PROTOCOL_VERSION;
use engawa_engine_client::{Engine, EngineProgram, ExitCause, ExitReport, StartError};
use engawa_testkit::scripted_engine::GreetingBehaviour;

use crate::{is_running, program_that_greets, start, within};

async fn start_error(greeting: GreetingBehaviour) -> StartError {
    within("a refusal", Engine::start(&program_that_greets(greeting))).await.err().unwrap()
}

#[tokio::test]
async fn an_engine_that_greets_runs_and_tells_its_devices() {
    let engine = start().await;
    assert!(is_running(engine.process_id()) || cfg!(not(target_os = "linux")));
    assert_eq!(engine.exit_report(), None);
    let devices = within("the devices", engine.devices()).await.unwrap();
    assert_eq!(devices.iter().map(|device| device.name.as_str()).collect::<Vec<_>>(), ["CPU"]);
}

#[tokio::test]
async fn another_version_is_refused() {
    let error = start_error(GreetingBehaviour::NewerVersion).await;
    assert!(matches!(error, StartError::Version { found } if found == PROTOCOL_VERSION + 1), "{error:?}");
}

#[tokio::test]
async fn an_engine_that_ends_at_once_says_why() {
    let error = start_error(GreetingBehaviour::Ends).await;
    let StartError::NoGreeting(report) = error else { panic!("{error:?}") };
    let last_lines = vec!["scripted engine: it was told to end".to_owned()];
    assert_eq!(report, ExitReport { cause: ExitCause::Code(4), last_lines });
}

/// The clock runs ahead while nothing else is to be done.
#[tokio::test(start_paused = true)]
async fn an_engine_that_does_not_greet_is_killed() {
    let error = start_error(GreetingBehaviour::Silent).await;
    let StartError::NoGreeting(report) = error else { panic!("{error:?}") };
    assert_eq!(report, ExitReport { cause: ExitCause::Unresponsive, last_lines: Vec::new() });
}

#[tokio::test]
async fn a_program_that_is_not_there_is_an_error() {
    let program = EngineProgram::new("/nonexistent/engawa-engine".into());
    let error = within("a refusal", Engine::start(&program)).await.err().unwrap();
    assert!(matches!(error, StartError::Spawn(_)), "{error:?}");
}
