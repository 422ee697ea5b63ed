//! Writes the events of the Markdown parser as the HTML that this crate promises.

use pulldown_cmark::{Alignment, CodeBlockKind, CowStr, Event, LinkType, Parser, Tag, TagEnd};

use crate::render::{Breaks, EXTENSIONS};
use crate::{code, link, text};

/// How many elements may be open at once; deeper ones are only their text. An HTML parser takes time by their square.
const MAX_DEPTH: usize = 64;

pub(crate) struct Writer {
    breaks: Breaks,
    continued: usize,
    html: String,
    /// Where the node of text that is being written begins, at the latest.
    node_start: usize,
    /// What closes each element of Markdown that is open; empty for one that has no element of its own.
    closing: Vec<&'static str>,
    depth: usize,
    /// The block that is being collected: what stands after its fence, and its text.
    code: Option<(String, String)>,
    /// The description of an image, and how many images stand inside each other there.
    image: Option<(String, usize)>,
    alignments: Vec<Alignment>,
    column: usize,
    in_table_head: bool,
}

impl Writer {
    pub(crate) fn new(breaks: Breaks, continued: usize) -> Self {
        Self {
            breaks,
            continued,
            html: String::new(),
            node_start: 0,
            closing: Vec::new(),
            depth: 0,
            code: None,
            image: None,
            alignments: Vec::new(),
            column: 0,
            in_table_head: false,
        }
    }

    /// Writes all of `markdown`. The result is not yet sanitised.
    pub(crate) fn write(mut self, markdown: &str) -> String {
        self.html.reserve(markdown.len() * 2);
        for event in Parser::new_ext(markdown, EXTENSIONS) {
            if self.image.is_some() {
                self.describe_image(event);
            } else {
                self.event(event);
            }
            self.end_long_node();
        }
        self.html
    }

