//! Builds statements from bytes: around something that must not run on a replica, whatever stands around it.
//!
//! Used by the property test, whose bytes are random, and by the fuzz target, whose bytes are guided by coverage. A
//! statement is a list of tokens, so that blanks, comments and case can vary wherever the servers let them.

use sea_orm::DbBackend;

/// The bytes that make every choice; without bytes left, always the first.
pub(crate) struct Choices<'a> {
    bytes: &'a [u8],
}

type Tokens = Vec<String>;

impl<'a> Choices<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        match self.bytes.split_first() {
            Some((first, rest)) => {
                self.bytes = rest;
                usize::from(*first) % n
            }
            None => 0,
        }
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    pub(crate) fn backend(&mut self) -> DbBackend {
        self.one(&[DbBackend::Postgres, DbBackend::MySql, DbBackend::Sqlite])
    }
}

fn tokens(text: &str) -> Tokens {
    text.split(' ')
        .filter(|t| !t.is_empty())
        .map(str::to_owned)
        .collect()
}

fn around(before: &str, inner: Tokens, after: &str) -> Tokens {
    let mut all = tokens(before);
    all.extend(inner);
    all.extend(tokens(after));
    all
}

/// A call that no replica may run.
fn call(choices: &mut Choices<'_>, backend: DbBackend) -> Tokens {
    let text = match backend {
        DbBackend::MySql => choices.one(&[
            "GET_LOCK ( 'a' , 1 )",
            "last_insert_id ( )",
            "nosuch ( 1 )",
            "db . nosuch ( 1 )",
            "`nosuch` ( 1 )",
            "release_lock ( 'a' )",
            "found_rows ( )",
            "load_file ( '/x' )",
            "nextval ( sq )",
            "setval ( sq , 10 )",
            "NEXT VALUE FOR sq",
            "@a",
            "@@read_only",
            "connection_id ( )",
        ]),
        DbBackend::Sqlite => choices.one(&[
            "last_insert_rowid ( )",
            "changes ( )",
            "load_extension ( 'x' )",
            "nosuch ( 1 )",
            "\"nosuch\" ( 1 )",
            "[nosuch] ( 1 )",
            "`writefile` ( 'a' , 'b' )",
            "writefile ( 'a' , 'b' )",
        ]),
        _ => choices.one(&[
            "nextval ( 'sq' )",
            "pg_catalog . nextval ( 'sq' )",
            "\"nextval\" ( 'sq' )",
            "\"pg_catalog\" . \"nextval\" ( 'sq' )",
            "setval ( 'sq' , 1 )",
            "pg_advisory_lock ( 1 )",
            "pg_try_advisory_xact_lock ( 1 , 2 )",
            "nosuch ( )",
            "public . upper ( 'x' )",
            "\"Now\" ( )",
            "set_config ( 'a' , 'b' , false )",
            "lo_create ( 0 )",
            "dblink_exec ( 'x' , 'y' )",
            "pg_notify ( 'a' , 'b' )",
            "query_to_xml ( 'SELECT 1' , true , false , '' )",
            "txid_current ( )",
            "currval ( 'sq' )",
            "U&\"next\\0076al\" ( 'sq' )",
        ]),
    };
    tokens(text)
}

/// A place in an expression where a call hides.
fn hidden(choices: &mut Choices<'_>, call: Tokens, depth: usize) -> Tokens {
    if depth == 0 {
        return call;
    }
    let inner = hidden(choices, call, depth - 1);
    match choices.below(14) {
        0 => inner,
        1 => around("CASE WHEN 1 = 2 THEN", inner, "END"),
        2 => around("CASE (", inner, ") WHEN 1 THEN 2 ELSE 3 END"),
        3 => around("coalesce ( NULL ,", inner, ")"),
        4 => around("(", inner, ")"),
        5 => around("1 + (", inner, ") * 2"),
        6 => around("( SELECT", inner, ")"),
        7 => around("EXISTS ( SELECT 1 WHERE 1 = (", inner, ") )"),
        8 => around("1 IN ( 1 ,", inner, ")"),
        9 => around("CAST (", inner, "AS char )"),
        10 => around("a BETWEEN (", inner, ") AND 5"),
        11 => around("NOT (", inner, ") IS NULL"),
        12 => around("max (", inner, ") OVER ( ORDER BY a )"),
        _ => around(
            "nullif ( a , ( WITH c AS ( SELECT",
            inner,
            "AS x ) SELECT x FROM c ) )",
        ),
    }
}

