//! Extensions that come with PostgreSQL and whose functions are compiled, well known and harmless.
//!
//! Left out on purpose: what runs a text (`dblink`, `tablefunc`, `xml2`), reads files or memory of one server
//! (`adminpack`, `file_fdw`, `pageinspect`, `pg_buffercache`, `pg_stat_statements`, …) or changes pages.

const HARMLESS: [&str; 19] = [
    "bloom",
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "dict_int",
    "dict_xsyn",
    "earthdistance",
    "fuzzystrmatch",
    "hstore",
    "intagg",
    "intarray",
    "isn",
    "ltree",
    "pg_trgm",
    "pgcrypto",
    "seg",
    "unaccent",
    "uuid-ossp",
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

/// Whether a function of this extension may be called on any node.
pub(crate) fn harmless(extension: &str, function: &str, volatile: bool) -> bool {
    HARMLESS.contains(&extension)
        && (!volatile || HARMLESS_VOLATILE.contains(&function))
        && function != "set_limit"
}
