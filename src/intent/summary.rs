//! A text in a few words, for telemetry: its operations and what they are applied to, in their order.
//!
//! Nothing that may hold a value gets in: strings, numbers and comments are left out, and a name only counts where a relation
//! stands. It groups statements and decides nothing, so a text that nobody understands merely has fewer words.

use super::dialect::Dialect;
use super::lexer::{Lexer, Token, TokenKind};

/// The longest summary, in bytes; what does not fit is left out word by word.
const LONGEST: usize = 255;

/// How far a text is read, in bytes: what stands behind that adds little to what it is called.
const READ: usize = 16 * 1024;

/// Operations that stand wherever a statement may.
const INNER: &[&str] = &["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"];

/// Words behind `CREATE`, `ALTER`, `DROP` and the like that do not say what is changed.
const BETWEEN: &[&str] = &[
    "OR",
    "REPLACE",
    "TEMP",
    "TEMPORARY",
    "UNLOGGED",
    "UNIQUE",
    "IF",
    "NOT",
    "EXISTS",
    "CONCURRENTLY",
    "ONLY",
    "RECURSIVE",
    "GLOBAL",
    "LOCAL",
];

/// Words that may stand where a relation does and are none.
const NO_NAMES: &[&str] = &[
    "SELECT", "VALUES", "LATERAL", "ONLY", "SET", "WHERE", "OF", "NOWAIT", "SKIP",
];

/// The text in a few words; nothing where it begins with none.
pub(crate) fn summary(dialect: Dialect, sql: &str) -> Option<String> {
    let mut scan = SummaryScan {
        sql,
        words: String::new(),
        state: SummaryState::Begin,
        first: "",
        before: TokenKind::Semicolon,
    };
    let mut lexer = Lexer::new(dialect, sql);
    while let Ok(Some(token)) = lexer.next() {
        if token.kind == TokenKind::Comment {
            continue;
        }
        if token.start > READ || !scan.take(&token) {
            break;
        }
        scan.before = token.kind;
    }
    (!scan.words.is_empty()).then_some(scan.words)
}

/// The procedure that the text calls, where it does that and nothing else.
pub(crate) fn procedure(dialect: Dialect, sql: &str) -> Option<&str> {
    let mut lexer = Lexer::new(dialect, sql);
    let mut next = || loop {
        match lexer.next() {
            Ok(Some(token)) if token.kind == TokenKind::Comment => {}
            Ok(token) => return token,
            Err(_) => return None,
        }
    };
    next().filter(|token| token.is_word(sql, "CALL"))?;
    let first = next().filter(|token| is_name(token.kind))?;
    let mut end = first.end;
    loop {
        match next()? {
            token if token.kind == TokenKind::Open => break,
            token if is_name(token.kind) || token.kind == TokenKind::Dot => end = token.end,
            _ => return None,
        }
    }
    sql.get(first.start..end)
}

#[derive(Clone, Copy, PartialEq)]
enum SummaryState {
    /// A statement begins.
    Begin,
    /// What is created, altered or dropped is said next, and then its name.
    Object,
    /// A relation stands next. `list`: others may follow behind commas.
    Relation { list: bool },
    /// A part of a name is over. `list`: as before.
    Named { list: bool },
    /// Nothing of note.
    Inside,
}

struct SummaryScan<'a> {
    sql: &'a str,
    words: String,
    state: SummaryState,
    /// The first word of the statement.
    first: &'a str,
    /// What stands before.
    before: TokenKind,
}

