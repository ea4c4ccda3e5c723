//! The rows from which a catalog is built: plain values, as the queries beside this file return them.

/// A function outside the system's schemas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FunctionRow {
    pub(crate) id: i64,
    pub(crate) schema: String,
    pub(crate) name: String,
    /// `pg_proc.prokind`: `f`, `a`, `w` or `p`.
    pub(crate) kind: String,
    pub(crate) volatile: bool,
    pub(crate) language: String,
    /// The source of a function in SQL or PL/pgSQL, else empty.
    pub(crate) body: String,
    /// The extension that it belongs to, else empty.
    pub(crate) extension: String,
    /// The function changes settings other than the search path while it runs.
    pub(crate) configured: bool,
    /// One argument is enough, and that may be a row.
    pub(crate) attribute: bool,
}

/// A relation outside the system's schemas, the temporary ones of other sessions included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RelationRow {
    pub(crate) id: i64,
    pub(crate) schema: String,
    pub(crate) name: String,
    /// `pg_class.relkind`.
    pub(crate) kind: String,
    /// `pg_class.relpersistence`.
    pub(crate) persistence: String,
    /// A view that locks rows.
    pub(crate) locks: bool,
    /// The foreign data wrapper, else empty.
    pub(crate) wrapper: String,
    /// MySQL and MariaDB: the text of a view, empty where the role may not see it.
    pub(crate) definition: String,
}

/// A type outside the system's schemas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TypeRow {
    pub(crate) id: i64,
    pub(crate) schema: String,
    pub(crate) name: String,
    /// What is of no type of the user's may become one without being told to: a domain, a type that strings prefer, one
    /// with an implicit cast from a type of the server's.
    pub(crate) open: bool,
}

/// A use: one object runs or reads another when it is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UseRow {
    /// `function`, `relation`, `type`, `operator`, `cast` or `silent_cast`; `column`, `becomes` and `result` only tell
    /// which types a relation's columns have, which one a type is cast to without being told to, and which one an
    /// operator gives.
    pub(crate) class: String,
    /// The user's id; 0 for operators and casts, which have only a name here.
    pub(crate) id: i64,
    /// The operator's symbol, or the name of the type that a cast leads to.
    pub(crate) name: String,
    /// `function`, `relation` or `type`.
    pub(crate) target: String,
    pub(crate) target_id: i64,
    pub(crate) target_schema: String,
    pub(crate) target_name: String,
    /// The target is a function marked immutable.
    pub(crate) immutable: bool,
    /// The server calls the target for an operator or a type, not by its name.
    pub(crate) support: bool,
    /// The types of an operator's arguments where both are the user's, and the source of a cast where that is; else 0.
    pub(crate) left_type: i64,
    pub(crate) right_type: i64,
}

/// A setting that a view or a policy of a relation reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SettingRow {
    /// The relation's id.
    pub(crate) id: i64,
    /// The bytes of the name as the server's tree has them, with four of their length before; empty where the name is not
    /// written out.
    pub(crate) name: String,
}

impl SettingRow {
    /// The setting's name, where it is written out.
    pub(crate) fn name(&self) -> Option<String> {
        let bytes = self.name.split_ascii_whitespace().skip(4);
        let bytes = bytes.map(|byte| byte.parse::<i16>().ok().map(|byte| byte.to_le_bytes()[0]));
        let name = String::from_utf8(bytes.collect::<Option<Vec<u8>>>()?).ok()?;
        (!name.is_empty()).then_some(name)
    }
}

/// All rows of one reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CatalogRows {
    pub(crate) functions: Vec<FunctionRow>,
    pub(crate) relations: Vec<RelationRow>,
    pub(crate) types: Vec<TypeRow>,
    pub(crate) uses: Vec<UseRow>,
    /// Asked for only where some handle sets settings of its own.
    pub(crate) settings: Vec<SettingRow>,
}
