use engawa_markup::{Breaks, render, render_plain, render_with};

#[test]
fn renders_what_models_write() {
    for (markdown, html) in [
        ("", ""),
        ("Hello *you* and **all** ~~them~~", "<p>Hello <em>you</em> and <strong>all</strong> <del>them</del></p>"),
        ("# One\n## Two", "<h1>One</h1><h2>Two</h2>"),
        ("a\nb  \nc", "<p>a\nb<br>c</p>"),
        ("> quote\n\n---", "<blockquote><p>quote</p></blockquote><hr>"),
        ("- a\n- b\n  1. c", "<ul><li>a</li><li>b<ol><li>c</li></ol></li></ul>"),
        ("3. a\n\n4. b", "<ol start=\"3\"><li><p>a</p></li><li><p>b</p></li></ol>"),
        (
            "- [x] done\n- [ ] open",
            "<ul><li><input type=\"checkbox\" disabled=\"\" checked=\"\"> done</li>\
             <li><input type=\"checkbox\" disabled=\"\"> open</li></ul>",
        ),
        (
            "|a|b|c|\n|-|:-:|--:|\n|1|2|3|",
            "<div class=\"table\"><table><thead><tr><th>a</th><th align=\"center\">b</th><th align=\"right\">c</th></tr>\
             </thead><tbody><tr><td>1</td><td align=\"center\">2</td><td align=\"right\">3</td></tr></tbody></table></div>",
        ),
        (
            "[text](https://example.org/?a=1&b=2 \"title\")",
            "<p><a data-href=\"https://example.org/?a=1&amp;b=2\" role=\"link\" tabindex=\"0\">text</a></p>",
        ),
        (
            "<me@example.org>",
            "<p><a data-href=\"mailto:me@example.org\" role=\"link\" tabindex=\"0\">me@example.org</a></p>",
        ),
        ("[a](javascript:alert(1)) [b](//host) [c](/etc)", "<p>a b c</p>"),
        (
            "![a *cat*](https://example.org/cat.png)",
            "<p><span class=\"image-placeholder\" data-src=\"https://example.org/cat.png\">a cat</span></p>",
        ),
        ("![x](file:///etc/passwd)", "<p><span class=\"image-placeholder\">x</span></p>"),
        ("a <b>c</b> &amp; `<i>`", "<p>a &lt;b&gt;c&lt;/b&gt; &amp; <code>&lt;i&gt;</code></p>"),
        ("<div onclick=\"x\">\nhi\n</div>", "<p>&lt;div onclick=\"x\"&gt;<br>hi<br>&lt;/div&gt;</p>"),
        ("mass $E=mc^2$ costs $5", "<p>mass <code class=\"math\">E=mc^2</code> costs $5</p>"),
        ("so\n$$\na<b\n$$\nthen", "<p>so\n</p><div class=\"math\">\na&lt;b\n</div><p>\nthen</p>"),
        ("$$x$$", "<div class=\"math\">x</div>"),
        ("**$$x$$**", "<p><strong><code class=\"math\">x</code></strong></p>"),
        (
            "```\nplain <b>\n```",
            "<div class=\"code\"><div class=\"code-head\"><span class=\"code-lang\"></span></div>\
             <pre><code>plain &lt;b&gt;\n</code></pre></div>",
        ),
        (
            "```rust\nfn a() {}\n```",
            "<div class=\"code\"><div class=\"code-head\"><span class=\"code-lang\">rust</span></div>\
             <pre><code><span class=\"tok-keyword\">fn</span> <span class=\"tok-function\">a</span>\
             <span class=\"tok-punctuation\">()</span> <span class=\"tok-punctuation\">{}</span>\n</code></pre></div>",
        ),
        ("abc\u{202e}def", "<p>abc[U+202E]def</p>"),
    ] {
        assert_eq!(render(markdown), html, "{markdown}");
    }
}

#[test]
fn renders_japanese() {
    for (markdown, html) in [
        ("これは**強調**です。", "<p>これは<strong>強調</strong>です。</p>"),
        ("1. **京都**：金閣寺\n2. 奈良", "<ol><li><strong>京都</strong>：金閣寺</li><li>奈良</li></ol>"),
        ("「*斜体*」と`コード`", "<p>「<em>斜体</em>」と<code>コード</code></p>"),
        // A known limit of CommonMark: see `render`.
        ("**「強調」**です", "<p>**「強調」**です</p>"),
    ] {
        assert_eq!(render(markdown), html, "{markdown}");
    }
}

#[test]
fn people_get_the_line_breaks_they_typed() {
    assert_eq!(render_with("a\nb **c**", Breaks::Hard), "<p>a<br>b <strong>c</strong></p>");
    assert_eq!(render_plain("a <b>\r\n**c**\n\nd"), "<p>a &lt;b&gt;<br>**c**<br><br>d</p>");
}
