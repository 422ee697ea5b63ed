//! Replies of which several tokens are written at once: they are those that would be written without.

use engawa_engine_client::protocol::{
    FinishReason, GenerateRequest, LoadError, LoadSettings, PromptMessage, Sampling, Speculation,
};
use engawa_testkit::{Architecture, Fault, RandomModel, ScriptedModel};

use crate::support::{
    Finished, ModelFile, assistant, estimate, finish, first_text, load, request, settings, start, user,
};

/// The reply to a request with and without drafts.
async fn both(file: &ModelFile, asked: &GenerateRequest) -> [Finished; 2] {
    let mut replies = Vec::new();
    for speculation in [Speculation::PromptLookup, Speculation::Off] {
        let engine = start().await;
        load(&engine, file, LoadSettings { speculation, ..settings() }).await.unwrap();
        replies.push(finish(engine.generate(asked.clone())).await);
    }
    let [drafted, plain] = replies.try_into().unwrap();
    assert_eq!(plain.timings.drafted_tokens, 0);
    assert_eq!(drafted.content, plain.content);
    assert_eq!(drafted.reason, plain.reason);
    assert_eq!(drafted.timings.generated_tokens, plain.timings.generated_tokens);
    [drafted, plain]
}

/// A model that never stops to say the same.
fn repeating() -> ModelFile {
    let line = "The porch looks out over the garden, 縁側から庭が見えます。 ";
    ModelFile::scripted(&ScriptedModel::new("nothing").endless_rule("go", line))
}

fn up_to(max_tokens: u32) -> Sampling {
    Sampling { max_tokens: Some(max_tokens), seed: Some(7), ..Sampling::default() }
}

#[tokio::test]
async fn a_reply_that_repeats_itself_is_drafted_up_to_its_limit() {
    let file = repeating();
    for max_tokens in 120..126 {
        let asked = GenerateRequest { sampling: up_to(max_tokens), ..request(&[user("go")]) };
        let [drafted, _] = both(&file, &asked).await;
        assert_eq!(drafted.reason, FinishReason::MaxTokens);
        assert_eq!(drafted.timings.generated_tokens, max_tokens);
        assert!(drafted.timings.accepted_tokens > 0, "{:?}", drafted.timings);
    }
}

#[tokio::test]
async fn a_stop_text_holds_within_a_draft() {
    let stop = vec!["見えます。 The porch looks out over the garden, 縁側から庭が見えます。 The porch".to_owned()];
    let asked = GenerateRequest { stop, ..request(&[user("go")]) };
    let [drafted, _] = both(&repeating(), &asked).await;
    assert_eq!(drafted.reason, FinishReason::StopText);
    assert_eq!(drafted.content, "The porch looks out over the garden, 縁側から庭が");
}

#[tokio::test]
async fn wrong_drafts_leave_no_trace() {
    let reply =
        "The old wooden gate at this end of our long grey street is red, and behind it lies a small quiet garden.";
    let file = ModelFile::scripted(&ScriptedModel::new("nothing").rule("change", reply).quotable());
    let text = reply.replace("red", "green").replace("quiet", "loud");
    let [drafted, _] = both(&file, &request(&[user(&format!("Please change this: {text}"))])).await;
    assert_eq!(drafted.content, reply);
    let timings = drafted.timings;
    // How many are drafted depends on what that costs on the machine at the moment.
    assert!(timings.drafted_tokens > 0, "{timings:?}");
}

#[tokio::test]
async fn chance_falls_the_same_way() {
    let file = ModelFile::new(|path| RandomModel::new().write(path).unwrap());
    let mut drafted_tokens = 0;
    for seed in 0..4 {
        let sampling = Sampling {
            temperature: 0.25,
            repeat_penalty: 1.0,
            max_tokens: Some(200),
            seed: Some(seed),
            ..Sampling::default()
        };
        let [drafted, _] = both(&file, &GenerateRequest { sampling, ..request(&[user("go")]) }).await;
        drafted_tokens += drafted.timings.drafted_tokens;
    }
    assert!(drafted_tokens > 0);
}

