//! Checks grammars before llama.cpp reads them.
//!
//! llama.cpp's reader calls itself for each nested group, walks through all ways to begin a rule, and writes repetitions
//! out: a hostile grammar of a few lines ends the process, or keeps it busy for ever. What is let through here is read in
//! no time and in little memory. Whether it is a grammar at all is left to llama.cpp, which says so with an error.
//!
//! The notation is GBNF: `name ::= "text" [a-z] other-name ( group | … )* {2,5}`, with `#` in front of comments.

use std::collections::HashMap;

/// Bytes of a grammar.
const LONGEST: usize = 256 << 10;
/// How deep groups may be nested.
const DEEPEST: usize = 100;
/// Symbols when all repetitions are written out.
const MOST_SYMBOLS: usize = 400_000;
/// Ways to begin, counted through all rules that a rule may begin with. llama.cpp compares each with all others, and tries each with
/// all tokens.
const MOST_BEGINNINGS: u64 = 4000;
/// Rules that begin with each other in a row.
const LONGEST_CHAIN: usize = 1000;
/// llama.cpp's limit for a repetition; above it there is no upper bound.
const MOST_REPETITIONS: usize = 2000;

/// Why a grammar is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GrammarError {
    #[error("the grammar is longer than {} KiB", LONGEST >> 10)]
    TooLong,
    #[error("groups are nested more than {DEEPEST} deep")]
    TooDeep,
    #[error("with its repetitions written out, the grammar has more than {MOST_SYMBOLS} symbols")]
    TooManySymbols,
    #[error("there are too many ways to begin a rule")]
    TooManyBeginnings,
    #[error("a rule begins with itself (left recursion)")]
    LeftRecursive,
}

/// Whose grammar it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A stranger's.
    Request,
    /// Made by llama.cpp for the calls of tools: it repeats what may be empty, which llama.cpp reads well.
    Calls,
}

/// Checks that llama.cpp can read a grammar safely.
pub(crate) fn check_grammar(source: &str, origin: Origin) -> Result<(), GrammarError> {
    if source.len() > LONGEST {
        return Err(GrammarError::TooLong);
    }
    let mut reader = Reader { rest: source.as_bytes(), rules: Vec::new(), names: HashMap::new(), symbols: 0 };
    reader.read()?;
    check_beginnings(&reader.rules, origin)
}

/// A rule or a group: its alternatives, of which each is symbols in a row.
type Rule = Vec<Vec<Symbol>>;

#[derive(Clone, Copy)]
struct Symbol {
    /// The rule or group that stands here; `None` for a text.
    rule: Option<usize>,
    /// Whether it may be left out.
    optional: bool,
    /// Whether it may come any number of times.
    endless: bool,
    /// How often it is written out at most.
    copies: usize,
    /// The elements of one copy: the characters of a text.
    length: usize,
}

struct Reader<'a> {
    rest: &'a [u8],
    rules: Vec<Rule>,
    names: HashMap<Vec<u8>, usize>,
    symbols: usize,
}

