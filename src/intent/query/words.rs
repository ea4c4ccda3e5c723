//! The words of the grammar that the walk knows. A list that lacks one costs a read, never a promise, except where it says so.

use super::group::Role;

pub(super) fn is_any(word: &str, of: &[&str]) -> bool {
    of.iter().any(|one| one.eq_ignore_ascii_case(word))
}

/// What a query begins with.
pub(super) const QUERIES: [&str; 4] = ["SELECT", "WITH", "VALUES", "TABLE"];

/// What writes where a query may stand.
pub(super) const WRITES: [&str; 4] = ["INSERT", "UPDATE", "DELETE", "MERGE"];

/// What joins two queries.
pub(super) const SETS: [&str; 3] = ["UNION", "INTERSECT", "EXCEPT"];

/// What ends a list of relations, and is no name without quotes to any server.
pub(super) const CLAUSES: [&str; 3] = ["WHERE", "HAVING", "LIMIT"];

/// What stands before JOIN.
pub(super) const JOINS: [&str; 7] = [
    "NATURAL", "LEFT", "RIGHT", "FULL", "INNER", "OUTER", "CROSS",
];

/// What is no relation's name without quotes.
pub(super) const NO_RELATION: [&str; 26] = [
    "AS",
    "CROSS",
    "EXCEPT",
    "FETCH",
    "FOR",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "INNER",
    "INTERSECT",
    "INTO",
    "JOIN",
    "LEFT",
    "LIMIT",
    "NATURAL",
    "ON",
    "ORDER",
    "RIGHT",
    "SELECT",
    "SET",
    "UNION",
    "USING",
    "VALUES",
    "WHERE",
    "WITH",
];

/// Before a parenthesis these are no calls: reserved by MySQL, MariaDB and SQLite. A word that is not would let a function
/// through.
pub(super) const GRAMMAR: [&str; 25] = [
    "ALL", "AND", "AS", "BETWEEN", "CASE", "DISTINCT", "ELSE", "EXISTS", "FROM", "GROUP", "HAVING",
    "IN", "IS", "LIKE", "LIMIT", "NOT", "ON", "OR", "ORDER", "SELECT", "THEN", "USING", "VALUES",
    "WHEN", "WHERE",
];

/// Words that only MySQL and MariaDB reserve, and that are no calls before a parenthesis.
pub(super) const MYSQL_GRAMMAR: [&str; 5] = ["DIV", "INTERVAL", "REGEXP", "RLIKE", "XOR"];

/// Words that are no calls before a parenthesis to PostgreSQL.
pub(super) const POSTGRES_GRAMMAR: [&str; 38] = [
    "ALL",
    "AND",
    "ANY",
    "AS",
    "ASYMMETRIC",
    "BETWEEN",
    "BOTH",
    "CASE",
    "DISTINCT",
    "ELSE",
    "FETCH",
    "FOR",
    "FROM",
    "GROUP",
    "HAVING",
    "IN",
    "INTERVAL",
    "LEADING",
    "LIMIT",
    "NOT",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "PLACING",
    "RETURNING",
    "SELECT",
    "SOME",
    "SYMMETRIC",
    "THEN",
    "TO",
    "TRAILING",
    "USING",
    "VALUES",
    "VARIADIC",
    "WHEN",
    "WHERE",
    "XMLNAMESPACES",
];

/// Operators that PostgreSQL's grammar also takes for the name of a function, where no value stands before: one of the user's
/// that has such a name and is not harmless takes these texts to the primary.
pub(super) const OPERATORS: [&str; 3] = ["ILIKE", "LIKE", "OVERLAPS"];

/// Types of PostgreSQL's grammar that take a length, and are no function's name without quotes.
pub(super) const TYPES: [&str; 11] = [
    "BIT",
    "CHAR",
    "CHARACTER",
    "DEC",
    "DECIMAL",
    "FLOAT",
    "NCHAR",
    "NUMERIC",
    "TIME",
    "TIMESTAMP",
    "VARCHAR",
];

/// Words that PostgreSQL does not reserve, and behind which a value begins.
pub(super) const BEFORE_VALUE: [&str; 11] = [
    "BY", "DEFAULT", "ESCAPE", "GROUPS", "ILIKE", "LIKE", "OVERLAPS", "PASSING", "RANGE", "ROWS",
    "ZONE",
];

/// MySQL takes these for its own functions only where they have no quotes.
pub(super) const MYSQL_UNQUOTED: [&str; 34] = [
    "ADDDATE",
    "BIT_AND",
    "BIT_OR",
    "BIT_XOR",
    "CAST",
    "COUNT",
    "CURDATE",
    "CURTIME",
    "DATE_ADD",
    "DATE_SUB",
    "EXTRACT",
    "GROUP_CONCAT",
    "JSON_ARRAYAGG",
    "JSON_OBJECTAGG",
    "MAX",
    "MID",
    "MIN",
    "NOW",
    "POSITION",
    "SESSION_USER",
    "STD",
    "STDDEV",
    "STDDEV_POP",
    "STDDEV_SAMP",
    "SUBDATE",
    "SUBSTR",
    "SUBSTRING",
    "SUM",
    "SYSDATE",
    "SYSTEM_USER",
    "TRIM",
    "VARIANCE",
    "VAR_POP",
    "VAR_SAMP",
];

/// Words of the grammar behind others: the second is no call.
pub(super) const PAIRS: [(&str, &str); 12] = [
    ("BIT", "VARYING"),
    ("CHAR", "VARYING"),
    ("CHARACTER", "VARYING"),
    ("FETCH", "FIRST"),
    ("FETCH", "NEXT"),
    ("GROUP", "BY"),
    ("GROUPING", "SETS"),
    ("MEMBER", "OF"),
    ("ORDER", "BY"),
    ("PARTITION", "BY"),
    ("TIME", "ZONE"),
    ("TO", "SECOND"),
];

/// Before a string these name no type.
pub(super) const BEFORE_TEXT: [&str; 52] = [
    "ALL",
    "AND",
    "AS",
    "ASYMMETRIC",
    "BETWEEN",
    "BOTH",
    "BY",
    "CASE",
    "COLUMNS",
    "CONTENT",
    "DEFAULT",
    "DISTINCT",
    "DOCUMENT",
    "ELSE",
    "ESCAPE",
    "FOR",
    "FROM",
    "HAVING",
    "ILIKE",
    "IN",
    "IS",
    "KEY",
    "LEADING",
    "LIKE",
    "LIMIT",
    "NESTED",
    "NOT",
    "OFFSET",
    "ON",
    "OR",
    "PASSING",
    "PATH",
    "PLACING",
    "PRECISION",
    "REF",
    "ROW",
    "SELECT",
    "SIMILAR",
    "STANDALONE",
    "SYMMETRIC",
    "THEN",
    "TO",
    "TRAILING",
    "UESCAPE",
    "USING",
    "VALUE",
    "VARIADIC",
    "VERSION",
    "WHEN",
    "WHERE",
    "ZONE",
    "RETURN",
];

/// What FROM and AS mean in the parentheses behind this word.
pub(super) fn role_of(word: &str) -> Role {
    let from = [
        "EXTRACT",
        "SUBSTRING",
        "SUBSTR",
        "MID",
        "TRIM",
        "OVERLAY",
        "POSITION",
    ];
    let starts = |with: &str| {
        let start = word.get(..with.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(with))
    };
    if is_any(word, &from) {
        Role::From
    } else if starts("JSON_") || (starts("XML") && !is_any(word, &["XMLSERIALIZE"])) {
        Role::Labels
    } else {
        Role::Plain
    }
}