#[tokio::test]
async fn a_reply_that_fills_the_context_ends_at_its_end() {
    let file = ModelFile::scripted(&ScriptedModel::new("nothing").endless_rule("go", "round and round it goes "));
    let engine = start().await;
    load(&engine, &file, LoadSettings { n_ctx: 256, ..settings() }).await.unwrap();
    let reply = finish(engine.generate(request(&[user("go")]))).await;
    assert_eq!(reply.reason, FinishReason::ContextFull);
    assert!(reply.timings.accepted_tokens > 0);
    // The last token needs no place: it is not computed any more.
    assert_eq!(reply.timings.prompt_tokens + reply.timings.generated_tokens, 257);
}

#[tokio::test]
async fn a_full_context_makes_room_for_the_next_reply() {
    let model = ScriptedModel::new("fine").endless_rule("go", "round and round it goes ");
    let file = ModelFile::scripted(&model);
    let engine = start().await;
    load(&engine, &file, LoadSettings { n_ctx: 256, ..settings() }).await.unwrap();
    for _ in 0..3 {
        let reply = finish(engine.generate(request(&[user("go")]))).await;
        assert_eq!(reply.reason, FinishReason::ContextFull);
        assert_eq!(finish(engine.generate(request(&[user("and now?")]))).await.content, "fine");
    }
}

/// A model drafts for another one: what is written stays the same. Gives the reply with the draft model.
async fn with_draft_model(file: &ModelFile, draft: &ModelFile, asked: &GenerateRequest) -> Finished {
    let mut replies = Vec::new();
    for draft_model in [Some(draft.path.clone()), None] {
        let engine = start().await;
        let settings = LoadSettings { speculation: Speculation::Off, draft_model, ..settings() };
        load(&engine, file, settings).await.unwrap();
        replies.push(finish(engine.generate(asked.clone())).await);
    }
    let plain = replies.remove(1);
    let drafted = replies.remove(0);
    assert_eq!((&drafted.content, drafted.reason), (&plain.content, plain.reason));
    assert_eq!(plain.timings.drafted_tokens, 0);
    drafted
}

fn random(seed: u64) -> ModelFile {
    ModelFile::new(|path| RandomModel::new().seed(seed).write(path).unwrap())
}

#[tokio::test]
async fn what_a_draft_model_guesses_right_is_written_at_once() {
    let reply = "縁側 looks out over the garden, where the maple grows and nobody has swept the path since the autumn.";
    let file = ModelFile::scripted(&ScriptedModel::new("nothing").rule("porch", reply));
    let drafted = with_draft_model(&file, &file, &request(&[user("Tell me of the porch.")])).await;
    assert_eq!(drafted.content, reply);
    let timings = drafted.timings;
    assert!(timings.accepted_tokens > 0 && timings.accepted_tokens == timings.drafted_tokens, "{timings:?}");
}

#[tokio::test]
async fn what_a_draft_model_guesses_wrong_leaves_no_trace() {
    let (file, draft) = (random(1), random(2));
    let sampling = Sampling { temperature: 0.0, max_tokens: Some(120), ..Sampling::default() };
    let asked = GenerateRequest { sampling, ..request(&[user("go")]) };
    let drafted = with_draft_model(&file, &draft, &asked).await;
    assert!(drafted.timings.drafted_tokens > 0, "{:?}", drafted.timings);
    let plain = LoadSettings { speculation: Speculation::Off, ..settings() };
    let drafting = LoadSettings { draft_model: Some(draft.path.clone()), ..plain.clone() };
    chance_falls_alike(&file, plain, drafting).await;
}

