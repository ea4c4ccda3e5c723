//! Whether a text may end the transaction that it runs in, so that what came before it is stored whatever comes after.

use super::dialect::Dialect;
use super::lexer::{self, TokenKind};

/// What ends a transaction, or hands it to somebody else, as PostgreSQL and SQLite spell it.
const WORDS: [&str; 5] = ["commit", "end", "rollback", "abort", "prepare"];

/// Whether one of those words stands in the text, wherever. A text without them is most of what there is and is not
/// judged for this.
pub(super) fn has_word(sql: &str) -> bool {
    let words = sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let mut words = words.filter(|word| !word.is_empty());
    words.any(|word| WORDS.iter().any(|ending| word.eq_ignore_ascii_case(ending)))
}

/// Whether one of the text's statements ends the transaction that it runs in. What cannot be cut into statements may.
pub(crate) fn ends(dialect: Dialect, sql: &str) -> bool {
    if !has_word(sql) {
        return false;
    }
    let Ok(mut tokens) = lexer::tokens(dialect, sql) else {
        return true;
    };
    tokens.retain(|token| token.kind != TokenKind::Comment);
    let mut statements = tokens.split(|token| token.kind == TokenKind::Semicolon);
    statements.any(|statement| {
        let is = |at: usize, word: &str| {
            let token = statement.get(at);
            token.is_some_and(|token| token.is_word(sql, word))
        };
        match WORDS.iter().find(|word| is(0, word)) {
            Some(&"prepare") => is(1, "transaction"),
            found => found.is_some(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::has_word;

    #[test]
    fn a_word_that_ends_a_transaction_is_found_wherever_it_stands() {
        for sql in [
            "COMMIT",
            "insert into t values (1); commit;select 1",
            "ROLLBACK",
            "/**/END;",
        ] {
            assert!(has_word(sql), "{sql}");
        }
        for sql in [
            "INSERT INTO t VALUES (1)",
            "SELECT committed FROM the_end_",
            "SAVEPOINT a",
        ] {
            assert!(!has_word(sql), "{sql}");
        }
    }
}
