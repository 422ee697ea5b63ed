/// Who says something in an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The person.
    User,
    /// The character.
    Character,
}

/// Something that is said in an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExampleTurn {
    /// Who says it.
    pub speaker: Speaker,
    /// What is said, without the name in front.
    pub text: String,
}

/// Splits the example text of a card into conversations.
///
/// A conversation begins after a line `<START>`; a turn begins with `{{user}}:` or `{{char}}:`, or with a name in
/// their place, and goes on until the next one. What stands before the first turn is left out.
pub(super) fn parse(text: &str, character: &str, user: &str) -> Vec<Vec<ExampleTurn>> {
    let mut conversations = vec![Vec::new()];
    for line in text.lines() {
        if line.trim().eq_ignore_ascii_case("<START>") {
            conversations.push(Vec::new());
            continue;
        }
        let Some(turns) = conversations.last_mut() else { continue };
        match split_speaker(line, character, user) {
            Some((speaker, text)) => turns.push(ExampleTurn { speaker, text: text.to_owned() }),
            None => continue_turn(turns, line),
        }
    }
    for turn in conversations.iter_mut().flatten() {
        turn.text.truncate(turn.text.trim_end().len());
    }
    conversations.retain(|turns| !turns.is_empty());
    conversations
}

fn split_speaker<'a>(line: &'a str, character: &str, user: &str) -> Option<(Speaker, &'a str)> {
    let (name, text) = line.split_once([':', '：'])?;
    let name = name.trim();
    let is = |names: [&str; 2]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
    let speaker = if is(["{{user}}", user]) {
        Speaker::User
    } else if is(["{{char}}", character]) {
        Speaker::Character
    } else {
        return None;
    };
    Some((speaker, text.trim_start()))
}

fn continue_turn(turns: &mut [ExampleTurn], line: &str) {
    if let Some(turn) = turns.last_mut() {
        turn.text.push('\n');
        turn.text.push_str(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(speaker: Speaker, text: &str) -> ExampleTurn {
        ExampleTurn { speaker, text: text.to_owned() }
    }

    #[test]
    fn splits_conversations_and_turns() {
        let text = "ignored\n<START>\n{{user}}: おはよう\n{{char}}: おはよう！\n  続き: はい\n\n<start>\nKen： 12:30?\nMio: yes\n<START>\n";
        assert_eq!(
            parse(text, "Mio", "Ken"),
            [
                vec![turn(Speaker::User, "おはよう"), turn(Speaker::Character, "おはよう！\n  続き: はい")],
                vec![turn(Speaker::User, "12:30?"), turn(Speaker::Character, "yes")],
            ]
        );
    }

    #[test]
    fn text_without_speakers_is_no_example() {
        assert!(parse("<START>\njust words", "Mio", "Ken").is_empty());
        assert!(parse("", "Mio", "Ken").is_empty());
    }
}
