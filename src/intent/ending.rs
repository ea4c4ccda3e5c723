//! Whether a text may end the transaction that it runs in, so that what came before it is stored whatever comes after.

/// What ends a transaction, or hands it to somebody else, as PostgreSQL and SQLite spell it.
const WORDS: [&str; 5] = ["commit", "end", "rollback", "abort", "prepare"];

/// Whether one of those words stands in the text, wherever. A text without them is most of what there is and is not
/// judged for this.
pub(super) fn has_word(sql: &str) -> bool {
    let words = sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let mut words = words.filter(|word| !word.is_empty());
    words.any(|word| WORDS.iter().any(|ending| word.eq_ignore_ascii_case(ending)))
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
