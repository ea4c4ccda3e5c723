//! The questions that fill a catalog: for PostgreSQL 12 and later, and one for MySQL and MariaDB.
//!
//! They read `pg_catalog` only, which every role may, and name it everywhere, so that no search path misleads them.
//! Four round trips, one for each kind of row; the columns bear the names of the fields in `rows`. What stands in
//! stored trees (views, checks, defaults, policies) is found by the ids in the tree, because `pg_depend` leaves out
//! whatever the server itself brought along: a view over `nextval` depends on nothing there.

/// `FunctionRow`: text, bool and int8 columns.
pub(crate) const FUNCTIONS: &str = "
SELECT p.oid::int8 AS id, n.nspname::text AS schema, p.proname::text AS name, p.prokind::text AS kind,
       p.provolatile = 'v' AS volatile, l.lanname::text AS language,
       CASE WHEN l.lanname IN ('sql', 'plpgsql') THEN p.prosrc ELSE '' END AS body,
       coalesce(e.extname::text, '') AS extension,
       EXISTS (SELECT 1 FROM pg_catalog.unnest(p.proconfig) AS s(setting) WHERE s.setting NOT LIKE 'search_path=%')
           AS configured,
       (p.pronargs >= 1 AND p.pronargs - p.pronargdefaults <= 1 AND EXISTS (
           SELECT 1 FROM pg_catalog.pg_type t WHERE t.oid = p.proargtypes[0] AND t.typtype IN ('c', 'd', 'p')))
           AS attribute
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid
    AND d.deptype = 'e'
LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
WHERE p.oid >= 16384 AND p.prokind <> 'p'
ORDER BY p.oid";

/// `RelationRow`: text, bool and int8 columns.
pub(crate) const RELATIONS: &str = "
SELECT c.oid::int8 AS id, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
       c.relpersistence::text AS persistence,
       coalesce(r.ev_action::text LIKE '%:hasForUpdate true%', false) AS locks,
       coalesce(w.fdwname::text, '') AS wrapper
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_rewrite r ON r.ev_class = c.oid AND r.ev_type = '1' AND c.relkind = 'v'
LEFT JOIN pg_catalog.pg_foreign_table f ON f.ftrelid = c.oid
LEFT JOIN pg_catalog.pg_foreign_server s ON s.oid = f.ftserver
LEFT JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw
WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
ORDER BY c.oid";

/// `TypeRow`: text, bool and int8 columns.
pub(crate) const TYPES: &str = "
SELECT t.oid::int8 AS id, n.nspname::text AS schema, t.typname::text AS name,
       (t.typtype IN ('d', 'p') OR t.typcategory = 'S' OR t.typispreferred OR EXISTS (
           SELECT 1 FROM pg_catalog.pg_cast c
           WHERE c.casttarget = t.oid AND c.castcontext = 'i' AND c.castsource < 16384)) AS open
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE t.oid >= 16384
ORDER BY t.oid";

