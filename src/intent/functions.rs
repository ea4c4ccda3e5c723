//! What each server's own functions do, by name.
//!
//! Deny by default: a name that stands in no table is not known to be harmless. The tables are text files beside this
//! module, because they are lists and nothing else; they are read once per process. `tests/functions` writes the one that a
//! server's catalog can tell.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::dialect::Dialect;

/// What a call of a built-in function asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// A function that gives the same on every node, with no effect: a replica may answer.
    Read,
    /// Reads or changes the state of one connection.
    Session,
    /// Locks, has an effect on the server, or answers differently on each node.
    Primary,
    /// Changes data.
    Write,
}

type Table = HashMap<&'static str, Class, foldhash::fast::RandomState>;

static POSTGRES: LazyLock<Table> = LazyLock::new(|| {
    read(&[
        include_str!("functions/postgres.txt"),
        include_str!("functions/catalog.txt"),
    ])
});
static MYSQL: LazyLock<Table> = LazyLock::new(|| read(&[include_str!("functions/mysql.txt")]));
static SQLITE: LazyLock<Table> = LazyLock::new(|| read(&[include_str!("functions/sqlite.txt")]));

/// The class of a built-in by its folded name; `None` when no table names it.
pub(crate) fn class(dialect: Dialect, name: &str) -> Option<Class> {
    let table = match dialect {
        Dialect::Postgres => &POSTGRES,
        Dialect::MySql => &MYSQL,
        Dialect::Sqlite => &SQLITE,
    };
    table.get(name).copied()
}

/// A section's class stands in brackets at the start of a line. A name in two sections keeps the stricter class, so
/// that a slip in a list cannot allow what another line denies.
fn read(texts: &[&'static str]) -> Table {
    let mut table = Table::default();
    let mut class = None;
    for line in texts.iter().flat_map(|text| text.lines()) {
        if line.starts_with('#') {
            continue;
        }
        if line.starts_with('[') {
            class = [
                ("[read]", Class::Read),
                ("[session]", Class::Session),
                ("[primary]", Class::Primary),
                ("[write]", Class::Write),
            ]
            .into_iter()
            .find_map(|(word, class)| line.starts_with(word).then_some(class));
            continue;
        }
        let Some(class) = class else { continue };
        for name in line.split_ascii_whitespace() {
            let known = table.entry(name).or_insert(class);
            if rank(class) > rank(*known) {
                *known = class;
            }
        }
    }
    table
}

const fn rank(class: Class) -> u8 {
    match class {
        Class::Read => 0,
        Class::Session => 1,
        Class::Primary => 2,
        Class::Write => 3,
    }
}
