//! Tokens of earlier turns are not processed again.

use engawa_engine_client::protocol::{GenerateRequest, PromptMessage};
use engawa_testkit::{Architecture, RandomModel, ScriptedModel};

use crate::support::{ModelFile, assistant, load, request, say, settings, start, start_with, user};

/// Asks for the most probable reply.
fn greedy(messages: &[PromptMessage]) -> GenerateRequest {
    let mut request = request(messages);
    request.sampling.temperature = 0.0;
    request.sampling.max_tokens = Some(24);
    request
}

#[tokio::test]
async fn each_turn_processes_only_what_is_new() {
    let model = ScriptedModel::new("はい、そうです 🎐").rule("weather", "It is sunny.").split_utf8(true);
    let (engine, _file) = start_with(&model).await;
    let mut messages = Vec::new();
    let mut before = 0;
    for question in ["hello", "the weather?", "another", "once more", "and the weather"] {
        messages.push(user(question));
        let reply = say(&engine, &messages).await;
        let timings = reply.timings;
        assert_eq!(timings.reused_tokens, before, "the whole prompt and reply of the turn before, at {question:?}");
        assert_eq!(timings.reused_tokens + timings.processed_tokens, timings.prompt_tokens);
        // All of the reply is in the context but the token that ended it.
        before = timings.prompt_tokens + timings.generated_tokens;
        messages.push(assistant(&reply.content));
    }
    assert!(before > 100, "the conversation is long enough to tell");
}

#[tokio::test]
async fn a_retry_and_an_edit_keep_what_is_in_front_of_them() {
    let (engine, _file) = start_with(&ScriptedModel::new("yes")).await;
    let first = say(&engine, &[user("one")]).await;
    let retry = say(&engine, &[user("one")]).await;
    assert_eq!(retry.timings.reused_tokens, first.timings.prompt_tokens - 1, "only the last token is needed again");
    let history = [user("one"), assistant("yes"), user("two")];
    say(&engine, &history).await;
    let edited = [user("one"), assistant("yes"), user("three")];
    let reply = say(&engine, &edited).await;
    assert!(reply.timings.reused_tokens > first.timings.prompt_tokens, "{:?}", reply.timings);
    assert_eq!(reply.content, "yes");
}

#[tokio::test]
async fn a_reused_prefix_gives_the_same_reply_as_an_empty_cache() {
    let file = ModelFile::new(|path| RandomModel::new().write(path).unwrap());
    let (warm, cold) = (start().await, start().await);
    load(&warm, &file, settings()).await.unwrap();
    load(&cold, &file, settings()).await.unwrap();
    let history = [user("What is the weather in Paris?"), assistant("It is sunny."), user("And in London?")];
    crate::support::finish(warm.generate(greedy(&history[..1]))).await;
    let reused = crate::support::finish(warm.generate(greedy(&history))).await;
    let whole = crate::support::finish(cold.generate(greedy(&history))).await;
    assert!(reused.timings.reused_tokens > 0);
    assert_eq!(whole.timings.reused_tokens, 0);
    assert_eq!(reused.content, whole.content);
}

#[tokio::test]
async fn a_model_with_a_sliding_window_goes_back_too() {
    let model = RandomModel::new().architecture(Architecture::MiMo2).window(Some(16));
    let file = ModelFile::new(|path| model.write(path).unwrap());
    let (warm, cold) = (start().await, start().await);
    load(&warm, &file, settings()).await.unwrap();
    load(&cold, &file, settings()).await.unwrap();
    let long = user(&"What is the weather in Paris? ".repeat(10));
    let [one, other] =
        ["And in London?", "And in Tokyo, please?"].map(|last| [long.clone(), assistant("Sunny."), user(last)]);
    let first = crate::support::finish(warm.generate(greedy(&one))).await;
    // Far behind the window.
    let edited = crate::support::finish(warm.generate(greedy(&other))).await;
    let again = crate::support::finish(warm.generate(greedy(&one))).await;
    assert!(edited.timings.reused_tokens > 100 && again.timings.reused_tokens > 100, "{:?}", edited.timings);
    assert_eq!(again.content, first.content);
    let whole = crate::support::finish(cold.generate(greedy(&other))).await;
    assert_eq!((whole.timings.reused_tokens, &whole.content), (0, &edited.content));
}

#[tokio::test]
async fn a_recurrent_model_goes_back_to_where_a_reply_or_a_message_began() {
    let file = ModelFile::new(|path| RandomModel::new().architecture(Architecture::Mamba).write(path).unwrap());
    let (warm, cold) = (start().await, start().await);
    assert!(load(&warm, &file, settings()).await.unwrap().is_recurrent);
    let ask = async |messages: &[_]| crate::support::finish(warm.generate(greedy(messages))).await;
    let first = ask(&[user("What is the weather in Paris?")]).await;
    let retried = ask(&[user("What is the weather in Paris?")]).await;
    assert_eq!(retried.content, first.content);
    assert_eq!(retried.timings.reused_tokens, first.timings.prompt_tokens - 1, "only the last token is needed again");
    let turns = |last: &str| [user("What is the weather in Paris?"), assistant(&first.content), user(last)];
    let second = ask(&turns("And in London?")).await;
    assert!(second.timings.reused_tokens >= first.timings.prompt_tokens - 1, "{:?}", second.timings);
    let edited = ask(&turns("And in Tokyo, please?")).await;
    assert!(edited.timings.reused_tokens >= first.timings.prompt_tokens - 1, "{:?}", edited.timings);
    let third = ask(&[user("Something else.")]).await;
    // All of it is what an engine says that has nothing to go back to.
    load(&cold, &file, settings()).await.unwrap();
    let whole = crate::support::finish(cold.generate(greedy(&turns("And in Tokyo, please?")))).await;
    assert_eq!((whole.timings.reused_tokens, &whole.content), (0, &edited.content));
    let other = crate::support::finish(cold.generate(greedy(&[user("Something else.")]))).await;
    assert_eq!(other.content, third.content);
}
