//! The second reader of a query: its bare tokens.
//!
//! It knows no grammar, so it cannot be led astray by a tree that leaves something out: a lock clause, an INTO, a call
//! of a known function are found wherever they stand. It raises, it never allows.

use super::dialect::Dialect;
use super::judged::{Name, Ruling};
use super::keyword;
use super::lexer::TokenKind;
use super::local;
use super::reader::Reader;
use super::statement::Statement;

/// What the tokens show, beyond what they raise by themselves.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scan {
    /// A locking clause stands somewhere.
    pub(crate) locks: bool,
}

pub(crate) fn scan(statement: &Statement<'_>, reader: &mut Reader<'_>) -> Scan {
    let mut scan = Scan::default();
    // EXPLAIN INSERT INTO writes nothing.
    let inserts = statement.is_word(0, "INSERT") || statement.is_word(0, "MERGE");
    let mut operator: Option<(usize, usize)> = None;
    for (at, token) in statement.tokens.iter().enumerate() {
        if statement.dialect == Dialect::Postgres {
            operator = operators(statement, reader, operator, at);
        }
        match token.kind {
            TokenKind::Word => {
                reader.needs.literals += usize::from(token.is_word(statement.sql, "NULL"));
                scan.locks |= locks(statement, at);
                if token.is_word(statement.sql, "INTO") && !inserts {
                    reader.creates |= statement.dialect == Dialect::Postgres;
                    reader.raise(into(statement, at));
                }
                if statement.dialect == Dialect::MySql {
                    mysql_words(statement, reader, at);
                }
                name(statement, reader, at);
            }
            TokenKind::Quoted => name(statement, reader, at),
            TokenKind::Text => reader.needs.literals += 1,
            TokenKind::Variable => reader.raise(Ruling::session("a variable")),
            _ => {}
        }
    }
    if let Some((from, to)) = operator {
        add_operator(statement, reader, from, to);
    }
    scan
}

fn locks(statement: &Statement<'_>, at: usize) -> bool {
    let follows = |word: &str| statement.is_word(at + 1, word);
    (statement.is_word(at, "FOR")
        && ["UPDATE", "SHARE", "NO", "KEY"]
            .iter()
            .any(|word| follows(word)))
        || statement.are_words(at, &["LOCK", "IN"])
}

fn into(statement: &Statement<'_>, at: usize) -> Ruling {
    match statement.dialect {
        Dialect::Postgres | Dialect::Sqlite => Ruling::write("SELECT INTO"),
        Dialect::MySql if statement.kind(at + 1) == Some(TokenKind::Variable) => {
            Ruling::session("SELECT INTO a variable")
        }
        Dialect::MySql => Ruling::primary("SELECT INTO"),
    }
}

fn mysql_words(statement: &Statement<'_>, reader: &mut Reader<'_>, at: usize) {
    if statement.are_words(at, &["NEXT", "VALUE", "FOR"]) {
        reader.raise(Ruling::write("NEXT VALUE FOR"));
    } else if statement.are_words(at, &["PREVIOUS", "VALUE", "FOR"]) {
        reader.raise(Ruling::session("PREVIOUS VALUE FOR"));
    } else if statement.is_word(at, "SQL_CALC_FOUND_ROWS") {
        reader.raise(Ruling::session("SQL_CALC_FOUND_ROWS"));
    } else if at > 0 && statement.kind(at - 1) == Some(TokenKind::Dot) {
        // MariaDB in Oracle's mode: a sequence's next value without a parenthesis.
        for word in ["NEXTVAL", "CURRVAL"] {
            if statement.is_word(at, word) {
                reader.raise(Ruling::write(keyword::named(word)));
            }
        }
    }
}

/// Whether the name behind the dot is a field of an expression's value, `(x).a.f`, and no part of a relation's name.
fn of_value(statement: &Statement<'_>, at: usize) -> bool {
    let is_name = |at: usize| {
        matches!(
            statement.kind(at),
            Some(TokenKind::Word | TokenKind::Quoted)
        )
    };
    let mut from = at;
    for _ in 0..4 {
        if from < 2 || statement.kind(from - 1) != Some(TokenKind::Dot) {
            return false;
        }
        if !is_name(from - 2) {
            return true;
        }
        from -= 2;
    }
    // No relation's name has so many parts.
    true
}