impl Reader<'_> {
    /// Reads rules until something is not as it should be, which llama.cpp finds as well.
    fn read(&mut self) -> Result<(), GrammarError> {
        loop {
            self.skip_space(true);
            let name = self.name();
            self.skip_space(false);
            if name.is_empty() || !self.rest.starts_with(b"::=") {
                return Ok(());
            }
            self.rest = &self.rest[3..];
            self.skip_space(true);
            let place = self.place(name);
            let rule = self.alternatives(0)?;
            self.rules[place] = rule;
        }
    }

    fn place(&mut self, name: Vec<u8>) -> usize {
        let rules = &mut self.rules;
        *self.names.entry(name).or_insert_with(|| {
            rules.push(Rule::new());
            rules.len() - 1
        })
    }

    fn alternatives(&mut self, depth: usize) -> Result<Rule, GrammarError> {
        if depth > DEEPEST {
            return Err(GrammarError::TooDeep);
        }
        let mut rule = vec![self.sequence(depth)?];
        while self.take(b'|') {
            self.skip_space(true);
            rule.push(self.sequence(depth)?);
        }
        Ok(rule)
    }

    fn sequence(&mut self, depth: usize) -> Result<Vec<Symbol>, GrammarError> {
        let mut symbols: Vec<Symbol> = Vec::new();
        while let Some(&first) = self.rest.first() {
            let symbol = match first {
                b'"' => Symbol::text(self.quoted(b'"')),
                b'[' => Symbol::text(self.quoted(b']')),
                b'<' | b'!' => Symbol::text(self.quoted(b'>')),
                b'.' => {
                    self.rest = &self.rest[1..];
                    Symbol::text(2)
                }
                b'(' => {
                    self.rest = &self.rest[1..];
                    self.skip_space(true);
                    let group = self.alternatives(depth + 1)?;
                    self.take(b')');
                    self.rules.push(group);
                    Symbol::reference(self.rules.len() - 1)
                }
                b'*' | b'+' | b'?' | b'{' => {
                    let (least, most) = self.repetition(first);
                    let Some(last) = symbols.last_mut() else { return Ok(symbols) };
                    last.optional |= least == 0;
                    last.endless |= most.is_none();
                    let copies = most.unwrap_or(least + 1).max(1);
                    self.symbols = self.symbols.saturating_add(last.length.saturating_mul(last.copies * copies));
                    last.copies = last.copies.saturating_mul(copies);
                    if self.symbols > MOST_SYMBOLS || last.copies > MOST_SYMBOLS {
                        return Err(GrammarError::TooManySymbols);
                    }
                    self.skip_space(depth > 0);
                    continue;
                }
                letter if is_name_byte(letter) => {
                    let name = self.name();
                    Symbol::reference(self.place(name))
                }
                _ => break,
            };
            self.symbols += symbol.length;
            symbols.push(symbol);
            self.skip_space(depth > 0);
        }
        Ok(symbols)
    }

    /// Steps over a text, a class or a token; gives at least the number of its characters.
    fn quoted(&mut self, end: u8) -> usize {
        let mut at = 1;
        while at < self.rest.len() && self.rest[at] != end {
            at += if self.rest[at] == b'\\' { 2 } else { 1 };
        }
        self.rest = self.rest.get(at + 1..).unwrap_or_default();
        at
    }

    /// Steps over a sign of repetition; gives how often at least, and at most.
    fn repetition(&mut self, sign: u8) -> (usize, Option<usize>) {
        self.rest = &self.rest[1..];
        match sign {
            b'*' => return (0, None),
            b'+' => return (1, None),
            b'?' => return (0, Some(1)),
            _ => {}
        }
        self.skip_space(true);
        let least = self.number().unwrap_or(0);
        self.skip_space(true);
        let most = if self.take(b',') {
            self.skip_space(true);
            self.number()
        } else {
            Some(least)
        };
        self.skip_space(true);
        self.take(b'}');
        (least, most.filter(|&most| most <= MOST_REPETITIONS))
    }

    fn number(&mut self) -> Option<usize> {
        let length = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at(length);
        self.rest = rest;
        if digits.is_empty() {
            return None;
        }
        Some(std::str::from_utf8(digits).ok()?.parse().unwrap_or(usize::MAX >> 1))
    }

    fn name(&mut self) -> Vec<u8> {
        let length = self.rest.iter().take_while(|&&byte| is_name_byte(byte)).count();
        let (name, rest) = self.rest.split_at(length);
        self.rest = rest;
        name.to_vec()
    }

    fn take(&mut self, wanted: u8) -> bool {
        let found = self.rest.first() == Some(&wanted);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    fn skip_space(&mut self, with_lines: bool) {
        loop {
            match self.rest.first() {
                Some(b' ' | b'\t') => self.rest = &self.rest[1..],
                Some(b'\r' | b'\n') if with_lines => self.rest = &self.rest[1..],
                Some(b'#') => {
                    let end = self.rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
                    self.rest = &self.rest[end.unwrap_or(self.rest.len())..];
                }
                _ => return,
            }
        }
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

impl Symbol {
    fn text(length: usize) -> Self {
        // `""` is nothing.
        Self { rule: None, optional: length <= 1, endless: false, copies: 1, length }
    }

    fn reference(rule: usize) -> Self {
        Self { rule: Some(rule), optional: false, endless: false, copies: 1, length: 1 }
    }
}

/// What is known of how a rule begins.
#[derive(Clone, Copy)]
struct Beginning {
    may_be_empty: bool,
    /// The rules on the longest way to its first character.
    chain: usize,
    /// All ways there.
    ways: u64,
}

/// Follows each rule to what it may begin with.
fn check_beginnings(rules: &[Rule], origin: Origin) -> Result<(), GrammarError> {
    let mut known: Vec<Option<Beginning>> = vec![None; rules.len()];
    let mut is_open = vec![false; rules.len()];
    for start in 0..rules.len() {
        // The rules on the way, by a list of our own: the way may be long.
        let mut way = vec![start];
        while let Some(&rule) = way.last() {
            if known[rule].is_some() {
                is_open[rule] = false;
                way.pop();
                continue;
            }
            is_open[rule] = true;
            if way.len() > LONGEST_CHAIN {
                return Err(GrammarError::TooManyBeginnings);
            }
            match beginning(&rules[rule], &known, origin)? {
                Ok(found) => known[rule] = Some(found),
                Err(missing) if is_open[missing] => return Err(GrammarError::LeftRecursive),
                Err(missing) => way.push(missing),
            }
        }
    }
    Ok(())
}

/// How a rule begins, or a rule of which that must be known first.
fn beginning(
    rule: &Rule,
    known: &[Option<Beginning>],
    origin: Origin,
) -> Result<Result<Beginning, usize>, GrammarError> {
    let mut found = Beginning { may_be_empty: false, chain: 1, ways: 1 };
    for symbols in rule {
        let mut all_empty = true;
        for symbol in symbols {
            let mut may_be_empty = symbol.optional;
            if let Some(other) = symbol.rule {
                let Some(other) = known[other] else { return Ok(Err(other)) };
                if symbol.endless && other.may_be_empty && origin == Origin::Request {
                    return Err(GrammarError::LeftRecursive);
                }
                may_be_empty |= other.may_be_empty;
                // Each copy that may be left out is one more way.
                let copies = if other.may_be_empty || symbol.optional { symbol.copies as u64 } else { 1 };
                found.ways = found.ways.saturating_add(other.ways.saturating_mul(copies));
                found.chain = found.chain.max(other.chain + 1);
            } else {
                found.ways = found.ways.saturating_add(1);
            }
            if !may_be_empty {
                all_empty = false;
                break;
            }
        }
        found.may_be_empty |= all_empty;
    }
    if found.ways > MOST_BEGINNINGS || found.chain > LONGEST_CHAIN {
        return Err(GrammarError::TooManyBeginnings);
    }
    Ok(Ok(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: Result<(), GrammarError>) {
        assert_eq!(check_grammar(source, Origin::Request), expected, "{}", &source[..source.len().min(80)]);
    }

    #[test]
    fn ordinary_grammars_are_let_through() {
        check("root ::= \"yes\" | \"no\"", Ok(()));
        check(
            "root ::= object\nobject ::= \"{\" (pair (\",\" pair)*)? \"}\" # an object\npair ::= name \":\" value\nname ::= [a-z]+\nvalue ::= object | \"[\" value* \"]\" | [0-9]{1,15}",
            Ok(()),
        );
        check("root ::= (\"- \" [^\\n\\]]+ \"\\n\"){3,7}", Ok(()));
        // What is no grammar is llama.cpp's to refuse.
        check("root ::= (", Ok(()));
        check("what is this?", Ok(()));
        check("", Ok(()));
    }

    #[test]
    fn a_deep_grammar_is_refused() {
        check(&format!("root ::= {}\"a\"{}", "(".repeat(20_000), ")".repeat(20_000)), Err(GrammarError::TooDeep));
    }

    #[test]
    fn a_grammar_that_begins_with_itself_is_refused() {
        check("root ::= root \"a\" | \"b\"", Err(GrammarError::LeftRecursive));
        check("root ::= first\nfirst ::= \"x\"? second\nsecond ::= root", Err(GrammarError::LeftRecursive));
        check("root ::= (\"a\"*)*", Err(GrammarError::LeftRecursive));
        check("root ::= \"a\" root | \"b\"", Ok(()));
    }

    #[test]
    fn a_grammar_that_grows_is_refused() {
        let doubling = (0..40).fold(String::new(), |rules, n| rules + &format!("r{n} ::= r{} | r{}\n", n + 1, n + 1));
        check(&format!("root ::= r0\n{doubling}r40 ::= \"a\""), Err(GrammarError::TooManyBeginnings));
        let chain = (0..20_000).fold(String::new(), |rules, n| rules + &format!("r{n}::=r{}\n", n + 1));
        check(&format!("root ::= r0\n{}", &chain[..200_000]), Err(GrammarError::TooManyBeginnings));
        check(&format!("root ::= \"a\"{}", "|\"a\"".repeat(60_000)), Err(GrammarError::TooManyBeginnings));
        let few = "|\"a\"".repeat(100);
        let optional = "x? ".repeat(1000);
        check(&format!("root ::= {optional}\nx ::= \"a\"{few}"), Err(GrammarError::TooManyBeginnings));
        check(&format!("root ::= x\nx ::= \"a\"{few}"), Ok(()));
        check(&format!("root ::= \"{}\"{{1000}}", "a".repeat(1000)), Err(GrammarError::TooManySymbols));
        check(&format!("root ::= \"a\"{}", "{1000}".repeat(5)), Err(GrammarError::TooManySymbols));
        check(&"#".repeat(300_000), Err(GrammarError::TooLong));
    }
}
