//! The last step of every rendering: an allow-list that knows nothing of Markdown.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};

use crate::link;

const ELEMENTS: [&str; 28] = [
    "a",
    "blockquote",
    "br",
    "code",
    "del",
    "div",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "input",
    "li",
    "ol",
    "p",
    "pre",
    "span",
    "strong",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "ul",
];

const ATTRIBUTES: [(&str, &[&str]); 6] = [
    ("a", &["data-href", "role", "tabindex"]),
    ("input", &["type", "checked", "disabled"]),
    ("ol", &["start"]),
    ("span", &["data-src"]),
    ("td", &["align"]),
    ("th", &["align"]),
];

const CLASSES: [(&str, &[&str]); 3] = [
    ("code", &["math"]),
    ("div", &["code", "code-continued", "code-head", "math", "table"]),
    (
        "span",
        &[
            "code-lang",
            "image-placeholder",
            "tok-comment",
            "tok-function",
            "tok-keyword",
            "tok-number",
            "tok-operator",
            "tok-punctuation",
            "tok-string",
            "tok-type",
        ],
    ),
];

static SANITISER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let sets = |lists: &[(&'static str, &'static [&'static str])]| -> HashMap<&'static str, HashSet<&'static str>> {
        lists.iter().map(|(name, list)| (*name, list.iter().copied().collect())).collect()
    };
    let mut builder = Builder::empty();
    builder
        .tags(ELEMENTS.into_iter().collect())
        .tag_attributes(sets(&ATTRIBUTES))
        .allowed_classes(sets(&CLASSES))
        .set_tag_attribute_value("input", "type", "checkbox")
        .set_tag_attribute_value("input", "disabled", "")
        .url_relative(UrlRelative::Deny)
        .link_rel(None)
        .attribute_filter(allowed_value);
    builder
});

/// Drops every element, attribute, class and address that is not allowed.
pub(crate) fn clean(html: &str) -> String {
    SANITISER.clean(html).to_string()
}

fn allowed_value<'value>(_element: &str, attribute: &str, value: &'value str) -> Option<Cow<'value, str>> {
    let allowed = match attribute {
        "data-href" => link::may_open(value),
        "data-src" => link::is_remote(value),
        "role" => value == "link",
        "tabindex" => value == "0",
        "align" => matches!(value, "left" | "center" | "right"),
        "start" => value.parse::<u32>().is_ok(),
        _ => true,
    };
    allowed.then_some(Cow::Borrowed(value))
}
