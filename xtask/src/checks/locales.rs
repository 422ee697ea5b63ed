//! The interface says the same in every language.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Finding, report};

/// A language and the plural categories that `Intl.PluralRules` can answer for it.
struct Language {
    code: &'static str,
    plural_categories: &'static [&'static str],
}

/// The first is the one that the others are compared with.
const LANGUAGES: &[Language] = &[
    Language { code: "en", plural_categories: &["one", "other"] },
    Language { code: "ja", plural_categories: &["other"] },
    Language { code: "ru", plural_categories: &["one", "few", "many", "other"] },
];

const PLURAL_CATEGORIES: &[&str] = &["zero", "one", "two", "few", "many", "other"];

/// What a key holds.
#[derive(Debug, PartialEq, Eq)]
enum Message {
    Text(String),
    /// A text for each plural category.
    Plural(BTreeMap<String, String>),
}

/// Compares the languages' files below `ui/locales/`.
///
/// # Errors
///
/// When keys or placeholders differ, or a text is empty.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut findings = Vec::new();
    let mut locales = Vec::new();
    for language in LANGUAGES {
        let path = format!("ui/locales/{}.json", language.code);
        let source = fs::read_to_string(root.join(&path)).with_context(|| format!("while reading {path}"))?;
        let tree: Value = serde_json::from_str(&source).with_context(|| format!("while reading {path}"))?;
        let mut messages = BTreeMap::new();
        collect(&tree, "", &path, &mut messages, &mut findings);
        findings.extend(plural_findings(&path, language, &messages));
        locales.push((path, messages));
    }
    if let Some((reference, others)) = locales.split_first() {
        for other in others {
            findings.extend(differences(reference, other));
        }
    }
    report(&findings)
}

/// Collects the messages of a tree under keys joined by dots.
fn collect(tree: &Value, key: &str, path: &str, messages: &mut BTreeMap<String, Message>, findings: &mut Vec<Finding>) {
    let place = || format!("{path}: {key}");
    match tree {
        Value::String(text) if text.trim().is_empty() => {
            findings.push(Finding::new(place(), "the text is empty"));
        }
        Value::String(text) => {
            messages.insert(key.to_owned(), Message::Text(text.clone()));
        }
        Value::Object(entries) if is_plural(entries) => {
            let mut forms = BTreeMap::new();
            for (category, form) in entries {
                match form.as_str() {
                    Some(text) if !text.trim().is_empty() => {
                        forms.insert(category.clone(), text.to_owned());
                    }
                    _ => findings.push(Finding::new(place(), format!("the form `{category}` has no text"))),
                }
            }
            messages.insert(key.to_owned(), Message::Plural(forms));
        }
        Value::Object(entries) => {
            for (name, entry) in entries {
                let inner = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                collect(entry, &inner, path, messages, findings);
            }
        }
        _ => findings.push(Finding::new(place(), "must be a text or a group of texts")),
    }
}

fn is_plural(entries: &serde_json::Map<String, Value>) -> bool {
    entries.contains_key("other") && entries.keys().all(|key| PLURAL_CATEGORIES.contains(&key.as_str()))
}

/// Finds plural messages without the categories that the language asks for.
fn plural_findings(path: &str, language: &Language, messages: &BTreeMap<String, Message>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, message) in messages {
        let Message::Plural(forms) = message else {
            continue;
        };
        for category in language.plural_categories {
            if !forms.contains_key(*category) {
                findings
                    .push(Finding::new(format!("{path}: {key}"), format!("the plural form `{category}` is missing")));
            }
        }
    }
    findings
}

type Locale = (String, BTreeMap<String, Message>);

fn differences((reference_path, reference): &Locale, (path, messages): &Locale) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, expected) in reference {
        let place = format!("{path}: {key}");
        let Some(message) = messages.get(key) else {
            findings.push(Finding::new(place, format!("is missing; {reference_path} has it")));
            continue;
        };
        if matches!(expected, Message::Plural(_)) != matches!(message, Message::Plural(_)) {
            findings.push(Finding::new(place, format!("has plural forms in one of {reference_path} and {path} only")));
            continue;
        }
        let (expected, found) = (placeholders(expected), placeholders(message));
        if expected != found {
            findings.push(Finding::new(
                place,
                format!("has the placeholders {}, {reference_path} has {}", listed(&found), listed(&expected)),
            ));
        }
    }
    for key in messages.keys().filter(|key| !reference.contains_key(*key)) {
        findings.push(Finding::new(format!("{path}: {key}"), format!("is not in {reference_path}")));
    }
    findings
}

/// Returns the names in braces; of plural forms all together, since “one” may do without its number.
fn placeholders(message: &Message) -> BTreeSet<&str> {
    match message {
        Message::Text(text) => placeholders_in(text).collect(),
        Message::Plural(forms) => forms.values().flat_map(|text| placeholders_in(text)).collect(),
    }
}

fn placeholders_in(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).filter(|name| {
        !name.is_empty() && name.chars().all(|character| character.is_alphanumeric() || character == '_')
    })
}

fn listed(names: &BTreeSet<&str>) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn locale(path: &str, tree: &Value) -> Locale {
        let (mut messages, mut findings) = (BTreeMap::new(), Vec::new());
        collect(tree, "", path, &mut messages, &mut findings);
        assert_eq!(findings, []);
        (path.to_owned(), messages)
    }

    fn compared(english: &Value, other: &Value) -> Vec<String> {
        differences(&locale("en", english), &locale("ja", other)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn equal_keys_and_placeholders_pass_in_any_order() {
        let english = json!({"chat": {"new": "New chat", "speed": "{count} tokens in {time}"}});
        let japanese = json!({"chat": {"speed": "{time}で{count}トークン", "new": "新しい会話"}});
        assert_eq!(compared(&english, &japanese), Vec::<String>::new());
    }

    #[test]
    fn missing_surplus_and_differing_keys_are_named() {
        let english = json!({"a": "A", "b": "{name} is here", "n": {"one": "one", "other": "{n}"}});
        let japanese = json!({"b": "{nmae}", "c": "C", "n": "{n}"});
        assert_eq!(
            compared(&english, &japanese),
            [
                "ja: a: is missing; en has it",
                "ja: b: has the placeholders {nmae}, en has {name}",
                "ja: n: has plural forms in one of en and ja only",
                "ja: c: is not in en",
            ]
        );
    }

    #[test]
    fn plural_forms_may_differ_by_language() {
        let english = json!({"messages": {"one": "one message", "other": "{count} messages"}});
        let japanese = json!({"messages": {"other": "{count}件"}});
        assert_eq!(compared(&english, &japanese), Vec::<String>::new());
    }

    #[test]
    fn a_language_has_every_form_that_it_can_be_asked_for() {
        let (path, messages) = locale("ru", &json!({"messages": {"one": "{n} сообщение", "other": "{n} сообщения"}}));
        let findings: Vec<String> =
            plural_findings(&path, &LANGUAGES[2], &messages).iter().map(ToString::to_string).collect();
        assert_eq!(
            findings,
            ["ru: messages: the plural form `few` is missing", "ru: messages: the plural form `many` is missing",]
        );
    }

    #[test]
    fn an_empty_text_and_a_number_are_refused() {
        let (mut messages, mut findings) = (BTreeMap::new(), Vec::new());
        collect(&json!({"a": " ", "b": 3, "c": {"other": ""}}), "", "en", &mut messages, &mut findings);
        let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(
            findings,
            [
                "en: a: the text is empty",
                "en: b: must be a text or a group of texts",
                "en: c: the form `other` has no text",
            ]
        );
    }
}