/// A query around a hidden call.
fn query_around(choices: &mut Choices<'_>, call: Tokens) -> Tokens {
    let depth = choices.below(4);
    let inner = hidden(choices, call, depth);
    match choices.below(16) {
        0 => around("SELECT", inner, ""),
        1 => around("SELECT a ,", inner, "FROM t"),
        2 => around("SELECT a FROM t WHERE b = (", inner, ")"),
        3 => around("SELECT a FROM t LIMIT", inner, ""),
        4 => around("SELECT a FROM t ORDER BY", inner, "DESC"),
        5 => around("SELECT a FROM t GROUP BY a HAVING (", inner, ") > 1"),
        6 => around("SELECT a FROM t JOIN u ON t . a = (", inner, ")"),
        7 => around("SELECT a FROM ( SELECT", inner, "AS a ) AS s"),
        8 => around("WITH c AS ( SELECT", inner, "AS a ) SELECT a FROM c"),
        9 => around("SELECT 1 UNION ALL SELECT", inner, ""),
        10 => around("VALUES (", inner, ")"),
        11 => around("SELECT a FROM t GROUP BY", inner, ""),
        12 => around("SELECT DISTINCT", inner, "FROM t"),
        13 => around("SELECT a FROM t LIMIT 1 OFFSET", inner, ""),
        14 => around(
            "SELECT count ( * ) FROM t LEFT JOIN u USING ( a ) WHERE (",
            inner,
            ") = 1 OR a IS NULL",
        ),
        _ => around("SELECT sum ( a ) OVER ( PARTITION BY", inner, ") FROM t"),
    }
}

/// A statement that writes or locks by itself.
fn writing(choices: &mut Choices<'_>, backend: DbBackend) -> Tokens {
    let common = [
        "INSERT INTO t ( a ) VALUES ( 1 )",
        "INSERT INTO t ( a ) SELECT a FROM u",
        "UPDATE t SET a = 1 WHERE b = 2",
        "DELETE FROM t WHERE a = 1",
        "CREATE TABLE z ( a int )",
        "DROP TABLE IF EXISTS z",
        "ALTER TABLE t ADD COLUMN c int",
        "BEGIN",
        "COMMIT",
    ];
    let own: &[&str] = match backend {
        DbBackend::MySql => &[
            "REPLACE INTO t VALUES ( 1 )",
            "SELECT a FROM t FOR UPDATE",
            "SELECT a FROM t FOR UPDATE SKIP LOCKED",
            "SELECT a FROM t LOCK IN SHARE MODE",
            "SELECT a FROM t FOR SHARE",
            "SELECT a FROM ( SELECT a FROM t FOR UPDATE ) AS s",
            "SELECT a INTO @x FROM t",
            "SELECT a FROM t INTO OUTFILE '/x'",
            "CALL p ( )",
            "DO nosuch ( )",
            "LOCK TABLES t READ",
            "SET @x = 1",
            "SET autocommit = 0",
            "HANDLER t OPEN",
            "EXECUTE IMMEDIATE 'SELECT 1'",
            "ANALYZE FORMAT = JSON DELETE FROM t",
            "EXPLAIN UPDATE t SET a = 1",
            "XA RECOVER",
            "SHOW WARNINGS",
            "LOAD DATA LOCAL INFILE '/x' INTO TABLE t",
        ],
        DbBackend::Sqlite => &[
            "REPLACE INTO t VALUES ( 1 )",
            "PRAGMA user_version = 7",
            "PRAGMA main . user_version ( 7 )",
            "PRAGMA wal_checkpoint ( TRUNCATE )",
            "PRAGMA foreign_keys = ON",
            "PRAGMA writable_schema = ON",
            "ATTACH 'x' AS o",
            "VACUUM INTO 'x'",
            "REINDEX",
            "BEGIN IMMEDIATE",
            "WITH c AS ( SELECT 1 AS a ) INSERT INTO t SELECT a FROM c",
            "WITH c AS ( SELECT 1 AS a ) DELETE FROM t WHERE a IN ( SELECT a FROM c )",
            "SELECT a FROM temp . t",
        ],
        _ => &[
            "SELECT a FROM t FOR UPDATE",
            "SELECT a FROM t FOR NO KEY UPDATE SKIP LOCKED",
            "SELECT a FROM t FOR KEY SHARE",
            "( SELECT a FROM t FOR SHARE )",
            "WITH q AS ( SELECT a FROM t FOR UPDATE ) SELECT a FROM q",
            "SELECT a FROM ( SELECT a FROM t FOR UPDATE ) s",
            "SELECT a FROM t WHERE EXISTS ( SELECT 1 FROM u FOR UPDATE )",
            "SELECT a INTO z FROM t",
            "SELECT a INTO TEMP z FROM t",
            "WITH n AS ( INSERT INTO t VALUES ( 1 ) RETURNING a ) SELECT a FROM n",
            "( WITH n AS ( UPDATE t SET a = 1 RETURNING a ) SELECT a FROM n )",
            "WITH n AS ( DELETE FROM t RETURNING a ) SELECT 1",
            "WITH n AS ( SELECT 1 AS a ) UPDATE t SET a = 1 FROM n",
            "SELECT a FROM ( WITH n AS ( DELETE FROM t RETURNING a ) SELECT a FROM n ) s",
            "COPY t FROM STDIN",
            "COPY t TO '/x'",
            "COPY ( SELECT 1 ) TO PROGRAM 'x'",
            "COPY ( SELECT a FROM t FOR UPDATE ) TO STDOUT",
            "EXPLAIN ANALYZE DELETE FROM t",
            "EXPLAIN ( ANALYZE , BUFFERS ) UPDATE t SET a = 1",
            "EXPLAIN ( VERBOSE , ANALYZE true ) INSERT INTO t VALUES ( 1 )",
            "EXPLAIN ANALYZE VERBOSE SELECT nextval ( 'sq' )",
            "EXPLAIN ( ANALYZE 1 ) SELECT pg_advisory_lock ( 1 )",
            "MERGE INTO t USING u ON t . a = u . a WHEN MATCHED THEN DO NOTHING",
            "REFRESH MATERIALIZED VIEW m",
            "LOCK TABLE t IN ACCESS SHARE MODE",
            "DO $x$ BEGIN END $x$",
            "CALL p ( )",
            "NOTIFY ch",
            "LISTEN ch",
            "SET search_path TO x",
            "DISCARD ALL",
            "PREPARE s AS SELECT 1",
            "EXECUTE s",
            "PREPARE TRANSACTION 'x'",
            "VACUUM t",
            "SELECT pid FROM pg_stat_activity",
            "SELECT last_value FROM pg_sequences",
            "TABLE pg_locks",
        ],
    };
    if choices.below(3) == 0 {
        tokens(choices.one(&common))
    } else {
        tokens(choices.one(own))
    }
}

