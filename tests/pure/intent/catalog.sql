-- The objects whose catalog rows stand in catalog.json, as PostgreSQL 15 returned them.
CREATE TABLE jobs (id int PRIMARY KEY, v text, done bool);
CREATE SEQUENCE sq;
CREATE TEMP TABLE scratch (id int);
CREATE UNLOGGED TABLE metrics_unlogged (id int);
CREATE EXTENSION dblink;
CREATE EXTENSION citext;
CREATE EXTENSION "uuid-ossp";
CREATE EXTENSION postgres_fdw;
CREATE EXTENSION file_fdw;

CREATE VIEW v_jobs AS SELECT j.id, upper(j.v) AS v FROM jobs j WHERE j.id = ANY (ARRAY[1, 2]);
CREATE VIEW v_jobs_again AS SELECT count(*) AS n FROM v_jobs;
CREATE VIEW v_next_ticket AS SELECT nextval('sq') AS ticket;
CREATE VIEW v_over_next_ticket AS SELECT ticket + 1 AS ticket FROM v_next_ticket;
CREATE VIEW v_remote_push AS SELECT dblink_exec('dbname=d', 'INSERT INTO t VALUES (1)') AS pushed;
CREATE VIEW v_locking AS SELECT id FROM jobs FOR UPDATE;
CREATE VIEW v_activity AS SELECT pid FROM pg_stat_activity;
CREATE VIEW v_unlogged AS SELECT id FROM metrics_unlogged;
CREATE MATERIALIZED VIEW report_mv AS SELECT count(*) AS n FROM jobs;

CREATE FUNCTION add_audit_row(t text) RETURNS int LANGUAGE sql AS $$INSERT INTO jobs VALUES (1, t) RETURNING id$$;
CREATE FUNCTION counted() RETURNS int LANGUAGE sql VOLATILE AS $$SELECT nextval('sq')::int$$;
CREATE DOMAIN checked_int AS int CHECK (counted() > 0 AND VALUE > 0);
CREATE DOMAIN over_checked AS checked_int;
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TYPE pair AS (a checked_int, b int);
CREATE TYPE mood AS ENUM ('sad', 'glad');

CREATE FUNCTION doubled(x int) RETURNS int LANGUAGE sql STABLE AS $$SELECT x * 2$$;
CREATE FUNCTION quadrupled(x int) RETURNS int LANGUAGE sql STABLE AS $$SELECT doubled(doubled(x))$$;
CREATE FUNCTION jobs_left() RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE n bigint; r record;
BEGIN
  SELECT count(*) INTO n FROM jobs WHERE NOT done;
  FOR r IN SELECT id FROM v_jobs LOOP n := n + quadrupled(r.id); END LOOP;
  IF n < 0 THEN RAISE EXCEPTION 'never % in %', n, 'jobs'; END IF;
  RETURN n;
