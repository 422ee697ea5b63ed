use engawa_chat::{ChatError, ConversationId, Export, ExportFormat, ImportError, SamplingName, StoreError};
use expect_test::expect;
use serde_json::Value;

use crate::session::{Session, branches};

/// A conversation with branches, thinking, a stopped reply and settings of its own.
async fn conversation(session: &mut Session) -> ConversationId {
    let id = session.new_conversation(Some("casual"));
    session.chat.set_sampling(id, SamplingName::TopP, Some(0.5)).unwrap();
    let first = session.ask(id, "縁側とは？\nsay: 家と外の**あいだ**。\nsay: - 縁側").await;
    session.chat.retry(id, first.id).unwrap();
    session.finished().await;
    session.ask(id, "think: 考える\nsay: はい。").await;
    session.chat.send(id, "say: abcdefgh\nwait after: 1").unwrap();
    session.written("abcd").await;
    session.chat.stop_reply(id);
    session.finished().await;
    id
}

fn export(session: &Session, id: ConversationId, format: ExportFormat) -> Export {
    session.chat.export(id, format).unwrap()
}

#[tokio::test]
async fn markdown_has_the_branch_that_is_shown() {
    let mut session = Session::with_model().await;
    let id = conversation(&mut session).await;
    let export = export(&session, id, ExportFormat::Markdown);
    assert_eq!(export.file_name, "縁側とは？.md");
    expect![[r#"
        # 縁側とは？

        ## 😎 カジュアル

        おー、来たじゃん。今日なにしてた？　ひまつぶしでも相談でも、なんでもいいよ。

        ## You

        縁側とは？
        say: 家と外の**あいだ**。
        say: - 縁側

        ## 😎 カジュアル

        家と外の**あいだ**。
        - 縁側

        ## You

        think: 考える
        say: はい。

        ## 😎 カジュアル

        <details><summary>Thinking</summary>

        考える

        </details>

        はい。

        ## You

        say: abcdefgh
        wait after: 1

        ## 😎 カジュアル

        abcd
    "#]]
    .assert_eq(&export.contents);
}

#[tokio::test]
async fn text_is_without_marks_and_thinking() {
    let mut session = Session::with_model().await;
    let id = conversation(&mut session).await;
    let export = export(&session, id, ExportFormat::Text);
    assert_eq!(export.file_name, "縁側とは？.txt");
    expect![[r#"
        縁側とは？

        😎 カジュアル:
        おー、来たじゃん。今日なにしてた？　ひまつぶしでも相談でも、なんでもいいよ。

        You:
        縁側とは？
        say: 家と外の**あいだ**。
        say: - 縁側

        😎 カジュアル:
        家と外の**あいだ**。
        - 縁側

        You:
        think: 考える
        say: はい。

        😎 カジュアル:
        はい。

        You:
        say: abcdefgh
        wait after: 1

        😎 カジュアル:
        abcd
    "#]]
    .assert_eq(&export.contents);
}

#[tokio::test]
async fn an_empty_conversation_can_be_exported() {
    let session = Session::open();
    let id = session.new_conversation(None);
    let export = export(&session, id, ExportFormat::Markdown);
    assert_eq!((export.file_name.as_str(), export.contents.as_str()), ("conversation.md", "# Conversation\n"));
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "the whole file is written out")]
async fn json_has_everything() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(None);
    session.chat.set_sampling(id, SamplingName::TopP, Some(0.5)).unwrap();
    let reply = session.ask(id, "say: はい。").await;
    let question = session.messages(id)[0].id;
    let contents = export(&session, id, ExportFormat::Json).contents;
    let contents = contents
        .replace(&id.to_string(), "CONVERSATION")
        .replace(&question.to_string(), "QUESTION")
        .replace(&reply.id.to_string(), "REPLY")
        .replace(&session.home.path().to_string_lossy().into_owned(), "HOME");
    expect![[r#"
        {
          "format": "engawa.conversation",
          "version": 1,
          "conversation": {
            "id": "CONVERSATION",
            "title": "say: はい。",
            "title_is_custom": false,
            "created_at": 1800000001000,
            "updated_at": 1800000004000,
            "model_path": "HOME/plain.gguf",
            "character_id": null,
            "sampling": {
              "top_p": 0.5
            },
            "active_leaf": "REPLY",
            "first_in_context": null
          },
          "messages": [
            {
              "id": "QUESTION",
              "parent_id": null,
              "role": "user",
              "content": "say: はい。",
              "reasoning": "",
              "reasoning_ms": null,
              "status": "complete",
              "error": null,
              "author_name": null,
              "author_emoji": null,
              "character_id": null,
              "model": null,
              "sampling": null,
              "timings": null,
              "created_at": 1800000002000
            },
            {
              "id": "REPLY",
              "parent_id": "QUESTION",
              "role": "assistant",
              "content": "はい。",
              "reasoning": "",
              "reasoning_ms": null,
              "status": "complete",
              "error": null,
              "author_name": null,
              "author_emoji": null,
              "character_id": null,
              "model": "Scripted",
              "sampling": {
                "adaptive_decay": 0.9,
                "adaptive_target": -1.0,
                "dry_allowed_length": 2.0,
                "dry_base": 1.75,
                "dry_multiplier": 0.0,
                "dry_penalty_last_n": 64.0,
                "dynatemp_exponent": 1.0,
                "dynatemp_range": 0.0,
                "frequency_penalty": 0.0,
                "max_tokens": null,
                "min_p": 0.05,
                "mirostat": 0.0,
                "mirostat_eta": 0.1,
                "mirostat_tau": 5.0,
                "presence_penalty": 0.0,
                "repeat_last_n": 64.0,
                "repeat_penalty": 1.1,
                "seed": null,
                "temperature": 0.8,
                "top_k": 40.0,
                "top_n_sigma": -1.0,
                "top_p": 0.5,
                "typical_p": 1.0,
                "xtc_probability": 0.0,
                "xtc_threshold": 0.1
              },
              "timings": {
                "accepted_tokens": 0,
                "drafted_tokens": 0,
                "first_token_us": 1000,
                "generated_tokens": 1,
                "generation_us": 1000,
                "processed_tokens": 5,
                "prompt_tokens": 5,
                "reused_tokens": 0
              },
              "created_at": 1800000003000
            }
          ]
        }"#]]
    .assert_eq(&contents);
}

#[tokio::test]
async fn json_comes_back_as_the_same_tree() {
    let mut session = Session::with_model().await;
    let id = conversation(&mut session).await;
    let json = export(&session, id, ExportFormat::Json).contents;
    let (texts, places) = (session.texts(id), branches(&session.view(id)));

    let elsewhere = Session::open();
    let view = elsewhere.chat.import(&json).unwrap();
    assert_eq!(view.conversation.id, id, "a free id is kept");
    assert_eq!(export(&elsewhere, id, ExportFormat::Json).contents, json);
    assert_eq!((elsewhere.texts(id), branches(&view)), (texts.clone(), places.clone()));
    assert_eq!(view.sampling, session.view(id).sampling);
    assert_eq!(elsewhere.messages(id), session.messages(id));

    // Where it is there already, a copy stands beside it.
    let copy = session.chat.import(&json).unwrap();
    assert_ne!(copy.conversation.id, id);
    assert_eq!((session.texts(copy.conversation.id), branches(&copy)), (texts.clone(), places));
    assert_eq!(session.texts(id), texts);
    assert_eq!(session.chat.conversations().unwrap().len(), 2);
    let reply = session.ask(copy.conversation.id, "say: weiter").await;
    assert_eq!(reply.content, "weiter", "an imported conversation goes on");
}

#[tokio::test]
async fn what_is_no_conversation_is_refused_and_nothing_is_stored() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(None);
    session.ask(id, "say: はい。").await;
    let json = export(&session, id, ExportFormat::Json).contents;
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut value: Value = serde_json::from_str(&json).unwrap();
        change(&mut value);
        value.to_string()
    };
    let elsewhere = Session::open();
    let import = |json: &str| elsewhere.chat.import(json).map(|view| view.conversation.id);

    for cut in [0, 1, json.len() / 2, json.len() - 3] {
        let cut = (0..=cut).rev().find(|cut| json.is_char_boundary(*cut)).unwrap();
        let refused = import(&json[..cut]);
        assert!(matches!(refused, Err(ChatError::Import(ImportError::NotJson(_)))), "{cut}: {refused:?}");
    }
    for foreign in ["[]", "null", "7", r#"{"messages": []}"#, r#"{"format": "other", "version": 1}"#] {
        let refused = import(foreign);
        assert!(matches!(refused, Err(ChatError::Import(ImportError::OtherFormat))), "{foreign}: {refused:?}");
    }
    let refused = import(&changed(&|value| value["version"] = 2.into()));
    assert!(matches!(refused, Err(ChatError::Import(ImportError::NewerVersion(2)))), "{refused:?}");
    for (what, change) in [
        ("no messages", (&|value: &mut Value| value["messages"] = Value::Null) as &dyn Fn(&mut Value)),
        ("no text", &|value| value["messages"][0]["content"] = Value::Null),
        ("no id", &|value| value["messages"][0]["id"] = "hello".into()),
        ("a new role", &|value| value["messages"][0]["role"] = "tool".into()),
    ] {
        let refused = import(&changed(change));
        assert!(matches!(refused, Err(ChatError::Import(ImportError::Damaged(_)))), "{what}: {refused:?}");
    }
    for (what, change) in [
        (
            "a circle",
            (&|value: &mut Value| {
                value["messages"][0]["parent_id"] = value["messages"][1]["id"].clone();
            }) as &dyn Fn(&mut Value),
        ),
        ("a missing parent", &|value| drop(value["messages"].as_array_mut().unwrap().remove(0))),
        ("twice the same id", &|value| value["messages"][1]["id"] = value["messages"][0]["id"].clone()),
    ] {
        let refused = import(&changed(change));
        assert!(matches!(refused, Err(ChatError::Store(StoreError::NotATree))), "{what}: {refused:?}");
    }
    assert_eq!(elsewhere.chat.conversations().unwrap(), []);

    // What an older or hand-made file leaves out is filled in.
    let sparse = changed(&|value| {
        for field in ["sampling", "model_path", "title_is_custom"] {
            value["conversation"].as_object_mut().unwrap().remove(field);
        }
    });
    let id = import(&sparse).unwrap();
    assert_eq!(elsewhere.texts(id), ["say: はい。", "はい。"]);
}
