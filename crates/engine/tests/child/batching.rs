//! Several conversations in one context: written at once, and kept while others are visited.

use engawa_engine_client::ReplyEvent;
use engawa_engine_client::protocol::{FinishReason, GenerateRequest, LoadSettings, PromptMessage, Role, Sampling};
use engawa_testkit::{RandomModel, ScriptedModel};

use crate::support::{
    ModelFile, assistant, finish, first_text, load, message, patiently, request, say, settings, start, start_with, user,
};

fn slow() -> ScriptedModel {
    ScriptedModel::new("x").endless_rule("on", "and on and on ").padding_layers(4, 4096).context_length(16_384)
}

#[tokio::test]
async fn more_requests_than_there_are_places_are_all_answered() {
    let mut model = ScriptedModel::new("nothing");
    let words = ["red", "blue", "green", "white", "black", "pink", "grey", "gold", "plum", "lime", "rose", "jade"];
    for word in words {
        model = model.rule(word, format!("The colour is {word}, 色は {word} です。"));
    }
    let (engine, _file) = start_with(&model).await;
    let replies: Vec<_> = words.map(|word| engine.generate(request(&[user(word)]))).into();
    for (word, reply) in words.into_iter().zip(replies) {
        let reply = finish(reply).await;
        assert_eq!(reply.content, format!("The colour is {word}, 色は {word} です。"));
        assert_eq!(reply.reason, FinishReason::EndOfTurn);
    }
}

#[tokio::test]
async fn replies_are_written_side_by_side() {
    let (engine, _file) = start_with(&slow()).await;
    let mut first = engine.generate(request(&[user("on")]));
    first_text(&mut first).await;
    let mut second = engine.generate(request(&[user("go on")]));
    first_text(&mut second).await;
    // Neither waits for the other's end, which never comes.
    for _ in 0..3 {
        first_text(&mut first).await;
        first_text(&mut second).await;
    }
    first.control.cancel();
    assert_eq!(finish(first).await.reason, FinishReason::Cancelled);
    for _ in 0..3 {
        first_text(&mut second).await;
    }
    second.control.cancel();
    assert_eq!(finish(second).await.reason, FinishReason::Cancelled);
}

#[tokio::test]
async fn a_conversation_never_waits_for_requests_without_an_owner() {
    let (engine, _file) = start_with(&slow()).await;
    let mut endless: Vec<_> =
        (0..12).map(|number| engine.generate(request(&[user(&format!("{number} on"))]))).collect();
    first_text(&mut endless[0]).await;
    let mut own = engine.generate(GenerateRequest { owner: Some("a".into()), ..request(&[user("on")]) });
    first_text(&mut own).await;
    for reply in endless.into_iter().chain([own]) {
        reply.control.cancel();
        assert_eq!(finish(reply).await.reason, FinishReason::Cancelled);
    }
    assert_eq!(say(&engine, &[user("hello")]).await.content, "x");
}

#[tokio::test]
async fn answers_that_begin_together_read_their_prompt_once() {
    let (engine, _file) = start_with(&slow()).await;
    let messages = [user(&"many words ".repeat(100))];
    let replies: Vec<_> = (0..3).map(|_| engine.generate(request(&messages))).collect();
    let mut processed = Vec::new();
    for reply in replies {
        let reply = finish(reply).await;
        assert_eq!(reply.content, "x");
        processed.push(reply.timings.processed_tokens);
    }
    processed.sort_unstable();
    assert!(processed[1] <= 32 && processed[2] > 200, "two read next to nothing: {processed:?}");
}

#[tokio::test]
async fn a_reply_that_nobody_reads_does_not_stop_others() {
    let (engine, _file) = start_with(&ScriptedModel::new("x").endless_rule("on", "and on and on ")).await;
    let sampling = Sampling { max_tokens: Some(1000), ..Sampling::default() };
    let unread = engine.generate(GenerateRequest { sampling, ..request(&[user("on")]) });
    let second = engine.generate(GenerateRequest { sampling, ..request(&[user("go on")]) });
    assert_eq!(finish(second).await.timings.generated_tokens, 1000);
    assert_eq!(say(&engine, &[user("hello")]).await.content, "x");
    assert_eq!(finish(unread).await.timings.generated_tokens, 1000);
}

#[tokio::test]
async fn a_long_prompt_does_not_stop_a_running_reply() {
    let file = ModelFile::scripted(&slow());
    let engine = start().await;
    load(&engine, &file, LoadSettings { n_ctx: 16_384, ..settings() }).await.unwrap();
    let mut running = engine.generate(request(&[user("on")]));
    first_text(&mut running).await;
    let mut long = engine.generate(request(&[user(&"many words ".repeat(1000))]));
    // From the prompt's first part to its last.
    let mut parts = 0;
    let mut written_before = 0;
    loop {
        tokio::select! {
            event = patiently(long.events.recv()) => match event {
                Some(ReplyEvent::PromptProgress { processed, total }) => {
                    parts += 1;
                    if processed == total {
                        break;
                    }
                }
                other => panic!("{other:?}"),
            },
            event = patiently(running.events.recv()) => {
                let Some(ReplyEvent::Text { generated, .. }) = event else { panic!("{event:?}") };
                if parts == 0 {
                    written_before = generated;
                }
            }
        }
    }
    running.control.cancel();
    // Several tokens may share an event.
    let written = finish(running).await.timings.generated_tokens - written_before;
    assert!(parts > 3 && written >= parts - 2, "{written} tokens beside {parts} parts of the prompt");
    assert_eq!(finish(long).await.content, "x");
}

