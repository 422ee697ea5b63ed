//! Colours code by a small lexer that reads every character once.
//!
//! The registry's highlighters match regular expressions with backtracking: syntect takes 44 ms for 20 KB of plain code and
//! more than a second for 20 KB of backticks, once per frame while a reply is written. Eight classes need less: words,
//! strings, comments, numbers and signs, told apart by a table per language.

mod language;
mod lexer;
mod markdown;
mod tags;

pub(crate) use language::{Language, language};

use crate::text;

/// What a piece of code is coloured as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Plain,
    Keyword,
    String,
    Comment,
    Number,
    Function,
    Type,
    Operator,
    Punctuation,
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Keyword => "tok-keyword",
            Self::String => "tok-string",
            Self::Comment => "tok-comment",
            Self::Number => "tok-number",
            Self::Function => "tok-function",
            Self::Type => "tok-type",
            Self::Operator => "tok-operator",
            Self::Punctuation => "tok-punctuation",
        }
    }
}

/// Appends `code` with a `span` around each coloured piece.
pub(crate) fn push(html: &mut String, code: &str, language: &Language) {
    let mut output = Output { html, open: Class::Plain };
    match language.reader {
        language::Reader::Words => lexer::read(code, language, &mut output),
        language::Reader::Tags => tags::read(code, &mut output),
        language::Reader::Markdown => markdown::read(code, &mut output),
    }
    output.switch_to(Class::Plain);
}

/// Joins neighbours of one class.
struct Output<'html> {
    html: &'html mut String,
    open: Class,
}

