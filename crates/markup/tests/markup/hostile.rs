use engawa_markup::{Breaks, StreamRenderer, render, render_plain, render_with};
use proptest::prelude::*;

use crate::allowed::offences_in;

/// One attempt per entry, between lines of `%%`.
const VECTORS: &str = include_str!("hostile.txt");

fn vectors() -> impl Iterator<Item = &'static str> {
    VECTORS.split("\n%%\n").map(|vector| vector.trim_end_matches('\n'))
}

fn assert_harmless(text: &str) {
    for html in [render(text), render_with(text, Breaks::Hard), render_plain(text)] {
        assert_eq!(offences_in(&html), Vec::<String>::new(), "{text}\n{html}");
    }
    let mut renderer = StreamRenderer::new(Breaks::Soft);
    for character in text.chars() {
        let update = renderer.push(character.encode_utf8(&mut [0; 4]));
        for html in [update.settled, update.tail.unwrap_or_default()] {
            assert_eq!(offences_in(&html), Vec::<String>::new(), "{text}\n{html}");
        }
    }
    let last = renderer.finish().settled;
    assert_eq!(offences_in(&last), Vec::<String>::new(), "{text}\n{last}");
}

#[test]
fn nothing_that_was_tried_comes_out() {
    assert!(vectors().count() >= 120);
    for vector in vectors() {
        assert_harmless(vector);
    }
}

#[test]
fn nothing_comes_out_of_combinations() {
    let all: Vec<&str> = vectors().collect();
    for pair in all.windows(2) {
        for joined in [
            format!("{}{}", pair[0], pair[1]),
            format!("[{}]({})", pair[0], pair[1]),
            format!("![{}]({} \"{}\")", pair[0], pair[1], pair[0]),
            format!("```{}\n{}", pair[0], pair[1]),
            format!("| {} | {} |\n|---|:-:|\n| {} |", pair[0], pair[1], pair[0]),
            format!("$${}$$ `{}`", pair[0], pair[1]),
        ] {
            assert_eq!(offences_in(&render(&joined)), Vec::<String>::new(), "{joined}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn nothing_comes_out_of_any_text(text in any::<String>()) {
        prop_assert_eq!(offences_in(&render(&text)), Vec::<String>::new());
    }

    #[test]
    fn nothing_comes_out_of_any_markup(
        text in prop::collection::vec(prop::sample::select(vec![
            "<", ">", "\"", "'", "`", "```", "$", "$$", "[", "](", ")", "!", "&", "&lt;", "&#60;", "script", "svg", "style",
            "math", "a", " ", "\n", "\n\n", "onload=", "javascript:", "https://x", "</", "/>", "<!--", "-->", "]]>", "|",
            "\n|-|-|\n", "\\", "\u{202e}", "\0", "<p>", "</p>", "<br>", "- ", "> ", "# ", "html\n",
        ]), 0..30).prop_map(|parts| parts.concat())
    ) {
        prop_assert_eq!(offences_in(&render(&text)), Vec::<String>::new());
    }
}
