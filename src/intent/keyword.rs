//! What a statement's first keyword decides without a parse (I2).
//!
//! Only the strictest intent may be decided from the first keyword of a text alone; a weaker one waits for the rest of
//! the text, where a stricter statement may follow.

use super::dialect::Dialect;
use super::judged::{Judged, Ruling, TextKind};
use super::lexer::{self, Lexer};

/// What the first keyword says of its statement.
#[derive(Clone, Debug)]
pub(crate) enum First {
    /// Decided.
    Decided(Box<Judged>),
    /// The statement must be read further.
    Open,
    /// No statement starts like this.
    Unknown,
}

/// The first unquoted word of a text after blanks and comments, with the rest unread; `None` if something else
/// stands there.
pub(crate) fn first_word(dialect: Dialect, sql: &str) -> Option<&str> {
    let bytes = sql.as_bytes();
    // Without a comment in front there is nothing to lex: this is the path of every statement that SeaORM renders.
    let start = bytes.iter().position(|b| !b.is_ascii_whitespace())?;
    if bytes.get(start).is_some_and(u8::is_ascii_alphabetic) {
        let rest = sql.get(start..)?;
        let end = rest
            .bytes()
            .position(|b| !lexer::word_byte(b))
            .unwrap_or(rest.len());
        return rest.get(..end);
    }
    let mut lexer = Lexer::new(dialect, sql);
    while let Ok(Some(token)) = lexer.next() {
        match token.kind {
            lexer::TokenKind::Comment | lexer::TokenKind::Semicolon => {}
            lexer::TokenKind::Word => return Some(token.text(sql)),
            _ => return None,
        }
    }
    None
}

/// A text whose first keyword writes, and which cannot hold a second statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decided<'a> {
    word: &'a str,
    pub(crate) kind: TextKind,
    pub(crate) ddl: bool,
}

impl Decided<'_> {
    /// The verdict in full.
    pub(crate) fn judged(self) -> Judged {
        let mut judged = Judged::of(Ruling::write(named(self.word)), self.kind);
        judged.traits.ddl = self.ddl;
        judged
    }
}

/// Decides without a parse and without an allocation, if the first keyword can.
pub(crate) fn decide(dialect: Dialect, sql: &str) -> Option<Decided<'_>> {
    let word = first_word(dialect, sql)?;
    // The most frequent word decides nothing, and need not be looked for among those that do.
    if word.eq_ignore_ascii_case("SELECT") {
        return None;
    }
    let KeywordKind::Write { kind, ddl } = of(dialect, word) else {
        return None;
    };
    // A semicolon may stand in a string: then the text is merely read in full.
    let several = sql.as_bytes().contains(&b';');
    (!several).then_some(Decided { word, kind, ddl })
}

/// What the first keyword says of one statement.
pub(crate) fn first_of(dialect: Dialect, word: &str) -> First {
    let ruling = match of(dialect, word) {
        KeywordKind::Write { kind, ddl } => {
            return First::Decided(Box::new(Decided { word, kind, ddl }.judged()));
        }
        KeywordKind::Open => return First::Open,
        KeywordKind::Unknown => return First::Unknown,
        KeywordKind::Primary => Ruling::primary(named(word)),
        KeywordKind::Session => Ruling::session(named(word)),
    };
    First::Decided(Box::new(Judged::of(ruling, TextKind::Other)))
}

/// The part that a keyword is; called with words of the tables below only, so that no text of the user's is shown.
pub(crate) fn named(word: &str) -> String {
    format!("keyword {}", word.to_ascii_uppercase())
}

enum KeywordKind {
    Write { kind: TextKind, ddl: bool },
    Primary,
    Session,
    Open,
    Unknown,
}

fn of(dialect: Dialect, word: &str) -> KeywordKind {
    // The longest keyword that decides has eleven letters.
    let mut buffer = [0_u8; 12];
    let Some(slot) = buffer.get_mut(..word.len()) else {
        return KeywordKind::Unknown;
    };
    slot.copy_from_slice(word.as_bytes());
    slot.make_ascii_uppercase();
    let own = match dialect {
        Dialect::Postgres => postgres(slot),
        Dialect::MySql => mysql(slot),
        Dialect::Sqlite => sqlite(slot),
    };
    own.unwrap_or_else(|| common(slot))
}