    /// Many short texts make a long node too; see [`text::push_run`].
    fn end_long_node(&mut self) {
        let follows_text = !self.html.ends_with('>');
        if follows_text && self.html.len() - self.node_start > text::NODE_BYTES {
            self.html.push_str(text::NODE_END);
            self.node_start = self.html.len();
        }
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.text(&text),
            Event::Code(code) => self.element("<code>", &code, "</code>"),
            Event::InlineMath(formula) => self.element(r#"<code class="math">"#, &formula, "</code>"),
            Event::DisplayMath(formula) => self.display_math(&formula),
            Event::Html(html) => text::push_lines(&mut self.html, &html),
            Event::InlineHtml(html) => text::push_run(&mut self.html, &html),
            Event::SoftBreak => self.html.push_str(match self.breaks {
                Breaks::Soft => "\n",
                Breaks::Hard => "<br>",
            }),
            Event::HardBreak => self.html.push_str("<br>"),
            Event::Rule => self.html.push_str("<hr>"),
            Event::TaskListMarker(checked) => self.html.push_str(if checked {
                r#"<input type="checkbox" disabled checked> "#
            } else {
                r#"<input type="checkbox" disabled> "#
            }),
            // Footnotes are not enabled.
            Event::FootnoteReference(name) => self.text(&name),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => self.open("<p>", "</p>"),
            Tag::Heading { level, .. } => {
                let (opening, closing) = [
                    ("<h1>", "</h1>"),
                    ("<h2>", "</h2>"),
                    ("<h3>", "</h3>"),
                    ("<h4>", "</h4>"),
                    ("<h5>", "</h5>"),
                    ("<h6>", "</h6>"),
                ][level as usize - 1];
                self.open(opening, closing);
            }
            Tag::BlockQuote(_) => self.open("<blockquote>", "</blockquote>"),
            Tag::List(None) => self.open("<ul>", "</ul>"),
            Tag::List(Some(1)) => self.open("<ol>", "</ol>"),
            Tag::List(Some(start)) => self.open(&format!(r#"<ol start="{start}">"#), "</ol>"),
            Tag::Item => self.open("<li>", "</li>"),
            Tag::CodeBlock(kind) => {
                let info = match kind {
                    CodeBlockKind::Fenced(info) => info.into_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                self.code = Some((info, String::new()));
            }
            Tag::Table(alignments) => {
                self.alignments = alignments;
                self.open(r#"<div class="table"><table>"#, "</tbody></table></div>");
            }
            Tag::TableHead => {
                self.in_table_head = true;
                self.column = 0;
                self.open("<thead><tr>", "</tr></thead><tbody>");
            }
            Tag::TableRow => {
                self.column = 0;
                self.open("<tr>", "</tr>");
            }
            Tag::TableCell => {
                let (name, closing) = if self.in_table_head { ("th", "</th>") } else { ("td", "</td>") };
                let align = match self.alignments.get(self.column) {
                    Some(Alignment::Left) => r#" align="left""#,
                    Some(Alignment::Center) => r#" align="center""#,
                    Some(Alignment::Right) => r#" align="right""#,
                    Some(Alignment::None) | None => "",
                };
                self.column += 1;
                self.open(&format!("<{name}{align}>"), closing);
            }
            Tag::Emphasis => self.open("<em>", "</em>"),
            Tag::Strong => self.open("<strong>", "</strong>"),
            Tag::Strikethrough => self.open("<del>", "</del>"),
            Tag::Link { link_type, dest_url, .. } => self.open_link(link_type, &dest_url),
            Tag::Image { dest_url, .. } => self.open_image(&dest_url),
            // None of these is enabled; what they hold is shown.
            Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Superscript
            | Tag::Subscript
            | Tag::MetadataBlock(_) => self.open("", ""),
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::CodeBlock => {
                if let Some((info, code)) = self.code.take() {
                    code::push_block(&mut self.html, &info, &code, self.continued);
                    self.continued = 0;
                }
            }
            TagEnd::TableHead => {
                self.in_table_head = false;
                self.close();
            }
            TagEnd::HtmlBlock => {
                // Its last line ends in a line break that separates it from nothing.
                if self.html.ends_with("<br>") {
                    self.html.truncate(self.html.len() - "<br>".len());
                }
                self.close();
            }
            TagEnd::Paragraph => {
                // A formula at the edge of a paragraph leaves an empty one behind.
                if self.html.ends_with("<p>") && self.closing.last() == Some(&"</p>") {
                    self.html.truncate(self.html.len() - "<p>".len());
                    self.closing.pop();
                    self.depth -= 1;
                } else {
                    self.close();
                }
            }
            _ => self.close(),
        }
    }

    fn open(&mut self, opening: &str, closing: &'static str) {
        let closing = if self.depth < MAX_DEPTH { closing } else { "" };
        if !closing.is_empty() {
            self.depth += 1;
            self.html.push_str(opening);
        }
        self.closing.push(closing);
    }

    fn close(&mut self) {
        let closing = self.closing.pop().unwrap_or_default();
        if !closing.is_empty() {
            self.depth -= 1;
            self.html.push_str(closing);
        }
    }

    fn text(&mut self, text: &str) {
        match &mut self.code {
            Some((_, code)) => code.push_str(text),
            None => text::push_run(&mut self.html, text),
        }
    }

    fn element(&mut self, opening: &str, content: &str, closing: &str) {
        self.html.push_str(opening);
        text::push_run(&mut self.html, content);
        self.html.push_str(closing);
    }

    /// A formula of its own line ends the paragraph it stands in, where HTML lets it.
    fn display_math(&mut self, formula: &str) {
        match self.closing.last() {
            Some(&"</p>") => {
                if self.html.ends_with("<p>") {
                    self.html.truncate(self.html.len() - "<p>".len());
                } else {
                    self.html.push_str("</p>");
                }
                self.element(r#"<div class="math">"#, formula, "</div>");
                self.html.push_str("<p>");
            }
            Some(&"</li>") => self.element(r#"<div class="math">"#, formula, "</div>"),
            _ => self.element(r#"<code class="math">"#, formula, "</code>"),
        }
    }

    fn open_link(&mut self, link_type: LinkType, address: &str) {
        let address = match link_type {
            LinkType::Email => CowStr::from(format!("mailto:{address}")),
            _ => CowStr::from(address),
        };
        if link::may_open(&address) {
            let mut opening = String::from(r#"<a data-href=""#);
            text::push_escaped(&mut opening, &address);
            opening.push_str(r#"" role="link" tabindex="0">"#);
            self.open(&opening, "</a>");
        } else {
            self.open("", "");
        }
    }

    fn open_image(&mut self, address: &str) {
        let mut opening = String::from(r#"<span class="image-placeholder""#);
        if link::is_remote(address) {
            opening.push_str(r#" data-src=""#);
            text::push_escaped(&mut opening, address);
            opening.push('"');
        }
        opening.push('>');
        self.open(&opening, "</span>");
        self.image = Some((String::new(), 0));
    }

    /// Takes the text of what stands in the description of an image.
    fn describe_image(&mut self, event: Event<'_>) {
        let Some((description, nested)) = &mut self.image else { return };
        match event {
            Event::Start(Tag::Image { .. }) => *nested += 1,
            Event::End(TagEnd::Image) if *nested > 0 => *nested -= 1,
            Event::End(TagEnd::Image) => {
                let description = std::mem::take(description);
                self.image = None;
                text::push_run(&mut self.html, &description);
                self.close();
            }
            Event::Text(text)
            | Event::Code(text)
            | Event::InlineHtml(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text) => description.push_str(&text),
            Event::SoftBreak | Event::HardBreak => description.push(' '),
            _ => {}
        }
    }
}
