//! Just enough of PostgreSQL's protocol to run SQL over the server's own socket, with a deadline.
//!
//! `psql` was rejected: it hangs on a frozen server, costs ten milliseconds of two shared cores each time, and is not part of
//! every server package. The socket trusts its owner, so a password for TCP changes nothing here.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
};

use crate::{Error, Result, error::Attempt, wait::DEADLINE};

/// One row; `None` is NULL.
pub(crate) type Row = Vec<Option<String>>;

/// The name under which the harness's own connections appear, so that counts can leave them out.
pub(crate) const APPLICATION: &str = "sealane-harness";

/// Runs statements, separated by semicolons, on a fresh connection, and returns all rows of all of them.
pub(crate) fn query(socket: &Path, database: &str, options: &str, sql: &str) -> Result<Vec<Row>> {
    let what = || format!("running SQL over {}", socket.display());
    let mut stream = UnixStream::connect(socket).attempt(what)?;
    stream.set_read_timeout(Some(DEADLINE)).attempt(what)?;
    stream.set_write_timeout(Some(DEADLINE)).attempt(what)?;
    stream
        .write_all(&startup(database, options))
        .attempt(what)?;
    let mut messages = io::BufReader::new(stream.try_clone().attempt(what)?);
    read_until_ready(&mut messages).attempt(what)??;
    stream.write_all(&message(b'Q', &[sql])).attempt(what)?;
    let rows = read_until_ready(&mut messages).attempt(what)?;
    // Goodbye lets the server log no lost connection; nobody waits for it.
    let _ = stream.write_all(&message(b'X', &[]));
    rows
}

fn startup(database: &str, options: &str) -> Vec<u8> {
    let pairs = [
        ("user", "postgres"),
        ("database", database),
        ("application_name", APPLICATION),
        ("options", options),
    ];
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    let mut whole = length(&body).to_vec();
    whole.extend(body);
    whole
}

fn message(kind: u8, texts: &[&str]) -> Vec<u8> {
    let body: Vec<u8> = texts
        .iter()
        .flat_map(|text| text.bytes().chain([0]))
        .collect();
    let mut whole = vec![kind];
    whole.extend(length(&body));
    whole.extend(body);
    whole
}

fn length(body: &[u8]) -> [u8; 4] {
    u32::try_from(body.len() + 4)
        .unwrap_or(u32::MAX)
        .to_be_bytes()
}

/// Reads to the next ReadyForQuery, or to a fatal error after which the server closes.
fn read_until_ready(stream: &mut impl Read) -> io::Result<Result<Vec<Row>>> {
    let mut rows = Vec::new();
    let mut refused = None;
    loop {
        let (kind, body) = match read_message(stream) {
            Ok(message) => message,
            Err(end) => return refused.map_or(Err(end), |refused| Ok(Err(refused))),
        };
        match kind {
            b'D' => rows.push(row(&body).ok_or_else(garbled)?),
            b'E' => refused = Some(error(&body)),
            b'R' if body != [0; 4] => {
                return Err(io::Error::other(
                    "the server wants a password on its socket",
                ));
            }
            b'Z' => return Ok(refused.map_or(Ok(rows), Err)),
            _ => {}
        }
    }
}

fn read_message(stream: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    stream.read_exact(&mut head)?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    let length = usize::try_from(length)
        .ok()
        .and_then(|length| length.checked_sub(4));
    let mut body = vec![0; length.ok_or_else(garbled)?];
    stream.read_exact(&mut body)?;
    Ok((head[0], body))
}

fn garbled() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the server's message makes no sense",
    )
}

fn row(body: &[u8]) -> Option<Row> {
    let (count, mut rest) = body.split_at_checked(2)?;
    let mut row = Vec::new();
    for _ in 0..u16::from_be_bytes(count.try_into().ok()?) {
        let (length, after) = rest.split_at_checked(4)?;
        rest = after;
        // A negative length is NULL.
        row.push(
            match usize::try_from(i32::from_be_bytes(length.try_into().ok()?)) {
                Ok(length) => {
                    let (value, after) = rest.split_at_checked(length)?;
                    rest = after;
                    Some(String::from_utf8_lossy(value).into_owned())
                }
                Err(_) => None,
            },
        );
    }
    Some(row)
}

fn error(body: &[u8]) -> Error {
    let field = |wanted: u8| {
        let mut fields = body
            .split(|byte| *byte == 0)
            .filter(|field| !field.is_empty());
        let found = fields.find(|field| field[0] == wanted);
        found.map_or_else(String::new, |field| {
            String::from_utf8_lossy(&field[1..]).into_owned()
        })
    };
    Error::Sql {
        sqlstate: field(b'C'),
        message: field(b'M'),
    }
}
