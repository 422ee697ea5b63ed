use engawa_engine_client::protocol::LoadError;
use engawa_engine_client::{ExitCause, LoadEvent};
use engawa_testkit::scripted_engine::ModelBehaviour;

use crate::{load, load_request, start, within};

#[tokio::test]
async fn progress_comes_in_order_and_then_the_model() {
    let engine = start().await;
    let mut events = engine.load(load_request(ModelBehaviour::LoadsSlowly));
    let mut fractions = Vec::new();
    let info = within("the model", async {
        loop {
            match events.recv().await.unwrap() {
                LoadEvent::Progress(fraction) => fractions.push(fraction),
                LoadEvent::Loaded(info) => return info,
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
    assert_eq!(fractions, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]);
    assert_eq!(info.n_ctx, 8192);
    assert!(events.recv().await.is_none(), "nothing comes after the last event");
}

#[tokio::test]
async fn a_refusal_is_passed_on() {
    let last = load(&*start().await, ModelBehaviour::UnknownArchitecture).await;
    let LoadEvent::Failed(error) = last else { panic!("{last:?}") };
    assert_eq!(error, LoadError::UnknownArchitecture { architecture: "unheard-of".to_owned() });
}

#[tokio::test]
async fn a_cancelled_load_says_so() {
    let engine = start().await;
    let mut events = engine.load(load_request(ModelBehaviour::WaitsWhileLoading));
    let first = within("progress", events.recv()).await.unwrap();
    assert!(matches!(first, LoadEvent::Progress(_)), "{first:?}");
    engine.cancel_load();
    let last = within("the end", events.recv()).await.unwrap();
    assert!(matches!(last, LoadEvent::Failed(LoadError::Cancelled)), "{last:?}");
}

#[tokio::test]
async fn an_engine_that_dies_while_it_loads_says_how() {
    let last = load(&*start().await, ModelBehaviour::AbortsWhileLoading).await;
    let LoadEvent::Lost(report) = last else { panic!("{last:?}") };
    #[cfg(unix)]
    assert_eq!(report.cause, ExitCause::Signal(6));
    assert_eq!(report.last_lines, ["scripted engine: GGML_ASSERT(false) failed"]);
}

#[tokio::test]
async fn an_engine_that_ended_before_the_load_is_lost() {
    let engine = start().await;
    engine.kill_unresponsive();
    within("the end", engine.exited()).await;
    let last = load(&engine, ModelBehaviour::Plain).await;
    assert!(matches!(&last, LoadEvent::Lost(report) if report.cause == ExitCause::Unresponsive), "{last:?}");
}

/// Whatever the moment at which the engine ends, whoever waits for a model hears of it.
#[tokio::test]
async fn a_load_that_begins_while_the_engine_ends_is_lost_too() {
    for _ in 0..20 {
        let engine = start().await;
        engine.kill_unresponsive();
        let last = load(&engine, ModelBehaviour::HangsWhileLoading).await;
        assert!(matches!(&last, LoadEvent::Lost(report) if report.cause == ExitCause::Unresponsive), "{last:?}");
    }
}