/// A conversation with instructions of its own.
fn conversation(instructions: &str, turns: &[PromptMessage]) -> Vec<PromptMessage> {
    [&[message(Role::System, instructions)], turns].concat()
}

#[tokio::test]
async fn conversations_that_are_visited_in_turn_keep_what_was_processed() {
    let (engine, _file) = start_with(&ScriptedModel::new("yes")).await;
    let instructions: Vec<_> =
        (0..4).map(|number| format!("{number} is your name. {}", "Be kind. ".repeat(20))).collect();
    let mut lengths = Vec::new();
    for text in &instructions {
        let timings = say(&engine, &conversation(text, &[user("hello")])).await.timings;
        lengths.push(timings.prompt_tokens + timings.generated_tokens);
    }
    for (text, length) in instructions.iter().zip(lengths) {
        let turns = [user("hello"), assistant("yes"), user("again")];
        let timings = say(&engine, &conversation(text, &turns)).await.timings;
        assert_eq!(timings.reused_tokens, length, "all of the turn before");
    }
}

#[tokio::test]
async fn a_common_beginning_is_processed_and_kept_once() {
    let file = ModelFile::scripted(&ScriptedModel::new("yes"));
    let engine = start().await;
    load(&engine, &file, LoadSettings { n_ctx: 1024, ..settings() }).await.unwrap();
    let instructions = "Be kind and patient. ".repeat(40);
    let first = say(&engine, &conversation(&instructions, &[user("one")])).await.timings;
    assert!(first.prompt_tokens > 400, "the four would not fit if each had its own: {first:?}");
    for question in ["two", "three", "four"] {
        let timings = say(&engine, &conversation(&instructions, &[user(question)])).await.timings;
        assert!(timings.processed_tokens < 32, "{timings:?}");
    }
    for question in ["one", "two", "three", "four"] {
        let turns = [user(question), assistant("yes"), user("again")];
        let timings = say(&engine, &conversation(&instructions, &turns)).await.timings;
        assert!(timings.reused_tokens > first.prompt_tokens - 32, "{question} was forgotten: {timings:?}");
    }
}

#[tokio::test]
async fn replies_that_do_not_fit_together_are_written_one_after_the_other() {
    let file = ModelFile::scripted(&ScriptedModel::new("x").endless_rule("on", "and on and on "));
    let engine = start().await;
    load(&engine, &file, LoadSettings { n_ctx: 512, ..settings() }).await.unwrap();
    let sampling = Sampling { max_tokens: Some(300), repeat_penalty: 1.0, ..request(&[]).sampling };
    let replies: Vec<_> = ["go on", "on and on", "on", "more, on"]
        .map(|text| engine.generate(GenerateRequest { sampling, ..request(&[user(text)]) }))
        .into();
    let mut texts = Vec::new();
    for reply in replies {
        let reply = finish(reply).await;
        assert_eq!((reply.reason, reply.timings.generated_tokens), (FinishReason::MaxTokens, 300));
        texts.push(reply.content);
    }
    assert!(texts.iter().all(|text| text == &texts[0]), "a reply that had to wait goes on where it was");
    assert!(texts[0].starts_with("and on and on and on"), "{}", texts[0]);
}

#[tokio::test]
async fn a_reply_beside_others_is_the_one_that_it_is_alone() {
    let file = ModelFile::new(|path| RandomModel::new().write(path).unwrap());
    let (alone, together) = (start().await, start().await);
    load(&alone, &file, settings()).await.unwrap();
    load(&together, &file, settings()).await.unwrap();
    let ask = |text: &str| {
        let mut request = request(&[user(text)]);
        request.sampling.temperature = 0.0;
        request.sampling.max_tokens = Some(24);
        request
    };
    let texts = ["What is the weather?", "hello", "Tell me of the sea and of the wind.", "And in London?"];
    let replies = texts.map(|text| together.generate(ask(text)));
    for (text, reply) in texts.into_iter().zip(replies) {
        assert_eq!(finish(reply).await.content, finish(alone.generate(ask(text))).await.content, "{text}");
    }
}

#[tokio::test]
async fn cancelling_one_reply_leaves_the_others_alone() {
    let (engine, _file) = start_with(&slow()).await;
    let mut endless = engine.generate(request(&[user("on")]));
    first_text(&mut endless).await;
    let sampling = Sampling { max_tokens: Some(40), repeat_penalty: 1.0, ..request(&[]).sampling };
    let other = engine.generate(GenerateRequest { sampling, ..request(&[user("and on")]) });
    endless.control.cancel();
    assert_eq!(finish(endless).await.reason, FinishReason::Cancelled);
    let other = finish(other).await;
    assert_eq!((other.reason, other.timings.generated_tokens), (FinishReason::MaxTokens, 40));
    assert!(other.content.starts_with("and on and on"), "{}", other.content);
}
