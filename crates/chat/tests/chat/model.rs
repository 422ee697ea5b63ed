use std::fs;

use engawa_chat::{
    ChatError, FlashAttention, GgufError, LoadError, LoadSettings, LoadedModel, Mmap, ModelError, ModelState, Status,
};
use engawa_testkit::Fault;
use engawa_testkit::scripted_engine::ModelBehaviour;
use expect_test::expect;

use crate::session::{Session, described, error_code, is_running};

#[tokio::test]
async fn a_load_is_followed_from_its_beginning_to_the_model() {
    let mut session = Session::open();
    let path = session.model_file(ModelBehaviour::LoadsSlowly);
    let settings = LoadSettings { n_ctx: 2048, n_batch: 64, ..LoadSettings::default() };
    session.chat.load_model(&path, settings.clone()).await.unwrap();
    let model = session.ready().await;
    expect![[r#"
        ModelChanged loading 0.0
        ModelChanged loading 0.1
        ModelChanged loading 0.2
        ModelChanged loading 0.3
        ModelChanged loading 0.4
        ModelChanged loading 0.5
        ModelChanged loading 0.6
        ModelChanged loading 0.7
        ModelChanged loading 0.8
        ModelChanged loading 0.9
        ModelChanged loading 1.0
        ModelChanged ready
    "#]]
    .assert_eq(&described(&session.log));
    assert_eq!((model.path, model.settings, model.info.n_ctx), (path, settings, 2048));
    assert_eq!(model.summary.name, "Scripted");
    assert!(matches!(session.chat.model(), ModelState::Ready(_)));
}

#[tokio::test]
async fn a_card_is_read_without_an_engine() {
    let session = Session::open();
    let path = session.model_file(ModelBehaviour::Plain);
    let card = session.chat.inspect_model(&path).await.unwrap();
    assert_eq!((card.summary.name.as_str(), card.summary.architecture.as_str()), ("Scripted", "llama"));
    assert_eq!(card.file_bytes, fs::metadata(&path).unwrap().len());
    assert_eq!(card.settings.n_ctx, 4096, "not more than the model was trained with");
    assert!(card.available_bytes.is_some_and(|bytes| bytes > 0) || !cfg!(target_os = "linux"));
    assert_eq!(session.chat.engine_process_id(), None);
    assert!(matches!(session.chat.model(), ModelState::None));
}

#[tokio::test]
async fn what_a_load_takes_is_told_by_an_engine_of_its_own() {
    let session = Session::open();
    let estimate = async |behaviour| {
        let settings = LoadSettings { n_ctx: 3000, ..LoadSettings::default() };
        session.chat.estimate_load(&session.model_file(behaviour), settings).await
    };
    let told = estimate(ModelBehaviour::Plain).await.unwrap();
    assert_eq!((told.n_layer, told.devices[0].context), (3, 300_000));
    let refused = estimate(ModelBehaviour::IsRefused).await;
    assert!(matches!(refused, Err(ModelError::Load(LoadError::Refused { .. }))), "{refused:?}");
    let aborted = estimate(ModelBehaviour::AbortsWhileLoading).await;
    assert!(matches!(aborted, Err(ModelError::EngineEnded(_))), "{aborted:?}");
    assert!(matches!(session.chat.model(), ModelState::None), "nothing was loaded");
    assert_eq!(session.chat.engine_process_id(), None);
}

/// A file that is no model is refused before an engine starts.
async fn check_file(name: &str, write: impl FnOnce(&std::path::Path), expected: fn(&GgufError) -> bool) {
    let mut session = Session::open();
    let path = session.home.path().join(name);
    write(&path);
    let error = session.chat.load_model(&path, LoadSettings::default()).await.unwrap_err();
    assert!(matches!(&error, ModelError::File(error) if expected(error)), "{name}: {error:?}");
    let state = session.model_becomes("the failure", |_| true).await;
    assert!(
        matches!(&state, ModelState::Failed { path: failed, error: ModelError::File(_), .. } if *failed == path),
        "{state:?}"
    );
    let id = session.new_conversation(None);
    assert!(matches!(session.chat.send(id, "hello"), Err(ChatError::Model(ModelError::File(_)))));
    assert!(session.messages(id).is_empty());
    assert_eq!(session.chat.engine_process_id(), None);
}

#[tokio::test]
async fn files_that_are_no_models_are_refused_by_kind() {
    check_file("missing.gguf", |_| (), |error| matches!(error, GgufError::NotFound)).await;
    check_file("folder.gguf", |path| fs::create_dir(path).unwrap(), |error| matches!(error, GgufError::NotAFile)).await;
    check_file("page.gguf", |path| Fault::HtmlPage.write(path).unwrap(), |error| matches!(error, GgufError::NotGguf))
        .await;
    let is_truncated = |error: &GgufError| matches!(error, GgufError::Truncated { .. });
    check_file("empty.gguf", |path| Fault::Empty.write(path).unwrap(), |error| !matches!(error, GgufError::Io(_)))
        .await;
    check_file("cut.gguf", |path| Fault::DataCut.write(path).unwrap(), is_truncated).await;
    check_file("header.gguf", |path| Fault::HeaderCut.write(path).unwrap(), is_truncated).await;
    let is_old = |error: &GgufError| matches!(error, GgufError::UnsupportedVersion(1));
    check_file("old.gguf", |path| Fault::OldVersion.write(path).unwrap(), is_old).await;
    let is_damaged = |error: &GgufError| !matches!(error, GgufError::Io(_) | GgufError::NotFound);
    check_file("damaged.gguf", |path| Fault::StringLength.write(path).unwrap(), is_damaged).await;
}

/// What the engine refuses, it refuses by kind; the engine is gone then.
async fn check_refusal(behaviour: ModelBehaviour, expected: &LoadError) {
    let mut session = Session::open();
    session.begin_to_load(behaviour).await;
    let state = session.model_becomes("the refusal", |state| !matches!(state, ModelState::Loading(_))).await;
    let ModelState::Failed { path, name, error: ModelError::Load(error) } = state else { panic!("{state:?}") };
    assert_eq!((&error, name.as_str()), (expected, "Scripted"));
    assert_eq!(path.file_name().unwrap().to_string_lossy(), behaviour.file_name());
    let id = session.new_conversation(None);
    assert!(matches!(session.chat.send(id, "hello"), Err(ChatError::Model(ModelError::Load(_)))));
    assert_eq!(session.chat.engine_process_id(), None);
}

#[tokio::test]
async fn what_the_engine_refuses_is_told_by_kind() {
    let unknown = LoadError::UnknownArchitecture { architecture: "unheard-of".to_owned() };
    check_refusal(ModelBehaviour::UnknownArchitecture, &unknown).await;
    let memory = LoadError::NotEnoughMemory { needed: Some(8 << 30), available: 1 << 30 };
    check_refusal(ModelBehaviour::NeedsMemory, &memory).await;
    let refused = LoadError::Refused { reason: "a tensor is missing".to_owned() };
    check_refusal(ModelBehaviour::IsRefused, &refused).await;
}

#[tokio::test]
async fn a_question_about_a_load_ends_the_one_before() {
    let session = Session::open();
    let [hanging, plain] =
        [ModelBehaviour::HangsWhileLoading, ModelBehaviour::Plain].map(|behaviour| session.model_file(behaviour));
    let (former, latter) = tokio::join!(
        session.chat.estimate_load(&hanging, LoadSettings::default()),
        session.chat.estimate_load(&plain, LoadSettings::default())
    );
    assert!(matches!(former, Err(ModelError::Load(LoadError::Cancelled))), "{former:?}");
    latter.unwrap();
}

/// Loads with a context of 16,384 tokens; gives the model.
async fn load_large(session: &mut Session, behaviour: ModelBehaviour) -> LoadedModel {
    let path = session.model_file(behaviour);
    let asked = LoadSettings { n_ctx: 16_384, ..LoadSettings::default() };
    session.chat.load_model(&path, asked.clone()).await.unwrap();
    let state = session.model_becomes("the end of loading", |state| !matches!(state, ModelState::Loading(_))).await;
    let ModelState::Ready(model) = state else { panic!("{state:?}") };
    assert_eq!(model.asked, Some(asked));
    *model
}

#[tokio::test]
async fn a_model_that_does_not_fit_is_loaded_with_safer_settings() {
    let mut session = Session::open();
    let model = load_large(&mut session, ModelBehaviour::NeedsSmallContext).await;
    assert_eq!((model.settings.n_ctx, model.info.n_ctx, model.lasting.n_ctx), (4096, 4096, 4096));
    let id = session.new_conversation(None);
    assert_eq!(session.ask(id, "say: here").await.content, "here");
    assert!(!described(&session.log).contains("failed"), "{}", described(&session.log));
}

#[tokio::test]
async fn what_only_did_not_fit_is_asked_for_again_next_time() {
    let mut session = Session::open();
    let model = load_large(&mut session, ModelBehaviour::FitsSmallContext).await;
    assert_eq!((model.settings.n_ctx, model.info.n_ctx, model.lasting.n_ctx), (4096, 4096, 16_384));
    let id = session.new_conversation(None);
    session.ask(id, "say: abcdefgh\nabort after: 1").await;
    assert_eq!(session.ask(id, "say: again").await.content, "again");
    let ModelState::Ready(model) = session.chat.model() else { panic!() };
    assert_eq!(model.asked, Some(model.lasting), "the engine that was started again was asked for all of it");
}

#[tokio::test]
async fn what_is_killed_for_memory_goes_on_from_the_settings_that_should_have_fitted() {
    let mut session = Session::open();
    let model = load_large(&mut session, ModelBehaviour::KilledUnlessMapped).await;
    let expected = LoadSettings { n_ctx: 4096, mmap: Mmap::On, ..LoadSettings::default() };
    assert_eq!((&model.settings, &model.lasting), (&expected, &expected));
}

#[tokio::test]
async fn a_model_that_fits_with_no_settings_leaves_the_one_that_answers_alone() {
    let mut session = Session::with_model().await;
    let engine = session.chat.engine_process_id();
    let path = session.model_file(ModelBehaviour::TooLarge);
    for asked_before in [false, true] {
        if asked_before {
            session.chat.estimate_load(&path, LoadSettings::default()).await.unwrap();
        }
        let error = session.chat.load_model(&path, LoadSettings::default()).await.unwrap_err();
        assert!(matches!(error, ModelError::Load(LoadError::NotEnoughMemory { needed: Some(_), .. })), "{error:?}");
    }
    assert_eq!(session.chat.engine_process_id(), engine);
    let id = session.new_conversation(None);
    assert_eq!(session.ask(id, "say: still here").await.content, "still here");
}

#[tokio::test]
async fn a_model_that_crashes_its_engine_is_loaded_with_plain_settings_and_so_again() {
    let mut session = Session::open();
    let model = load_large(&mut session, ModelBehaviour::AbortsWithFlashAttention).await;
    assert_eq!((model.settings.flash_attention, model.settings.n_ctx), (FlashAttention::Off, 16_384));
    let id = session.new_conversation(None);
    assert_eq!(session.ask(id, "say: here").await.content, "here");
    session.ask(id, "say: abcdefgh\nabort after: 1").await;
    assert_eq!(session.ask(id, "say: again").await.content, "again");
    let ModelState::Ready(model) = session.chat.model() else { panic!() };
    assert_eq!(model.asked, None, "what worked is what was asked for this time");
}

#[tokio::test]
async fn an_engine_that_dies_while_it_loads_fails_the_load_and_the_reply_that_waits() {
    let mut session = Session::open();
    session.begin_to_load(ModelBehaviour::AbortsWhileLoading).await;
    let id = session.new_conversation(None);
    let reply = session.ask(id, "say: never").await;
    assert_eq!((reply.status, error_code(&reply)), (Status::Failed, Some("engine_crashed")));
    let state = session.chat.model();
    assert!(matches!(&state, ModelState::Failed { error: ModelError::EngineEnded(_), .. }), "{state:?}");
}

#[tokio::test]
async fn a_load_is_cancelled() {
    let mut session = Session::open();
    session.begin_to_load(ModelBehaviour::WaitsWhileLoading).await;
    session.model_becomes("progress", |state| matches!(state, ModelState::Loading(it) if it.progress > 0.0)).await;
    let engine = session.chat.engine_process_id().unwrap();
    session.chat.cancel_load().await;
    assert!(matches!(session.chat.model(), ModelState::None));
    session.load(ModelBehaviour::Plain).await;
    assert!(!is_running(engine));
}

/// At that moment there is no engine yet that could be told.
#[tokio::test]
async fn a_load_is_cancelled_before_its_engine_runs() {
    let mut session = Session::open();
    session.begin_to_load(ModelBehaviour::Plain).await;
    session.chat.cancel_load().await;
    assert!(matches!(session.chat.model(), ModelState::None), "{:?}", session.chat.model());
    session.load(ModelBehaviour::Plain).await;
    let ready =
        session.log.iter().filter(|event| matches!(event, engawa_chat::ChatEvent::ModelChanged(ModelState::Ready(_))));
    assert_eq!(ready.count(), 1, "the cancelled load never came to its end");
}

#[tokio::test]
async fn a_load_that_hangs_is_cancelled_all_the_same() {
    let mut session = Session::open();
    session.begin_to_load(ModelBehaviour::HangsWhileLoading).await;
    session.model_becomes("progress", |state| matches!(state, ModelState::Loading(it) if it.progress > 0.0)).await;
    let engine = session.chat.engine_process_id().unwrap();
    session.chat.cancel_load().await;
    assert!(matches!(session.chat.model(), ModelState::None));
    session.load(ModelBehaviour::Plain).await;
    assert!(!is_running(engine), "the next model has the memory for itself");
}

#[tokio::test]
async fn a_load_that_begins_while_another_is_cancelled_goes_on() {
    let mut session = Session::open();
    session.begin_to_load(ModelBehaviour::HangsWhileLoading).await;
    session.model_becomes("progress", |state| matches!(state, ModelState::Loading(it) if it.progress > 0.0)).await;
    let path = session.model_file(ModelBehaviour::WaitsWhileLoading);
    let chat = session.chat.clone();
    let begin_another = async { chat.load_model(&path, LoadSettings::default()).await.unwrap() };
    tokio::join!(chat.cancel_load(), begin_another);
    let state = session.chat.model();
    assert!(matches!(&state, ModelState::Loading(it) if it.path == path), "{state:?}");
}

#[tokio::test]
async fn another_model_takes_the_place_of_one_that_loads() {
    let mut session = Session::open();
    session.begin_to_load(ModelBehaviour::WaitsWhileLoading).await;
    session.model_becomes("progress", |state| matches!(state, ModelState::Loading(it) if it.progress > 0.0)).await;
    let engine = session.chat.engine_process_id().unwrap();
    session.log.clear();
    let model = session.load(ModelBehaviour::PersonFirst).await;
    assert!(model.path.ends_with(ModelBehaviour::PersonFirst.file_name()));
    assert!(!is_running(engine), "the next model has the memory for itself");
    assert!(!described(&session.log).contains("failed"), "{}", described(&session.log));
}

#[tokio::test]
async fn the_old_engine_is_gone_when_the_new_model_is_there() {
    let mut session = Session::with_model().await;
    let engine = session.chat.engine_process_id().unwrap();
    session.load(ModelBehaviour::PersonFirst).await;
    assert!(!is_running(engine));
    assert_ne!(session.chat.engine_process_id(), Some(engine));
}

#[tokio::test]
async fn a_reply_ends_with_its_text_when_its_model_is_replaced_or_unloaded() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(None);
    session.chat.send(id, "say: abcdefghijklmnop\nwait after: 2").unwrap();
    session.written("abcdefgh").await;
    session.begin_to_load(ModelBehaviour::PersonFirst).await;
    let reply = session.finished().await;
    assert_eq!((reply.content.as_str(), reply.status, reply.error), ("abcdefgh", Status::Stopped, None));
    assert_eq!(session.ask(id, "say: next").await.content, "next");

    session.chat.send(id, "say: abcdefghijklmnop\nwait after: 1").unwrap();
    session.written("abcd").await;
    session.chat.unload_model();
    let reply = session.finished().await;
    assert_eq!((reply.content.as_str(), reply.status, reply.error), ("abcd", Status::Stopped, None));
}

#[tokio::test]
async fn what_can_not_be_loaded_leaves_the_model_and_its_replies_alone() {
    let mut session = Session::with_model().await;
    let engine = session.chat.engine_process_id();
    let damaged = session.home.path().join("page.gguf");
    Fault::HtmlPage.write(&damaged).unwrap();
    let refused = session.model_file(ModelBehaviour::IsRefused);
    let unknown = session.model_file(ModelBehaviour::UnknownArchitecture);
    let id = session.new_conversation(None);
    let text = "abcd".repeat(40);
    session.chat.send(id, &format!("say: {text}\nslow: 50")).unwrap();
    session.written("abcd").await;
    for (path, expected) in [(&damaged, None), (&refused, Some("a tensor is missing")), (&unknown, Some("unheard-of"))]
    {
        let error = session.chat.load_model(path, LoadSettings::default()).await.unwrap_err();
        match (&error, expected) {
            (ModelError::File(_), None) => {}
            (ModelError::Load(error), Some(expected)) => assert!(error.to_string().contains(expected), "{error}"),
            other => panic!("{other:?}"),
        }
        assert!(matches!(session.chat.model(), ModelState::Ready(_)));
    }
    assert_eq!(session.finished().await.content, text);
    assert_eq!(session.chat.engine_process_id(), engine);
    assert_eq!(session.ask(id, "say: next").await.content, "next");
    assert_eq!(described(&session.log).matches("LoadRefused").count(), 3, "{}", described(&session.log));
    // What only lacks memory is tried with safer settings.
    let model = load_large(&mut session, ModelBehaviour::NeedsSmallContext).await;
    assert_eq!(model.settings.n_ctx, 4096);
}

#[tokio::test]
async fn the_former_model_comes_back_when_another_can_not_be_loaded() {
    let mut session = Session::with_model().await;
    let ModelState::Ready(former) = session.chat.model() else { panic!() };
    let path = session.model_file(ModelBehaviour::NeedsMemory);
    session.chat.load_model(&path, LoadSettings::default()).await.unwrap();
    session
        .model_becomes("the former model", |state| matches!(state, ModelState::Ready(it) if it.path == former.path))
        .await;
    assert!(described(&session.log).contains("LoadRefused"), "{}", described(&session.log));
    let id = session.new_conversation(None);
    assert_eq!(session.ask(id, "say: still here").await.content, "still here");
    // Once, and not for ever.
    session.chat.unload_model();
    session.chat.load_model(&path, LoadSettings::default()).await.unwrap();
    session.model_becomes("the failure", |state| matches!(state, ModelState::Failed { .. })).await;
    assert_eq!(session.chat.engine_process_id(), None);
}

/// It hangs, so its engine has to be killed; that is not a crash.
#[tokio::test]
async fn a_reply_that_hangs_ends_too_when_its_model_is_unloaded() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(None);
    session.chat.send(id, "say: abcdefghijklmnop\nhang after: 2").unwrap();
    session.written("abcdefgh").await;
    session.chat.unload_model();
    let reply = session.finished().await;
    assert_eq!((reply.content.as_str(), reply.status, reply.error), ("abcdefgh", Status::Stopped, None));
}

#[tokio::test]
async fn a_reply_whose_prompt_is_counted_ends_too_when_its_model_is_unloaded() {
    let mut session = Session::with_context(1024).await;
    let id = session.new_conversation(None);
    session.chat.send(id, "hang when counted").unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    session.chat.unload_model();
    let reply = session.finished().await;
    assert_eq!((reply.content.as_str(), reply.status, reply.error), ("", Status::Stopped, None));
}

#[tokio::test]
async fn an_unloaded_model_leaves_nothing_behind() {
    let mut session = Session::with_model().await;
    let engine = session.chat.engine_process_id().unwrap();
    session.chat.unload_model();
    assert!(matches!(session.chat.model(), ModelState::None));
    assert_eq!(session.chat.engine_process_id(), None);
    let id = session.new_conversation(None);
    assert!(matches!(session.chat.send(id, "hello"), Err(ChatError::NoModel)));
    session.load(ModelBehaviour::Plain).await;
    assert!(!is_running(engine));
    assert_eq!(session.ask(id, "say: back").await.content, "back");
}