/// `UseRow`: text, bool and int8 columns.
pub(crate) const USES: &str = "
WITH trees (class, id, tree, catalog, object) AS (
    SELECT 'relation', r.ev_class, r.ev_action::text, 'pg_catalog.pg_rewrite'::pg_catalog.regclass::oid, r.oid
    FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
    WHERE r.ev_type = '1' AND c.relkind = 'v' AND c.oid >= 16384
    UNION ALL
    SELECT 'relation', p.polrelid, p.polqual::text, 'pg_catalog.pg_policy'::pg_catalog.regclass::oid, p.oid
    FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
    WHERE p.polcmd IN ('r', '*') AND c.relrowsecurity AND p.polqual IS NOT NULL
    UNION ALL
    SELECT 'relation', d.adrelid, d.adbin::text, 'pg_catalog.pg_attrdef'::pg_catalog.regclass::oid, d.oid
    FROM pg_catalog.pg_attrdef d
    JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    WHERE a.attgenerated = 'v'
    UNION ALL
    SELECT 'type', c.contypid, c.conbin::text, 'pg_catalog.pg_constraint'::pg_catalog.regclass::oid, c.oid
    FROM pg_catalog.pg_constraint c WHERE c.contypid <> 0 AND c.conbin IS NOT NULL
    UNION ALL
    SELECT 'function', p.oid, p.proargdefaults::text, 'pg_catalog.pg_proc'::pg_catalog.regclass::oid, p.oid
    FROM pg_catalog.pg_proc p WHERE p.oid >= 16384 AND p.proargdefaults IS NOT NULL
), plain (class, id, name, target, target_id, support) AS (
    SELECT t.class, t.id, '', CASE m.part[1] WHEN 'relid' THEN 'relation' ELSE 'function' END, m.part[2]::oid,
           m.part[1] = 'opfuncid'
    FROM trees t
    CROSS JOIN LATERAL pg_catalog.regexp_matches(
        t.tree, ':(funcid|opfuncid|aggfnoid|winfnoid|relid) ([1-9][0-9]*)', 'g') AS m(part)
    UNION ALL
    SELECT t.class, t.id, '', CASE d.refclassid WHEN 'pg_catalog.pg_type'::pg_catalog.regclass THEN 'type'
           ELSE 'function' END, d.refobjid, true
    FROM trees t
    JOIN pg_catalog.pg_depend d ON d.classid = t.catalog AND d.objid = t.object
    WHERE d.refclassid IN ('pg_catalog.pg_type'::pg_catalog.regclass, 'pg_catalog.pg_proc'::pg_catalog.regclass)
    UNION ALL
    SELECT 'function', d.objid, '', 'type', d.refobjid, true
    FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
      AND d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.deptype = 'n'
    UNION ALL
    SELECT 'relation', i.inhparent, '', 'relation', i.inhrelid, false
    FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
    WHERE c.relkind IN ('r', 'p', 'f')
    UNION ALL
    SELECT 'type', t.oid, '', 'type', u.id, true
    FROM pg_catalog.pg_type t
    CROSS JOIN LATERAL (VALUES (t.typbasetype), (t.typelem)) AS u(id)
    WHERE t.oid >= 16384 AND u.id <> 0
    UNION ALL
    SELECT 'type', t.oid, '', 'type', a.atttypid, true
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.typrelid AND a.attnum > 0
    WHERE t.oid >= 16384 AND t.typtype = 'c' AND NOT a.attisdropped AND a.atttypid >= 16384
    UNION ALL
    SELECT 'type', r.rngtypid, '', 'type', r.rngsubtype, true
    FROM pg_catalog.pg_range r WHERE r.rngtypid >= 16384
    UNION ALL
    SELECT 'type', r.rngtypid, '', 'function', u.id, true
    FROM pg_catalog.pg_range r
    CROSS JOIN LATERAL (VALUES (r.rngcanonical::oid), (r.rngsubdiff::oid)) AS u(id)
    WHERE r.rngtypid >= 16384 AND u.id <> 0
    UNION ALL
    SELECT 'type', t.oid, '', 'function', u.id, true
    FROM pg_catalog.pg_type t
    CROSS JOIN LATERAL (VALUES (t.typinput::oid), (t.typoutput::oid), (t.typreceive::oid), (t.typsend::oid),
                               (t.typmodin::oid), (t.typmodout::oid)) AS u(id)
    WHERE t.oid >= 16384 AND t.typtype = 'b' AND u.id >= 16384
    UNION ALL
    SELECT 'function', g.aggfnoid::oid, '', 'function', u.id, true
    FROM pg_catalog.pg_aggregate g
    CROSS JOIN LATERAL (VALUES (g.aggtransfn::oid), (g.aggfinalfn::oid), (g.aggcombinefn::oid),
                               (g.aggserialfn::oid), (g.aggdeserialfn::oid), (g.aggmtransfn::oid),
                               (g.aggminvtransfn::oid), (g.aggmfinalfn::oid)) AS u(id)
    WHERE g.aggfnoid::oid >= 16384 AND u.id <> 0
    UNION ALL
    SELECT 'type', d.objid, '', 'type', d.refobjid, true
    FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid >= 16384
      AND d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.refobjid >= 16384 AND d.deptype = 'i'
    UNION ALL
    SELECT 'column', a.attrelid, '', 'type', a.atttypid, true
    FROM pg_catalog.pg_attribute a
    WHERE a.attrelid >= 16384 AND a.atttypid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT 'becomes', c.castsource, '', 'type', c.casttarget, true
    FROM pg_catalog.pg_cast c WHERE c.castcontext = 'i' AND c.castsource >= 16384 AND c.casttarget >= 16384
    UNION ALL
    SELECT 'result', 0, o.oprname::text, 'type', o.oprresult, true
    FROM pg_catalog.pg_operator o
    WHERE o.oprresult >= 16384 AND o.oprresult <> o.oprleft AND o.oprresult <> o.oprright
), operators (id, name, code, restriction, selectivity, lefttype, righttype) AS (
    SELECT o.oid, o.oprname::text, o.oprcode::oid, o.oprrest::oid, o.oprjoin::oid,
           CASE WHEN o.oprleft >= 16384 AND o.oprright >= 16384 THEN o.oprleft ELSE 0 END,
           CASE WHEN o.oprleft >= 16384 AND o.oprright >= 16384 THEN o.oprright ELSE 0 END
    FROM pg_catalog.pg_operator o
), found (class, id, name, target, target_id, support, lefttype, righttype) AS (
    SELECT p.class, p.id, p.name, p.target, p.target_id, p.support, 0::oid, 0::oid FROM plain p
    UNION ALL
    SELECT 'operator', 0, o.name, 'function', u.id, true, o.lefttype, o.righttype
    FROM operators o
    CROSS JOIN LATERAL (VALUES (o.code), (o.restriction), (o.selectivity)) AS u(id)
    WHERE o.id >= 16384 AND u.id >= 16384
    UNION ALL
    SELECT 'operator', 0, o.name, 'function', o.code, false, o.lefttype, o.righttype
    FROM operators o WHERE o.id >= 16384 AND o.code < 16384 AND o.code <> 0
    UNION ALL
    SELECT 'operator', 0, o.name, 'function', a.amproc::oid, true, o.lefttype, o.righttype
    FROM pg_catalog.pg_amproc a
    JOIN pg_catalog.pg_amop m ON m.amopfamily = a.amprocfamily
    JOIN operators o ON o.id = m.amopopr
    WHERE a.amproc::oid >= 16384
    UNION ALL
    SELECT CASE c.castcontext WHEN 'i' THEN 'silent_cast' ELSE 'cast' END, 0, t.typname::text, 'function', c.castfunc,
           true, CASE WHEN c.castsource >= 16384 THEN c.castsource ELSE 0 END, 0::oid
    FROM pg_catalog.pg_cast c JOIN pg_catalog.pg_type t ON t.oid = c.casttarget
    WHERE c.oid >= 16384 AND c.castfunc <> 0
)
SELECT DISTINCT f.class, f.id::int8 AS id, f.name, f.target, f.target_id::int8 AS target_id,
       coalesce(pn.nspname, cn.nspname, '')::text AS target_schema,
       coalesce(p.proname, c.relname, '')::text AS target_name,
       coalesce(p.provolatile = 'i', false) AS immutable, f.support,
       f.lefttype::int8 AS left_type, f.righttype::int8 AS right_type
