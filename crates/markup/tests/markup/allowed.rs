//! Reads rendered HTML with a browser's tokenizer and refuses what the crate does not promise.

use std::cell::RefCell;

use html5ever::tokenizer::{BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};

#[derive(Default)]
struct Offences(RefCell<Vec<String>>);

impl TokenSink for Offences {
    type Handle = ();

    fn process_token(&self, token: Token, _line_number: u64) -> TokenSinkResult<()> {
        match token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => self.0.borrow_mut().extend(offences(&tag)),
            Token::CommentToken(_) | Token::DoctypeToken(_) | Token::NullCharacterToken => {
                self.0.borrow_mut().push(format!("{token:?}"));
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

/// What in the HTML is not allowed.
pub(crate) fn offences_in(html: &str) -> Vec<String> {
    let tokenizer = Tokenizer::new(Offences::default(), TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(html.into());
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink.0.into_inner()
}

fn offences(tag: &Tag) -> Vec<String> {
    let name = &*tag.name;
    let elements = "a blockquote br code del div em h1 h2 h3 h4 h5 h6 hr input li ol p pre span strong table tbody td th \
                    thead tr ul";
    let mut offences = Vec::new();
    if !elements.split_whitespace().any(|element| element == name) {
        offences.push(format!("<{name}>"));
    }
    for attribute in &tag.attrs {
        let (key, value) = (&*attribute.name.local, &*attribute.value);
        let is_allowed = match (name, key) {
            ("a", "data-href") => has_scheme(value, &["http://", "https://", "mailto:"]),
            ("a", "role") => value == "link",
            ("a", "tabindex") => value == "0",
            ("span", "data-src") => has_scheme(value, &["http://", "https://"]),
            ("input", "type") => value == "checkbox",
            ("input", "checked" | "disabled") => value.is_empty(),
            ("ol", "start") => value.parse::<u32>().is_ok(),
            ("td" | "th", "align") => ["left", "center", "right"].contains(&value),
            ("code", "class") => value == "math",
            ("div", "class") => ["code", "code code-continued", "code-head", "math", "table"].contains(&value),
            ("span", "class") => {
                value == "code-lang" || value == "image-placeholder" || {
                    "keyword string comment number function type operator punctuation"
                        .split(' ')
                        .any(|class| value.strip_prefix("tok-") == Some(class))
                }
            }
            _ => false,
        };
        if !is_allowed {
            offences.push(format!("<{name} {key}={value:?}>"));
        }
    }
    if name == "input" && !tag.attrs.iter().any(|attribute| &*attribute.name.local == "disabled") {
        offences.push("an input that can be used".to_owned());
    }
    offences
}

fn has_scheme(address: &str, schemes: &[&str]) -> bool {
    let hides = |character: char| character.is_control() || character.is_whitespace() || character == '\\';
    !address.chars().any(hides) && schemes.iter().any(|scheme| address.to_lowercase().starts_with(scheme))
}

#[test]
fn notices_what_is_not_allowed() {
    assert_eq!(
        offences_in(
            "<p onclick=x><img src=a><a href=b data-href='javascript:c'>d</a><div class='evil'><input></p><!--c-->"
        ),
        [
            r#"<p onclick="x">"#,
            "<img>",
            r#"<img src="a">"#,
            r#"<a href="b">"#,
            r#"<a data-href="javascript:c">"#,
            r#"<div class="evil">"#,
            "an input that can be used",
            "CommentToken(Tendril<UTF8>(inline: \"c\"))",
        ]
    );
}