/// The same texts around a call that any node may run: what is not judged a read here proves nothing there.
pub(crate) fn harmless(choices: &mut Choices<'_>, backend: DbBackend) -> String {
    let query = query_around(choices, tokens("lower ( 'x' )"));
    let text = wrap(choices, backend, query);
    render(choices, backend, &text)
}

/// A whole text that must not be judged a read.
pub(crate) fn harmful(choices: &mut Choices<'_>, backend: DbBackend) -> String {
    let is_call = choices.below(2) == 0;
    let mut text = if is_call {
        let call = call(choices, backend);
        query_around(choices, call)
    } else {
        writing(choices, backend)
    };
    if is_call {
        text = wrap(choices, backend, text);
    }
    let harmless = ["SELECT 1", "SELECT a FROM t", "VALUES ( 1 )"];
    match choices.below(6) {
        0 => text = around(&format!("{} ;", choices.one(&harmless)), text, ""),
        1 => text = around("", text, &format!("; {}", choices.one(&harmless))),
        2 => text = around("; ;", text, ";"),
        _ => {}
    }
    if backend == DbBackend::MySql && choices.below(8) == 0 {
        return format!("SELECT 1 /*!50000 ; {} */", text.join(" "));
    }
    render(choices, backend, &text)
}

/// What runs a query that stands inside.
fn wrap(choices: &mut Choices<'_>, backend: DbBackend, query: Tokens) -> Tokens {
    match (backend, choices.below(6)) {
        (DbBackend::Postgres, 0) => around("EXPLAIN ANALYZE", query, ""),
        (DbBackend::Postgres, 1) => around("COPY (", query, ") TO STDOUT"),
        (DbBackend::Postgres, 2) => around("(", query, ")"),
        (DbBackend::Postgres, 3) => around("WITH w AS (", query, ") SELECT 1 FROM w"),
        (DbBackend::MySql, 0) => around("ANALYZE", query, ""),
        (DbBackend::MySql, 1) => around("SET STATEMENT max_statement_time = 1 FOR", query, ""),
        (DbBackend::MySql, 2) => around("(", query, ")"),
        (DbBackend::Sqlite, 0) => around("WITH w AS (", query, ") SELECT 1 FROM w"),
        _ => query,
    }
}

/// The tokens with any blanks and comments between them, and keywords in any case.
pub(crate) fn render(choices: &mut Choices<'_>, backend: DbBackend, tokens: &[String]) -> String {
    let mut text = String::new();
    for (at, token) in tokens.iter().enumerate() {
        if at > 0 {
            text.push_str(blank(choices, backend));
        }
        // Quoted tokens and variables are the same in one case only.
        if token.contains(['\'', '"', '`', '[', '@', '$']) {
            text.push_str(token);
            continue;
        }
        match choices.below(3) {
            0 => text.push_str(token),
            1 => text.push_str(&token.to_lowercase()),
            _ => text.push_str(&token.to_uppercase()),
        }
    }
    text
}

fn blank(choices: &mut Choices<'_>, backend: DbBackend) -> &'static str {
    let own: &[&str] = match backend {
        DbBackend::MySql => &["# SELECT ' \" `\n", "\n-- \n", "/* ; ' */"],
        DbBackend::Sqlite => &["--'\n", "/* /* ; ' */"],
        _ => &["--'\n", "/* /* ; ' */ \" */", "/* $$ */"],
    };
    match choices.below(6) {
        0..=2 => " ",
        3 => "\n\t",
        4 => "/**/",
        _ => choices.one(own),
    }
}
