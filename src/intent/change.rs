//! What a statement that ran may have changed of what reads rest on (rule I5).
//!
//! It looks at bare tokens, so that a text which is too long to be parsed, or cannot be, is not taken for a change of
//! the schema: ten such SELECTs a second had kept every other read on the primary.

use std::collections::BTreeSet;

use super::dialect::Dialect;
use super::lexer::{self, Token, TokenKind};
use super::settings::Settings;
use super::statement::{self, Statement};

/// What is to be believed no longer until the catalog has been read again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Change {
    #[default]
    Nothing,
    /// A body that is not seen ran: it is worth a reading, like the schema changes of others.
    Perhaps,
    /// Whatever bears one of these names, or is made of something else.
    Named(BTreeSet<String>),
    Anything,
}

impl Change {
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }

    /// Adds another change to this one.
    pub(crate) fn add(&mut self, other: Self) {
        let one = std::mem::take(self);
        *self = match (one, other) {
            (Self::Nothing, change) | (change, Self::Nothing) => change,
            (Self::Anything, _) | (_, Self::Anything) => Self::Anything,
            (Self::Perhaps, change) | (change, Self::Perhaps) => change,
            (Self::Named(mut names), Self::Named(more)) => {
                names.extend(more);
                Self::Named(names)
            }
        };
    }

    /// What this text changes; what is not understood may change anything.
    pub(crate) fn of(dialect: Option<Dialect>, sql: &str) -> Self {
        let Some(dialect) = dialect else {
            return Self::Anything;
        };
        let Ok(mut tokens) = lexer::tokens(dialect, sql) else {
            return Self::Anything;
        };
        if tokens
            .iter()
            .any(|token| token.kind == TokenKind::Executable)
        {
            return Self::Anything;
        }
        tokens.retain(|token| token.kind != TokenKind::Comment);
        let settings = Settings::default();
        let mut all = Self::Nothing;
        for slice in tokens.split(|token| token.kind == TokenKind::Semicolon) {
            if !slice.is_empty() {
                all.add(of_one(&Statement {
                    dialect,
                    settings: &settings,
                    sql,
                    tokens: slice,
                }));
            }
        }
        all
    }
}

/// Kinds of objects that no read depends on.
const NO_READS: [&str; 13] = [
    "INDEX",
    "STATISTICS",
    "PUBLICATION",
    "SUBSCRIPTION",
    "ROLE",
    "USER",
    "GROUP",
    "TABLESPACE",
    "TRIGGER",
    "SYSTEM",
    "PRIVILEGES",
    "EVENT",
    "DATABASE",
];

/// Kinds whose change shows in their own names and in what is made of them.
const NAMED: [&str; 13] = [
    "TABLE",
    "VIEW",
    "SEQUENCE",
    "FUNCTION",
    "PROCEDURE",
    "ROUTINE",
    "POLICY",
    "RULE",
    "TYPE",
    "DOMAIN",
    "AGGREGATE",
    "SCHEMA",
    "PACKAGE",
];

/// Words that may stand before the kind.
const MODIFIERS: [&str; 14] = [
    "OR",
    "REPLACE",
    "TEMP",
    "TEMPORARY",
    "GLOBAL",
    "LOCAL",
    "UNLOGGED",
    "RECURSIVE",
    "UNIQUE",
    "MATERIALIZED",
    "FOREIGN",
    "CONSTRAINT",
    "DEFAULT",
    "ONLINE",
];

fn of_one(statement: &Statement<'_>) -> Change {
    let Some(word) = statement.word(0) else {
        return match statement.kind(0) {
            // A query in parentheses.
            Some(TokenKind::Open) => query(statement),
            _ => Change::Anything,
        };
    };
    match word.to_ascii_uppercase().as_str() {
        "CREATE" | "ALTER" | "DROP" => object(statement),
        "RENAME" => names(statement),
        "SELECT" | "WITH" | "VALUES" | "TABLE" => query(statement),
        "EXPLAIN" | "ANALYZE" | "ANALYSE" => {
            match (1..statement.tokens.len()).find(|at| statement.is_word(*at, "CREATE")) {
                Some(at) => object(&statement.from(at)),
                None => query(statement),
            }
        }
        "DO" | "EXECUTE" => body(statement),
        "CALL" => Change::Perhaps,
        "IMPORT" | "INSTALL" | "UNINSTALL" => Change::Anything,
        word if NOTHING.contains(&word) => Change::Nothing,
        _ => Change::Anything,
    }
}

/// Statements that leave the schema as it is.
const NOTHING: [&str; 57] = [
    "INSERT",
    "UPDATE",
    "DELETE",
    "MERGE",
    "REPLACE",
    "COPY",
    "TRUNCATE",
    "GRANT",
    "REVOKE",
    "COMMENT",
    "SECURITY",
    "REINDEX",
    "VACUUM",
    "CLUSTER",
    "REPACK",
    "REFRESH",
    "REASSIGN",
    "NOTIFY",
    "LISTEN",
    "UNLISTEN",
    "LOCK",
    "UNLOCK",
    "CHECKPOINT",
    "WAIT",
    "RESET",
    "DISCARD",
    "DECLARE",
    "FETCH",
    "MOVE",
    "CLOSE",
    "PREPARE",
    "DEALLOCATE",
    "SET",
    "SHOW",
    "BEGIN",
    "START",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT",
    "RELEASE",
    "END",
    "ABORT",
    "USE",
    "FLUSH",
    "KILL",
    "OPTIMIZE",
    "REPAIR",
    "CHECK",
    "CHECKSUM",
    "DESCRIBE",
    "DESC",
    "HELP",
    "HANDLER",
    "PURGE",
    "PRAGMA",
    "LOAD",
    "BINLOG",
];