impl Output<'_> {
    fn push(&mut self, class: Class, text: &str) {
        if text.is_empty() {
            return;
        }
        self.switch_to(class);
        text::push_run(self.html, text);
    }

    fn switch_to(&mut self, class: Class) {
        if class == self.open {
            return;
        }
        if self.open != Class::Plain {
            self.html.push_str("</span>");
        }
        if class != Class::Plain {
            self.html.push_str("<span class=\"");
            self.html.push_str(class.name());
            self.html.push_str("\">");
        }
        self.open = class;
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    /// Writes each coloured piece as the first letters of its class and `⟨piece⟩`, the others as they are.
    fn coloured(name: &str, code: &str) -> String {
        let mut html = String::new();
        push(&mut html, code, language(name).expect("a known language"));
        let mut short = String::new();
        for part in html.split("<span class=\"tok-") {
            match part.split_once("\">") {
                Some((class, rest)) if !short.is_empty() || html.starts_with("<span") => {
                    let (piece, after) = rest.split_once("</span>").expect("spans are closed");
                    write!(short, "{}⟨{piece}⟩{after}", &class[..2]).expect("a string takes everything");
                }
                _ => short.push_str(part),
            }
        }
        short
    }

    #[test]
    fn colours_each_language() {
        let cases = [
            (
                "rust",
                "fn main<'a>() { let x: u8 = 0xff; } // end",
                "ke⟨fn⟩ mainop⟨&lt;⟩ty⟨'a⟩op⟨&gt;⟩pu⟨()⟩ pu⟨{⟩ ke⟨let⟩ xpu⟨:⟩ ty⟨u8⟩ op⟨=⟩ nu⟨0xff⟩pu⟨;⟩ pu⟨}⟩ co⟨// end⟩",
            ),
            (
                "rust",
                "let c = '\\n'; /* a\nb */ \"s\\\"t\"",
                "ke⟨let⟩ c op⟨=⟩ st⟨'\\n'⟩pu⟨;⟩ co⟨/* a\nb */⟩ st⟨&quot;s\\&quot;t&quot;⟩",
            ),
            (
                "python",
                "@cached\ndef f(x):\n    \"\"\"doc\n\"\"\"\n    return x ** 2.5 # why",
                "fu⟨@cached⟩\nke⟨def⟩ fu⟨f⟩pu⟨(⟩xpu⟨):⟩\n    st⟨&quot;&quot;&quot;doc\n&quot;&quot;&quot;⟩\n    ke⟨return⟩ x op⟨**⟩ nu⟨2.5⟩ co⟨# why⟩",
            ),
            (
                "ts",
                "const a: string = `x${1}\n`; f(a) // ok",
                "ke⟨const⟩ apu⟨:⟩ ty⟨string⟩ op⟨=⟩ st⟨`x${1}\n`⟩pu⟨;⟩ fu⟨f⟩pu⟨(⟩apu⟨)⟩ co⟨// ok⟩",
            ),
            (
                "json",
                "{\"key\": [true, -1.5e3, \"value\"]}",
                "pu⟨{⟩ty⟨&quot;key&quot;⟩pu⟨:⟩ pu⟨[⟩ke⟨true⟩pu⟨,⟩ op⟨-⟩nu⟨1.5e3⟩pu⟨,⟩ st⟨&quot;value&quot;⟩pu⟨]}⟩",
            ),
            (
                "html",
                "<!-- c --><a href=\"x\" b>T</a>",
                "co⟨&lt;!-- c --&gt;⟩pu⟨&lt;⟩ke⟨a⟩ ty⟨href⟩op⟨=⟩st⟨&quot;x&quot;⟩ ty⟨b⟩pu⟨&gt;⟩Tpu⟨&lt;/⟩ke⟨a⟩pu⟨&gt;⟩",
            ),
            ("css", "a { color: #fff; /* c */ }", "a pu⟨{⟩ ty⟨color⟩pu⟨:⟩ nu⟨#fff⟩pu⟨;⟩ co⟨/* c */⟩ pu⟨}⟩"),
            (
                "bash",
                "if [ \"$HOME\" ]; then echo 'x' # c\nfi",
                "ke⟨if⟩ pu⟨[⟩ st⟨&quot;$HOME&quot;⟩ pu⟨];⟩ ke⟨then⟩ echo st⟨'x'⟩ co⟨# c⟩\nke⟨fi⟩",
            ),
            (
                "c",
                "#include <stdio.h>\nint main(void) { return 'a'; }",
                "ke⟨#include⟩ op⟨&lt;⟩stdiopu⟨.⟩hop⟨&gt;⟩\nty⟨int⟩ fu⟨main⟩pu⟨(⟩ty⟨void⟩pu⟨)⟩ pu⟨{⟩ ke⟨return⟩ st⟨'a'⟩pu⟨;⟩ pu⟨}⟩",
            ),
            (
                "sql",
                "select Count(*) from t where a = 'it''s' -- c",
                "ke⟨select⟩ fu⟨Count⟩pu⟨(⟩op⟨*⟩pu⟨)⟩ ke⟨from⟩ t ke⟨where⟩ a op⟨=⟩ st⟨'it''s'⟩ co⟨-- c⟩",
            ),
            ("yaml", "key: \"value\" # c\n- true", "ty⟨key⟩pu⟨:⟩ st⟨&quot;value&quot;⟩ co⟨# c⟩\nop⟨-⟩ ke⟨true⟩"),
            ("toml", "[table]\nkey = \"v\" # c", "pu⟨[⟩tablepu⟨]⟩\nty⟨key⟩ op⟨=⟩ st⟨&quot;v&quot;⟩ co⟨# c⟩"),
            ("md", "# Title\ntext `code`\n> quote", "ke⟨# Title\n⟩text `st⟨code`⟩\nco⟨&gt; quote⟩"),
            (
                "go",
                "func (s *Server) Run() error { return nil }",
                "ke⟨func⟩ pu⟨(⟩s op⟨*⟩ty⟨Server⟩pu⟨)⟩ fu⟨Run⟩pu⟨()⟩ ty⟨error⟩ pu⟨{⟩ ke⟨return⟩ ke⟨nil⟩ pu⟨}⟩",
            ),
            (
                "java",
                "@Override public String name() { return \"x\"; }",
                "fu⟨@Override⟩ ke⟨public⟩ ty⟨String⟩ fu⟨name⟩pu⟨()⟩ pu⟨{⟩ ke⟨return⟩ st⟨&quot;x&quot;⟩pu⟨;⟩ pu⟨}⟩",
            ),
        ];
        for (name, code, expected) in cases {
            assert_eq!(coloured(name, code), expected, "{name}");
        }
    }
}
