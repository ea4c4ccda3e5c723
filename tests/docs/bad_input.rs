//! Wrong configuration, as its writer reads of it: every problem at once, each with the name of what is wrong and a
//! right value (issue: bad input; CONFIG).

use std::process::Command;

use sea_orm::ConnectOptions;
use sealane::{Config, NodeConfig, RoutedConnection, drop_in::Database};
use tracing::Level;

use crate::{capture::Log, page::Page};

/// Each case: a title, and the environment as it would be written.
const ENVIRONMENTS: &str = include_str!("bad_input/environments.txt");

/// What the environment's configuration says of itself: its problems, or its warnings.
fn answer(variables: &[&str]) -> String {
    let pairs = variables
        .iter()
        .map(|line| line.split_once('=').expect("a variable is NAME=value"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    match Config::from_vars(pairs) {
        Err(error) => error.to_string(),
        Ok(config) => {
            assert!(!config.warnings().is_empty(), "nothing wrong: {config:?}");

            let warnings: Vec<_> = config
                .warnings()
                .iter()
                .map(|warning| format!("warning: {warning}"))
                .collect();
            format!("{}\nin force: {:?}", warnings.join("\n"), config.replicas)
        }
    }
}

/// The texts of wrong environments, builders and lists of nodes are those of the page.
#[tokio::test]
async fn bad_input_is_answered_with_what_would_be_right() {
    let mut page = Page::new(Vec::new());
    for case in ENVIRONMENTS
        .split("\n\n")
        .filter(|case| !case.trim().is_empty())
    {
        let mut lines = case.lines().filter(|line| !line.is_empty());
        let title = lines.next().unwrap().trim_start_matches("# ");
        let variables: Vec<&str> = lines.collect();
        page.add(title, &variables, answer(&variables));
    }
    builders(&mut page);
    options(&mut page).await;
    lists_of_nodes(&mut page).await;
    page.check("bad_input.txt");
}

fn builders(page: &mut Page) {
    let good = "postgres://app:hunter2@db1/shop";
    let built = |builder: sealane::Builder| builder.build().unwrap_err();
    page.add(
        "A builder without a primary, with several other problems",
        &["builder().replica(\"db2:x\").max_connections(0).min_connections(5)"],
        built(
            RoutedConnection::builder()
                .replica("db2:x")
                .max_connections(0)
                .min_connections(5),
        ),
    );
    page.add(
        "A builder with two primaries",
        &["builder().primary(\"postgres://…@db1/shop\").primary(\"postgres://…@db2/shop\")"],
        built(
            RoutedConnection::builder()
                .primary(good)
                .primary("postgres://app:hunter2@db2/shop"),
        ),
    );
    page.add(
        "A builder with the same replica twice and a weight too great",
        &["builder().primary(\"postgres://…@db1/shop\").replicas([\"db2\", \"db2:5432\", \"db3?weight=5000\"])"],
        built(
            RoutedConnection::builder()
                .primary(good)
                .replicas(["db2", "db2:5432", "db3?weight=5000"]),
        ),
    );
    let mut config = Config::builder().primary(good).build().unwrap();
    config.max_connections = 0;
    config.replicas.push(
        config
            .primary
            .replica_like("db2")
            .unwrap()
            .with_weight(9999),
    );
    page.add(
        "Fields changed after the configuration was built",
        &["config.max_connections = 0; config.replicas.push(….with_weight(9999))"],
        config.validate().unwrap_err(),
    );
    for (title, url) in [
        ("A node from half a URL", "db4"),
        ("A node with a user and no scheme", "app:hunter2@db4/shop"),
    ] {
        page.add(
            title,
            &["NodeConfig::primary(…)"],
            NodeConfig::primary(url).unwrap_err(),
        );
        page.add(
            &format!("{title}, as a replica"),
            &["NodeConfig::replica(…)"],
            NodeConfig::replica(url).unwrap_err(),
        );
    }
}

/// `Database::connect`, whose template names the primary.
async fn options(page: &mut Page) {
    for (title, url) in [
        (
            "SeaORM's options with several hosts",
            "postgres://app:hunter2@db1,db2/shop",
        ),
        (
            "SeaORM's options with another backend",
            "oracle://app:hunter2@db1/shop",
        ),
        ("SeaORM's options with an empty URL", ""),
    ] {
        let error = Database::connect(ConnectOptions::new(url))
            .await
            .unwrap_err();
        let given = format!("Database::connect({:?})", url.replace("hunter2", "…"));
        page.add(title, &[&given], error);
    }
}

async fn lists_of_nodes(page: &mut Page) {
    let file = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", file.path().join("a.db").display());
    let db = RoutedConnection::builder()
        .primary(url)
        .connect()
        .await
        .unwrap();
    let cluster = db.cluster();
    let primary = NodeConfig::primary("postgres://app:hunter2@db1/shop").unwrap();
    let replica = |host: &str| primary.replica_like(host).unwrap();
    let mut refused = async |title: &str, nodes: Vec<NodeConfig>| {
        let given: Vec<String> = nodes
            .iter()
            .map(|node| format!("{} {}", node.role(), node.url))
            .collect();
        let given = format!("replace_nodes([{}])", given.join(", "));
        let error = cluster.replace_nodes(nodes).await.unwrap_err();
        page.add(title, &[&given], error);
    };
    refused("An empty list of nodes", vec![]).await;
    refused(
        "A list without a primary",
        vec![replica("db2"), replica("db3")],
    )
    .await;
    refused(
        "A list with two primaries",
        vec![primary.clone(), primary.clone()],
    )
    .await;
    refused(
        "A list with one node twice, one name twice and a wrong weight",
        vec![
            primary.clone(),
            replica("db2?name=a"),
            replica("db2?name=b"),
            replica("db3?name=a").with_weight(1001),
        ],
    )
    .await;
    refused(
        "A list of another backend",
        vec![primary.clone(), replica("db2")],
    )
    .await;
    let file = NodeConfig::replica("sqlite://b.db").unwrap();
    refused("A list of two backends", vec![primary.clone(), file]).await;
    page.add(
        "A list of nodes for a handle that was never connected",
        &["RoutedConnection::default().cluster().replace_nodes(…)"],
        RoutedConnection::default()
            .cluster()
            .replace_nodes([primary])
            .await
            .unwrap_err(),
    );
}

/// A replica that is the primary is a warning, and the entry is dropped (R8, issue: bad input).
#[tokio::test]
async fn a_replica_equal_to_the_primary_is_dropped_with_a_warning() {
    let (log, _guard) = Log::listen(Level::WARN);
    // Nobody listens there, which is another warning of the start without a primary.
    let config = Config::builder()
        .primary("postgres://app:hunter2@127.0.0.1:1/shop")
        .replicas(["127.0.0.1:1", "127.0.0.1:2"])
        .start_without_primary(true)
        .build()
        .unwrap();
    let [warning] = config.warnings() else {
        panic!("{:?}", config.warnings());
    };
    assert_eq!(
        warning,
        "replicas: item 1 (127.0.0.1:1) is the primary; it is left out"
    );
    let nodes = [
        config.primary.clone(),
        config.primary.replica_like("127.0.0.1:1").unwrap(),
    ];
    let db = RoutedConnection::connect(config).await.unwrap();
    assert!(
        log.text()
            .contains("item 1 (127.0.0.1:1) is the primary; it is left out"),
        "{}",
        log.text()
    );
    assert_eq!(db.cluster().topology().nodes.len(), 2);

    log.take();
    let replaced = db.cluster().replace_nodes(nodes).await.unwrap();
    assert_eq!(replaced.dropped, ["127.0.0.1:1"], "{replaced:?}");
    assert_eq!(db.cluster().topology().nodes.len(), 1);
    assert!(
        log.text().contains("is the primary; it is left out"),
        "{}",
        log.text()
    );
}

/// The name of the variable that tells the child process below what it is for.
const CHILD: &str = "SEALANETEST_BAD_ENVIRONMENT";

/// What a whole program shows whose environment is wrong: all problems in one error, nothing of the password.
#[test]
fn a_program_with_a_wrong_environment_reads_all_of_it_at_once() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "bad_input::child", "--nocapture"])
        .env(CHILD, "1")
        .env("DATABASE_URL", "not looked at by Database::connect")
        .env("DATABASE_REPLICA_URLS", "db2 db3:x")
        .env("SEALANE_PIM", "2s")
        .env("SEALANE_POOL", "")
        .env("SEALANE_FENCE", "maybe")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in [
        "DATABASE_REPLICA_URLS: item 2 has a port that is not a number from 1 to 65535",
        "SEALANE_FENCE: must be true or false",
        "SEALANE_PIM: is unknown; did you mean SEALANE_PIN?",
        "SEALANE_POOL: is not a variable of this version",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains("hunter2"), "{text}");
}

/// The other end of the test above; nothing by itself.
#[tokio::test]
async fn child() {
    if std::env::var_os(CHILD).is_some() {
        let error = Database::connect("postgres://app:hunter2@db1/shop")
            .await
            .unwrap_err();
        println!("{error}\n{error:?}");
    }
}