/// CREATE, ALTER and DROP, by what they make, change or take away.
fn object(statement: &Statement<'_>) -> Change {
    let is_one_of =
        |at: usize, words: &[&str]| words.iter().any(|word| statement.is_word(at, word));
    let mut at = 1;
    while is_one_of(at, &MODIFIERS) {
        at += 1;
    }
    // MySQL's schema is a database.
    let database = statement.is_word(at, "DATABASE") && statement.dialect == Dialect::MySql;
    if database || is_one_of(at, &NAMED) {
        names(statement)
    } else if is_one_of(at, &NO_READS) {
        Change::Nothing
    } else {
        // Operators and casts are used without a name, and an extension brings all kinds.
        Change::Anything
    }
}

/// SELECT INTO makes a table, and a writing query behind WITH none.
fn query(statement: &Statement<'_>) -> Change {
    if statement.dialect != Dialect::Postgres {
        return Change::Nothing;
    }
    let mut all = Change::Nothing;
    for at in 0..statement.tokens.len() {
        let inserts = at > 0
            && ["INSERT", "MERGE"]
                .iter()
                .any(|word| statement.is_word(at - 1, word));
        if statement.is_word(at, "INTO") && !inserts {
            // TEMP TABLE schema.name
            all.add(names(
                &statement.between(at, (at + 6).min(statement.tokens.len())),
            ));
        }
    }
    all
}

/// A text inside the text: it is only asked for the words that could change the schema.
fn body(statement: &Statement<'_>) -> Change {
    const WORDS: [&str; 7] = [
        "create", "alter", "drop", "import", "execute", "into", "rename",
    ];
    let dangerous = |token: &Token| {
        let text = token.text(statement.sql).to_lowercase();
        WORDS.iter().any(|word| text.contains(word))
    };
    let texts = |token: &&Token| matches!(token.kind, TokenKind::Text | TokenKind::Variable);
    let escaped = |token: &Token| token.text(statement.sql).contains('\\');
    match statement
        .tokens
        .iter()
        .filter(texts)
        .any(|token| token.kind == TokenKind::Variable || dangerous(token) || escaped(token))
    {
        true => Change::Anything,
        false => Change::Perhaps,
    }
}

/// Words that no object can bear without quotes, and that many texts hold.
const RESERVED: [&str; 32] = [
    "all", "and", "any", "array", "as", "case", "cast", "create", "default", "distinct", "else",
    "end", "false", "for", "from", "group", "in", "into", "not", "null", "on", "only", "or",
    "order", "select", "table", "then", "to", "true", "using", "where", "with",
];

/// The names that the statement gives or changes: not what stands in parentheses, but for the tables that one inherits
/// from, and not the query behind AS, which changes nothing that it reads.
fn names(statement: &Statement<'_>) -> Change {
    let mut names = BTreeSet::new();
    let mut at = 0;
    let rule = (0..6).any(|at| statement.is_word(at, "RULE"));
    while let Some(token) = statement.tokens.get(at) {
        let text = token.text(statement.sql);
        match token.kind {
            TokenKind::Open if at == 0 || !statement.is_word(at - 1, "INHERITS") => {
                let Some(close) = statement.closing(at) else {
                    return Change::Anything;
                };
                at = close;
            }
            TokenKind::Word
                if text.eq_ignore_ascii_case("AS") && !rule && is_body(statement, at + 1) =>
            {
                break;
            }
            TokenKind::Word if text.eq_ignore_ascii_case("DO") && rule => break,
            TokenKind::Word if is_filler(statement, at) => {}
            TokenKind::Word => {
                let folded = statement.dialect.fold(text, false);
                if !RESERVED.contains(&folded.to_lowercase().as_str()) {
                    names.insert(folded);
                }
            }
            // A name in escapes is one that is not read here.
            TokenKind::Quoted if text.starts_with(['u', 'U']) => return Change::Anything,
            TokenKind::Quoted => {
                names.insert(statement::unquoted(statement, token));
            }
            _ => {}
        }
        at += 1;
    }
    Change::Named(names)
}

/// A query or a function's text.
fn is_body(statement: &Statement<'_>, at: usize) -> bool {
    ["SELECT", "WITH", "VALUES", "TABLE"]
        .iter()
        .any(|word| statement.is_word(at, word))
        || statement.kind(at) == Some(TokenKind::Text)
}

/// IF EXISTS, IF NOT EXISTS, FOR VALUES.
fn is_filler(statement: &Statement<'_>, at: usize) -> bool {
    let before = |ahead: usize, word: &str| at >= ahead && statement.is_word(at - ahead, word);
    (statement.is_word(at, "IF")
        && (statement.is_word(at + 1, "EXISTS") || statement.are_words(at + 1, &["NOT", "EXISTS"])))
        || (statement.is_word(at, "EXISTS")
            && (before(1, "IF") || (before(1, "NOT") && before(2, "IF"))))
        || (statement.is_word(at, "VALUES") && before(1, "FOR"))
}
