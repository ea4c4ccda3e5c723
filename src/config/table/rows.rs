//! The rows: one for each variable and for each knob that only the builder has, in the order of the documentation's table.
//!
//! A row is a knob's name, type, default, kind, example, what it does and why its default is what it is. Nothing of that is
//! said a second time in code: [`settings!`] hands the rows to whoever makes something of them, which are
//! [`Setting`](super::Setting), [`Config::new`](crate::Config::new) and the builder's setters. The field of
//! [`Config`](crate::Config) alone is written by hand, so that its text reads as a text; a test holds its default against the row.
//!
//! A row exists only once what it controls works; a later version's variable is unknown until then, and refused as such.

/// Calls the macro `$then` with all rows.
///
/// `nodes` are no knobs: the nodes themselves, what a node's own field holds, and the one that steers the reading. Their
/// default is a text. Of a knob it is an expression, in which `follows` names another knob whose value it takes over
/// as long as nobody gives one; then a text says so.
macro_rules! settings {
    ($then:ident) => {
        $then! {
            nodes {
                "DATABASE_URL" primary at none, SettingKind::Primary, "required",
                    "postgres://app:PASSWORD@db1:5432/app",
                    "Names the primary, or several hosts of which one is",
                    "the name that other tools read too";
                "DATABASE_REPLICA_URLS" replicas at none, SettingKind::Replicas, "empty",
                    "db2:5432,db3:5432?weight=2",
                    "Names the replicas; without any, everything goes to the primary",
                    "what an item leaves out comes from `DATABASE_URL`";
                "DATABASE_REPLICA_URL" replica at none, SettingKind::Replica, "unset",
                    "postgres://app:PASSWORD@db2:5432/app",
                    "Names one replica",
                    "a common spelling; setting both is an error";
                "SEALANE_UNKNOWN_VARIABLES" unknown_variables at none, SettingKind::Strictness, "error",
                    "warn",
                    "What a misspelt `SEALANE_` variable is at the start: an error or a warning",
                    "finds typos; `warn` lets an older version start with newer variables";
                "SEALANE_PRIMARY_WEIGHT" primary_weight at primary.weight, SettingKind::Weight, "0",
                    "1",
                    "The primary's share of reads; a replica's is `?weight=`, 1 by default",
                    "reads spare the primary while a replica lives";
            }
            knobs {
                "SEALANE_ENABLED" enabled: [bool] = true,
                    SettingKind::Flag,
                    "true",
                    "Splits reads off; `false` sends everything to the primary",
                    "who names replicas wants them used";
                "SEALANE_MODE" mode: [Mode] = Mode::default(),
                    SettingKind::Word(Mode::WORDS),
                    "shadow",
                    "`shadow` moves nothing: everything goes to the primary, and what would have gone to a replica is counted; see [adopting](adopting.md)",
                    "who names replicas wants them used";
                "SEALANE_ZONE" zone: [Option<String>] = None,
                    SettingKind::Name,
                    "eu-west-1a",
                    "Where this process runs: replicas of this `?zone=` serve its reads while one is eligible",
                    "all zones are alike until one is named; without a replica there, any other zone serves";
                "SEALANE_START_WITHOUT_PRIMARY" start_without_primary: [bool] = false,
                    SettingKind::Flag,
                    "false",
                    "Starts for reads alone when the primary cannot be reached",
                    "a wrong address is better found at the start";
                "SEALANE_MAX_CONNECTIONS" max_connections: [u32] = 10,
                    count(1, POOL_MAX),
                    "10",
                    "Size of the primary's pool at most",
                    "as sqlx; a larger pool rotates over cold connections";
                "SEALANE_REPLICA_MAX_CONNECTIONS" replica_max_connections: [u32] = max_connections,
                    count(1, POOL_MAX),
                    "20",
                    "Size of each replica's pool at most",
                    "readers often need more than writers: then raise it",
                    follows max_connections, "as `SEALANE_MAX_CONNECTIONS`";
                "SEALANE_MIN_CONNECTIONS" min_connections: [u32] = 1,
                    count(0, POOL_MAX),
                    "1",
                    "Connections that each pool keeps open",
                    "the first statement finds a warm one";
                "SEALANE_CONNECT_TIMEOUT" connect_timeout: [Duration] = S * 2,
                    time(Zero::Refused, MS, HOUR),
                    "2s",
                    "Ends one attempt to connect",
                    "sqlx sets no limit";
                "SEALANE_ACQUIRE_TIMEOUT" acquire_timeout: [Duration] = S * 30,
                    time(Zero::Refused, MS, DAY),
                    "30s",
                    "How long a statement queues for a connection of a pool, and a start waits for servers that are not up yet",
                    "as SeaORM, so that bursts queue";
                "SEALANE_REPLICA_ACQUIRE_TIMEOUT" replica_acquire_timeout: [Duration] = MS * 500,
                    time(Zero::Refused, MS, DAY),
                    "500ms",
                    "How long a read queues at its replicas before it takes a free connection of any other node too",
                    "a full replica should not hold a read while another node is free";
                "SEALANE_ROUTE_TIMEOUT" route_timeout: [Duration] = S * 5,
                    time(Zero::Refused, MS, DAY),
                    "5s",
                    "How long a read may spend on deciding, waiting for freshness and moving between nodes that fail; queueing is not counted",
                    "a read that no node can serve has to end";
                "SEALANE_STATEMENT_TIMEOUT" statement_timeout: [Option<Duration>] = None,
                    time(Zero::Absent("none"), MS, DAY),
                    "30s",
                    "Lets the server end a statement that runs longer (PostgreSQL)",
                    "as SeaORM: long reports go on working";
                "SEALANE_IDLE_TIMEOUT" idle_timeout: [Option<Duration>] = Some(MINUTE * 10),
                    time(Zero::Refused, MS, MONTH),
                    "10m",
                    "Closes a connection that was idle for so long",
                    "as sqlx";
                "SEALANE_MAX_LIFETIME" max_lifetime: [Option<Duration>] = Some(MINUTE * 30),
                    time(Zero::Refused, MS, MONTH),
                    "30m",
                    "Closes a connection of this age",
                    "as sqlx";
                "SEALANE_PING_AFTER_IDLE" ping_after_idle: [Option<Duration>] = Some(S * 10),
                    time(Zero::Means("always"), MS, DAY),
                    "10s",
                    "Pings a connection that was idle for so long before it is used",
                    "finds connections that a NAT cut, without a ping on every acquire";
                "SEALANE_DIVERSION_LIMIT" diversion_limit: [u32] = half(max_connections),
                    count(0, POOL_MAX),
                    "5",
                    "How many of the primary's connections reads may use at a time when no replica can serve them; the others queue",
                    "writes keep the other half",
                    follows max_connections, "half the primary's pool";
                "SEALANE_STATEMENT_LIMIT" statement_limit: [StatementLimit] = StatementLimit::default(),
                    SettingKind::Word(StatementLimit::WORDS),
                    "off",
                    "How many statements a node is given at a time: learned from their response times (`adaptive`), or its pool's connections (`off`)",
                    "a server answers sooner when the others wait here";
                "SEALANE_LATENCY_WINDOW" latency_window: [Duration] = MS * 15,
                    time(Zero::Means("only the fastest"), MS, MINUTE),
                    "15ms",
                    "How much slower than the fastest replica another may answer and still serve reads",
                    "as MongoDB's drivers; keeps far zones out";
                "SEALANE_EJECT_MAX" eject_max: [Duration] = S * 30,
                    time(Zero::Refused, TENTH, DAY),
                    "30s",
                    "The longest pause before a failed node is tried again",
                    "a server that was down for long is used again soon after it is back";
                "SEALANE_RAMP_UP" ramp_up: [Duration] = S * 10,
                    time(Zero::Means("at once"), MS, HOUR),
                    "10s",
                    "How long a node that returns takes to its full share of reads",
                    "its caches are cold";
                "SEALANE_DRAIN_TIMEOUT" drain_timeout: [Duration] = S * 30,
                    time(Zero::Means("at once"), MS, DAY),
                    "30s",
                    "How long a removed node may finish what runs there; then that is cut",
                    "what runs there is cut as the last resort only";
                "SEALANE_FENCE" fence: [bool] = true,
                    SettingKind::Flag,
                    "true",
                    "Opens replica connections read only, so that they refuse writes by themselves (SQLite's always are)",
                    "a second guard behind the classification of statements; off only for poolers that refuse start-up parameters";
                "SEALANE_READ_FUNCTIONS" read_functions: [Vec<String>] = Vec::new(),
                    SettingKind::Functions,
                    "app.price_of,app.tax",
                    "Functions that may run on a replica: your word that they write nothing",
                    "a function that nobody knows goes to the primary";
                "SEALANE_PRIMARY_FUNCTIONS" primary_functions: [Vec<String>] = Vec::new(),
                    SettingKind::Functions,
                    "app.next_number",
                    "Functions for the primary only",
                    "wins over every allowance";
                "SEALANE_CATALOG_REFRESH" catalog_refresh: [Option<Duration>] = Some(MINUTE * 5),
                    time(Zero::Absent("off"), S, WEEK),
                    "5m",
                    "How often the server's catalog of functions and relations is read again",
                    "other processes change the schema too";
                "SEALANE_INTENT_CACHE" intent_cache: [usize] = 4 * MIB,
                    bytes(64 * KIB, GIB),
                    "4MiB",
                    "Memory for verdicts on statements",
                    "room for about 10 000 texts of 250 bytes";
                "SEALANE_MAX_STATEMENT_SIZE" max_statement_size: [usize] = MIB,
                    bytes(KIB, STATEMENT_MAX),
                    "1MiB",
                    "The longest text that is judged; a longer one goes to the primary",
                    "room for a list of 65 535 parameters, twice; judging takes about 13 ns a byte";
                "SEALANE_CONSISTENCY" consistency: [Consistency] = Consistency::default(),
                    SettingKind::Word(Consistency::WORDS),
                    "eventual",
                    "What a read may miss: [the levels](read-your-writes.md#how-much-a-read-may-miss)",
                    "what this process wrote, it reads; without waiting for replicas that are behind";
                "SEALANE_SCOPE" scope: [Scope] = Scope::default(),
                    SettingKind::Word(Scope::WORDS),
                    "task",
                    "Whose writes a read has to see: this process's, or those of its own tokio task; see [read-your-writes](read-your-writes.md)",
                    "safe before narrow";
                "SEALANE_ON_STALE" on_stale: [OnStale] = OnStale::default(),
                    SettingKind::Word(OnStale::WORDS),
                    "wait",
                    "What a read does when no replica is known to be fresh enough: take the primary, wait for a replica first, or wait and fail",
                    "the primary is fresh at once";
                "SEALANE_STALE_WAIT" stale_wait: [Duration] = MS * 10,
                    time(Zero::Means("at once"), MS, MINUTE),
                    "10ms",
                    "How long `wait` and `error` wait for a replica, and the most that a bookmark costs a request",
                    "most replicas are there within it";
                "SEALANE_PIN" pin: [Option<Duration>] = None,
                    time(Zero::Means("no replica is ever behind"), MS, DAY),
                    "2s",
                    "Where no position can be had: how long after a write reads go to the primary, as your word that no replica is ever further behind than that. With 0 reads never go to the primary for a write, and are stale by whatever a replica lags. Unset, what wrote reads on the primary for good",
                    "nobody else can tell how far behind a replica is, so unset is the safe one; SQLite needs none";
                "SEALANE_CHECK_INTERVAL" check_interval: [Duration] = S,
                    time(Zero::Refused, MS, MINUTE),
                    "1s",
                    "Between two health checks of a node that is well",
                    "one small statement per node; failed statements ask at once";
                "SEALANE_CHECK_TIMEOUT" check_timeout: [Duration] = S,
                    time(Zero::Refused, MS, MINUTE),
                    "1s",
                    "Limit of one health check; two in a row without an answer, and the node is not used",
                    "a node that is well answers far sooner";
                "SEALANE_DEAD_AFTER" dead_after: [Duration] = S * 2,
                    time(Zero::Refused, MS, HOUR),
                    "2s",
                    "How long after a node was found silent what runs there is cut off",
                    "nothing else ends a statement on a frozen server";
                "SEALANE_IDLE_AFTER" idle_after: [Option<Duration>] = None,
                    time(Zero::Absent("off"), MS, WEEK),
                    "5m",
                    "Without statements for so long the cluster sleeps: no health check is sent and every connection is closed, until the next statement wakes it",
                    "a server that stops when nobody is connected can stop; the first statement after that waits for all nodes to say what they are";
                "SEALANE_MAX_LAG" max_lag: [Option<Duration>] = Some(S * 10),
                    time(Zero::Absent("none"), MS, DAY),
                    "10s",
                    "How far behind a replica may be and still serve reads",
                    "a read that asks for no freshness should not be minutes old either";
                "SEALANE_FAILOVER" failover: [Failover] = Failover::default(),
                    SettingKind::Word(Failover::WORDS),
                    "confirmed",
                    "Who takes the writes: the node that is not in recovery and has the newest timeline (`auto`); the same, once the old primary is none any more, another node follows the new one, or Patroni names it (`confirmed`); the configured primary (`off`)",
                    "a promotion needs no configuration; roles are as configured on all but PostgreSQL and MariaDB";
                "SEALANE_FAILOVER_TIMEOUT" failover_timeout: [Duration] = S * 30,
                    time(Zero::Refused, MS, HOUR),
                    "30s",
                    "How long writes wait for a primary while none is known",
                    "as long as a statement queues; with Patroni, more than its `ttl` and `loop_wait` together";
                "SEALANE_ON_CONFLICT" on_conflict: [OnConflict] = OnConflict::default(),
                    SettingKind::Word(OnConflict::WORDS),
                    "stop",
                    "What happens when two nodes take writes on one timeline: nothing is written until one is a standby again (`stop`), or the one that this process saw first goes on (`keep-first`)",
                    "`keep-first` may write to the wrong one";
                "SEALANE_FLAVOUR" flavour: [Flavour] = Flavour::default(),
                    SettingKind::Word(Flavour::WORDS),
                    "auto",
                    "Which database system the servers are: what they are asked, and what their answers mean; see [where it runs](where-it-runs.md#which-system-it-is)",
                    "each server says it in its first answer; set it where a process has to start while the first node is down";
                "SEALANE_DISCOVERY" discovery: [Discovery] = Discovery::default(),
                    SettingKind::Discovery,
                    "patroni=http://db1:8008",
                    "Who names the nodes, in place of the configured ones, which serve until it has answered; `dns` needs the feature `dns`, the others but `static` the feature `discovery`",
                    "a fixed list needs nobody";
                "SEALANE_DISCOVERY_HOSTS" discovery_hosts: [Vec<String>] = Vec::new(),
                    SettingKind::Hosts,
                    "*.db.example,10.1.0.0/16",
                    "Where discovered nodes may be, by name or by address; others are left out with a warning and are sent no password",
                    "empty, whoever names the nodes is believed";
                "SEALANE_DISCOVERY_CA" discovery_ca: [Option<PathBuf>] = None,
                    SettingKind::Path,
                    "/etc/patroni/ca.crt",
                    "The certificates (PEM) that Patroni's certificate is checked against, where its addresses are `https://`",
                    "unset, the authorities of browsers (Mozilla's)";
                "SEALANE_DISCOVERY_CERT" discovery_cert: [Option<PathBuf>] = None,
                    SettingKind::Path,
                    "/etc/patroni/client.crt",
                    "The certificate (PEM) that is shown to Patroni, with those that it was signed by",
                    "needed where Patroni's `verify_client` is `required`";
                "SEALANE_DISCOVERY_KEY" discovery_key: [Option<PathBuf>] = None,
                    SettingKind::Path,
                    "/etc/patroni/client.key",
                    "The key (PEM) of that certificate",
                    "goes with `SEALANE_DISCOVERY_CERT`";
                "SEALANE_DISCOVERY_LOGIN_FILE" discovery_login_file: [Option<PathBuf>] = None,
                    SettingKind::Path,
                    "/run/secrets/patroni-login",
                    "The file that holds `user:password` for Patroni's interface; sent by `https://` only, read again each time",
                    "Patroni lets everybody read unless something before it asks";
                "SEALANE_PASSWORD_FILE" password_file: [Option<PathBuf>] = None,
                    SettingKind::Path,
                    "/run/secrets/db-password",
                    "The file that holds the password for every node whose URL has none; read again when it changes",
                    "most passwords stand in the URL";
                "DATABASE_REPLICA_PASSWORD_FILE" replica_password_file: [Option<PathBuf>] = None,
                    SettingKind::Path,
                    "/run/secrets/db-replica-password",
                    "The same for the replicas, where theirs is another one",
                    "unset, `SEALANE_PASSWORD_FILE` is for the replicas too";
                "SEALANE_CLUSTER_NAME" cluster_name: [String] = "default".to_owned(),
                    SettingKind::Name,
                    "orders",
                    "The label `cluster` of every metric, and the name in log lines",
                    "with a prefix, its name (`ORDERS_` is `orders`)";
                "" retry_percent: [u32] = 10,
                    count(0, 100),
                    "10",
                    "The share of the requests that retries may add, in percent",
                    "retries must not double the load of a cluster that is in trouble";
                "" retries_per_second: [u32] = 10,
                    count(0, 1_000_000),
                    "10",
                    "Repeats a second that are always allowed",
                    "a process with little traffic can still retry";
                "" cached_text_limit: [usize] = 16 * KIB,
                    bytes(0, STATEMENT_MAX),
                    "16KiB",
                    "The longest text whose verdict is remembered",
                    "longer texts are rarely seen twice";
                "" warm_up_timeout: [Duration] = S * 5,
                    time(Zero::Refused, MS, HOUR),
                    "5s",
                    "How long a new node may take to its first connection",
                    "a new node that cannot be reached must not hold up a change of topology";
                "" eject_first: [Duration] = MS * 100,
                    time(Zero::Refused, MS, HOUR),
                    "100ms",
                    "The first pause before a failed node is tried again, doubled from then on",
                    "a restarted server is missed for no longer than this";
                "" keep_seaorm_errors: [bool] = false,
                    SettingKind::Flag,
                    "true",
                    "Answers a full pool with SeaORM's own error; what is missing there is logged",
                    "the error itself says which node was full and what to raise";
                "" keep_journal_mode: [bool] = false,
                    SettingKind::Flag,
                    "true",
                    "Leaves an SQLite file's journal mode as it is",
                    "readers beside a writer need WAL";
            }
        }
    };
}

pub(in crate::config) use settings;
