//! What the tests of an application are given: a primary, a standby, and their faults.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    time::Duration,
};

use sealane_harness::{Result, TestCluster};

/// Whether somebody answers at the address of a URL: a server's first word comes after the client's.
fn answers(url: &str) -> bool {
    let addr = url.rsplit('@').next().unwrap().split('/').next().unwrap();
    let Ok(mut client) = TcpStream::connect(addr) else {
        return false;
    };
    client
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    // "Do you speak TLS?"
    let asked = client.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]);
    let mut answer = [0];
    asked.and_then(|()| client.read_exact(&mut answer)).is_ok()
}

#[test]
fn a_lagging_standby_stands_still_and_catches_up() -> Result<()> {
    let servers = TestCluster::start()?;
    servers.primary().sql("create table t (i int)")?;
    servers.caught_up()?;
    servers.lag(Duration::MAX)?;
    servers.primary().sql("insert into t values (1)")?;
    assert_eq!(servers.standby().sql("select count(*) from t")?, "0");
    servers.lag(Duration::ZERO)?;
    servers.caught_up()?;
    assert_eq!(servers.standby().sql("select count(*) from t")?, "1");
    Ok(())
}

#[test]
fn a_failover_keeps_the_urls_and_the_old_primary_comes_back() -> Result<()> {
    let servers = TestCluster::start()?;
    let urls = (servers.primary_url(), servers.replica_url());
    servers.primary().sql("create table t (i int)")?;
    servers.caught_up()?;
    servers.fail_over()?;
    assert!(!answers(&urls.0) && answers(&urls.1));
    let error = servers.fail_over().unwrap_err().to_string();
    assert!(error.contains("rejoin() first"), "{error}");
    servers.rejoin()?;
    servers.primary().sql("insert into t values (1)")?;
    servers.caught_up()?;
    assert_eq!(servers.standby().sql("select count(*) from t")?, "1");
    servers.switch_over()?;
    assert_eq!((servers.primary_url(), servers.replica_url()), urls);
    assert!(servers.primary().is_primary()?);
    assert_eq!(servers.primary().name(), "n1");
    Ok(())
}

#[test]
fn a_cut_is_healed_and_a_database_is_its_own() -> Result<()> {
    let servers = TestCluster::start()?;
    let (one, other) = (servers.database()?, servers.database()?);
    assert_ne!(one.name(), other.name());
    assert!(one.primary_url().ends_with(one.name()));
    servers.cut();
    assert!(!answers(one.primary_url()) && answers(one.replica_url()));
    servers.cut_standby();
    assert!(!answers(one.replica_url()));
    servers.heal();
    assert!(answers(one.primary_url()) && answers(one.replica_url()));
    let name = one.name().to_owned();
    drop(one);
    let left = servers.primary().sql("select datname from pg_database")?;
    assert!(
        !left.contains(&name) && left.contains(other.name()),
        "{left}"
    );
    Ok(())
}

#[test]
fn without_a_server_the_error_names_the_variable_and_the_command() {
    if std::env::var_os("SEALANETEST_STARTS_NOTHING").is_some() {
        let error = TestCluster::start().unwrap_err().to_string();
        assert!(error.contains("SEALANETEST_PG_BIN=/nowhere"), "{error}");
        assert!(error.contains("install it once with"), "{error}");
        return;
    }
    // The variable is the whole process's.
    let mut own = Command::new(std::env::current_exe().unwrap());
    own.args([
        "--exact",
        "without_a_server_the_error_names_the_variable_and_the_command",
    ]);
    own.env("SEALANETEST_PG_BIN", "/nowhere")
        .env("SEALANETEST_STARTS_NOTHING", "1");
    let output = own.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}
