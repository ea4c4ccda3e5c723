//! Percent-encoding, and the masking of passwords in texts that others wrote.
//!
//! Our own messages never quote what failed to parse; [`mask`] is for texts of SeaORM, sqlx and servers. It goes
//! by shape and rather hides too much: a password may hold any character, so all between `://` and the last `@`
//! goes, and so does every value of a parameter that sounds like a secret.

/// The text without what could be a password.
pub(crate) fn mask(text: &str) -> String {
    mask_parameters(&mask_userinfo(text))
}

const SECRET_WORDS: &[&str] = &["password", "passwd", "passphrase", "pwd", "secret", "token"];

/// Hides everything from the first `://` (without one: from the start) to the last `@`.
///
/// Stopping at the first `@`, at a blank or at a quote would be closer to the syntax of URLs and show the rest of
/// a password that holds such a character unescaped, which is the very case in which URLs end up in errors.
fn mask_userinfo(text: &str) -> String {
    let Some(end) = text.rfind('@') else {
        return mask_lost_userinfo(text);
    };
    let start = match text.find("://") {
        Some(scheme) if scheme + 3 <= end => scheme + 3,
        _ => 0,
    };
    format!("{}***{}", &text[..start], &text[end..])
}

/// Hides `user:password` where the `@` behind it was forgotten: a colon that no port follows.
fn mask_lost_userinfo(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '\'' | '"');
    let (authority, after) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
    let port = match authority.rsplit_once(']') {
        Some((_, port)) => port,
        None => authority.find(':').map_or("", |at| &authority[at..]),
    };
    if port
        .trim_start_matches(':')
        .chars()
        .all(|c| c.is_ascii_digit())
    {
        return text.to_owned();
    }
    format!("{scheme}://***{after}")
}

fn mask_parameters(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    while let Some(value) = next_secret_value(&lower, done) {
        let length = text[value..]
            .find(['&', ' ', '\n', '\'', '"', ';', ')'])
            .unwrap_or(text.len() - value);
        masked.push_str(&text[done..value]);
        masked.push_str("***");
        done = value + length;
    }
    masked.push_str(&text[done..]);
    masked
}

/// Where, at or after `from`, the value of the next secret parameter begins.
fn next_secret_value(lower: &str, from: usize) -> Option<usize> {
    let ends = SECRET_WORDS.iter().filter_map(|word| {
        lower[from..]
            .match_indices(word)
            .map(|(at, _)| from + at + word.len())
            .find(|end| lower[*end..].starts_with('='))
    });
    ends.min().map(|end| end + 1)
}

/// Decodes `%XX`; a `%` that begins no such triple stands for itself, as sqlx reads it.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        match (first, tail) {
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    decoded.push(high * 16 + low);
                    rest = after;
                }
                _ => {
                    decoded.push(first);
                    rest = tail;
                }
            },
            _ => {
                decoded.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8(decoded).ok()
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Encodes all but letters, digits and `-._~`, which is safe in every part of a URL.
pub(crate) fn percent_encode(text: &str) -> String {
    use std::fmt::Write as _;

    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
