//! The conversation as the page shows it.

use fantoccini::key::Key;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Window;

/// One message in the page.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct ShownMessage {
    pub(crate) id: String,
    pub(crate) role: String,
    pub(crate) status: String,
    pub(crate) author: String,
    /// What can be read, without marks.
    pub(crate) text: String,
    /// Such as "2/2"; `None` without branches.
    pub(crate) branch: Option<String>,
    pub(crate) timings: Option<String>,
    /// The code of the error below it.
    pub(crate) error: Option<String>,
}

impl ShownMessage {
    pub(crate) fn is_reply(&self) -> bool {
        self.role == "assistant"
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.status != "streaming"
    }
}

const MESSAGES: &str = r#"
const shown = (element) => (element && element.checkVisibility() ? element.innerText.trim() : null);
return [...document.querySelectorAll("article.message")].map((article) => ({
  id: article.dataset.id,
  role: article.dataset.role,
  status: article.dataset.status,
  author: article.querySelector(".who b").textContent,
  text: article.querySelector("message-markup").innerText.trim(),
  branch: shown(article.querySelector(".branch-place")),
  timings: shown(article.querySelector(".timings")),
  error: article.querySelector("notice-view.notice:not([hidden])")?.dataset.code ?? null,
}));"#;

impl Window<'_> {
    /// The messages in the page, oldest first.
    pub(crate) async fn messages(&self) -> Vec<ShownMessage> {
        let messages = self.run(MESSAGES).await;
        serde_json::from_value(messages).expect("the script gives every field")
    }

    /// Waits until the messages are as wanted.
    pub(crate) async fn until_messages(
        &self,
        awaited: &str,
        wanted: impl Fn(&[ShownMessage]) -> bool,
    ) -> Vec<ShownMessage> {
        self.wait(awaited, async || {
            let messages = self.messages().await;
            if wanted(&messages) { Ok(messages) } else { Err(format!("{messages:#?}")) }
        })
        .await
    }

    /// Waits until message number `index` (from 0) is a reply that has ended.
    pub(crate) async fn until_reply(&self, index: usize) -> ShownMessage {
        let ended = |messages: &[ShownMessage]| {
            messages.get(index).is_some_and(|message| message.is_reply() && message.has_ended())
        };
        self.until_messages(&format!("message {index} to be a whole reply"), ended).await.swap_remove(index)
    }

    /// Waits until message number `index` (from 0) is being written and has some text.
    pub(crate) async fn until_writing(&self, index: usize) -> ShownMessage {
        let writing = |messages: &[ShownMessage]| {
            messages.get(index).is_some_and(|message| message.status == "streaming" && message.text.len() > 20)
        };
        self.until_messages(&format!("message {index} to be written"), writing).await.swap_remove(index)
    }

    /// Writes a message and sends it by Enter.
    pub(crate) async fn send(&self, text: &str) {
        self.type_into("#composer-input", text).await;
        self.press_in("#composer-input", Key::Enter).await;
    }

    /// The conversation that is open, as the backend has it.
    pub(crate) async fn conversation(&self) -> Value {
        let id = self
            .until(
                "a conversation to be open",
                "document.querySelector('.item-open[aria-current]')?.closest('conversation-item').dataset.id",
            )
            .await;
        self.invoke("open_conversation", json!({ "id": id })).await
    }

    /// The text of a message as it was written, marks included.
    pub(crate) async fn content(&self, index: usize) -> String {
        let conversation = self.conversation().await;
        conversation["messages"][index]["content"].as_str().unwrap_or_default().to_owned()
    }
}