const WRITE: Option<KeywordKind> = Some(KeywordKind::Write {
    kind: TextKind::Other,
    ddl: false,
});

fn common(word: &[u8]) -> KeywordKind {
    match word {
        b"INSERT" | b"UPDATE" | b"DELETE" => KeywordKind::Write {
            kind: TextKind::Plain,
            ddl: false,
        },
        b"CREATE" | b"ALTER" | b"DROP" => KeywordKind::Write {
            kind: TextKind::Other,
            ddl: true,
        },
        b"SELECT" | b"WITH" | b"VALUES" | b"EXPLAIN" => KeywordKind::Open,
        b"BEGIN" | b"COMMIT" | b"ROLLBACK" | b"SAVEPOINT" | b"RELEASE" => KeywordKind::Session,
        _ => KeywordKind::Unknown,
    }
}

fn postgres(word: &[u8]) -> Option<KeywordKind> {
    match word {
        b"MERGE" => Some(KeywordKind::Write {
            kind: TextKind::Plain,
            ddl: false,
        }),
        b"TRUNCATE" | b"GRANT" | b"REVOKE" | b"COMMENT" | b"REINDEX" | b"VACUUM" | b"CLUSTER"
        | b"REFRESH" | b"REASSIGN" | b"ANALYZE" | b"ANALYSE" | b"NOTIFY" | b"REPACK" => WRITE,
        b"IMPORT" | b"SECURITY" | b"CALL" | b"DO" => Some(KeywordKind::Write {
            kind: TextKind::Other,
            ddl: true,
        }),
        b"LOCK" | b"CHECKPOINT" | b"WAIT" => Some(KeywordKind::Primary),
        b"RESET" | b"DISCARD" | b"LISTEN" | b"UNLISTEN" | b"DECLARE" | b"FETCH" | b"MOVE"
        | b"CLOSE" | b"EXECUTE" | b"DEALLOCATE" | b"LOAD" | b"START" | b"END" | b"ABORT"
        | b"SHOW" => Some(KeywordKind::Session),
        b"TABLE" | b"COPY" | b"SET" | b"PREPARE" | b"COMMIT" | b"ROLLBACK" => {
            Some(KeywordKind::Open)
        }
        _ => None,
    }
}

fn mysql(word: &[u8]) -> Option<KeywordKind> {
    match word {
        b"REPLACE" => Some(KeywordKind::Write {
            kind: TextKind::Plain,
            ddl: false,
        }),
        b"TRUNCATE" | b"GRANT" | b"REVOKE" | b"DO" | b"LOAD" | b"IMPORT" | b"OPTIMIZE"
        | b"REPAIR" | b"BINLOG" => WRITE,
        b"RENAME" | b"CALL" | b"INSTALL" | b"UNINSTALL" => Some(KeywordKind::Write {
            kind: TextKind::Other,
            ddl: true,
        }),
        b"LOCK" | b"UNLOCK" | b"FLUSH" | b"KILL" | b"PURGE" | b"RESET" | b"SHUTDOWN"
        | b"RESTART" | b"CHANGE" | b"STOP" | b"START" | b"XA" | b"CHECKSUM" | b"CHECK"
        | b"CACHE" | b"BACKUP" | b"CLONE" => Some(KeywordKind::Primary),
        b"USE" | b"HANDLER" | b"PREPARE" | b"DEALLOCATE" | b"SIGNAL" | b"RESIGNAL" | b"GET" => {
            Some(KeywordKind::Session)
        }
        // EXECUTE IMMEDIATE runs a text that is not seen; EXECUTE runs what the session prepared.
        b"EXECUTE" => Some(KeywordKind::Write {
            kind: TextKind::Other,
            ddl: true,
        }),
        b"TABLE" | b"SET" | b"ANALYZE" | b"SHOW" | b"DESCRIBE" | b"DESC" | b"HELP" => {
            Some(KeywordKind::Open)
        }
        _ => None,
    }
}

fn sqlite(word: &[u8]) -> Option<KeywordKind> {
    match word {
        b"REPLACE" => Some(KeywordKind::Write {
            kind: TextKind::Plain,
            ddl: false,
        }),
        b"VACUUM" | b"REINDEX" | b"ANALYZE" => WRITE,
        b"ATTACH" | b"DETACH" | b"END" => Some(KeywordKind::Session),
        b"PRAGMA" => Some(KeywordKind::Open),
        _ => None,
    }
}
