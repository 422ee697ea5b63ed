use engawa_store::{Role, SearchHit, Store};

use crate::{NOW, new_conversation, say};

fn found(store: &Store, query: &str) -> Vec<(String, Option<String>)> {
    let hits = store.search_conversations(query).unwrap();
    hits.into_iter().map(|hit: SearchHit| (hit.conversation.title, hit.excerpt)).collect()
}

fn titled(store: &Store, title: &str, messages: &[&str], updated_at: i64) {
    let conversation = store.create_conversation(title, NOW).unwrap().id;
    let mut parent = None;
    for message in messages {
        let message = engawa_store::NewMessage::new(conversation, parent, Role::User, message, NOW + updated_at);
        parent = Some(store.insert_message(&message).unwrap().id);
    }
}

#[test]
fn finds_japanese_and_english() {
    let store = Store::open_in_memory().unwrap();
    titled(&store, "旅行の計画", &["京都に行きたいです", "金閣寺と清水寺がおすすめです"], 1);
    titled(&store, "Bug hunt", &["The parser fails on `<b>\"quoted\"</b>` 100% of the time"], 2);
    titled(&store, "料理", &["京都の料理を教えて"], 3);
    let text = |text: &str| Some(text.to_owned());
    let hit = |title: &str, excerpt: Option<String>| (title.to_owned(), excerpt);

    assert_eq!(found(&store, "清水寺"), [hit("旅行の計画", text("金閣寺と清水寺がおすすめです"))]);
    assert_eq!(
        found(&store, "京都"),
        [hit("料理", text("京都の料理を教えて")), hit("旅行の計画", text("京都に行きたいです"))]
    );
    assert_eq!(found(&store, "旅行"), [hit("旅行の計画", None)]);
    assert_eq!(found(&store, "京都の 教えて 料"), [hit("料理", text("京都の料理を教えて"))]);
    for query in ["PARSER", "\"quoted\"", "0%", "fails OF", "  parser  time "] {
        let titles: Vec<String> = found(&store, query).into_iter().map(|(title, _)| title).collect();
        assert_eq!(titles, ["Bug hunt"], "{query}");
    }
    for query in ["", "  ", "0_", "parser NOT time", "par*", "content:parser", "奈良", "寺院"] {
        assert_eq!(found(&store, query), [], "{query}");
    }
}

#[test]
fn the_index_follows_changes() {
    let store = Store::open_in_memory().unwrap();
    let conversation = new_conversation(&store);
    let message = say(&store, conversation, None, "before the edit");
    let end = engawa_store::MessageEnd {
        status: engawa_store::Status::Complete,
        content: "after the change".to_owned(),
        reasoning: String::new(),
        reasoning_ms: None,
        error: None,
        timings: None,
        ended_at: NOW,
    };
    store.finish_message(message, &end).unwrap();
    assert_eq!(found(&store, "before"), []);
    assert_eq!(found(&store, "after").len(), 1);
    store.resume_message(message).unwrap();
    assert_eq!(found(&store, "after"), []);
    store.finish_message(message, &end).unwrap();
    assert_eq!(found(&store, "after").len(), 1);
    store.delete(conversation, NOW).unwrap();
    assert_eq!(found(&store, "after"), []);
    assert_eq!(found(&store, "af"), []);
    store.restore(conversation).unwrap();
    assert_eq!(found(&store, "after").len(), 1);
    store.delete(conversation, NOW).unwrap();
    store.purge_deleted(NOW + 1).unwrap();
    assert_eq!(found(&store, "after"), []);
}