impl<'a> SummaryScan<'a> {
    /// Takes the next token; whether there is room for more.
    fn take(&mut self, token: &Token) -> bool {
        let text = token.text(self.sql);
        match (self.state, token.kind) {
            (_, TokenKind::Semicolon) => {
                self.state = SummaryState::Begin;
                true
            }
            (SummaryState::Begin, TokenKind::Word) => self.begin(text),
            (SummaryState::Object, TokenKind::Word) => self.object(text),
            (SummaryState::Relation { list }, TokenKind::Word | TokenKind::Quoted) => {
                self.relation(text, token.kind, list)
            }
            (SummaryState::Named { list }, TokenKind::Dot) => {
                self.words.push('.');
                self.state = SummaryState::Relation { list };
                true
            }
            // Behind an alias as well.
            (SummaryState::Named { list: true }, TokenKind::Comma) => {
                self.state = SummaryState::Relation { list: true };
                true
            }
            (SummaryState::Named { .. }, TokenKind::Word | TokenKind::Quoted) => {
                if token.kind == TokenKind::Word {
                    self.keyword(text)
                } else {
                    true
                }
            }
            (SummaryState::Relation { .. }, TokenKind::Open) | (SummaryState::Begin, _) => true,
            (_, TokenKind::Word) => self.keyword(text),
            _ => {
                self.state = SummaryState::Inside;
                true
            }
        }
    }

    fn begin(&mut self, text: &'a str) -> bool {
        self.first = text;
        let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
        self.state = match () {
            () if is(&["CREATE", "ALTER", "DROP"]) => SummaryState::Object,
            () if is(&["UPDATE", "TABLE", "CALL", "TRUNCATE", "COPY", "LOCK"]) => {
                SummaryState::Relation { list: true }
            }
            () => SummaryState::Inside,
        };
        // Its operations tell what it does.
        is(&["WITH"]) || self.add(text)
    }

    /// Behind `CREATE`: what, and then its name.
    fn object(&mut self, text: &str) -> bool {
        if BETWEEN.iter().any(|word| text.eq_ignore_ascii_case(word)) {
            return true;
        }
        self.state = SummaryState::Relation { list: false };
        self.add(text)
    }

    fn relation(&mut self, text: &'a str, kind: TokenKind, list: bool) -> bool {
        let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
        if kind == TokenKind::Word && (is(NO_NAMES) || is(BETWEEN) || is(&["TABLE"])) {
            return match is(INNER) {
                true => self.keyword(text),
                false => true,
            };
        }
        let goes_on = self.words.ends_with('.');
        self.state = SummaryState::Named { list };
        let name = bare(text);
        match goes_on {
            true => self.append(name),
            false => self.add(name),
        }
    }

    fn keyword(&mut self, text: &'a str) -> bool {
        let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
        if is(&["FROM", "JOIN", "INTO", "USING"]) && !self.first.eq_ignore_ascii_case("SET") {
            self.state = SummaryState::Relation {
                list: !is(&["INTO"]),
            };
            return true;
        }
        if is(INNER) {
            if matches!(self.before, TokenKind::Open | TokenKind::Close) {
                return self.begin(text);
            }
            // `FOR UPDATE`, `ON UPDATE` and `DO UPDATE` are parts of others.
            self.state = SummaryState::Inside;
            return is(&["UPDATE", "DELETE"]) || self.add(text);
        }
        if is(&["WHERE", "ON", "GROUP", "ORDER", "VALUES", "SET"]) {
            self.state = SummaryState::Inside;
        }
        true
    }

    fn add(&mut self, word: &str) -> bool {
        if self.words.len() + 1 + word.len() > LONGEST {
            return false;
        }
        if !self.words.is_empty() {
            self.words.push(' ');
        }
        self.words.push_str(word);
        true
    }

    fn append(&mut self, word: &str) -> bool {
        let fits = self.words.len() + word.len() <= LONGEST;
        if fits {
            self.words.push_str(word);
        }
        fits
    }
}

const fn is_name(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Word | TokenKind::Quoted)
}

/// A name without the quotes that every generated text has; one of other characters keeps them.
fn bare(text: &str) -> &str {
    let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or(text);
    let plain = inner
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let quoted = text.starts_with(['"', '`', '[']);
    match quoted && plain && !inner.is_empty() {
        true => inner,
        false => text,
    }
}
