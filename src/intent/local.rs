//! Reading a setting that is set wherever the text runs (rule R11).
//!
//! Elsewhere `current_setting` tells the state of one connection, which another one does not have. Only a name that is
//! written out counts: what is put together while the statement runs may be any setting.

use super::lexer::TokenKind;
use super::statement::Statement;

/// The function that reads a setting.
pub(crate) const READER: &str = "current_setting";

/// Whether a call of that function begins there, with the name of such a setting as a literal.
pub(crate) fn reads(statement: &Statement<'_>, at: usize) -> bool {
    let settings = statement.settings;
    if settings.local().is_empty()
        || settings.denies(Some("pg_catalog"), READER)
        || statement.kind(at + 1) != Some(TokenKind::Open)
        || statement.kind(at + 2) != Some(TokenKind::Text)
        || !matches!(
            statement.kind(at + 3),
            Some(TokenKind::Close | TokenKind::Comma)
        )
    {
        return false;
    }
    let name = statement.tokens.get(at + 2);
    let name = name.map(|token| token.text(statement.sql));
    let plain = name.and_then(|name| name.strip_prefix('\'')?.strip_suffix('\''));
    statement.folded(at).as_deref() == Some(READER)
        && plain.is_some_and(|name| settings.is_local(name))
}