/// Replies that are drawn by chance are the same with drafts. Not all of them: a batch is rounded by how many tokens are in it, and that
/// moves a draw to the next word at times.
async fn chance_falls_alike(file: &ModelFile, plain: LoadSettings, drafting: LoadSettings) {
    const REPLIES: u32 = 6;
    let (with, without) = (start().await, start().await);
    load(&with, file, drafting).await.unwrap();
    load(&without, file, plain).await.unwrap();
    let (mut same, mut drafted_tokens) = (0, 0);
    for seed in 0..REPLIES {
        let sampling = Sampling { temperature: 0.8, max_tokens: Some(40), seed: Some(seed), ..Sampling::default() };
        let asked = GenerateRequest { sampling, ..request(&[user("go")]) };
        let drafted = finish(with.generate(asked.clone())).await;
        drafted_tokens += drafted.timings.drafted_tokens;
        same += u32::from(drafted.content == finish(without.generate(asked)).await.content);
    }
    assert!(same >= REPLIES / 2, "{same} of {REPLIES} are the same");
    assert!(drafted_tokens > 0);
}

#[tokio::test]
async fn a_draft_model_reads_a_long_prompt_beside_the_model() {
    let file = random(1);
    let sampling = Sampling { temperature: 0.0, max_tokens: Some(40), ..Sampling::default() };
    let asked = GenerateRequest { sampling, ..request(&[user(&"all the words of a long story ".repeat(120))]) };
    let drafted = with_draft_model(&file, &file, &asked).await;
    assert!(drafted.timings.prompt_tokens > 1024, "more than its batch takes: {:?}", drafted.timings);
    assert!(drafted.timings.accepted_tokens > 0, "{:?}", drafted.timings);
}

#[tokio::test]
async fn a_model_that_can_not_draft_for_another_is_named_and_why() {
    let file = random(1);
    let check = async |draft: ModelFile, expected: &str| {
        let settings = LoadSettings { draft_model: Some(draft.path.clone()), ..settings() };
        let told = estimate(&*start().await, &file, settings.clone()).await.unwrap_err();
        let error = load(&*start().await, &file, settings).await.unwrap_err();
        for error in [told, error] {
            let LoadError::DraftModel { file, reason } = error else { panic!("{error:?}") };
            assert_eq!(file, "model.gguf");
            assert!(reason.contains(expected), "{reason:?} lacks {expected:?}");
        }
    };
    let random = |model: RandomModel| ModelFile::new(|path| model.write(path).unwrap());
    check(random(RandomModel::new().vocabulary(4000)), "vocabulary").await;
    check(random(RandomModel::new().architecture(Architecture::Mamba)), "recurrent").await;
    check(random(RandomModel::new().architecture(Architecture::Bert)), "write text").await;
    check(ModelFile::new(|path| Fault::HtmlPage.write(path).unwrap()), "GGUF").await;
    check(ModelFile::new(|path| Fault::DataCut.write(path).unwrap()), "").await;
    check(ModelFile::new(|_| {}), "does not exist").await;
}

/// Models with heads of their own: with attention alone, and beside a recurrent state.
const WITH_HEADS: [Architecture; 2] = [Architecture::MiMo2, Architecture::Qwen35];

fn with_heads(architecture: Architecture, heads: u32) -> RandomModel {
    RandomModel::new().architecture(architecture).guessing(heads)
}

#[tokio::test]
async fn what_a_models_own_heads_guess_right_is_written_at_once() {
    let sampling = Sampling { temperature: 0.0, repeat_penalty: 1.0, max_tokens: Some(40), ..Sampling::default() };
    let asked = GenerateRequest { sampling, ..request(&[user("go")]) };
    // So many words that nothing repeats itself soon, and so many blocks that a head is little beside them.
    let file = |architecture, heads| {
        let model = with_heads(architecture, heads).foreseeable(true).vocabulary(4000).layers(20);
        ModelFile::new(|path| model.write(path).unwrap())
    };
    for (architecture, heads) in [(Architecture::MiMo2, 1), (Architecture::MiMo2, 3), (Architecture::Qwen35, 1)] {
        let [without, _] = both(&file(architecture, 0), &asked).await;
        assert_eq!(without.timings.drafted_tokens, 0, "nothing is repeated");
        let [drafted, _] = both(&file(architecture, heads), &asked).await;
        assert_eq!(drafted.content, without.content);
        let timings = drafted.timings;
        // How many are drafted depends on what that costs on the machine at the moment.
        assert!(timings.accepted_tokens > 0, "{heads} heads: {timings:?}");
        assert_eq!(timings.accepted_tokens, timings.drafted_tokens, "{heads} heads: {timings:?}");
    }
}

