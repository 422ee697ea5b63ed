//! Pictures in messages: what a projector makes of them stands among the tokens.

use std::io::Cursor;
use std::sync::Arc;

use engawa_engine_client::protocol::{
    Constraint, FinishReason, GenerateError, GenerateRequest, Inputs, LoadError, LoadSettings, Media, MediaKind,
    PromptMessage,
};
use engawa_engine_client::{Engine, ReplyEvent};
use engawa_testkit::{Architecture, Fault, RandomModel, RandomProjector, wave};
use image::{ImageFormat, Rgb, RgbImage};

use crate::saved::{cache, start_with};
use crate::support::{
    Finished, ModelFile, assistant, estimate, finish, finish_or_lose, first_text, load, patiently, request, settings,
    start, user,
};

fn model() -> ModelFile {
    ModelFile::new(|path| RandomModel::new().write(path).unwrap())
}

fn projector() -> ModelFile {
    ModelFile::new(|path| RandomProjector::new().write(path).unwrap())
}

fn with(projector: &ModelFile) -> LoadSettings {
    LoadSettings { projector: Some(projector.path.clone()), ..settings() }
}

async fn start_seeing() -> (Arc<Engine>, [ModelFile; 2]) {
    let (file, projector) = (model(), projector());
    let engine = start().await;
    let inputs = load(&engine, &file, with(&projector)).await.unwrap().inputs;
    assert!(inputs.images && !inputs.audio, "{inputs:?}");
    (engine, [file, projector])
}

/// A file with a picture whose pixels depend on `colour`.
fn picture(colour: u8, format: ImageFormat) -> Vec<u8> {
    let image = RgbImage::from_fn(80, 60, |x, y| Rgb([colour, if x > 30 { 255 } else { 0 }, u8::try_from(y).unwrap()]));
    let mut file = Cursor::new(Vec::new());
    image.write_to(&mut file, format).unwrap();
    file.into_inner()
}

/// A message with files in front of its text.
fn showing(files: &[Vec<u8>], text: &str) -> PromptMessage {
    let media = files.iter().map(|file| Media { at: 0, file: file.clone() }).collect();
    PromptMessage { media, ..user(text) }
}

fn asking(messages: &[PromptMessage]) -> GenerateRequest {
    let mut asked = GenerateRequest { owner: Some("a-1".into()), ..request(messages) };
    asked.sampling.temperature = 0.0;
    asked.sampling.max_tokens = Some(8);
    asked.decoding.logprobs = Some(5);
    asked
}

async fn say(engine: &Arc<Engine>, messages: &[PromptMessage]) -> Finished {
    finish(engine.generate(asking(messages))).await
}

/// How likely the likeliest first tokens were.
fn chances(reply: &Finished) -> Vec<f32> {
    reply.chosen[0].top.iter().map(|token| token.logprob).collect()
}

