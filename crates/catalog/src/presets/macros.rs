/// Replaces `{{char}}` and `{{user}}`, in upper or lower case, by names.
///
/// What is put in is not looked at again, so a name cannot bring in another macro.
pub(super) fn substitute(text: &str, character: &str, user: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        result.push_str(&rest[..start]);
        rest = &rest[start..];
        let found = rest.find("}}").and_then(|end| {
            let name = match rest[2..end].trim().to_ascii_lowercase().as_str() {
                "char" => character,
                "user" => user,
                _ => return None,
            };
            Some((name, end + 2))
        });
        let (replacement, length) = found.unwrap_or(("{", 1));
        result.push_str(replacement);
        rest = &rest[length..];
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::substitute;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(substitute(text, "Mio", "Ken"), expected);
    }

    #[test]
    fn replaces_names_and_keeps_the_rest() {
        check("{{char}}は{{USER}}を待つ", "MioはKenを待つ");
        check("{{ Char }}: {{other}} {{", "Mio: {{other}} {{");
        check("{{{user}}}", "{Ken}");
        check("{{a {{user}}", "{{a Ken");
    }

    #[test]
    fn names_are_not_macros() {
        assert_eq!(substitute("{{char}}", "{{user}}", "Ken"), "{{user}}");
    }
}
