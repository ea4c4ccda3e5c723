//! Cuts a text into tokens as its own server would, without understanding any of them.
//!
//! The invariant: a string, a quoted identifier and a comment end where the server ends them, so that no keyword
//! hides in a place that only the server sees. A tokenizer for all languages is not asked: it allocates, and its rules for
//! comments are not those of each server.

use super::dialect::Dialect;

/// What a token is; a token's text is read from the statement by its span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// An unquoted word: a keyword, a name, or a number's letters.
    Word,
    /// A quoted identifier, quotes included.
    Quoted,
    /// A string in any of the server's notations.
    Text,
    /// A number or a numbered parameter.
    Number,
    /// A MySQL variable, `@x` or `@@x`.
    Variable,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `;`
    Semicolon,
    /// `,`
    Comma,
    /// `.`
    Dot,
    /// One other byte: an operator, or part of one.
    Symbol,
    /// A comment: no token to the server, kept because a hint may stand in it.
    Comment,
    /// A comment whose content MySQL or MariaDB may execute.
    Executable,
}

/// A piece of the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Token {
    /// The token's text in the statement it was cut from.
    pub(crate) fn text<'a>(&self, sql: &'a str) -> &'a str {
        sql.get(self.start..self.end).unwrap_or_default()
    }

    /// Whether this is the unquoted word `keyword`, in any case.
    pub(crate) fn is_word(&self, sql: &str, keyword: &str) -> bool {
        self.kind == TokenKind::Word && self.text(sql).eq_ignore_ascii_case(keyword)
    }
}

/// The text ends inside a string, a quoted identifier or a comment: nothing is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unterminated;