FROM found f
LEFT JOIN pg_catalog.pg_proc p ON f.target = 'function' AND p.oid = f.target_id
LEFT JOIN pg_catalog.pg_namespace pn ON pn.oid = p.pronamespace
LEFT JOIN pg_catalog.pg_class c ON f.target = 'relation' AND c.oid = f.target_id
LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace";

/// `SettingRow`: int8 and text columns. Each call of `current_setting` in a view or a policy for reads, with the constant
/// that it is given, if that is one.
pub(crate) const SETTINGS: &str = r"
WITH trees (id, tree) AS (
    SELECT r.ev_class, r.ev_action::text
    FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
    WHERE r.ev_type = '1' AND c.relkind = 'v' AND c.oid >= 16384
    UNION ALL
    SELECT p.polrelid, p.polqual::text
    FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
    WHERE p.polcmd IN ('r', '*') AND c.relrowsecurity AND p.polqual IS NOT NULL
)
SELECT t.id::int8 AS id, coalesce(m.part[2], '')::text AS name
FROM trees t
CROSS JOIN LATERAL pg_catalog.regexp_matches(
    t.tree, ':funcid (2077|3294) (?:[^{}]*:args \(\{CONST [^{}]*:constvalue [0-9]+ \[ ([-0-9 ]+)\])?', 'g') AS m(part)";

/// `RelationRow` of MySQL and MariaDB, without an id, for which a row's number stands: one round trip. What a session
/// alone sees is missing, so that a temporary table is a relation that is not known. A view whose text the role may
/// not see comes with an empty one, and is not harmless.
pub(crate) const MYSQL_RELATIONS: &str = "
SELECT t.table_schema AS `schema`, t.table_name AS name,
       CASE WHEN t.table_type = 'VIEW' THEN 'v' WHEN t.table_type = 'SEQUENCE' THEN 'S'
            WHEN t.table_type NOT IN ('BASE TABLE', 'SYSTEM VERSIONED') THEN 't'
            WHEN upper(t.engine) IN ('FEDERATED', 'CONNECT', 'SPIDER', 'S3', 'CSV', 'OQGRAPH', 'SPHINX') THEN 'f'
            ELSE 'r' END AS kind,
       coalesce(v.view_definition, '') AS definition
FROM information_schema.tables t
LEFT JOIN information_schema.views v ON v.table_schema = t.table_schema AND v.table_name = t.table_name
WHERE t.table_schema NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys')";
