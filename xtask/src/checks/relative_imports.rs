//! Every file that a page, a script or a style sheet asks for exists.
//!
//! The window answers a missing file with index.html, so a wrong path shows up as a strange error far from its cause.

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};

use super::web_source::{Token, css_without_comments, html_without_comments, javascript_tokens, line_at};
use super::{Finding, report};
use crate::repository;

/// Resolves every import and reference below `ui/`.
///
/// # Errors
///
/// When one leads nowhere, or out of `ui/`.
pub(crate) fn check(root: &Path) -> Result<()> {
    let pages = root.join("ui");
    let mut findings = Vec::new();
    for file in repository::files_below(&pages)? {
        let references: fn(&str) -> Vec<Reference> = match file.extension().and_then(|kind| kind.to_str()) {
            Some("js" | "mjs") => in_javascript,
            Some("css") => in_css,
            Some("html") => in_html,
            _ => continue,
        };
        let path = repository::relative(root, &file);
        let source = fs::read_to_string(&file).with_context(|| format!("while reading {path}"))?;
        for reference in references(&source) {
            if let Some(message) = problem_with(&pages, &file, &reference) {
                findings.push(Finding::new(format!("{path}:{}", reference.line), message));
            }
        }
    }
    report(&findings)
}

/// A file that another file asks for.
#[derive(Debug, PartialEq, Eq)]
struct Reference {
    line: usize,
    target: String,
    kind: ReferenceKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReferenceKind {
    /// Must begin with `./`, `../` or `/`.
    Module,
    /// An address in a page or a style sheet.
    Address,
}

fn problem_with(pages: &Path, file: &Path, reference: &Reference) -> Option<String> {
    let target = reference.target.split(['?', '#']).next().unwrap_or_default();
    match reference.kind {
        ReferenceKind::Module if !target.starts_with(['.', '/']) => {
            return Some(format!(
                "`{}` is not a path; without a bundler, an import begins with `./` or `../`",
                reference.target
            ));
        }
        // Remote addresses are the backend boundary's matter.
        ReferenceKind::Address if target.is_empty() || target.contains(':') || target.starts_with("//") => {
            return None;
        }
        ReferenceKind::Module | ReferenceKind::Address => {}
    }
    let from = match target.strip_prefix('/') {
        Some(_) => pages,
        None => file.parent().unwrap_or(pages),
    };
    let Some(resolved) = resolve(pages, &from.join(target.trim_start_matches('/'))) else {
        return Some(format!("`{}` leads out of ui/, which the window can't see", reference.target));
    };
    (!resolved.is_file()).then(|| format!("`{}` does not exist", reference.target))
}

/// Takes `.` and `..` out of a path; `None` if it then lies outside the folder.
fn resolve(folder: &Path, path: &Path) -> Option<PathBuf> {
    let mut resolved = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                resolved.pop();
            }
            other => resolved.push(other),
        }
    }
    resolved.starts_with(folder).then_some(resolved)
}

/// Finds imports, exports from elsewhere, `import()` of a plain string, and `new URL(…, import.meta.url)`.
fn in_javascript(source: &str) -> Vec<Reference> {
    let tokens = javascript_tokens(source);
    let is_word =
        |index: usize, wanted: &str| matches!(tokens.get(index), Some((_, Token::Word(word))) if word == wanted);
    let is_mark =
        |index: usize, wanted: char| matches!(tokens.get(index), Some((_, Token::Mark(mark))) if *mark == wanted);
    let mut references = Vec::new();
    for (index, (line, token)) in tokens.iter().enumerate() {
        let Token::Text(target) = token else { continue };
        let before = |distance: usize| index.checked_sub(distance);
        let follows_word = |word| before(1).is_some_and(|previous| is_word(previous, word));
        let follows_call = |word| {
            before(1).is_some_and(|previous| is_mark(previous, '('))
                && before(2).is_some_and(|previous| is_word(previous, word))
        };
        let kind = if follows_word("from") || follows_word("import") || follows_call("import") {
            ReferenceKind::Module
        } else if follows_call("URL") && is_mark(index + 1, ',') && is_word(index + 2, "import") {
            ReferenceKind::Address
        } else {
            continue;
        };
        references.push(Reference { line: *line, target: target.clone(), kind });
    }
    references
}

