use std::sync::Arc;

use engawa_engine_client::protocol::{FinishReason, GenerateError, GenerateRequest, PromptCount, Sampling, Timings};
use engawa_engine_client::{Reply, ReplyEvent};

use crate::{Came, read, read_texts, request, start, start_with_model, user, within};

#[tokio::test]
async fn thinking_text_and_timings_arrive_in_order() {
    let engine = start_with_model().await;
    let mut reply = engine.generate(request("think: 考える\nsay: 縁側は気持ちがいい"));
    let came = read(&mut reply).await;
    let timings = Timings {
        prompt_tokens: 10,
        reused_tokens: 0,
        processed_tokens: 10,
        generated_tokens: 4,
        first_token_us: 1000,
        generation_us: 4000,
        drafted_tokens: 0,
        accepted_tokens: 0,
    };
    assert_eq!(
        came,
        Came {
            reasoning: "考える".to_owned(),
            content: "縁側は気持ちがいい".to_owned(),
            texts: 4,
            applied_from: Vec::new(),
            last: Some(ReplyEvent::Finished { reason: FinishReason::EndOfTurn, timings }),
        }
    );
    assert!(reply.events.recv().await.is_none(), "nothing comes after the last event");
}

#[tokio::test]
async fn the_request_arrives_whole() {
    let engine = start_with_model().await;
    let sent = GenerateRequest {
        sampling: Sampling { temperature: 0.3, seed: Some(7), ..Sampling::default() },
        stop: vec!["###".to_owned()],
        ..request("what did you get?")
    };
    let came = read(&mut engine.generate(sent.clone())).await;
    let got: GenerateRequest = serde_json::from_str(&came.content).unwrap();
    assert_eq!(GenerateRequest { id: sent.id, ..got }, sent);
}

#[tokio::test]
async fn a_cancelled_reply_keeps_what_came() {
    let engine = start_with_model().await;
    let mut reply = engine.generate(request("say: abcdefghijkl\nwait after: 2"));
    read_texts(&mut reply, 2).await;
    reply.control.cancel();
    let came = read(&mut reply).await;
    let Some(ReplyEvent::Finished { reason, timings }) = came.last else { panic!("{came:?}") };
    assert_eq!((reason, timings.generated_tokens, came.texts), (FinishReason::Cancelled, 2, 0));
}

#[tokio::test]
async fn a_dropped_reply_is_cancelled() {
    let engine = start_with_model().await;
    let mut reply = engine.generate(request("say: abcdefghijkl\nwait after: 2"));
    read_texts(&mut reply, 2).await;
    drop(reply);
    // The engine writes one reply after the other, so this one comes only if the first ended.
    let came = read(&mut engine.generate(request("say: next"))).await;
    assert_eq!(came.content, "next");
}

#[tokio::test]
async fn new_settings_take_effect_on_the_next_token() {
    let engine = start_with_model().await;
    let mut reply = engine.generate(request("say: abcdefghijklmnop\nwait after: 2"));
    read_texts(&mut reply, 2).await;
    reply.control.update_sampling(Sampling { max_tokens: Some(3), ..Sampling::default() });
    let mut rest = String::new();
    let last = within("the end", async {
        loop {
            match reply.events.recv().await.unwrap() {
                ReplyEvent::SamplingApplied { from_token } => assert_eq!(from_token, 2),
                ReplyEvent::Text { content, .. } => rest.push_str(&content),
                last => return last,
            }
        }
    })
    .await;
    assert!(matches!(last, ReplyEvent::Finished { reason: FinishReason::MaxTokens, .. }), "{last:?}");
    assert_eq!(rest, "ijkl");
}

#[tokio::test]
async fn a_refused_request_leaves_the_engine_alive() {
    let engine = start_with_model().await;
    let came = read(&mut engine.generate(request("refuse: roles must alternate"))).await;
    let refused = GenerateError::TemplateRefused { reason: "roles must alternate".to_owned() };
    assert_eq!(came.last, Some(ReplyEvent::Failed(refused)));
    let came = read(&mut engine.generate(request("fail after: 1\nsay: abcdefgh"))).await;
    assert_eq!(
        (came.content.as_str(), came.last),
        ("abcd", Some(ReplyEvent::Failed(GenerateError::Decode { status: -3 })))
    );
    assert_eq!(read(&mut engine.generate(request("say: fine"))).await.content, "fine");
}

#[tokio::test]
async fn prompts_are_counted_or_refused() {
    let engine = start().await;
    let refused = within("a count", engine.count_prompt(vec![user("hello")])).await.unwrap();
    assert_eq!(refused, Err(GenerateError::NoModel));
    let engine = start_with_model().await;
    let count = within("a count", engine.count_prompt(vec![user("12345"), user("tokens: 100")])).await.unwrap();
    assert_eq!(count, Ok(PromptCount { total: 2 + 2 + 100 + 2 + 1, messages: vec![2, 100] }));
}

#[tokio::test]
async fn a_slow_reader_loses_nothing_and_nobody_waits_for_it() {
    let engine = start_with_model().await;
    let mut reply = engine.generate(request("say: 縁側で、\nrepeat: 2000"));
    let other = read(&mut engine.generate(request("say: here"))).await;
    assert_eq!(other.content, "here");
    let came = read(&mut reply).await;
    assert_eq!((came.content, came.texts), ("縁側で、".repeat(2000), 2000));
}

#[tokio::test]
async fn replies_at_the_same_time_are_not_mixed_up() {
    let engine = start_with_model().await;
    let ask = |text: String| {
        let mut reply: Reply = Arc::clone(&engine).generate(request(&text));
        async move { read(&mut reply).await.content }
    };
    let (one, two, three) = tokio::join!(
        ask(format!("say: {}", "one ".repeat(100))),
        ask(format!("say: {}", "two ".repeat(100))),
        ask(format!("say: {}", "three ".repeat(100))),
    );
    assert_eq!(
        [one.trim(), two.trim(), three.trim()],
        ["one ".repeat(100).trim(), "two ".repeat(100).trim(), "three ".repeat(100).trim()]
    );
}

#[tokio::test]
async fn large_frames_pass_both_ways() {
    let engine = start_with_model().await;
    let text = "縁側".repeat(150_000);
    let came = read(&mut engine.generate(request(&format!("say: {text}\ntokens: 5\npiece length: 1000000")))).await;
    assert_eq!(came.texts, 1);
    assert!(came.content == text, "900 kB came as they were");
    let long = format!("tokens: 7\n{}", "x".repeat(4 << 20));
    let count = within("a count", engine.count_prompt(vec![user(&long)])).await.unwrap();
    assert_eq!(count, Ok(PromptCount { total: 10, messages: vec![7] }));
}

#[tokio::test]
async fn a_request_over_the_limit_of_a_frame_fails_alone() {
    let engine = start_with_model().await;
    let long = "x".repeat(65 << 20);
    let came = read(&mut engine.generate(request(&long))).await;
    assert!(matches!(came.last, Some(ReplyEvent::Failed(GenerateError::Tokenize { .. }))), "{:?}", came.last);
    assert_eq!(read(&mut engine.generate(request("say: fine"))).await.content, "fine");
}
