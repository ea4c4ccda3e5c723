//! Extensions whose functions are compiled, well known and harmless: those that come with PostgreSQL, and a few that
//! many databases have.
//!
//! Left out on purpose: what runs a text (`dblink`, `tablefunc`, `xml2`), reads files or memory of one server
//! (`adminpack`, `file_fdw`, `pageinspect`, `pg_buffercache`, `pg_stat_statements`, `postgis_raster`, …) or changes pages.

const HARMLESS: [&str; 26] = [
    "bloom",
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "dict_int",
    "dict_xsyn",
    "earthdistance",
    "fuzzystrmatch",
    "h3",
    "hstore",
    "intagg",
    "intarray",
    "ip4r",
    "isn",
    "ltree",
    "pg_trgm",
    "pgcrypto",
    "postgis",
    "postgis_sfcgal",
    "prefix",
    "seg",
    "semver",
    "unaccent",
    "uuid-ossp",
    "vector",
];

/// Volatile only because they answer something new each time.
const HARMLESS_VOLATILE: [&str; 7] = [
    "gen_random_bytes",
    "gen_random_uuid",
    "gen_salt",
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
    "pgp_sym_encrypt",
];

/// Whether what this extension does for operators, types and indexes is harmless, as volatile as it may be called: its
/// authors seldom say what such a function is, since the server does not ask.
pub(crate) fn is_listed(extension: &str) -> bool {
    HARMLESS.contains(&extension)
}

/// Whether a function of this extension may be called on any node.
pub(crate) fn harmless(extension: &str, function: &str, volatile: bool) -> bool {
    is_listed(extension)
        && (!volatile || HARMLESS_VOLATILE.contains(&function))
        && function != "set_limit"
}
