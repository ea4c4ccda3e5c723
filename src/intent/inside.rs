//! What belongs to a transaction itself: it reads or sets the state of the connection that the transaction holds, for
//! as long as it lasts, and nothing else (rule R6).
//!
//! Outside a transaction all of it needs the primary, because the next statement gets another connection; inside one
//! on a replica it is at home. The rule is a short list of whole statements: a `SELECT` that does more than ask for one
//! setting is judged like any other.

use super::catalog::resolve::Basis;
use super::dialect::Dialect;
use super::lexer::{self, Token, TokenKind};
use super::settings::Settings;
use super::statement::Statement;

/// Settings that change how a statement runs or what it may see, never what it may do. A name with a dot is the
/// application's own. Left out: all that the server reads a text by (`standard_conforming_strings`), and the read-only
/// default.
const LOCAL: [&str; 15] = [
    "application_name",
    "effective_cache_size",
    "effective_io_concurrency",
    "extra_float_digits",
    "hash_mem_multiplier",
    "idle_in_transaction_session_timeout",
    "jit",
    "lock_timeout",
    "max_parallel_workers_per_gather",
    "random_page_cost",
    "role",
    "statement_timeout",
    "temp_buffers",
    "timezone",
    "work_mem",
];

/// Whether the text is one such statement. What is not surely one, is none.
pub(crate) fn belongs(dialect: Dialect, sql: &str, settings: &Settings, basis: Basis<'_>) -> bool {
    if sql.len() > settings.longest_parsed() || sql.contains('\0') {
        return false;
    }
    let Ok(mut tokens) = lexer::tokens(dialect, sql) else {
        return false;
    };
    if tokens
        .iter()
        .any(|token| token.kind == TokenKind::Executable)
    {
        return false;
    }
    tokens.retain(|token| token.kind != TokenKind::Comment);
    if tokens
        .last()
        .is_some_and(|last| last.kind == TokenKind::Semicolon)
    {
        tokens.pop();
    }
    if tokens
        .iter()
        .any(|token| token.kind == TokenKind::Semicolon)
    {
        return false;
    }
    let statement = Statement {
        dialect,
        settings,
        sql,
        tokens: &tokens,
    };
    savepoint(&statement) || (dialect == Dialect::Postgres && setting(&statement, basis))
}

/// `SAVEPOINT s`, `RELEASE [SAVEPOINT] s`, `ROLLBACK TO [SAVEPOINT] s`.
fn savepoint(statement: &Statement<'_>) -> bool {
    let after = if statement.is_word(0, "SAVEPOINT") {
        1
    } else if statement.is_word(0, "RELEASE") {
        1 + usize::from(statement.is_word(1, "SAVEPOINT"))
    } else if statement.are_words(0, &["ROLLBACK", "TO"]) {
        2 + usize::from(statement.is_word(2, "SAVEPOINT"))
    } else {
        return false;
    };
    let named = matches!(
        statement.kind(after),
        Some(TokenKind::Word | TokenKind::Quoted)
    );
    named && statement.tokens.len() == after + 1
}

fn setting(statement: &Statement<'_>, basis: Basis<'_>) -> bool {
    if statement.is_word(0, "SHOW") {
        return statement.tokens.len() > 1;
    }
    if statement.are_words(0, &["SET", "LOCAL"]) {
        return set_local(&statement.from(2));
    }
    let by_function = statement.is_word(0, "SELECT") && statement.kind(2) == Some(TokenKind::Open);
    if !by_function || statement.closing(2) != Some(statement.tokens.len() - 1) {
        return false;
    }
    let name = statement.word(1).unwrap_or_default().to_ascii_lowercase();
    // A function of the user's may bear the same name.
    let shadowed = match basis {
        Basis::Known(catalog) => catalog.functions.contains_key(&name),
        Basis::Doubted(catalog, doubt) => {
            catalog.functions.contains_key(&name) || doubt.touches(&name)
        }
        Basis::Trusted => false,
        Basis::Awaited => true,
    };
    let inside = statement.between(3, statement.tokens.len() - 1);
    let arguments: Vec<&[Token]> = inside
        .tokens
        .split(|token| token.kind == TokenKind::Comma)
        .collect();
    match (shadowed, name.as_str(), arguments.as_slice()) {
        (false, "current_setting", [[_]] | [[_], [_]]) => true,
        (false, "set_config", [[name], value, [local]]) => {
            let text = name.text(statement.sql).trim_matches('\'');
            name.kind == TokenKind::Text
                && allowed(text)
                && plain(value)
                && local.is_word(statement.sql, "true")
        }
        _ => false,
    }
}

/// `SET LOCAL name { = | TO } value, …`, `SET LOCAL ROLE r`, `SET LOCAL TIME ZONE z`.
fn set_local(rest: &Statement<'_>) -> bool {
    let plain = |from: usize| {
        let value = rest.from(from).tokens;
        !value.is_empty()
            && value.iter().all(|token| {
                let text = token.text(rest.sql);
                matches!(
                    token.kind,
                    TokenKind::Word
                        | TokenKind::Quoted
                        | TokenKind::Text
                        | TokenKind::Number
                        | TokenKind::Comma
                        | TokenKind::Dot
                ) || matches!(text, "-" | "+")
            })
    };
    if rest.is_word(0, "ROLE") {
        return plain(1);
    }
    if rest.are_words(0, &["TIME", "ZONE"]) {
        return plain(2);
    }
    let sign = rest.tokens.iter().position(|token| {
        token.is_word(rest.sql, "TO")
            || (token.kind == TokenKind::Symbol && token.text(rest.sql) == "=")
    });
    let Some(sign) = sign else { return false };
    let names = rest.between(0, sign);
    let words = names
        .tokens
        .iter()
        .all(|token| matches!(token.kind, TokenKind::Word | TokenKind::Dot));
    words && allowed(names.text()) && plain(sign + 1)
}

fn allowed(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let bytes = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'));
    bytes
        && !name.is_empty()
        && (name.contains('.') || name.starts_with("enable_") || LOCAL.contains(&name.as_str()))
}

/// One literal or parameter, perhaps with a cast to text.
fn plain(value: &[Token]) -> bool {
    matches!(value, [one] if matches!(one.kind, TokenKind::Text | TokenKind::Number))
}
