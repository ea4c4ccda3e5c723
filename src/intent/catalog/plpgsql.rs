//! Judges the body of a PL/pgSQL function by its tokens.
//!
//! There is no parser for it here, so the rule is stricter than for a query: a word that could begin a write, run a
//! text or swallow an error anywhere makes the body not understood, and every name counts as whatever bears it.

use crate::intent::dialect::Dialect;
use crate::intent::functions::{self, Class};
use crate::intent::judged::{Judged, Name, Needs, Ruling, TextKind};
use crate::intent::lexer::{self, Token};
use crate::intent::local;
use crate::intent::relations;
use crate::intent::scan;
use crate::intent::settings::Settings;
use crate::intent::statement;

/// Words that no harmless body needs. EXECUTE runs a text; SHARE and UPDATE also stand in locking clauses.
const DENIED: [&str; 39] = [
    "alter",
    "analyze",
    "call",
    "checkpoint",
    "cluster",
    "comment",
    "commit",
    "copy",
    "create",
    "deallocate",
    "delete",
    "discard",
    "do",
    "drop",
    "execute",
    "explain",
    "grant",
    "import",
    "insert",
    "listen",
    "load",
    "lock",
    "merge",
    "notify",
    "prepare",
    "refresh",
    "reindex",
    "reset",
    "revoke",
    "rollback",
    "savepoint",
    "security",
    "set",
    "share",
    "truncate",
    "unlisten",
    "update",
    "vacuum",
    "show",
];

/// Words that stand before a parenthesis without calling anything.
const STRUCTURE: [&str; 64] = [
    "all",
    "and",
    "any",
    "array",
    "as",
    "assert",
    "between",
    "bit",
    "by",
    "case",
    "char",
    "character",
    "check",
    "continue",
    "cross",
    "cursor",
    "decimal",
    "distinct",
    "else",
    "elsif",
    "elseif",
    "except",
    "exists",
    "exit",
    "filter",
    "for",
    "from",
    "group",
    "having",
    "if",
    "ilike",
    "in",
    "intersect",
    "interval",
    "into",
    "is",
    "join",
    "lateral",
    "like",
    "limit",
    "materialized",
    "not",
    "numeric",
    "offset",
    "on",
    "or",
    "over",
    "perform",
    "precision",
    "query",
    "recursive",
    "return",
    "select",
    "some",
    "table",
    "then",
    "time",
    "timestamp",
    "union",
    "using",
    "values",
    "varchar",
    "when",
    "where",
];

pub(crate) fn judge(body: &str, settings: &Settings) -> Judged {
    let Ok(tokens) = lexer::tokens(Dialect::Postgres, body) else {
        return Judged::of(Ruling::unparsed("a function's body"), TextKind::Other);
    };
    let tokens: Vec<Token> = tokens
        .into_iter()
        .filter(|t| t.kind != lexer::TokenKind::Comment)
        .collect();
    let statement = statement::Statement {
        dialect: Dialect::Postgres,
        settings,
        sql: body,
        tokens: &tokens,
    };
    let mut judged = Judged::of(Ruling::READ, TextKind::Other);
    judged.traits.functions_built_in = false;
    for (at, token) in tokens.iter().enumerate() {
        let name = match token.kind {
            lexer::TokenKind::Word => token.text(body).to_lowercase(),
            lexer::TokenKind::Quoted => statement::unquoted(&statement, token),
            lexer::TokenKind::Symbol => {
                symbol(&tokens, body, at, &mut judged);
                continue;
            }
            _ => continue,
        };
        if token.kind == lexer::TokenKind::Word && denied(&statement, at, &name) {
            judged.ruling.raise(Ruling::unparsed("a function's body"));
        }
        if statement.kind(at + 1) == Some(lexer::TokenKind::Open) {
            call(&statement, at, name.clone(), &mut judged);
        } else if name.starts_with("pg_") {
            let mut ignored = Needs::default();
            let system = Name::new(None, name.clone());
            if let Some(ruling) = relations::ruling_on(Dialect::Postgres, &system, &mut ignored) {
                judged.ruling.raise(ruling);
            }
        }
        judged
            .needs
            .perhaps_relations
            .insert(Name::new(None, name.clone()));
        if at > 0 && statement.kind(at - 1) == Some(lexer::TokenKind::Dot) {
            judged.needs.attributes.insert(name.clone());
        }
        judged.needs.words.insert(name);
    }
    judged
}

/// An EXCEPTION block swallows the refusal of a write; RAISE EXCEPTION only ends the function.
fn denied(statement: &statement::Statement<'_>, at: usize, name: &str) -> bool {
    DENIED.contains(&name)
        || (name == "exception" && !(at > 0 && statement.is_word(at - 1, "RAISE")))
}

fn call(statement: &statement::Statement<'_>, at: usize, name: String, judged: &mut Judged) {
    let schema = (at >= 2 && statement.kind(at - 1) == Some(lexer::TokenKind::Dot))
        .then(|| statement.tokens.get(at - 2))
        .flatten()
        .map(|token| match token.kind {
            lexer::TokenKind::Quoted => statement::unquoted(statement, token),
            _ => token.text(statement.sql).to_lowercase(),
        });
    if schema.is_none() && STRUCTURE.contains(&name.as_str()) {
        return;
    }
    let settings = statement.settings;
    let name = Name::new(schema, name);
    let (schema, bare) = (name.schema.as_deref(), name.name.as_str());
    let built_in = matches!(schema, None | Some("pg_catalog"))
        .then(|| functions::class(Dialect::Postgres, bare))
        .flatten();
    if settings.denies(schema, bare) {
        judged
            .ruling
            .raise(Ruling::primary(format!("function {name}")));
        return;
    }
    match built_in {
        Some(_) if local::reads(statement, at) => {
            if name.schema.is_none() {
                judged.needs.built_ins.insert(name.name);
            }
        }
        Some(Class::Read) => {
            if name.schema.is_none() {
                judged.needs.built_ins.insert(name.name);
            }
        }
        Some(Class::Write) => judged
            .ruling
            .raise(Ruling::write(format!("function {name}"))),
        _ if settings.allows(schema, bare) => {}
        Some(Class::Session | Class::Primary) => {
            judged
                .ruling
                .raise(Ruling::primary(format!("function {name}")));
        }
        None => {
            judged.needs.unknown_functions.insert(name);
        }
    }
}

/// An operator's bytes stand without a blank between them. Each run is looked up from each of its bytes on, in every
/// length, so that a sign that the server splits off is found too.
fn symbol(tokens: &[Token], body: &str, at: usize, judged: &mut Judged) {
    let Some(first) = tokens.get(at) else { return };
    let mut end = first.start;
    for token in tokens.get(at..).unwrap_or_default() {
        if token.start != end || !scan::is_operator(token.text(body)) {
            break;
        }
        end = token.end;
        if end - first.start > scan::LONGEST_OPERATOR {
            judged.ruling.raise(Ruling::unparsed("an operator"));
            return;
        }
        if let Some(text) = body.get(first.start..end) {
            judged.needs.operators.insert(text.to_owned());
        }
    }
}