async fn refusal(engine: &Arc<Engine>, messages: &[PromptMessage]) -> GenerateError {
    match finish_or_lose(engine.generate(asking(messages))).await.unwrap_err() {
        ReplyEvent::Failed(error) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_seen_changes_what_is_said() {
    let (engine, _files) = start_seeing().await;
    let blind = say(&engine, &[user("What is it?")]).await;
    let red = say(&engine, &[showing(&[picture(250, ImageFormat::Png)], "What is it?")]).await;
    let black = say(&engine, &[showing(&[picture(0, ImageFormat::Png)], "What is it?")]).await;
    assert_eq!(red.timings.prompt_tokens, blind.timings.prompt_tokens + RandomProjector::TOKENS);
    assert!(chances(&red) != chances(&blind) && chances(&red) != chances(&black));
    // The same pixels in other files are the same picture.
    for format in [ImageFormat::Bmp, ImageFormat::WebP] {
        let again = say(&engine, &[showing(&[picture(250, format)], "What is it?")]).await;
        assert_eq!(chances(&again), chances(&red), "{format:?}");
    }
}

#[tokio::test]
async fn a_picture_stands_where_it_was_put() {
    let (engine, _files) = start_seeing().await;
    let files = [picture(250, ImageFormat::Png), picture(0, ImageFormat::Png)];
    let at = |places: [usize; 2]| {
        let media = files.iter().zip(places).map(|(file, at)| Media { at, file: file.clone() }).collect();
        PromptMessage { media, ..user("縁側と庭") }
    };
    let in_front = say(&engine, &[at([0, 0])]).await;
    let between = say(&engine, &[at([6, 9])]).await;
    assert!(chances(&in_front) != chances(&between));
    assert!(in_front.timings.prompt_tokens > 2 * RandomProjector::TOKENS);
    for places in [[7, 9], [9, 6], [0, 13]] {
        let error = refusal(&engine, &[user("one"), assistant("two"), at(places)]).await;
        assert!(
            matches!(&error, GenerateError::MediaUnreadable { reason, .. } if reason.contains("place")),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_picture_is_read_once() {
    check_reading(&model(), &projector()).await;
}

/// Its tokens have rows and columns, and all of a picture takes fewer positions than it has tokens.
#[tokio::test]
async fn a_picture_with_rows_and_columns_is_read_once() {
    let model = RandomModel::new().architecture(Architecture::Qwen2Vl);
    let model = ModelFile::new(|path| model.write(path).unwrap());
    check_reading(&model, &ModelFile::new(|path| RandomProjector::new().qwen2_vl().write(path).unwrap())).await;
}

async fn check_reading(file: &ModelFile, projector: &ModelFile) {
    let folder = tempfile::tempdir().unwrap();
    let engine = start_with(file, cache(folder.path()), with(projector)).await;
    let conversation = |colour| {
        [showing(&[picture(colour, ImageFormat::Png)], "What is it?"), assistant("A porch."), user("And now?")]
    };
    let first = say(&engine, &conversation(250)[..1]).await;
    let second = say(&engine, &conversation(250)).await;
    assert!(second.timings.reused_tokens >= first.timings.prompt_tokens, "{:?}", second.timings);
    let retry = say(&engine, &conversation(250)).await;
    assert_eq!((retry.timings.processed_tokens, &retry.content), (1, &second.content));
    // Another picture in its place is another conversation from there on.
    let other = say(&engine, &conversation(0)).await;
    assert!(other.timings.processed_tokens > RandomProjector::TOKENS, "{:?}", other.timings);
    // What was reused is what would have been read.
    let fresh = start().await;
    load(&fresh, file, with(projector)).await.unwrap();
    let cold = say(&fresh, &conversation(250)).await;
    assert_eq!((cold.timings.reused_tokens, cold.timings.prompt_tokens), (0, second.timings.prompt_tokens));
    assert_close(&cold, &second);
    // What was saved is what was read.
    patiently(engine.stop()).await;
    let engine = start_with(file, cache(folder.path()), with(projector)).await;
    let restored = say(&engine, &conversation(250)).await;
    assert!(restored.timings.reused_tokens >= first.timings.prompt_tokens, "{:?}", restored.timings);
    assert_close(&restored, &second);
}

/// In other batches sums are rounded otherwise.
fn assert_close(one: &Finished, other: &Finished) {
    let is_close = chances(one).iter().zip(chances(other)).all(|(one, other)| (one - other).abs() < 1e-3);
    assert!(is_close, "{:?} {:?}", chances(one), chances(other));
}

#[tokio::test]
async fn what_a_model_read_that_sees_is_not_taken_up_by_one_that_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let (file, projector) = (model(), projector());
    let messages = [user(&"What is it? ".repeat(40))];
    for (settings, expected) in [(with(&projector), false), (settings(), false), (with(&projector), true)] {
        let engine = start_with(&file, cache(folder.path()), settings).await;
        assert_eq!(say(&engine, &messages).await.timings.reused_tokens > 0, expected);
        patiently(engine.stop()).await;
    }
}

/// A second of a tone.
fn tone(pitch: f32) -> Vec<u8> {
    wave(pitch, 44_100, 1, 44_100)
}

#[tokio::test]
async fn what_is_heard_changes_what_is_said() {
    let (file, projector) = (model(), ModelFile::new(|path| RandomProjector::new().qwen2_audio().write(path).unwrap()));
    let engine = start().await;
    let inputs = load(&engine, &file, with(&projector)).await.unwrap().inputs;
    assert!(!inputs.images && inputs.audio, "{inputs:?}");
    let silent = say(&engine, &[user("What is it?")]).await;
    let low = say(&engine, &[showing(&[tone(220.0)], "What is it?")]).await;
    assert!(low.timings.prompt_tokens > silent.timings.prompt_tokens + 100, "{:?}", low.timings);
    let high = say(&engine, &[showing(&[tone(1760.0)], "What is it?")]).await;
    assert!(chances(&low) != chances(&silent) && chances(&low) != chances(&high));
    let again = say(&engine, &[showing(&[tone(220.0)], "What is it?")]).await;
    assert_eq!((again.timings.processed_tokens, &again.content), (1, &low.content));
    let error = refusal(&engine, &[showing(&[tone(220.0)[..30].to_vec()], "What is it?")]).await;
    assert!(matches!(error, GenerateError::MediaUnreadable { number: 0, .. }), "{error:?}");
    let error = refusal(&engine, &[showing(&[picture(1, ImageFormat::Png)], "What is it?")]).await;
    assert_eq!(error, GenerateError::MediaUnsupported { number: 0, what: MediaKind::Image });
}

#[tokio::test]
async fn pictures_are_shown_to_several_at_once() {
    let (engine, _files) = start_seeing().await;
    let message = |colour| [showing(&[picture(colour, ImageFormat::Png)], "What is it?")];
    let alone = [say(&engine, &message(10)).await.content, say(&engine, &message(200)).await.content];
    let (engine, _files) = start_seeing().await;
    let replies: Vec<_> = [10, 200].map(|colour| engine.generate(asking(&message(colour)))).into();
    let cancelled = engine.generate(asking(&message(100)));
    cancelled.control.cancel();
    for (reply, alone) in replies.into_iter().zip(alone) {
        assert_eq!(finish(reply).await.content, alone);
    }
}

#[tokio::test]
async fn what_is_no_picture_is_refused_and_nothing_else_suffers() {
    let (engine, _files) = start_seeing().await;
    let mut endless = asking(&[user("Go on.")]);
    endless.sampling.max_tokens = None;
    endless.decoding.constraint = Some(Constraint::Grammar("root ::= \"a\" root".into()));
    let mut running = engine.generate(endless);
    first_text(&mut running).await;
    let png = picture(250, ImageFormat::Png);
    let mut damaged = png.clone();
    damaged[40..60].fill(0);
    for file in [b"GGUF and nothing more".to_vec(), Vec::new(), png[..png.len() / 2].to_vec(), damaged] {
        let error = refusal(&engine, &[user("one"), showing(&[png.clone(), file], "What is it?")]).await;
        assert!(matches!(error, GenerateError::MediaUnreadable { number: 1, .. }), "{error:?}");
    }
    let sound = b"RIFF\x24\0\0\0WAVEfmt ".to_vec();
    let error = refusal(&engine, &[showing(&[sound], "What is it?")]).await;
    assert_eq!(error, GenerateError::MediaUnsupported { number: 0, what: MediaKind::Audio });
    let many = vec![png.clone(); 200];
    let error = refusal(&engine, &[showing(&many, "What are they?")]).await;
    assert!(matches!(error, GenerateError::ContextTooSmall { .. }), "{error:?}");
    // What it wrote meanwhile was not read yet.
    while running.events.try_recv().is_ok() {}
    first_text(&mut running).await;
    running.control.cancel();
    assert_eq!(finish(running).await.reason, FinishReason::Cancelled);
    say(&engine, &[showing(&[png], "What is it?")]).await;
}

#[tokio::test]
async fn without_a_projector_pictures_are_refused() {
    let engine = start().await;
    let file = model();
    assert_eq!(load(&engine, &file, settings()).await.unwrap().inputs, Inputs::default());
    let error = refusal(&engine, &[showing(&[picture(1, ImageFormat::Png)], "What is it?")]).await;
    assert_eq!(error, GenerateError::MediaUnsupported { number: 0, what: MediaKind::Image });
    say(&engine, &[user("What is it?")]).await;
}

#[tokio::test]
async fn what_is_no_projector_of_the_model_is_named_and_why() {
    let file = model();
    let check_load = async |wrong: &ModelFile, expected: &str| {
        let error = load(&*start().await, &file, with(wrong)).await.unwrap_err();
        let LoadError::Projector { file, reason } = error else { panic!("{error:?}") };
        assert_eq!(file, "model.gguf");
        assert!(reason.contains(expected), "{reason:?} lacks {expected:?}");
    };
    let check = async |wrong: ModelFile, expected: &str| {
        let told = estimate(&*start().await, &file, with(&wrong)).await;
        assert!(matches!(&told, Err(LoadError::Projector { reason, .. }) if reason.contains(expected)), "{told:?}");
        check_load(&wrong, expected).await;
    };
    let wide = ModelFile::new(|path| RandomProjector::new().dimension(128).write(path).unwrap());
    let told = estimate(&*start().await, &file, with(&wide)).await;
    let reads = "it makes 128 numbers of a token, and the model reads 64";
    assert!(matches!(&told, Err(LoadError::Projector { reason, .. }) if reason == reads), "{told:?}");
    check_load(&wide, "mismatch").await;
    check(model(), "it is no projector").await;
    let unknown = ModelFile::new(|path| {
        RandomProjector::new().write(path).unwrap();
        let mut bytes = std::fs::read(path).unwrap();
        let place = bytes.windows(3).position(|three| three == b"mlp").unwrap();
        bytes[place] = b'x';
        std::fs::write(path, bytes).unwrap();
    });
    check(unknown, "\"xlp\" are not supported").await;
    check(ModelFile::new(|path| Fault::HtmlPage.write(path).unwrap()), "not a GGUF").await;
    check(ModelFile::new(|_| {}), "does not exist").await;
    check(projector().cut(), "end is missing").await;
}
