//! What is said of a node that gives no connection, and how often it is asked why.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sea_orm::{DbErr, RuntimeErr, sqlx};

use crate::{
    error::{
        Error, GIVEN_UP,
        causes::{SeenNode, SeenNodes},
    },
    node::Trouble,
    signal::{Silence, of_server, of_tls, told},
    vocabulary::{FenceReason, Ineligible, Outcome, Role, Stage},
};

/// The codes and texts of PostgreSQL, MariaDB, MySQL and SQLite, and a part of the advice; nothing where their answer
/// says all that is known, or where one advice would be wrong for some of its causes.
const SERVERS: [(&str, &str, Option<&str>); 14] = [
    (
        "28P01",
        "password authentication failed for user \"app\"",
        Some("check user and password"),
    ),
    (
        "28000",
        "role \"app\" does not exist",
        Some("check user and password"),
    ),
    (
        "28000",
        "no pg_hba.conf entry for host \"10.0.0.7\", user \"app\", database \"shop\", no encryption",
        Some("pg_hba.conf does not let this user in"),
    ),
    (
        "28000",
        "Access denied for user 'app'@'10.0.0.7' (using password: YES)",
        Some("check user and password"),
    ),
    (
        "3D000",
        "database \"shop\" does not exist",
        Some("name of the database"),
    ),
    (
        "42000",
        "Unknown database 'shop'",
        Some("name of the database"),
    ),
    ("42000", "You have an error in your SQL syntax", None),
    (
        "42000",
        "User 'app' has exceeded the 'max_user_connections' resource",
        Some("raise that limit"),
    ),
    (
        "53300",
        "sorry, too many clients already",
        Some("raise that limit"),
    ),
    ("08004", "Too many connections", Some("raise that limit")),
    (
        "57P03",
        "the database system is starting up",
        Some("wait until it is there"),
    ),
    (
        "57P03",
        "the database system is not accepting connections",
        None,
    ),
    ("26", "file is not a database", Some("no SQLite database")),
    (
        "42704",
        "unrecognized configuration parameter \"statment_timeout\"",
        None,
    ),
];

#[test]
fn advice_is_by_cause_only() {
    for (code, message, wanted) in SERVERS {
        let found = of_server(code, message);
        let fits = match (found, wanted) {
            (Some(found), Some(wanted)) => found.contains(wanted),
            (found, wanted) => found == wanted,
        };
        assert!(fits, "{code} {message}: {found:?}");
    }
    for (text, wanted) in [
        (
            "TLS upgrade required by connect options but SQLx was built without TLS support enabled",
            "enable the Cargo feature",
        ),
        ("server does not support TLS", "offers no TLS"),
        (
            "invalid peer certificate: UnknownIssuer",
            "name its own by `sslrootcert`",
        ),
        (
            "invalid peer certificate: certificate not valid for name \"db1\"",
            "is for other names",
        ),
        ("received fatal alert: UnknownCA", "check `sslcert`"),
        (
            "received fatal alert: CertificateRequired",
            "asks for a client's certificate",
        ),
        ("invalid peer certificate: Expired", "renew it"),
        (
            "error:0A000086:SSL routines:tls_post_process_server_certificate:certificate verify failed: (hostname mismatch)",
            "is for other names",
        ),
        (
            "error:0A000086:SSL routines:tls_post_process_server_certificate:certificate verify failed: (self-signed \
             certificate in certificate chain)",
            "name its own by `sslrootcert`",
        ),
        (
            "error:0A000418:SSL routines:ssl3_read_bytes:tlsv1 alert unknown ca",
            "check `sslcert`",
        ),
        (
            "peer is incompatible: signature scheme not supported",
            "check the certificates",
        ),
    ] {
        assert!(of_tls(text).contains(wanted), "{text}: {}", of_tls(text));
    }
    let silence = |connected| told(&silent(connected));
    assert!(silence(true).contains("no answer within check_timeout=1s; it took the connection"));
    assert!(silence(false).contains("no connection within check_timeout=1s; check host and port"));
}

fn silent(connected: bool) -> DbErr {
    let limit = "check_timeout=1s".to_owned();
    Silence { connected, limit }.into_db()
}

fn refused() -> DbErr {
    let error = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    DbErr::Conn(RuntimeErr::SqlxError(Arc::new(sqlx::Error::Io(error))))
}

#[test]
fn a_server_is_asked_why_by_one_at_a_time_and_not_at_once_again() {
    let trouble = Arc::new(Trouble::default());
    let begun = Instant::now();
    let asking = trouble.begin().expect("the first");
    assert!(
        trouble.is_asked() && trouble.begin().is_none(),
        "one at a time"
    );
    assert!(trouble.why(begun).is_none(), "it has said nothing yet");
    asking.ends(Err(refused()));
    assert!(
        !trouble.is_asked() && trouble.begin().is_none(),
        "not at once again"
    );
    assert!(!trouble.is_asked(), "whoever may not ask is not asking");
    assert_eq!(
        trouble.why(Instant::now()),
        Some(refused()),
        "what it just said"
    );
    assert!(
        trouble.may_tell() && !trouble.may_tell(),
        "one line for all of them"
    );
}

#[test]
fn what_a_server_said_is_over_when_it_gives_a_connection() {
    let trouble = Arc::new(Trouble::default());
    trouble.failed(&refused());
    trouble.begin().expect("nobody asks").ends(Ok(()));
    assert!(trouble.why(Instant::now()).is_none() && trouble.recent().is_none());
}

