//! Files of passwords as libpq reads them: a line `host:port:database:user:password` for each, the first that fits counts.
//!
//! `*` fits anything; a backslash keeps a `:` or a `\`. Lines that begin with `#` are comments. What libpq does besides, and
//! this does not, is to pass over a file that others may read: a mounted secret is readable by its group.
//!
//! Source: PostgreSQL's documentation, "The Password File".

/// What a line has to fit.
#[derive(Clone, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) database: &'a str,
    pub(crate) user: &'a str,
}

/// The password of the first line that fits.
pub(crate) fn password_in(text: &str, wanted: &Wanted<'_>) -> Option<String> {
    let port = wanted.port.to_string();
    let is = [wanted.host, &port, wanted.database, wanted.user];
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.find_map(|line| {
        let mut rest = line;
        for wanted in is {
            let (field, behind) = field(rest)?;
            if field != wanted && &rest[..rest.len() - behind.len() - 1] != "*" {
                return None;
            }
            rest = behind;
        }
        Some(unescaped(rest.trim_end_matches('\r')))
    })
}

/// The text up to the next `:`, unescaped, and what is behind that.
fn field(text: &str) -> Option<(String, &str)> {
    let mut escaped = false;
    for (at, one) in text.char_indices() {
        match one {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ':' => return Some((unescaped(&text[..at]), &text[at + 1..])),
            _ => {}
        }
    }
    None
}

fn unescaped(text: &str) -> String {
    let mut chars = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(one) = chars.next() {
        match one {
            '\\' => plain.extend(chars.next()),
            one => plain.push(one),
        }
    }
    plain
}
