use std::fs;
use std::path::Path;

use engawa_store::{Message, Recovered, Store, StoreError};
use rusqlite::Connection;
use tempfile::tempdir;

use crate::{NOW, new_conversation, say};

/// Changes the file behind the store's back.
fn tamper(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn a_message_that_changed_on_the_disk_is_flagged() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("engawa.db");
    let store = Store::open(&path, NOW).unwrap().store;
    let conversation = new_conversation(&store);
    let flipped = say(&store, conversation, None, "The answer is 42.");
    let not_utf8 = say(&store, conversation, Some(flipped), "日本語");
    let moved = say(&store, conversation, Some(not_utf8), "ab");
    let bad_json = say(&store, conversation, Some(moved), "json");
    let whole = say(&store, conversation, Some(bad_json), "whole");
    tamper(
        &path,
        "UPDATE messages SET content = 'The answer is 43.' WHERE content LIKE 'The answer%';
         UPDATE messages SET content = CAST(x'E697A5E69CACE8AAFF' AS TEXT) WHERE content = '日本語';
         UPDATE messages SET content = 'a', reasoning = 'b' WHERE content = 'ab';
         UPDATE messages SET timings = '{\"tokens' WHERE content = 'json';",
    );
    let path: Vec<(String, bool)> =
        store.path_to(whole).unwrap().into_iter().map(|Message { content, damaged, .. }| (content, damaged)).collect();
    let expected =
        [("The answer is 43.", true), ("日本\u{fffd}\u{fffd}", true), ("a", true), ("json", true), ("whole", false)];
    assert_eq!(path, expected.map(|(content, damaged)| (content.to_owned(), damaged)));
}

#[test]
fn a_file_that_is_no_database_is_set_aside() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("engawa.db");
    for (number, bytes) in [vec![0xff; 5000], b"just some text".repeat(99), vec![0; 4096]].into_iter().enumerate() {
        fs::write(&path, &bytes).unwrap();
        let time = NOW + i64::try_from(number).unwrap();
        let opened = Store::open(&path, time).unwrap();
        let recovered = opened.recovered.expect("the file was no database");
        let aside = folder.path().join(format!("engawa.db.damaged-{time}"));
        assert_eq!(
            recovered,
            Recovered {
                damaged_file: aside.clone(),
                new_file: path.clone(),
                reason: "file is not a database".to_owned(),
                conversations: 0,
                messages: 0,
            }
        );
        assert_eq!(fs::read(aside).unwrap(), bytes);
        new_conversation(&opened.store);
    }
    let again = Store::open(&path, NOW).unwrap();
    assert_eq!((again.recovered, again.store.conversations().unwrap().len()), (None, 1));
}

#[test]
fn another_programs_database_is_set_aside() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("engawa.db");
    tamper(&path, "CREATE TABLE conversations (id); PRAGMA user_version = 1;");
    let recovered = Store::open(&path, NOW).unwrap().recovered.unwrap();
    assert_eq!(recovered.reason, "it belongs to another program");
}

#[test]
fn what_can_be_read_of_a_damaged_file_is_kept() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("engawa.db");
    let store = Store::open(&path, NOW).unwrap().store;
    let conversation = store.create_conversation("旅行", NOW).unwrap().id;
    let mut parent = None;
    for number in 0..400 {
        parent = Some(say(&store, conversation, parent, &format!("message {number} {}", "text ".repeat(40))));
    }
    drop(store);
    let mut bytes = fs::read(&path).unwrap();
    let page = bytes.windows(12).position(|window| window == b"message 200 ").unwrap() / 4096;
    bytes[page * 4096..(page + 1) * 4096].fill(0x5a);
    fs::write(&path, &bytes).unwrap();

    let opened = Store::open(&path, NOW).unwrap();

    let recovered = opened.recovered.unwrap();
    assert_eq!(fs::read(&recovered.damaged_file).unwrap(), bytes, "the damaged file is as it was found");
    assert_eq!(recovered.conversations, 1);
    let lost = 400 - recovered.messages;
    assert!((1..=30).contains(&lost), "one page holds about 12 messages, {lost} were lost");
    let kept = opened.store.all_messages(conversation).unwrap();
    assert_eq!(kept.len(), recovered.messages);
    assert!(kept.iter().all(|message| !message.damaged));
    assert_eq!(kept.iter().filter(|message| message.parent_id.is_none()).count(), 2, "the path was cut once");
    let restored = opened.store.conversation(conversation).unwrap();
    assert_eq!((restored.title.as_str(), restored.active_leaf), ("旅行", parent));
    assert_eq!(opened.store.search_conversations("message 399").unwrap().len(), 1);
    drop(opened.store);
    assert_eq!(Store::open(&path, NOW).unwrap().recovered, None);
}

#[test]
fn a_truncated_file_is_noticed() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("engawa.db");
    let store = Store::open(&path, NOW).unwrap().store;
    let conversation = new_conversation(&store);
    for _ in 0..200 {
        say(&store, conversation, None, &"long ".repeat(100));
    }
    drop(store);
    let whole = fs::read(&path).unwrap();
    for length in [1, 99, 100, 4096, 4097, whole.len() / 2, whole.len() - 4096] {
        fs::write(&path, &whole[..length]).unwrap();
        let recovered = Store::open(&path, NOW + i64::try_from(length).unwrap()).unwrap().recovered;
        assert!(recovered.is_some(), "{length} bytes of {}", whole.len());
    }
}

#[test]
fn a_newer_file_is_left_as_it_is() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("engawa.db");
    new_conversation(&Store::open(&path, NOW).unwrap().store);
    tamper(&path, "PRAGMA user_version = 7; CREATE TABLE from_the_future (id);");
    let before = fs::read(&path).unwrap();
    let error = Store::open(&path, NOW).unwrap_err();
    assert!(matches!(error, StoreError::NewerSchema { found: 7, known: 1 }), "{error:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
    let files: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with("-shm") && !name.ends_with("-wal"))
        .collect();
    assert_eq!(files, ["engawa.db"]);
}

#[test]
fn a_recovery_that_died_in_its_last_step_is_finished() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("engawa.db");
    let conversation = new_conversation(&Store::open(&path, NOW).unwrap().store);
    fs::rename(&path, folder.path().join("engawa.db.recovering")).unwrap();
    let opened = Store::open(&path, NOW).unwrap();
    assert_eq!(opened.store.conversations().unwrap()[0].id, conversation);
}

#[test]
fn a_folder_in_place_of_the_file_is_an_error() {
    let folder = tempdir().unwrap();
    let error = Store::open(folder.path(), NOW).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly), "{error:?}");
    assert!(folder.path().is_dir());
}