#[tokio::test]
async fn what_a_models_own_heads_guess_wrong_leaves_no_trace() {
    for (architecture, heads) in [(Architecture::MiMo2, 1), (Architecture::MiMo2, 2), (Architecture::Qwen35, 1)] {
        let file = ModelFile::new(|path| with_heads(architecture, heads).write(path).unwrap());
        let sampling = Sampling { temperature: 0.0, max_tokens: Some(120), ..Sampling::default() };
        let asked = GenerateRequest { sampling, ..request(&[user("go")]) };
        let [drafted, _] = both(&file, &asked).await;
        assert!(drafted.timings.drafted_tokens > 0, "{:?}", drafted.timings);
        if architecture == Architecture::MiMo2 {
            chance_falls_alike(&file, LoadSettings { speculation: Speculation::Off, ..settings() }, settings()).await;
        }
    }
}

/// llama.cpp would end the process with them.
#[tokio::test]
async fn heads_that_are_not_whole_or_too_many_are_left_alone() {
    for model in [with_heads(Architecture::MiMo2, 0).missing_guessing(1), with_heads(Architecture::Qwen35, 2)] {
        let file = ModelFile::new(|path| model.write(path).unwrap());
        let sampling = Sampling { temperature: 0.0, max_tokens: Some(20), ..Sampling::default() };
        both(&file, &GenerateRequest { sampling, ..request(&[user("go")]) }).await;
    }
}

#[tokio::test]
async fn heads_follow_long_prompts_edits_and_several_conversations() {
    for architecture in WITH_HEADS {
        heads_follow(architecture).await;
    }
}

async fn heads_follow(architecture: Architecture) {
    let model = with_heads(architecture, 1).foreseeable(true).vocabulary(4000).layers(20);
    let file = ModelFile::new(|path| model.write(path).unwrap());
    let sampling = Sampling { temperature: 0.0, repeat_penalty: 1.0, max_tokens: Some(20), ..Sampling::default() };
    let long = "all the words of a long story ".repeat(120);
    let asked = |text: &str| GenerateRequest { sampling, ..request(&[user(&long), user(text)]) };
    let mut contents = Vec::new();
    for speculation in [Speculation::PromptLookup, Speculation::Off] {
        let engine = start().await;
        load(&engine, &file, LoadSettings { speculation, n_ctx: 8192, ..settings() }).await.unwrap();
        let first = finish(engine.generate(asked("go"))).await;
        assert!(first.timings.prompt_tokens > 1024, "more than a batch takes: {:?}", first.timings);
        let edited = finish(engine.generate(asked("stay"))).await;
        let [one, other] = [asked("here"), asked("there")].map(|asked| engine.generate(asked));
        let (one, other) = tokio::join!(finish(one), finish(other));
        let replies = [first, edited, one, other];
        let drafted: u32 = replies.iter().map(|reply| reply.timings.drafted_tokens).sum();
        let accepted: u32 = replies.iter().map(|reply| reply.timings.accepted_tokens).sum();
        assert_eq!(drafted, accepted, "they are always right");
        assert_eq!(drafted > 0, speculation != Speculation::Off);
        contents.push(replies.map(|reply| reply.content));
    }
    assert_eq!(contents[0], contents[1]);
}

