//! The page reaches the app through one folder, and HTML text through one file.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::web_source::{css_without_comments, html_without_comments, javascript_without_comments, line_at};
use super::{Finding, report};
use crate::repository;

/// The only folder that knows Tauri.
const BACKEND_FOLDER: &str = "ui/backend/";
/// The only file that turns text into elements; what it gets was made safe by engawa-markup.
const MARKUP_FILE: &str = "ui/components/markup/markup.js";

/// Ways to turn text into elements.
const HTML_ENTRANCES: &[&str] = &[
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "DOMParser",
    "setHTMLUnsafe",
    "createContextualFragment",
];

const REMOTE_SCHEMES: &[&str] = &["http://", "https://", "ws://", "wss://"];

/// Searches every file below `ui/`.
///
/// # Errors
///
/// When something is where it must not be.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut findings = Vec::new();
    for file in repository::files_below(&root.join("ui"))? {
        let path = repository::relative(root, &file);
        if ["js", "mjs", "ts", "css", "html"].iter().any(|kind| has_extension(&path, kind)) {
            let source = fs::read_to_string(&file).with_context(|| format!("while reading {path}"))?;
            findings.extend(findings_in(&path, &source));
        }
    }
    report(&findings)
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

/// Searches one file; the path is as seen from the repository's root.
fn findings_in(path: &str, source: &str) -> Vec<Finding> {
    let is_html = has_extension(path, "html");
    let is_css = has_extension(path, "css");
    let code = if is_html {
        html_without_comments(source)
    } else if is_css {
        css_without_comments(source)
    } else {
        javascript_without_comments(source)
    };
    let mut problems: Vec<(usize, String)> = Vec::new();
    if !path.starts_with(BACKEND_FOLDER) {
        problems.extend(
            places_of(&code, "__TAURI").map(|offset| (offset, format!("Tauri is known only below {BACKEND_FOLDER}"))),
        );
    }
    if path != MARKUP_FILE && !is_css {
        for entrance in HTML_ENTRANCES {
            problems.extend(
                places_of(&code, entrance)
                    .map(|offset| (offset, format!("`{entrance}` may be used only in {MARKUP_FILE}"))),
            );
        }
    }
    if !is_css {
        problems.extend(
            style_attributes(&code)
                .map(|offset| (offset, "the window refuses `style` attributes; use a class".to_owned())),
        );
    }
    if is_html {
        problems.extend(
            inline_scripts(&code)
                .map(|offset| (offset, "the window refuses inline scripts; put the script in a file".to_owned())),
        );
    }
    if !may_name_remote_addresses(path) {
        problems.extend(
            remote_addresses(&code)
                .into_iter()
                .map(|(offset, address)| (offset, format!("the page must not name the remote address {address}"))),
        );
    }
    problems.sort();
    problems
        .into_iter()
        .map(|(offset, message)| Finding::new(format!("{path}:{}", line_at(&code, offset)), message))
        .collect()
}

/// The made-up backend has made-up addresses, and a table of links is there to be opened in the browser.
fn may_name_remote_addresses(path: &str) -> bool {
    let file_name = path.rsplit('/').next().unwrap_or(path);
    file_name == "links.js" || (path.starts_with(BACKEND_FOLDER) && path[BACKEND_FOLDER.len()..].starts_with("fake"))
}

fn places_of<'a>(text: &'a str, wanted: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(wanted).map(|(offset, _)| offset)
}

/// Finds `style="` inside a tag, in a page or in a template.
fn style_attributes(text: &str) -> impl Iterator<Item = usize> + '_ {
    text.match_indices("style=").map(|(offset, _)| offset).filter(|offset| {
        let is_own_word = text[..*offset].ends_with(char::is_whitespace);
        let is_quoted = text[offset + "style=".len()..].starts_with(['"', '\'']);
        is_own_word && is_quoted
    })
}

/// Finds `<script>` tags without a `src`.
fn inline_scripts(text: &str) -> impl Iterator<Item = usize> + '_ {
    text.match_indices("<script").map(|(offset, _)| offset).filter(|offset| {
        let tag = &text[*offset..];
        let tag = &tag[..tag.find('>').unwrap_or(tag.len())];
        !tag.split_whitespace().any(|attribute| attribute.starts_with("src="))
    })
}

