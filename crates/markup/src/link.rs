/// The longest address, in bytes, that is offered for a click.
const MAX_BYTES: usize = 8 << 10;

/// True for an address that a click may open: http and https with a host, or mailto, and nothing in it that hides where
/// it goes.
pub(crate) fn may_open(address: &str) -> bool {
    if address.len() > MAX_BYTES || address.chars().any(is_hidden) {
        return false;
    }
    if let Some(rest) = after_scheme(address, "mailto:") {
        return rest.contains('@');
    }
    is_remote(address)
}

/// True for the address of something that could be fetched by http or https.
pub(crate) fn is_remote(address: &str) -> bool {
    let rest = after_scheme(address, "http://").or_else(|| after_scheme(address, "https://"));
    let has_host = rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_alphanumeric() || first == '['));
    has_host && address.len() <= MAX_BYTES && !address.chars().any(is_hidden)
}

fn after_scheme<'address>(address: &'address str, scheme: &str) -> Option<&'address str> {
    let (start, rest) = address.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// Characters that cannot be seen, or that another program may read as something else.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || character.is_whitespace()
        || matches!(character, '\\' | '"' | '<' | '>' | '`')
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(character, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffd}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_the_web_and_mail() {
        for address in ["https://example.org/a?b#c", "HTTP://[::1]:8080/", "mailto:a@b.c", "https://例え.jp/道"] {
            assert!(may_open(address), "{address}");
        }
        for address in [
            "javascript:alert(1)",
            "JaVaScRiPt:1",
            "data:text/html,x",
            "vbscript:x",
            "file:///etc/passwd",
            "//host",
            "/a",
            "a",
            "",
            "https:/a",
            "https://",
            "https:///a",
            "https:\\\\a",
            "https://a\u{202e}b",
            "https://a b",
            "ftp://a",
            "mailto:",
            "mailto:?body=x",
            "https://.",
            "java\tscript:x",
            " https://a",
            "blob:https://a",
            "tel:1",
            "https://a\u{200b}b",
            "tauri://localhost",
            "http://@evil",
            "view-source:https://a",
        ] {
            assert!(!may_open(address), "{address}");
        }
    }
}
