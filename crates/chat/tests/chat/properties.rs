//! Whatever a person does in whatever order: nothing that was said is lost or changed.

use std::collections::HashMap;

use engawa_chat::{ConversationId, ExportFormat, MessageId, Status};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::Value;

use crate::session::Session;

/// Something a person does. Numbers choose among the messages that there are.
#[derive(Debug, Clone)]
enum Step {
    Send(String),
    SendAndStop,
    Retry(usize),
    Edit(usize, String),
    Continue(usize),
    SelectBranch(usize),
    SetCharacter(Option<&'static str>),
    DeleteAndRestore,
    Refused,
}

fn step() -> impl Strategy<Value = Step> {
    let text = "[a-zあ-ん]{1,12}";
    prop_oneof![
        3 => text.prop_map(Step::Send),
        2 => Just(Step::SendAndStop),
        2 => any::<usize>().prop_map(Step::Retry),
        2 => (any::<usize>(), text).prop_map(|(index, text)| Step::Edit(index, text)),
        2 => any::<usize>().prop_map(Step::Continue),
        2 => any::<usize>().prop_map(Step::SelectBranch),
        1 => prop_oneof![Just(None), Just(Some("casual")), Just(Some("polite"))].prop_map(Step::SetCharacter),
        1 => Just(Step::DeleteAndRestore),
        1 => Just(Step::Refused),
    ]
}

/// A message as the export has it.
#[derive(Debug, Clone, PartialEq)]
struct Said {
    parent: Option<String>,
    role: String,
    content: String,
}

fn all_messages(session: &Session, id: ConversationId) -> HashMap<String, Said> {
    let json = session.chat.export(id, ExportFormat::Json).unwrap().contents;
    let value: Value = serde_json::from_str(&json).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let messages = value["messages"].as_array().unwrap().iter().map(|message| {
        let parent = message["parent_id"].as_str().map(str::to_owned);
        (text(&message["id"]), Said { parent, role: text(&message["role"]), content: text(&message["content"]) })
    });
    messages.collect()
}

struct Run {
    session: Session,
    id: ConversationId,
    /// Every message that was ever there.
    known: HashMap<String, Said>,
    /// What a person said and was told is stored.
    acknowledged: Vec<String>,
}

impl Run {
    fn choose(&self, index: usize) -> Option<MessageId> {
        let mut ids: Vec<_> = self.known.keys().collect();
        ids.sort();
        let id = ids.get(index % ids.len().max(1))?;
        Some(id.parse().unwrap())
    }

    /// Does it; the message that may have grown.
    async fn take(&mut self, step: Step) -> Option<MessageId> {
        let (chat, id) = (self.session.chat.clone(), self.id);
        match step {
            Step::Send(text) => {
                chat.send(id, &text).unwrap();
                self.acknowledged.push(text);
                self.session.finished().await;
            }
            Step::SendAndStop => {
                let text = "say: abcdefghijkl\nwait after: 1";
                chat.send(id, text).unwrap();
                self.acknowledged.push(text.to_owned());
                self.session.written("abcd").await;
                chat.stop_reply(id);
                assert_eq!(self.session.finished().await.status, Status::Stopped);
            }
            Step::Retry(index) => {
                if chat.retry(id, self.choose(index)?).is_ok() {
                    self.finish_even_if_it_waits().await;
                }
            }
            Step::Edit(index, text) => {
                let message = self.choose(index)?;
                let is_question = self.known[&message.to_string()].role == "user";
                chat.edit(id, message, &text).unwrap();
                if is_question {
                    self.acknowledged.push(text);
                    self.session.finished().await;
                }
            }
            Step::Continue(index) => {
                let message = self.choose(index)?;
                if chat.continue_reply(id, message).is_ok() {
                    self.finish_even_if_it_waits().await;
                    return Some(message);
                }
            }
            Step::SelectBranch(index) => {
                chat.select_branch(id, self.choose(index)?).unwrap();
            }
            Step::SetCharacter(character) => {
                chat.set_character(id, character).unwrap();
            }
            Step::DeleteAndRestore => {
                chat.delete_conversation(id).unwrap();
                chat.restore_conversation(id).unwrap();
            }
            Step::Refused => {
                chat.send(id, "  ").unwrap_err();
                chat.set_character(id, Some("nobody")).unwrap_err();
            }
        }
        None
    }

    /// The script of the question may say that the reply waits.
    async fn finish_even_if_it_waits(&mut self) {
        if self.session.messages(self.id).iter().rev().any(|message| message.content.contains("wait after")) {
            self.session.chat.stop_reply(self.id);
        }
        self.session.finished().await;
    }

    fn check(&mut self, grown: Option<MessageId>) -> Result<(), TestCaseError> {
        let now = all_messages(&self.session, self.id);
        for (id, before) in &self.known {
            let Some(after) = now.get(id) else { return Err(TestCaseError::fail(format!("{before:?} is gone"))) };
            prop_assert_eq!((&after.parent, &after.role), (&before.parent, &before.role));
            if grown.is_some_and(|grown| grown.to_string() == *id) {
                prop_assert!(after.content.starts_with(&before.content), "{:?} became {:?}", before, after);
            } else {
                prop_assert_eq!(&after.content, &before.content);
            }
        }
        for text in &self.acknowledged {
            prop_assert!(now.values().any(|said| said.role == "user" && said.content == *text), "{} is gone", text);
        }
        let view = self.session.view(self.id);
        let mut parent = None;
        for entry in &view.messages {
            let message = &entry.message;
            prop_assert_eq!(message.parent_id, parent, "the branch is a path");
            let said = &now[&message.id.to_string()];
            prop_assert_eq!(&said.content, &message.content);
            let siblings = now.values().filter(|other| other.parent == said.parent).count();
            prop_assert_eq!(entry.branch.count as usize, siblings);
            prop_assert!(message.status != Status::Streaming && !message.damaged);
            parent = Some(message.id);
        }
        prop_assert_eq!(view.conversation.active_leaf, parent, "the branch ends at the leaf");
        self.known = now;
        Ok(())
    }
}

async fn run(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let session = Session::with_model().await;
    let id = session.new_conversation(None);
    let mut run = Run { session, id, known: HashMap::new(), acknowledged: Vec::new() };
    for step in steps {
        let grown = run.take(step).await;
        run.check(grown)?;
    }
    run.session.chat.shut_down().await;
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_was_said_is_lost_or_changed(steps in proptest::collection::vec(step(), 1..16)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps))?;
    }
}