/// Finds addresses of other machines, with their scheme and host.
fn remote_addresses(text: &str) -> Vec<(usize, &str)> {
    let mut addresses = Vec::new();
    for scheme in REMOTE_SCHEMES {
        for offset in places_of(text, scheme) {
            let host_start = offset + scheme.len();
            let is_host_part = |character: char| character.is_alphanumeric() || ".-_:[]".contains(character);
            let host_length =
                text[host_start..].find(|character| !is_host_part(character)).unwrap_or(text.len() - host_start);
            let host = &text[host_start..host_start + host_length];
            if is_remote(host) {
                addresses.push((offset, &text[offset..host_start + host_length]));
            }
        }
    }
    addresses
}

/// Says whether a host is another machine: not this one, not a name reserved for examples, not a namespace.
fn is_remote(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let is_below = |domain: &str| name == domain || name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    let is_fine = name.is_empty()
        || name == "www.w3.org"
        || name == "[::1]"
        || name.starts_with("127.")
        || ["localhost", "example", "example.com", "example.net", "example.org", "invalid", "test"]
            .into_iter()
            .any(is_below);
    !is_fine
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, source: &str) -> Vec<String> {
        findings_in(path, source).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn tauri_is_known_in_the_backend_folder_only() {
        let source = "\nwindow.__TAURI__.core.invoke('x');";
        assert_eq!(found("ui/backend/tauri.js", source), Vec::<String>::new());
        assert_eq!(found("ui/app/app.js", source), ["ui/app/app.js:2: Tauri is known only below ui/backend/"]);
    }

    #[test]
    fn every_html_entrance_is_caught_outside_the_markup_file() {
        for entrance in HTML_ENTRANCES {
            let source = format!("element.{entrance}(text)");
            assert_eq!(found(MARKUP_FILE, &source), Vec::<String>::new());
            assert_eq!(found("ui/components/message/message.js", &source).len(), 1, "{entrance}");
        }
    }

    #[test]
    fn comments_may_talk_about_what_code_must_not_do() {
        let source =
            "// never innerHTML, see https://developer.mozilla.org\n/* __TAURI__ */ element.textContent = text;";
        assert_eq!(found("ui/app/app.js", source), Vec::<String>::new());
        assert_eq!(found("ui/index.html", "<!-- <script>no</script> https://a.dev -->"), Vec::<String>::new());
        assert_eq!(found("ui/app/app.css", "/* https://a.dev */"), Vec::<String>::new());
    }

    #[test]
    fn inline_script_and_style_are_caught() {
        let page = "<script src=\"a.js\" type=\"module\"></script>\n<script>b()</script>\n<p style=\"color: red\">\n<p data-style=\"a\">";
        assert_eq!(
            found("ui/index.html", page),
            [
                "ui/index.html:2: the window refuses inline scripts; put the script in a file",
                "ui/index.html:3: the window refuses `style` attributes; use a class",
            ]
        );
    }

    #[test]
    fn remote_addresses_are_caught_and_harmless_ones_are_not() {
        let source = "\
const namespace = 'http://www.w3.org/2000/svg';
const local = `http://127.0.0.1:${port}/v1`, other = 'http://localhost:8080';
const hint = 'https://api.example.com/v1';
const isLink = text.startsWith('https://');
const font = 'https://fonts.example-cdn.io/a.woff2';";
        assert_eq!(
            found("ui/app/app.js", source),
            ["ui/app/app.js:5: the page must not name the remote address https://fonts.example-cdn.io"]
        );
        assert_eq!(found("ui/app/app.css", "a { b: url(https://cdn.io/c.png) }").len(), 1);
        assert_eq!(found("ui/backend/fake.js", source), Vec::<String>::new());
    }

    #[test]
    fn a_host_that_only_ends_like_a_harmless_one_is_remote() {
        assert!(is_remote("evilexample.com"));
        assert!(is_remote("localhost.evil.io"));
        assert!(!is_remote("ipc.localhost"));
    }
}