/// Finds `url(…)` and `@import "…"`.
fn in_css(source: &str) -> Vec<Reference> {
    let code = css_without_comments(source);
    let mut references = Vec::new();
    for start in ["url(", "@import"] {
        for (offset, _) in code.match_indices(start) {
            let rest = code[offset + start.len()..].trim_start();
            let target = match rest.chars().next() {
                Some(quote @ ('"' | '\'')) => rest[1..].split(quote).next(),
                _ if start == "url(" => rest.split(')').next().map(str::trim_end),
                _ => None,
            };
            references.extend(target.map(|target| Reference {
                line: line_at(&code, offset),
                target: target.to_owned(),
                kind: ReferenceKind::Address,
            }));
        }
    }
    references
}

/// Finds the values of `href` and `src`.
fn in_html(source: &str) -> Vec<Reference> {
    let code = html_without_comments(source);
    let mut references = Vec::new();
    for attribute in ["href=", "src="] {
        for (offset, _) in code.match_indices(attribute) {
            if !code[..offset].ends_with(char::is_whitespace) {
                continue;
            }
            let rest = &code[offset + attribute.len()..];
            let target = match rest.chars().next() {
                Some(quote @ ('"' | '\'')) => rest[1..].split(quote).next(),
                _ => rest.split([' ', '\n', '>']).next(),
            };
            references.extend(target.map(|target| Reference {
                line: line_at(&code, offset),
                target: target.to_owned(),
                kind: ReferenceKind::Address,
            }));
        }
    }
    references
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(references: &[Reference]) -> Vec<(usize, &str)> {
        references.iter().map(|reference| (reference.line, reference.target.as_str())).collect()
    }

    #[test]
    fn every_kind_of_import_is_found() {
        let source = "\
import './a.js';
import { b } from \"../b.js\";
export * from './c.js';
const d = await import('./d.js');
const e = new URL('./e.png', import.meta.url);
/** @type {import('./types.js').F} */
const f = `import './no.js'`;
say(\"text from './no.js'\");
Array.from('no');";
        assert_eq!(
            targets(&in_javascript(source)),
            [(1, "./a.js"), (2, "../b.js"), (3, "./c.js"), (4, "./d.js"), (5, "./e.png")]
        );
    }

    #[test]
    fn addresses_in_style_sheets_and_pages_are_found() {
        let style = "@import './a.css';\n/* url(no.png) */\n.b { src: url( \"b.woff2\" ), url(c.svg) }";
        assert_eq!(targets(&in_css(style)), [(3, "b.woff2"), (3, "c.svg"), (1, "./a.css")]);
        let page = "<link href=\"a.css\">\n<script src='b.js'></script>\n<i data-src=\"no\"></i><!-- src=\"no\" -->";
        assert_eq!(targets(&in_html(page)), [(1, "a.css"), (2, "b.js")]);
    }

    #[test]
    fn a_path_must_exist_inside_the_folder() {
        let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let file = pages.join("checks/locales.rs");
        let problem =
            |target: &str, kind| problem_with(&pages, &file, &Reference { line: 1, target: target.to_owned(), kind });
        let module = ReferenceKind::Module;
        assert_eq!(problem("../main.rs", module), None);
        assert_eq!(problem("/main.rs", module), None);
        assert_eq!(problem("./nothing.rs", module), Some("`./nothing.rs` does not exist".to_owned()));
        assert!(problem("../../Cargo.toml", module).is_some_and(|message| message.contains("out of ui/")));
        assert!(problem("lit", module).is_some_and(|message| message.contains("not a path")));
        for address in ["#part", "data:image/png;base64,AA", "https://a.dev/b.png", "format.rs?v=1"] {
            assert_eq!(problem(address, ReferenceKind::Address), None, "{address}");
        }
    }
}