#[test]
fn silence_on_an_open_connection_is_no_reason_why_there_is_no_other() {
    let trouble = Arc::new(Trouble::default());
    let now = Instant::now();
    trouble.failed(&silent(true));
    assert_eq!(trouble.recent(), Some(silent(true)), "the node is in doubt");
    assert_eq!(trouble.refused_since(now), None, "somebody has to ask");
    let (text, answer) = trouble.explain(now, Some("max_connections=1"));
    assert!(text.starts_with("all connections that this process may have there are in use"));
    assert_eq!(answer, None);
    assert_eq!(
        trouble.explain(now, None).0,
        "no connection was free and none could be opened in time; look whether the server is overloaded"
    );

    // What the server said to whoever asked is told for as long as it would be without that.
    trouble.failed(&refused());
    trouble.failed(&silent(true));
    let (text, answer) = trouble.explain(now, Some("max_connections=1"));
    assert_eq!(answer, Some(refused()));
    let parts = [
        "the last answer to an attempt to open one:",
        "check host and port",
        "all connections open or being opened that it may have there (max_connections=1)",
    ];
    for part in parts {
        assert!(text.contains(part), "lacks {part}: {text}");
    }
    trouble.failed(&silent(false));
    assert_eq!(trouble.explain(now, None).1, Some(silent(false)));
}

#[test]
fn what_was_sent_to_a_node_before_is_not_called_unsent() {
    let waited = Duration::ZERO;
    let all = |sent| {
        let (nodes, node) = (SeenNodes::default(), String::new());
        [
            Error::NoPrimary {
                nodes: nodes.clone(),
                detail: "".into(),
                waited,
                limit: None,
                sent,
                source: Some(Box::new(refused())),
            },
            Error::NoReplica { nodes, sent },
            Error::Unavailable {
                node: node.clone(),
                address: "".into(),
                stage: Stage::Route,
                waited,
                limit: None,
                detail: "".into(),
                sent,
                source: None,
            },
            Error::NotCaughtUp {
                nodes: vec![node.clone()],
                waited,
                limit: None,
                sent,
            },
            Error::KeptBack { node, waited, sent },
        ]
    };
    for (sent, wanted) in [
        (false, "the statement was not sent"),
        (true, "the statement was not executed"),
    ] {
        for err in all(sent) {
            assert!(err.to_string().contains(wanted), "{err}");
            assert_eq!(err.to_string().contains("was not sent"), !sent, "{err}");
            assert_eq!(err.outcome(), Outcome::NotExecuted);
        }
    }
}

/// A failover cuts what runs on the old primary: whoever reads the error must not look for a drain or a frozen server.
#[test]
fn what_was_cut_off_names_every_cause() {
    let node = || "db1".to_owned();
    let cut = Error::CutOff { node: node() };
    let given_up = Error::GivenUp { node: node() };
    for part in [
        "another node is the primary now",
        "the name leads to another server",
        "the node no longer answers",
        "it was removed",
    ] {
        for text in [cut.to_string(), given_up.to_string(), GIVEN_UP.to_owned()] {
            assert!(text.contains(part), "lacks {part}: {text}");
        }
    }
    assert!(cut.to_string().contains("look before you send it again"));
    assert_eq!(cut.outcome(), Outcome::Unknown);
    assert!(given_up.to_string().contains("nothing was executed"));
    assert!(given_up.is_retriable());
}

#[test]
fn nodes_are_told_with_the_reason_of_a_fence_and_the_last_primary() {
    let fenced = SeenNode::new("db1", Role::Fenced, Some(Ineligible::Fenced));
    let fenced = fenced.fenced(Some(FenceReason::Stale));
    let silent = SeenNode::new("db2", Role::Unknown, Some(Ineligible::UnknownRole));
    let primary = SeenNode::new("db3", Role::Primary, Some(Ineligible::Primary));
    let gone = SeenNode::new("db4", Role::Fenced, Some(Ineligible::Ejected));
    let gone = gone.fenced(Some(FenceReason::Stale));
    let gone = gone.at("db4:5432".to_owned(), Some("refused".to_owned()));
    let nodes = SeenNodes::new(Some("db1"), vec![fenced, silent, primary, gone]);
    assert_eq!(
        nodes.to_string(),
        "the last primary was db1; db1 is fenced: takes writes on an older timeline than the primary; db2 has no known role; \
         db3 is primary; db4 does not answer (db4:5432: refused)"
    );
}

#[test]
fn replicas_that_are_behind_are_told_in_whole_milliseconds_with_what_ended_the_wait() {
    let behind = |nodes: &[&str]| {
        let err = Error::NotCaughtUp {
            nodes: nodes.iter().map(ToString::to_string).collect(),
            waited: Duration::from_micros(10_400),
            limit: Some("SEALANE_STALE_WAIT=10ms".into()),
            sent: false,
        };
        err.to_string()
    };
    let limit = "after 10ms (SEALANE_STALE_WAIT=10ms)";
    for (nodes, wanted) in [
        (&["a"][..], "`a` is not known"),
        (&["a", "b"][..], "`a`, `b` are not known"),
        (&[][..], "no replica is known"),
    ] {
        let text = behind(nodes);
        assert!(text.starts_with(wanted) && text.contains(limit), "{text}");
    }
}
