//! Relations that the servers bring along, by name: which of them say the same on every node.
//!
//! A system relation that is not listed needs the primary; a relation of the user's is left to the catalog.

use super::dialect::Dialect;
use super::judged::{Name, Needs, Ruling};

/// PostgreSQL's catalog as it is stored and replicated; the rest of `pg_catalog` is views over one server's memory.
const POSTGRES_READS: [&str; 66] = [
    "pg_aggregate",
    "pg_am",
    "pg_amop",
    "pg_amproc",
    "pg_attrdef",
    "pg_attribute",
    "pg_auth_members",
    "pg_authid",
    "pg_available_extension_versions",
    "pg_available_extensions",
    "pg_cast",
    "pg_class",
    "pg_collation",
    "pg_constraint",
    "pg_conversion",
    "pg_database",
    "pg_db_role_setting",
    "pg_default_acl",
    "pg_depend",
    "pg_description",
    "pg_enum",
    "pg_event_trigger",
    "pg_extension",
    "pg_foreign_data_wrapper",
    "pg_foreign_server",
    "pg_foreign_table",
    "pg_group",
    "pg_index",
    "pg_indexes",
    "pg_inherits",
    "pg_init_privs",
    "pg_language",
    "pg_largeobject",
    "pg_largeobject_metadata",
    "pg_matviews",
    "pg_namespace",
    "pg_opclass",
    "pg_operator",
    "pg_opfamily",
    "pg_parameter_acl",
    "pg_partitioned_table",
    "pg_policies",
    "pg_policy",
    "pg_proc",
    "pg_publication",
    "pg_publication_namespace",
    "pg_publication_rel",
    "pg_publication_tables",
    "pg_range",
    "pg_rewrite",
    "pg_roles",
    "pg_rules",
    "pg_seclabel",
    "pg_seclabels",
    "pg_shdepend",
    "pg_shdescription",
    "pg_shseclabel",
    "pg_statistic",
    "pg_statistic_ext",
    "pg_tables",
    "pg_tablespace",
    "pg_timezone_names",
    "pg_trigger",
    "pg_type",
    "pg_user",
    "pg_views",
];

/// More of it, apart from the above for their number.
const POSTGRES_READS_MORE: [&str; 18] = [
    "pg_replication_origin",
    "pg_sequence",
    "pg_shadow",
    "pg_statistic_ext_data",
    "pg_stats",
    "pg_stats_ext",
    "pg_stats_ext_exprs",
    "pg_subscription",
    "pg_subscription_rel",
    "pg_timezone_abbrevs",
    "pg_transform",
    "pg_ts_config",
    "pg_ts_config_map",
    "pg_ts_dict",
    "pg_ts_parser",
    "pg_ts_template",
    "pg_user_mapping",
    "pg_user_mappings",
];

/// Relations of one connection.
const POSTGRES_SESSION: [&str; 3] = ["pg_cursors", "pg_prepared_statements", "pg_settings"];

/// Views of MySQL's information schema that show one server's state.
const MYSQL_NODE: [&str; 9] = [
    "processlist",
    "global_status",
    "global_variables",
    "session_status",
    "session_variables",
    "profiling",
    "metadata_lock_info",
    "user_variables",
    "temp_table_info",
];

/// SQLite relations of one connection.
const SQLITE_SESSION: [&str; 3] = ["sqlite_stmt", "sqlite_temp_master", "sqlite_temp_schema"];

/// The name of a relation from its parts; a database in front of a schema is the connected one or an error.
pub(crate) fn name(mut parts: Vec<String>) -> Option<Name> {
    if parts.len() > 3 {
        return None;
    }
    let name = parts.pop()?;
    Some(Name::new(parts.pop(), name))
}

/// What reading this relation asks for by its name alone; a relation of the user's is put into `needs`.
pub(crate) fn ruling_on(dialect: Dialect, name: &Name, needs: &mut Needs) -> Option<Ruling> {
    let (schema, table) = (name.schema.as_deref(), name.name.as_str());
    let system = match dialect {
        Dialect::Postgres => postgres(schema, table),
        Dialect::MySql => mysql(schema, table),
        Dialect::Sqlite => sqlite(schema, table),
    };
    match system {
        System::Harmless => None,
        System::Node => Some(Ruling::primary(format!("relation {name}"))),
        System::Session => Some(Ruling::session(format!("relation {name}"))),
        System::NotOne => {
            needs.relations.insert(name.clone());
            None
        }
    }
}

enum System {
    Harmless,
    Node,
    Session,
    NotOne,
}

fn postgres(schema: Option<&str>, table: &str) -> System {
    match schema {
        Some("information_schema") => System::Harmless,
        Some("pg_catalog") => postgres_catalog(table),
        Some(temporary) if temporary.starts_with("pg_temp") => System::Session,
        // A user's table may not be called like a system's and be told apart without the search path.
        None if table.starts_with("pg_") => postgres_catalog(table),
        Some(toast) if toast.starts_with("pg_") => System::Node,
        _ => System::NotOne,
    }
}

fn postgres_catalog(table: &str) -> System {
    if POSTGRES_READS.contains(&table) || POSTGRES_READS_MORE.contains(&table) {
        System::Harmless
    } else if POSTGRES_SESSION.contains(&table) {
        System::Session
    } else {
        System::Node
    }
}

fn mysql(schema: Option<&str>, table: &str) -> System {
    match schema {
        Some("performance_schema" | "sys" | "mysql") => System::Node,
        Some("information_schema")
            if MYSQL_NODE.contains(&table) || table.starts_with("innodb_") =>
        {
            System::Node
        }
        Some("information_schema") => System::Harmless,
        None if table == "dual" => System::Harmless,
        _ => System::NotOne,
    }
}

fn sqlite(schema: Option<&str>, table: &str) -> System {
    match schema {
        Some("temp") => System::Session,
        _ if SQLITE_SESSION.contains(&table) => System::Session,
        _ if matches!(
            table,
            "sqlite_master" | "sqlite_schema" | "sqlite_sequence" | "dbstat"
        ) =>
        {
            System::Harmless
        }
        // Without parentheses a pragma's table stands like any other; its name says what it reads.
        _ if table.starts_with("pragma_") => {
            match super::functions::class(Dialect::Sqlite, table) {
                Some(super::functions::Class::Read) => System::Harmless,
                Some(super::functions::Class::Session) => System::Session,
                _ => System::Node,
            }
        }
        _ => System::NotOne,
    }
}
