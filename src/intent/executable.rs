//! MySQL's executable comments, `/*! … */` and `/*!50000 … */`, and MariaDB's `/*M! … */`.
//!
//! Which of them a server executes depends on its make and version, which the text does not tell. So a text is read in
//! every way that some server may read it, and the strictest reading counts.

use super::lexer::{Token, TokenKind};

/// Above this many comments the text is not judged: each doubles the readings.
const MOST: usize = 3;

/// Every text that some server may see; `None` if there are too many.
pub(crate) fn readings(sql: &str, tokens: &[Token]) -> Option<Vec<String>> {
    let comments: Vec<&Token> = tokens
        .iter()
        .filter(|t| t.kind == TokenKind::Executable)
        .collect();
    if comments.len() > MOST {
        return None;
    }
    let mut readings = Vec::with_capacity(1 << comments.len());
    for choice in 0..1_u32 << comments.len() {
        let mut text = String::with_capacity(sql.len());
        let mut from = 0;
        for (bit, comment) in comments.iter().enumerate() {
            text.push_str(sql.get(from..comment.start)?);
            text.push(' ');
            if choice & (1 << bit) != 0 {
                text.push_str(content(comment.text(sql))?);
                text.push(' ');
            }
            from = comment.end;
        }
        text.push_str(sql.get(from..)?);
        readings.push(text);
    }
    Some(readings)
}

/// What stands between the mark, with its version of five or six digits, and the end.
fn content(comment: &str) -> Option<&str> {
    let inner = comment.strip_prefix("/*")?.strip_suffix("*/")?;
    let inner = inner
        .strip_prefix('M')
        .or_else(|| inner.strip_prefix('m'))
        .unwrap_or(inner);
    let inner = inner.strip_prefix('!')?;
    let digits = inner.bytes().take_while(u8::is_ascii_digit).count();
    match digits {
        // Five digits are a version to every server; six are one to newer servers, and five and a digit of the
        // statement to older ones: such a text is not judged unless a blank follows.
        0 | 5 => inner.get(digits..),
        6 if inner.as_bytes().get(6).is_none_or(u8::is_ascii_whitespace) => inner.get(6..),
        _ => None,
    }
}