END $$;
CREATE FUNCTION locks_quietly() RETURNS int LANGUAGE plpgsql STABLE AS $$BEGIN PERFORM pg_advisory_lock(9); RETURN 1; END$$;
CREATE FUNCTION locks_quietly_in_sql() RETURNS int LANGUAGE sql STABLE AS $$SELECT pg_advisory_lock(9); SELECT 1$$;
CREATE FUNCTION calls_the_lock() RETURNS int LANGUAGE sql STABLE AS $$SELECT locks_quietly()$$;
CREATE FUNCTION calls_the_caller() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN calls_the_lock(); END$$;
CREATE FUNCTION swallows() RETURNS int LANGUAGE plpgsql STABLE AS $$
BEGIN PERFORM 1; RETURN 1; EXCEPTION WHEN OTHERS THEN RETURN 0; END$$;
CREATE FUNCTION dynamic(t text) RETURNS int LANGUAGE plpgsql STABLE AS $$
DECLARE n int; BEGIN EXECUTE 'SELECT ' || t INTO n; RETURN n; END$$;
CREATE FUNCTION reads_the_sequence() RETURNS bigint LANGUAGE plpgsql STABLE AS $$BEGIN RETURN (SELECT last_value FROM sq); END$$;
CREATE FUNCTION reads_the_sequence_in_sql() RETURNS bigint LANGUAGE sql STABLE AS $$SELECT last_value FROM sq$$;
CREATE FUNCTION even(n int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN n = 0 OR odd(n - 1); END$$;
CREATE FUNCTION odd(n int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN n <> 0 AND even(n - 1); END$$;
CREATE FUNCTION lower(x jobs) RETURNS text LANGUAGE sql VOLATILE AS $$SELECT add_audit_row('x')::text$$;
CREATE FUNCTION audit(x jobs) RETURNS int LANGUAGE sql VOLATILE AS $$SELECT add_audit_row('x')$$;
CREATE FUNCTION upper(x mood) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT upper(x::text)$$;
CREATE FUNCTION takes_default(x bigint DEFAULT nextval('sq')) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$SELECT x$$;
CREATE FUNCTION takes_domain(x checked_int) RETURNS int LANGUAGE sql IMMUTABLE AS $$SELECT 1$$;
CREATE FUNCTION becomes_another() RETURNS int LANGUAGE sql STABLE SET role = 'none' AS $$SELECT 1$$;
CREATE FUNCTION own_path() RETURNS int LANGUAGE sql STABLE SET search_path = public AS $$SELECT 1$$;
CREATE FUNCTION built_in_in_disguise(regclass) RETURNS bigint LANGUAGE internal STABLE AS 'nextval_oid';
CREATE FUNCTION atomic() RETURNS int LANGUAGE sql STABLE BEGIN ATOMIC SELECT 1; END;
CREATE FUNCTION op_add(a mood, b mood) RETURNS int LANGUAGE sql VOLATILE AS $$SELECT add_audit_row('x')$$;
CREATE OPERATOR +~+ (LEFTARG = mood, RIGHTARG = mood, FUNCTION = op_add);
CREATE FUNCTION op_fine(a mood, b mood) RETURNS bool LANGUAGE sql IMMUTABLE AS $$SELECT a::text < b::text$$;
CREATE OPERATOR <~< (LEFTARG = mood, RIGHTARG = mood, FUNCTION = op_fine);
CREATE OPERATOR ^@!@ (RIGHTARG = regclass, FUNCTION = nextval);
CREATE AGGREGATE harmless_sum(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE FUNCTION counting(int, int) RETURNS int LANGUAGE sql VOLATILE AS $$SELECT counted()$$;
CREATE AGGREGATE harmful_sum(int) (SFUNC = counting, STYPE = int, INITCOND = '0');
CREATE TYPE tone AS ENUM ('low', 'high');
CREATE FUNCTION to_tone(int) RETURNS tone LANGUAGE sql VOLATILE AS $$SELECT 'low'::tone FROM add_audit_row('x')$$;
CREATE CAST (int AS tone) WITH FUNCTION to_tone(int);

CREATE TABLE parent (id int) PARTITION BY RANGE (id);
CREATE TABLE parent_1 PARTITION OF parent FOR VALUES FROM (0) TO (10);
CREATE TABLE half_logged (id int) PARTITION BY RANGE (id);
CREATE UNLOGGED TABLE half_logged_1 PARTITION OF half_logged FOR VALUES FROM (0) TO (10);
CREATE TABLE guarded (id int);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON guarded FOR SELECT USING (counted() > 0);
CREATE TABLE owned (id int, who text);
ALTER TABLE owned ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON owned FOR SELECT USING (who = current_user);
CREATE SERVER there FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname 'd');
CREATE FOREIGN TABLE foreign_jobs (id int) SERVER there;
CREATE VIEW v_foreign AS SELECT id FROM foreign_jobs;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE passwd (line text) SERVER files OPTIONS (filename '/etc/passwd');