/// The tokens of a text, one after the other.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    dialect: Dialect,
    bytes: &'a [u8],
    at: usize,
    /// The token before is a PostgreSQL string with escapes: one that goes on in a new line has them too.
    escapes: bool,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(dialect: Dialect, sql: &'a str) -> Self {
        Self {
            dialect,
            bytes: sql.as_bytes(),
            at: 0,
            escapes: false,
        }
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    /// The next token, comments included; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Token>, Unterminated> {
        while self
            .byte(0)
            .is_some_and(|b| b.is_ascii_whitespace() || b == 0x0b)
        {
            self.at += 1;
        }
        let Some(first) = self.byte(0) else {
            return Ok(None);
        };
        let start = self.at;
        let kind = self.scan(first)?;
        if kind != TokenKind::Comment {
            self.escapes = kind == TokenKind::Text
                && (matches!(first, b'e' | b'E') || (first == b'\'' && self.escapes));
        }
        Ok(Some(Token {
            kind,
            start,
            end: self.at,
        }))
    }

    fn scan(&mut self, first: u8) -> Result<TokenKind, Unterminated> {
        let second = self.byte(1);
        match (first, second) {
            (b'-', Some(b'-')) if self.dash_comment() => Ok(self.line_comment()),
            (b'#', _) if self.dialect == Dialect::MySql => Ok(self.line_comment()),
            (b'/', Some(b'*')) => self.block_comment(),
            (b'\'', _) => self.string(b'\'', self.dialect == Dialect::MySql || self.escapes),
            (b'"', _) if self.dialect == Dialect::MySql => self.string(b'"', true),
            (b'"', _) => self.quoted(b'"'),
            (b'`', _) if self.dialect != Dialect::Postgres => self.quoted(b'`'),
            (b'[', _) if self.dialect == Dialect::Sqlite => self.bracketed(),
            (b'$', _) if self.dialect == Dialect::Postgres => self.dollar(),
            (b'@', _) if self.dialect == Dialect::MySql => self.variable(),
            (b'@' | b':' | b'$', _) if self.dialect == Dialect::Sqlite => self.parameter(),
            (b'e' | b'E', Some(b'\'')) if self.dialect == Dialect::Postgres => {
                self.at += 1;
                self.string(b'\'', true)
            }
            (b'u' | b'U', Some(b'&'))
                if self.dialect == Dialect::Postgres
                    && matches!(self.byte(2), Some(b'\'' | b'"')) =>
            {
                self.at += 2;
                if self.byte(0) == Some(b'"') {
                    self.quoted(b'"')
                } else {
                    self.string(b'\'', false)
                }
            }
            (b'0'..=b'9', _) => Ok(self.number()),
            (b'(', _) => Ok(self.single(TokenKind::Open)),
            (b')', _) => Ok(self.single(TokenKind::Close)),
            (b';', _) => Ok(self.single(TokenKind::Semicolon)),
            (b',', _) => Ok(self.single(TokenKind::Comma)),
            (b'.', _) => Ok(self.single(TokenKind::Dot)),
            _ if word_byte(first) => Ok(self.word()),
            _ => Ok(self.single(TokenKind::Symbol)),
        }
    }

    fn single(&mut self, kind: TokenKind) -> TokenKind {
        self.at += 1;
        kind
    }

    fn word(&mut self) -> TokenKind {
        while self.byte(0).is_some_and(word_byte) {
            self.at += 1;
        }
        TokenKind::Word
    }

    /// Digits and all that may follow them; MySQL lets a name begin with digits, which then is a number here and
    /// never a keyword.
    fn number(&mut self) -> TokenKind {
        while self.byte(0).is_some_and(word_byte) {
            self.at += 1;
        }
        TokenKind::Number
    }

    /// MySQL takes `--` for a comment only before a blank, a control character or the end: `1--1` is 2.
    fn dash_comment(&self) -> bool {
        self.dialect != Dialect::MySql
            || self
                .byte(2)
                .is_none_or(|b| b.is_ascii_whitespace() || b.is_ascii_control())
    }

    fn line_comment(&mut self) -> TokenKind {
        while let Some(b) = self.byte(0) {
            // PostgreSQL ends a line at a carriage return too; the others go on to the line feed.
            if b == b'\n' || (b == b'\r' && self.dialect == Dialect::Postgres) {
                break;
            }
            self.at += 1;
        }
        TokenKind::Comment
    }

    fn block_comment(&mut self) -> Result<TokenKind, Unterminated> {
        let executable = self.dialect == Dialect::MySql
            && (self.byte(2) == Some(b'!')
                || (matches!(self.byte(2), Some(b'M' | b'm')) && self.byte(3) == Some(b'!')));
        let nests = self.dialect == Dialect::Postgres;
        let mut depth = 1_usize;
        self.at += 2;
        loop {
            match (self.byte(0), self.byte(1)) {
                (Some(b'*'), Some(b'/')) => {
                    self.at += 2;
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                (Some(b'/'), Some(b'*')) if nests => {
                    self.at += 2;
                    depth += 1;
                }
                // Executable text in which another comment begins is read differently by different versions.
                (Some(b'/'), Some(b'*')) if executable => return Err(Unterminated),
                (Some(_), _) => self.at += 1,
                (None, _) => return Err(Unterminated),
            }
        }
        Ok(if executable {
            TokenKind::Executable
        } else {
            TokenKind::Comment
        })
    }

    /// A string that starts at the current quote; a doubled quote stays inside.
    fn string(&mut self, quote: u8, backslash: bool) -> Result<TokenKind, Unterminated> {
        self.delimited(quote, backslash)?;
        Ok(TokenKind::Text)
    }

    fn quoted(&mut self, quote: u8) -> Result<TokenKind, Unterminated> {
        self.delimited(quote, false)?;
        Ok(TokenKind::Quoted)
    }

    fn delimited(&mut self, quote: u8, backslash: bool) -> Result<(), Unterminated> {
        self.at += 1;
        while let Some(b) = self.byte(0) {
            self.at += 1;
            if b == b'\\' && backslash {
                self.at += 1;
            } else if b == quote {
                if self.byte(0) != Some(quote) {
                    return Ok(());
                }
                self.at += 1;
            }
        }
        Err(Unterminated)
    }

    fn bracketed(&mut self) -> Result<TokenKind, Unterminated> {
        while let Some(b) = self.byte(0) {
            self.at += 1;
            if b == b']' {
                return Ok(TokenKind::Quoted);
            }
        }
        Err(Unterminated)
    }

    /// `$1`, or a dollar-quoted string with its tag.
    fn dollar(&mut self) -> Result<TokenKind, Unterminated> {
        let start = self.at;
        if self.byte(1).is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
            return Ok(self.number());
        }
        let mut end = start + 1;
        while self
            .bytes
            .get(end)
            .is_some_and(|&b| word_byte(b) && b != b'$')
        {
            end += 1;
        }
        if self.bytes.get(end) != Some(&b'$') {
            return Ok(self.single(TokenKind::Symbol));
        }
        let tag = self.bytes.get(start..=end).unwrap_or_default();
        let mut at = end + 1;
        while let Some(rest) = self.bytes.get(at..) {
            if rest.is_empty() {
                break;
            }
            if rest.starts_with(tag) {
                self.at = at + tag.len();
                return Ok(TokenKind::Text);
            }
            at += 1;
        }
        Err(Unterminated)
    }

    /// SQLite's `:x`, `@x` and `$x::y`, whatever word `x` is. `$x(…)` is one token too, quotes included: it is not read.
    fn parameter(&mut self) -> Result<TokenKind, Unterminated> {
        let start = self.at;
        self.at += 1;
        loop {
            if self.byte(0).is_some_and(word_byte) {
                self.at += 1;
            } else if self.byte(0) == Some(b':') && self.byte(1) == Some(b':') {
                self.at += 2;
            } else {
                break;
            }
        }
        match self.byte(0) {
            Some(b'(') => Err(Unterminated),
            _ if self.at == start + 1 => Ok(TokenKind::Symbol),
            _ => Ok(TokenKind::Number),
        }
    }

    /// `@x`, `@@x`, `@'x'`; what follows a dot is cut as a word of its own.
    fn variable(&mut self) -> Result<TokenKind, Unterminated> {
        self.at += 1;
        if self.byte(0) == Some(b'@') {
            self.at += 1;
        }
        match self.byte(0) {
            Some(quote @ (b'\'' | b'"' | b'`')) => self.delimited(quote, quote != b'`')?,
            _ => {
                self.word();
            }
        }
        Ok(TokenKind::Variable)
    }
}

/// Letters, digits, `_`, `$` and every byte of a character beyond ASCII: what each server takes into a name.
pub(crate) fn word_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b == b'$' || b >= 0x80
}

/// All tokens of a text.
pub(crate) fn tokens(dialect: Dialect, sql: &str) -> Result<Vec<Token>, Unterminated> {
    let mut lexer = Lexer::new(dialect, sql);
    let mut tokens = Vec::with_capacity(sql.len() / 4);
    while let Some(token) = lexer.next()? {
        tokens.push(token);
    }
    Ok(tokens)
}
