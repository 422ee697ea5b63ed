//! The page: read, clicked, typed into.

use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::Value;

use super::Window;
use super::wait::{LIMIT, wait_for};

/// Whether an element is there, can be seen and is not disabled.
const USABLE: &str =
    "(css) => { const e = document.querySelector(css); return e !== null && e.checkVisibility() && !e.disabled; }";

impl Window<'_> {
    /// Runs a script in the page and returns what it returns.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.try_run(script).await.unwrap_or_else(|error| panic!("{error}"))
    }

    async fn try_run(&self, script: &str) -> Result<Value, String> {
        match tokio::time::timeout(LIMIT, self.client.execute(script, Vec::new())).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(format!("the script {script:?} failed: {error}")),
            Err(_) => Err(format!("the page did not answer to the script {script:?}")),
        }
    }

    /// The value of a JavaScript expression.
    pub(crate) async fn read(&self, expression: &str) -> Value {
        self.run(&format!("return ({expression})")).await
    }

    /// The visible text of an element; fails if there is none.
    pub(crate) async fn text(&self, css: &str) -> String {
        let seen = self.until(css, &format!("document.querySelector({css:?})?.innerText")).await;
        seen.as_str().unwrap_or_default().to_owned()
    }

    /// Whether an element is there and can be seen.
    pub(crate) async fn shows(&self, css: &str) -> bool {
        self.read(&format!("document.querySelector({css:?})?.checkVisibility() ?? false")).await == Value::Bool(true)
    }

    /// Sets the interface's language to Japanese.
    pub(crate) async fn speak_japanese(&self) {
        self.run("const s = document.querySelector('#settings-language'); s.value = 'ja'; s.dispatchEvent(new Event('change'))").await;
        self.until("the interface to speak Japanese", "document.documentElement.lang === 'ja'").await;
    }

    /// Waits until `look` finds something. When it does not, the page and a picture say what was there instead.
    pub(crate) async fn wait<Found>(&self, awaited: &str, look: impl AsyncFnMut() -> Result<Found, String>) -> Found {
        match wait_for(look).await {
            Ok(found) => found,
            Err(seen) => {
                let page = self.try_run("return document.body.innerText").await;
                let page = page.map_or_else(|error| error, |text| text.as_str().unwrap_or_default().to_owned());
                panic!("waited for {awaited}; saw {seen}\n--- the page:\n{page}\n---");
            }
        }
    }

    /// Waits until a JavaScript expression is neither false nor null; its value.
    pub(crate) async fn until(&self, awaited: &str, expression: &str) -> Value {
        let script = format!("return ({expression})");
        self.wait(awaited, async || match self.try_run(&script).await? {
            seen @ (Value::Null | Value::Bool(false)) => Err(format!("{seen} from {expression:?}")),
            value => Ok(value),
        })
        .await
    }

    pub(crate) async fn until_shown(&self, css: &str) {
        self.until(&format!("{css} to be shown"), &format!("document.querySelector({css:?})?.checkVisibility()")).await;
    }

    pub(crate) async fn until_gone(&self, css: &str) {
        let gone = format!("!(document.querySelector({css:?})?.checkVisibility() ?? false)");
        self.until(&format!("{css} to go away"), &gone).await;
    }

    /// Waits until the text of an element is exactly this.
    pub(crate) async fn until_text(&self, css: &str, wanted: &str) {
        let text = format!("document.querySelector({css:?})?.innerText ?? null");
        self.wait(&format!("{css} to say {wanted:?}"), async || {
            let seen = self.read(&text).await;
            if seen == wanted { Ok(()) } else { Err(seen.to_string()) }
        })
        .await;
    }

    /// Waits until a model can answer.
    pub(crate) async fn until_model_ready(&self) {
        self.until_shown("#model-badge:not(.stopped)").await;
    }

    /// Clicks an element, as soon as it can be clicked.
    pub(crate) async fn click(&self, css: &str) {
        let usable = format!("return ({USABLE})({css:?})");
        self.wait(&format!("{css} to be clicked"), async || {
            if self.try_run(&usable).await? != Value::Bool(true) {
                return Err("it could not be used".to_owned());
            }
            let click = async { self.client.find(Locator::Css(css)).await?.click().await };
            match tokio::time::timeout(LIMIT, click).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("the click did not end".to_owned()),
            }
        })
        .await;
    }

    /// Types into an element, after what is in it.
    pub(crate) async fn type_into(&self, css: &str, text: &str) {
        self.wait(&format!("{css} to take {text:?}"), async || {
            let element = self.client.find(Locator::Css(css)).await.map_err(|error| error.to_string())?;
            let typed = tokio::time::timeout(LIMIT, element.send_keys(text)).await;
            typed.map_err(|_| "the keys did not arrive".to_owned())?.map_err(|error| error.to_string())
        })
        .await;
    }

    /// Replaces what is in a field, and leaves it by Enter.
    pub(crate) async fn fill(&self, css: &str, text: &str) {
        self.type_into(css, &(Key::Control + "a")).await;
        self.type_into(css, text).await;
        self.press_in(css, Key::Enter).await;
    }

    /// Puts a text into a field as if it was pasted: line breaks and emoji can't be typed by the driver.
    pub(crate) async fn put_into(&self, css: &str, text: &str) {
        self.until_shown(css).await;
        let script = format!(
            "const field = document.querySelector({css:?}); field.value = {text}; field.dispatchEvent(new Event('input', {{ bubbles: true }}));",
            text = Value::from(text)
        );
        self.run(&script).await;
    }

    /// Presses a key in an element.
    pub(crate) async fn press_in(&self, css: &str, key: Key) {
        self.type_into(css, &String::from(char::from(key))).await;
    }

    /// Calls the backend as the page does; its answer.
    pub(crate) async fn invoke(&self, command: &str, arguments: Value) -> Value {
        let script = "const [command, values, done] = arguments;
            window.__TAURI__.core.invoke(command, values).then(done, (error) => done({ error }));";
        let call = self.client.execute_async(script, vec![command.into(), arguments]);
        let answer = tokio::time::timeout(LIMIT, call).await.expect("the backend did not answer");
        let answer = answer.unwrap_or_else(|error| panic!("{command} could not be called: {error}"));
        assert!(answer.get("error").is_none(), "{command}: {answer}");
        answer
    }

    /// Waits until what is in the page is on the screen too; without a GPU that takes a while.
    pub(crate) async fn until_painted(&self) {
        let script = "const [done] = arguments; requestAnimationFrame(() => requestAnimationFrame(() => done(true)));";
        let painted = tokio::time::timeout(LIMIT, self.client.execute_async(script, Vec::new())).await;
        painted.expect("the page was not painted in time").expect("the page runs scripts");
    }

    /// Gives the window another size, in pixels.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let resized = tokio::time::timeout(LIMIT, self.client.set_window_size(width, height)).await;
        resized.expect("the window did not change in time").expect("the window can be resized");
    }

    /// Takes a picture of the page.
    pub(crate) async fn screenshot(&self, step: &str) {
        self.until_painted().await;
        let picture = tokio::time::timeout(LIMIT, self.client.screenshot()).await.expect("no picture in time");
        let picture = picture.expect("the page can be photographed");
        std::fs::write(self.desk.evidence(step, "png"), picture).expect("pictures can be written");
    }
}
