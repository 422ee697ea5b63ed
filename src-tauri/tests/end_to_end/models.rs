//! The models of these tests.

use engawa_testkit::{Scope, ScriptedModel};

pub(crate) const TEA: &str = "A cup of green tea, then. 🍵";
pub(crate) const COFFEE: &str = "Coffee it is, black as the night.";
pub(crate) const SLOW_GREETING: &str = "Good evening.";

/// Answers at once, to `tea` and `coffee` with the constants of these names.
pub(crate) fn quick() -> ScriptedModel {
    ScriptedModel::new("Say tea or coffee.")
        .name("Quick scripted")
        .scope(Scope::LastMessage)
        .rule("tea", TEA)
        .rule("coffee", COFFEE)
}

/// Answers to `count` with [`long_reply`], some hundred tokens in 4 s or more; else with [`SLOW_GREETING`].
pub(crate) fn slow() -> ScriptedModel {
    ScriptedModel::new(SLOW_GREETING)
        .name("Slow scripted")
        .scope(Scope::LastMessage)
        .rule("count", long_reply())
        .padding_layers(48, 8192)
}

/// What [`slow`] takes its time for.
pub(crate) fn long_reply() -> String {
    let sentences = (1..=40).map(|number| format!("{number} lanterns hang under roof {}.", number * 7));
    sentences.collect::<Vec<_>>().join(" ")
}

/// Asserts that a reply went on from what was kept of it.
///
/// A scripted model goes on in the middle of its reply where the kept text ends with one of the reply's own tokens.
/// The last token that was shown may not be in the engine's memory, and is then cut anew from the text: after any other
/// token the model says its reply from the start.
pub(crate) fn assert_goes_on(kept: &str, whole: &str) {
    let rest = whole.strip_prefix(kept).unwrap_or_else(|| panic!("{kept:?} was changed: {whole:?}"));
    assert!(!rest.is_empty() && long_reply().ends_with(rest), "{rest:?} is not how {kept:?} goes on");
}