/// A name anywhere; before a parenthesis it may be a call.
fn name(statement: &Statement<'_>, reader: &mut Reader<'_>, at: usize) {
    let Some(folded) = statement.folded(at) else {
        return;
    };
    // To most servers a blank beyond ASCII is part of a name; to SQLite the mark of a text's byte order is a blank.
    if statement.kind(at) == Some(TokenKind::Word)
        && folded.contains(|c: char| c.is_whitespace() || c == '\u{feff}')
    {
        reader.raise(Ruling::unparsed("a blank beyond ASCII"));
    }
    let after_dot = at >= 2 && statement.kind(at - 1) == Some(TokenKind::Dot);
    if statement.kind(at + 1) == Some(TokenKind::Open) {
        let schema = after_dot.then(|| statement.folded(at - 2)).flatten();
        if !local::reads(statement, at) {
            reader.suspect_call(&Name::new(schema, folded.clone()));
        }
    } else if after_dot && statement.dialect == Dialect::Postgres {
        reader.needs.attributes.insert(folded.clone());
        if of_value(statement, at) {
            // `(x).f` calls `f(x)` whatever the type of x, the server's own functions too.
            reader.suspect_call(&Name::new(None, folded.clone()));
            reader.shorthand(&folded);
        }
    }
    if statement.dialect == Dialect::Postgres {
        match folded.as_str() {
            "like" => extend(reader, &["~~", "!~~"]),
            "ilike" => extend(reader, &["~~*", "!~~*"]),
            "similar" => extend(reader, &["~", "!~"]),
            "in" | "between" | "distinct" | "using" | "natural" | "case" | "union" | "except"
            | "intersect" | "group" | "order" | "any" | "some" | "all" | "nullif" | "greatest"
            | "least" | "over" => {
                extend(reader, &["=", "<>", "<", "<=", ">", ">="]);
            }
            _ => {}
        }
        reader.needs.words.insert(folded);
    }
}

fn extend(reader: &mut Reader<'_>, operators: &[&str]) {
    for operator in operators {
        if !reader.needs.operators.contains(*operator) {
            reader.needs.operators.insert((*operator).to_owned());
        }
    }
}

/// Gathers the bytes of an operator, which stand without a blank between them.
fn operators(
    statement: &Statement<'_>,
    reader: &mut Reader<'_>,
    open: Option<(usize, usize)>,
    at: usize,
) -> Option<(usize, usize)> {
    let token = statement.tokens.get(at)?;
    let symbol = token.kind == TokenKind::Symbol && is_operator(token.text(statement.sql));
    match open {
        Some((from, to)) if symbol && token.start == to => Some((from, token.end)),
        open => {
            if let Some((from, to)) = open {
                add_operator(statement, reader, from, to);
            }
            symbol.then_some((token.start, token.end))
        }
    }
}

fn add_operator(statement: &Statement<'_>, reader: &mut Reader<'_>, from: usize, to: usize) {
    let text = statement.sql.get(from..to).unwrap_or_default();
    if text.len() > LONGEST_OPERATOR {
        reader.raise(Ruling::unparsed("an operator"));
        return;
    }
    // The server ends an operator before a sign that it cannot hold; the parts are looked up too.
    let cuts = (1..text.len()).flat_map(|at| [text.get(..at), text.get(at..)]);
    for part in cuts.chain([Some(text)]).flatten() {
        extend(reader, &[part]);
    }
}

/// What the server allows in an operator's name, and the colon of a cast.
pub(crate) fn is_operator(symbol: &str) -> bool {
    symbol.len() == 1 && "+-*/<>=~!@#%^&|`?:".contains(symbol)
}

/// The server cuts every name here.
pub(crate) const LONGEST_OPERATOR: usize = 63;
