//! The harness against real MariaDB servers, or MySQL's where `tests/run --mysql` has brought one: what it promises to tests is tested
//! here.

use std::time::{Duration, Instant};

use sealane_harness::{
    Error, Result,
    mariadb::{Cluster, Flavour, Node},
};

const COUNT: &str = "select count(*) from t";

fn with_table(replicas: u32) -> Result<Cluster> {
    let started = Instant::now();
    let cluster = Cluster::builder().replicas(replicas).start()?;
    println!("{replicas} replicas: started in {:?}", started.elapsed());
    cluster
        .primary()
        .sql("create table t (i int primary key); insert into t values (1)")?;
    cluster.wait_caught_up()?;
    Ok(cluster)
}

fn is_read_only(error: &Error) -> bool {
    matches!(error, Error::Sql { sqlstate, .. } if sqlstate == "1290")
}

fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let started = Instant::now();
    while !ready() {
        assert!(started.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn replicas_follow_the_primary() -> Result<()> {
    let cluster = with_table(2)?;
    for replica in cluster.replicas() {
        assert_eq!(replica.sql(COUNT)?, "1");
        assert_eq!(replica.sql("select @@read_only")?, "1");
    }
    assert_eq!(
        cluster
            .primary()
            .sql("select 1, null, 'a' union all select 2, null, 'b'; select 3")?,
        "1||a\n2||b\n3"
    );
    Ok(())
}

#[test]
fn a_stopped_applier_leaves_a_replica_stale_until_it_goes_on() -> Result<()> {
    let cluster = with_table(1)?;
    let (primary, replica) = (cluster.primary(), cluster.replica(0));
    replica.stop_applier()?;
    primary.sql("insert into t values (2)")?;
    assert_eq!(replica.sql(COUNT)?, "1");
    replica.start_applier()?;
    replica.wait_caught_up_with(primary)?;
    assert_eq!(replica.sql(COUNT)?, "2");
    replica.delay(1)?;
    let written = Instant::now();
    primary.sql("insert into t values (3)")?;
    replica.wait_caught_up_with(primary)?;
    // The delay counts by whole seconds of the clock.
    assert!(
        written.elapsed() >= Duration::from_millis(100),
        "{:?}",
        written.elapsed()
    );
    assert_eq!(replica.sql(COUNT)?, "3");
    Ok(())
}

#[test]
fn a_replica_takes_the_place_of_a_killed_primary_and_the_old_one_comes_back() -> Result<()> {
    let cluster = with_table(2)?;
    let [old, new, other] = cluster.nodes() else {
        panic!("three nodes")
    };
    old.kill()?;
    assert!(!old.is_running());
    new.promote()?;
    other.follow(new)?;
    new.sql("insert into t values (2)")?;
    other.wait_caught_up_with(new)?;
    old.start()?;
    old.rejoin(new)?;
    old.wait_caught_up_with(new)?;
    for node in [old, other] {
        assert_eq!(node.sql(COUNT)?, "2");
    }
    assert!(new.wrote_itself()?);
    assert!(!other.wrote_itself()?);
    Ok(())
}

#[test]
fn a_restarted_server_is_what_it_was() -> Result<()> {
    let cluster = with_table(1)?;
    let replica = cluster.replica(0);
    replica.restart()?;
    assert_eq!(replica.sql("select @@read_only")?, "1");
    cluster.primary().sql("insert into t values (2)")?;
    replica.wait_caught_up_with(cluster.primary())?;
    Ok(())
}

#[test]
fn what_clients_send_is_counted_and_what_the_harness_sends_is_not() -> Result<()> {
    let cluster = with_table(0)?;
    let primary = cluster.primary();
    client(primary, "app", "select 'first'")?;
    assert_eq!(primary.statements_with("FIRST")?, 1);
    primary.reset_statements()?;
    primary.sql("select 'harness'")?;
    client(primary, "app", "select 'second\nline'")?;
    let statements = primary.statements()?;
    assert!(
        statements.iter().any(|one| one == "select 'second\nline'"),
        "{statements:?}"
    );
    assert_eq!(primary.statements_with("harness")?, 0);
    assert_eq!(primary.statements_with("first")?, 0);
    Ok(())
}

/// An application's user is bound by `read_only`, an administrator is not: tests of a demoted primary rest on that.
#[test]
fn a_demoted_primary_refuses_the_application() -> Result<()> {
    let cluster = with_table(0)?;
    let primary = cluster.primary();
    client(primary, "app", "insert into t values (2)")?;
    primary.demote()?;
    let refused = client(primary, "app", "insert into t values (3)").unwrap_err();
    assert!(refused.to_string().contains("1290"), "{refused}");
    assert!(!is_read_only(
        &primary.sql("no such statement").unwrap_err()
    ));
    client(primary, "boss", "insert into t values (4)")?;
    Ok(())
}

#[test]
fn a_frozen_server_goes_on_when_it_is_thawed() -> Result<()> {
    let cluster = with_table(0)?;
    let primary = cluster.primary();
    primary.freeze();
    assert!(primary.is_running());
    let asked = primary.clone();
    let answer = std::thread::spawn(move || asked.sql(COUNT));
    primary.thaw();
    assert_eq!(answer.join().expect("a thread")?, "1");
    Ok(())
}

/// Starts servers, says where, and waits to be killed; only as the child of the test below.
#[test]
#[ignore = "run by a_killed_test_process_leaves_no_server_behind"]
fn starts_and_waits() -> Result<()> {
    let cluster = Cluster::builder().replicas(1).start()?;
    cluster.replica(0).freeze();
    println!("\nfolder={}", cluster.folder().display());
    std::thread::sleep(Duration::from_secs(60));
    Ok(())
}

#[test]
fn a_killed_test_process_leaves_no_server_behind() {
    use std::{
        io::{BufRead, BufReader},
        process::{Command, Stdio},
    };
    let own = std::env::current_exe().expect("this test's program");
    let mut child = Command::new(own)
        .args(["--exact", "starts_and_waits", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a second process");
    let output = BufReader::new(child.stdout.take().expect("its output"));
    let folder = output
        .lines()
        .map_while(std::result::Result::ok)
        .find_map(|line| line.strip_prefix("folder=").map(str::to_owned))
        .expect("a folder");
    child.kill().expect("a signal");
    child.wait().expect("its end");
    until("the folder is gone", || {
        !std::path::Path::new(&folder).exists()
    });
    let servers = || {
        let list = Command::new("ps").args(["-A", "-o", "command="]).output();
        let list = list.map(|list| String::from_utf8_lossy(&list.stdout).into_owned());
        list.unwrap_or_default()
            .lines()
            .filter(|line| line.contains(&folder))
            .count()
    };
    until("the servers are gone", || servers() == 0);
}

/// A statement over TCP as one of the template's users, by the server's own client.
fn client(node: &Node, user: &str, sql: &str) -> Result<String> {
    let url = node.url_as(user, "shop");
    let password = url.split([':', '@']).nth(2).unwrap_or_default();
    let program = match node.flavour() {
        Flavour::MariaDb => "mariadb".into(),
        Flavour::MySql => {
            let folder = std::env::var_os("SEALANETEST_MYSQL_BIN").unwrap_or_default();
            std::path::PathBuf::from(folder).join("mysql")
        }
    };
    let output = std::process::Command::new(&program)
        .args([
            "--no-defaults",
            "--host=127.0.0.1",
            "--skip-column-names",
            "--database=shop",
        ])
        .args([
            format!("--port={}", node.port()),
            format!("--user={user}"),
            format!("--password={password}"),
            format!("--execute={sql}"),
        ])
        .output();
    let failed = |output: String| Error::Program {
        program: program.display().to_string(),
        output,
    };
    let output = output.map_err(|error| failed(error.to_string()))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(failed(String::from_utf8_lossy(&output.stderr).into_owned())),
    }
}
