use engawa_markup::{Breaks, StreamRenderer, Update, render};
use proptest::prelude::*;

fn streamed<'text>(pieces: impl IntoIterator<Item = &'text str>) -> String {
    let mut renderer = StreamRenderer::new(Breaks::Soft);
    let mut page: String = pieces.into_iter().map(|piece| renderer.push(piece).settled).collect();
    let last = renderer.finish();
    page.push_str(&last.settled);
    assert_eq!(last.tail.as_deref(), Some(""));
    page
}

fn characters(text: &str) -> Vec<&str> {
    text.split_inclusive(|_: char| true).collect()
}

#[test]
fn a_block_settles_when_the_next_one_begins() {
    let mut renderer = StreamRenderer::new(Breaks::Soft);
    let update = |settled: &str, tail: &str| Update { settled: settled.to_owned(), tail: Some(tail.to_owned()) };
    assert_eq!(renderer.push("# Ti"), update("", "<h1>Ti</h1>"));
    assert_eq!(renderer.push("tle\nSome **bo"), update("", "<h1>Title</h1><p>Some <strong>bo</strong></p>"));
    assert_eq!(renderer.push("ld** text\n"), update("<h1>Title</h1>", "<p>Some <strong>bold</strong> text</p>"));
    assert_eq!(renderer.push("\n``"), update("", "<p>Some <strong>bold</strong> text</p>"));
    assert_eq!(
        renderer.push("`rust\nlet"),
        update(
            "<p>Some <strong>bold</strong> text</p>",
            "<div class=\"code\"><div class=\"code-head\"><span class=\"code-lang\">rust</span></div>\
             <pre><code><span class=\"tok-keyword\">let</span></code></pre></div>"
        )
    );
    let end = renderer.finish();
    assert_eq!(
        end,
        update(
            "<div class=\"code\"><div class=\"code-head\"><span class=\"code-lang\">rust</span></div>\
             <pre><code><span class=\"tok-keyword\">let</span></code></pre></div>",
            ""
        )
    );
    assert_eq!(renderer.push("again"), update("", "<p>again</p>"));
}

#[test]
fn a_long_code_block_settles_in_pieces() {
    for opening in ["```python\n", "  ~~~~ python\n"] {
        let lines: Vec<String> = (0..700).map(|number| format!("    value_{number} = \"text {number}\"\n")).collect();
        let code = lines.concat();
        let closing = opening.trim_end_matches(" python\n").trim_end_matches("python\n");
        let text = format!("Before\n\n{opening}{code}{closing}\n\nAfter **all**");
        let whole = render(&text);
        assert!(whole.matches("code-continued").count() >= 2);
        assert_eq!(streamed(text.split_inclusive('\n')), whole);
        assert_eq!(streamed([text.as_str()]), whole);
    }
}

#[test]
fn a_carriage_return_at_the_end_of_a_piece_waits() {
    let text = "a\r\n\r\nb\rc\r\n\r\n- d\r\n- e\r";
    assert_eq!(streamed(characters(text)), render(text));
    assert_eq!(streamed(["a\r", "", "\r", "b"]), render("a\r\rb"));
}

/// Pieces from which most of Markdown can be built, but no definition of a link (`]:`).
fn markdown() -> impl Strategy<Value = String> {
    let parts = vec![
        "a",
        "word ",
        "日本語",
        "。",
        "**",
        "*",
        "_",
        "~~",
        "`",
        "```",
        "```rust\n",
        "~~~",
        "\n",
        "\n",
        "\n\n",
        "\r\n",
        " ",
        "  ",
        "    ",
        "\t",
        "- ",
        "* ",
        "+ ",
        "1. ",
        "2) ",
        "> ",
        "# ",
        "## ",
        "---",
        "===",
        "***",
        "\n|a|b|\n|-|:-:|\n|c|d|\n",
        "|",
        "$",
        "$$",
        "<b>",
        "</b>",
        "<div>",
        "<!--",
        "-->",
        "<script>",
        "[a](https://b.c)",
        "![a](https://b.c)",
        "[",
        "]",
        "(",
        ")",
        "\\",
        "&amp;",
        "<https://a.b>",
        "- [ ] ",
        "- [x] ",
        "let x = 1;\n",
        "\n- a\n- b\n\n",
        "\n1. a\n\n   b\n",
        "\n    code\n",
        "\u{202e}",
        "\0",
        "<?",
        "?>",
        "<pre>",
        "\n> a\nb\n",
        "-",
        "=",
        ":",
        "\n:---\n",
    ];
    prop::collection::vec(prop::sample::select(parts), 0..40)
        .prop_map(|parts| parts.concat())
        .prop_filter("no definitions of links", |text| !text.contains("]:"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_pieces_make_the_whole(text in markdown(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20)) {
        let characters = characters(&text);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(characters.len() + 1)).collect();
        cuts.extend([0, characters.len()]);
        cuts.sort_unstable();
        let pieces: Vec<String> = cuts.windows(2).map(|cut| characters[cut[0]..cut[1]].concat()).collect();
        prop_assert_eq!(streamed(pieces.iter().map(String::as_str)), render(&text));
    }

    #[test]
    fn one_character_at_a_time_makes_the_whole(text in markdown()) {
        prop_assert_eq!(streamed(characters(&text)), render(&text));
    }
}