#[tokio::test]
async fn what_drafts_need_is_in_the_estimate() {
    let random = |architecture| RandomModel::new().architecture(architecture);
    // States to take drafts back by, which llama.cpp has not for all kinds of state, and heads.
    for (model, needs_more) in [
        (random(Architecture::Qwen35), true),
        (with_heads(Architecture::MiMo2, 1), true),
        (random(Architecture::Mamba), false),
        (random(Architecture::Llama), false),
    ] {
        let file = ModelFile::new(|path| model.write(path).unwrap());
        let engine = start().await;
        let told = async |speculation| {
            let told = estimate(&engine, &file, LoadSettings { speculation, ..settings() }).await.unwrap();
            (told.devices[0].context, told.n_layer)
        };
        let ((without, layers), (with, layers_with)) =
            (told(Speculation::Off).await, told(Speculation::PromptLookup).await);
        assert_eq!(with > without, needs_more, "{model:?}: {without} {with}");
        let loaded = load(&engine, &file, settings()).await.unwrap();
        assert_eq!([layers, layers_with], [loaded.n_layer; 2], "{model:?}");
    }
}

/// What was guessed wrong is taken back from a recurrent state too, whatever is done with the conversation between replies.
#[tokio::test]
async fn a_hybrid_model_takes_drafts_back() {
    let file = ModelFile::new(|path| with_heads(Architecture::Qwen35, 1).write(path).unwrap());
    // The most probable token each time: rounding changes nothing.
    let sampling = Sampling { temperature: 0.0, max_tokens: Some(100), ..Sampling::default() };
    let asked = |text: &str| GenerateRequest {
        sampling,
        owner: Some("chat".to_owned()),
        ..request(&[user("all the words"), user(text)])
    };
    let mut contents = Vec::new();
    for speculation in [Speculation::PromptLookup, Speculation::Off] {
        let engine = start().await;
        load(&engine, &file, LoadSettings { speculation, ..settings() }).await.unwrap();
        let first = finish(engine.generate(asked("go"))).await;
        let longer = [user("all the words"), user("go"), assistant(&first.content), user("on")];
        let next = finish(engine.generate(GenerateRequest { sampling, ..request(&longer) })).await;
        let again = finish(engine.generate(asked("go"))).await;
        let [one, other] = [asked("here"), asked("there")].map(|asked| engine.generate(asked));
        let (one, other) = tokio::join!(finish(one), finish(other));
        let replies = [first, next, again, one, other];
        let drafted: u32 = replies.iter().map(|reply| reply.timings.drafted_tokens).sum();
        let accepted: u32 = replies.iter().map(|reply| reply.timings.accepted_tokens).sum();
        assert_eq!(drafted > 0, speculation != Speculation::Off);
        assert!(accepted < drafted || drafted == 0, "some are taken back: {accepted} of {drafted}");
        contents.push(replies.map(|reply| reply.content));
    }
    assert_eq!(contents[0], contents[1]);
}

/// A batch that breaks off leaves a recurrent state that is neither old nor new: what goes on there must not use it.
#[tokio::test]
async fn a_hybrid_model_goes_on_after_a_cancelled_reply() {
    let model = with_heads(Architecture::Qwen35, 0).dimension(256).feed_forward(16_384);
    let file = ModelFile::new(|path| model.write(path).unwrap());
    let asked = |max_tokens, messages: &[PromptMessage]| {
        let sampling = Sampling { temperature: 0.0, max_tokens: Some(max_tokens), ..Sampling::default() };
        GenerateRequest { sampling, ..request(messages) }
    };
    let plain = start().await;
    load(&plain, &file, LoadSettings { speculation: Speculation::Off, ..settings() }).await.unwrap();
    let engine = start().await;
    load(&engine, &file, settings()).await.unwrap();
    for round in 0..6 {
        let said = format!("all the words {round}");
        let mut reply = engine.generate(asked(5_000, &[user(&said)]));
        let begin = first_text(&mut reply).await;
        reply.control.cancel();
        let content = begin + &finish(reply).await.content;
        let next = asked(30, &[user(&said), assistant(&content), user("on")]);
        let expected = finish(plain.generate(next.clone())).await.content;
        assert_eq!(finish(engine.generate(next)).await.content, expected);
    }
}
