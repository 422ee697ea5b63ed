use std::time::{Duration, Instant};

use engawa_markup::{Breaks, MAX_MARKDOWN_BYTES, StreamRenderer, render};

/// What a text may take at most: a second when optimised, and what a debug build on a busy machine makes of that.
const LIMIT: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 1 });

fn bombs() -> Vec<(String, String)> {
    let n = 100_000;
    let mut bombs: Vec<(String, String)> = [
        ">",
        "> ",
        "[",
        "![",
        "*",
        "**",
        "_",
        "*a ",
        "**a ",
        "`",
        "`a",
        "``` ",
        "~",
        "<",
        "<a ",
        "<!--",
        "&",
        "$",
        "$$",
        "$a",
        "- ",
        "-",
        "1. ",
        "|",
        "a|",
        "\\",
        "(",
        "](",
        "[](",
        "[a](",
        "\t",
        "#",
        "\n",
        "\n\n",
        "a\n",
        "- a\n",
        "> a\n",
        "|a\n",
        "[a]: b\n",
        "[a]",
        "<?",
        "<![CDATA[",
        "```\n",
        "$a$",
        "_a*",
        "*_",
        "\u{202e}",
        "日",
    ]
    .into_iter()
    .map(|unit| (unit.to_owned(), unit.repeat(n / unit.len().min(4))))
    .collect();
    bombs.push(("nested emphasis".to_owned(), format!("{}b{}", "*a ".repeat(n / 6), " a*".repeat(n / 6))));
    bombs.push(("nested lists".to_owned(), nested_lists(400)));
    bombs.push(("wide table".to_owned(), format!("{}\n{}\n", "|a".repeat(n / 4), "|-".repeat(n / 4))));
    for language in ["rust", "md", "html", "json", "bash", "css"] {
        for unit in ["`", "(", "\"", "'", "\\", "/*", "<", "a ", "a<", "#", "$", "1", "'a", "\"\\", " "] {
            bombs.push((format!("{language} {unit}"), format!("```{language}\n{}", unit.repeat(60_000 / unit.len()))));
        }
    }
    bombs
}

fn nested_lists(depth: usize) -> String {
    let lines: Vec<String> = (0..depth).map(|level| format!("{}- a", "  ".repeat(level))).collect();
    lines.join("\n")
}

#[test]
fn no_text_takes_long() {
    let mut slow = Vec::new();
    for (name, text) in bombs() {
        let start = Instant::now();
        let _ = render(&text);
        let took = start.elapsed();
        if took > LIMIT {
            slow.push((name, took));
        }
    }
    assert_eq!(slow, []);
}

#[test]
fn a_very_long_text_is_shown_as_it_is() {
    let line = "**not bold** <b>\n";
    let html = render(&line.repeat(MAX_MARKDOWN_BYTES / line.len() + 1));
    assert!(html.starts_with("<p>**not bold** &lt;b&gt;<br>**not bold**"));
}

#[test]
fn a_long_reply_takes_time_by_its_length() {
    let reply = format!(
        "Intro\n\n{}\n```rust\n{}",
        "- an item with **bold** text\n".repeat(1_000),
        "let value = compute(1, \"two\"); // three\n".repeat(5_000)
    );
    let start = Instant::now();
    let mut renderer = StreamRenderer::new(Breaks::Soft);
    let mut longest_tail = 0;
    let mut from = 0;
    while from < reply.len() {
        let to = (from + 400).min(reply.len());
        let update = renderer.push(&reply[from..to]);
        longest_tail = longest_tail.max(update.tail.map_or(0, |tail| tail.len()));
        from = to;
    }
    renderer.finish();
    let took = start.elapsed();
    assert!(took < LIMIT * 30, "{took:?}");
    assert!(longest_tail < 400_000, "{longest_tail}");
}
