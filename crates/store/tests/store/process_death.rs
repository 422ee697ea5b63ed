use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use engawa_store::{MessageId, NewMessage, Role, Status, Store};
use rusqlite::Connection;
use tempfile::tempdir;

use crate::{NOW, new_conversation};

/// Tells the copy of this executable that it is the writer, and where to write.
const WRITER_FOLDER: &str = "ENGAWA_STORE_TEST_WRITER";

const ROUNDS: usize = 12;

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("engawa.db");
    let mut acknowledged: Vec<(MessageId, String)> = Vec::new();
    for round in 0..ROUNDS {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process_death::writer", "--nocapture", "--test-threads", "1"])
            .env(WRITER_FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        // Each round dies at another place: the writer does not wait for us.
        for line in lines.map_while(Result::ok) {
            let Some((_, written)) = line.split_once("wrote ") else { continue };
            let (id, content) = written.split_once(' ').unwrap();
            acknowledged.push((id.parse().unwrap(), content.to_owned()));
            if acknowledged.len().is_multiple_of(7 + 3 * round) {
                break;
            }
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        check(&path, &acknowledged);
    }
    assert!(acknowledged.len() >= ROUNDS);
}

fn check(path: &Path, acknowledged: &[(MessageId, String)]) {
    let opened = Store::open(path, NOW).unwrap();
    assert_eq!(opened.recovered, None);
    for (id, content) in acknowledged {
        let message = opened.store.message(*id).expect("an acknowledged message is there");
        assert!(message.content.starts_with(content), "{content} became {}", message.content);
        assert!(!message.damaged && message.status != Status::Streaming);
    }
    drop(opened);
    let report: String =
        Connection::open(path).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(report, "ok");
}

/// Not a test of its own: the process that is killed. Says on its output what the store has acknowledged.
#[test]
fn writer() {
    let Some(folder) = std::env::var_os(WRITER_FOLDER) else { return };
    let store = Store::open(&Path::new(&folder).join("engawa.db"), NOW).unwrap().store;
    let conversation = new_conversation(&store);
    let acknowledge = |id: MessageId, content: &str| {
        let mut output = std::io::stdout().lock();
        writeln!(output, "wrote {id} {content}").unwrap();
        output.flush().unwrap();
    };
    let mut parent = None;
    for number in 0.. {
        let message = NewMessage {
            status: if number % 2 == 0 { Status::Complete } else { Status::Streaming },
            ..NewMessage::new(conversation, parent, Role::User, &format!("message-{number}"), NOW)
        };
        let message = store.insert_message(&message).unwrap();
        acknowledge(message.id, &message.content);
        if message.status == Status::Streaming {
            let mut content = message.content.clone();
            for step in 0..3 {
                content = format!("{content}-{step}");
                store.checkpoint_message(message.id, &content, "").unwrap();
                acknowledge(message.id, &content);
            }
        }
        parent = Some(message.id);
    }
}
