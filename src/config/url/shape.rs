//! The shape of a server's URL, judged before any parser takes it apart.
//!
//! A password with an unescaped `/`, `?` or `#` moves the rest of it into the path, the query or the fragment,
//! and a lenient parser is content with that. So those shapes are refused here, and what is not refused is
//! certain to have its password where passwords belong. The messages are fixed texts.

pub(super) const SCHEMES: &str = "postgres://, mysql:// or sqlite:";

const ENCODE: &str = "in a user or password, `/` is written %2F, `?` %3F, `#` %23, `@` %40, `:` %3A, a comma %2C and a blank %20";

/// Splits a text into scheme and the rest behind `://`.
pub(super) fn scheme(text: &str) -> Result<(&str, &str), String> {
    match text.split_once("://") {
        Some((scheme, rest)) => Ok((scheme, rest)),
        None => Err(format!("has no scheme: a URL begins with {SCHEMES}")),
    }
}

/// Refuses what would be read otherwise than it was meant.
pub(super) fn check(rest: &str) -> Result<(), String> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    // Also without any: `mysql:///user:secret?x=@host` has both where the name of a database is, which is shown.
    let hidden_at = !authority.contains('@') && tail.contains('@');
    let path = tail.split('?').next().unwrap_or_default();
    if hidden_at || tail.contains('#') || path.contains('@') {
        return Err(format!("has an unescaped character: {ENCODE}"));
    }
    // `/db&password=…`: a parameter must never pass for the name of a database, which is shown.
    if path.contains(['=', '&']) {
        return Err("has parameters in its path: they begin behind a `?`".to_owned());
    }
    let (user, host_and_port) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    if user.is_some() && host_and_port.is_empty() {
        return Err("has a user but no host".to_owned());
    }
    check_host_and_port(host_and_port)
}

/// A URL for each of the hosts that this one names, as libpq reads it: `postgres://app@db-1,db-2:5433/shop`. None
/// where it names one.
pub(in crate::config) fn each_host(text: &str) -> Option<Vec<String>> {
    let (scheme, rest) = text.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    let of_postgres = matches!(
        scheme.to_ascii_lowercase().as_str(),
        "postgres" | "postgresql"
    );
    let url = |host: &str| format!("{scheme}://{user}{host}{tail}");
    (of_postgres && hosts.contains(',')).then(|| hosts.split(',').map(url).collect())
}

/// The host and port of a URL or of a short item, which is not a URL.
pub(in crate::config) fn check_host_and_port(text: &str) -> Result<(), String> {
    if text.contains(',') {
        return Err(SEVERAL_HOSTS.to_owned());
    }
    let port = match text.strip_prefix('[') {
        Some(rest) => {
            let (_, port) = rest
                .split_once(']')
                .ok_or("has an IPv6 address without its closing bracket")?;
            port
        }
        None => {
            let at = text.find(':').unwrap_or(text.len());
            let port = &text[at..];
            if port.matches(':').count() > 1 {
                return Err(
                    "has several colons: an IPv6 address needs brackets, [::1]:5432".to_owned(),
                );
            }
            port
        }
    };
    check_port(port)
}

pub(super) const SEVERAL_HOSTS: &str = "names several hosts, which only DATABASE_URL may, on PostgreSQL: each replica is an item of its own";

/// `:port`, or nothing.
fn check_port(text: &str) -> Result<(), String> {
    let digits = match text.strip_prefix(':') {
        Some(digits) => digits,
        None if text.is_empty() => return Ok(()),
        None => return Err("has text behind the closing bracket of its address".to_owned()),
    };
    // "host:" without digits is a valid URL and means the default port.
    if digits.is_empty() {
        return Ok(());
    }
    match digits.parse::<u16>() {
        Ok(1..) if digits.chars().all(|c| c.is_ascii_digit()) => Ok(()),
        Ok(_) | Err(_) => Err(format!(
            "has a port that is not a number from 1 to 65535 ({ENCODE})"
        )),
    }
}
