//! `sealane doctor` on MariaDB and MySQL.

use sealane_harness::mariadb::Flavour;

use crate::doctor::{doctor, in_the_end};

use super::stage::Stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_has_a_table_and_a_user_is_told_what_to_grant() {
    let stage = Stage::new("doctor").await;
    let urls = |user: &str| {
        let replicas = stage.replicas().iter();
        let replicas: Vec<_> = replicas.map(|one| one.url_as(user, "doctor")).collect();
        (stage.primary().url_as(user, "doctor"), replicas.join(","))
    };
    let told = |user: &str| {
        let (primary, replicas) = urls(user);
        let variables = [
            ("DATABASE_URL", primary.as_str()),
            ("DATABASE_REPLICA_URLS", replicas.as_str()),
        ];
        doctor(&variables, &[])
    };
    let seen = in_the_end(|| told("eye"));
    assert_eq!(seen.code, Some(0), "{}", seen.text);
    assert!(seen.text.ends_with("\nnothing is wrong\n"), "{}", seen.text);
    // MySQL's lag nobody tells.
    let tells = match stage.primary().flavour() {
        Flavour::MariaDb => ["-MariaDB", " ms"],
        Flavour::MySql => ["9.", " ms"],
    };
    let mut rows = seen.text.lines().skip(1);
    for (role, read_only) in [
        ("primary", " no "),
        ("replica", " yes "),
        ("replica", " yes "),
    ] {
        let row = rows.next().unwrap();
        for part in [role, read_only, " of "].iter().chain(&tells) {
            assert!(row.contains(part), "`{part}` in {row}");
        }
    }
    if stage.primary().flavour() == Flavour::MySql {
        // A user whom the server has not seen logs in by TLS alone.
        return;
    }
    told("app").finding("GRANT REPLICA MONITOR ON *.* TO");
    // What its pools and sealane's own connections come to is more than that.
    let narrow = "DROP USER IF EXISTS narrow; CREATE USER narrow IDENTIFIED BY 'secret' \
                  WITH MAX_USER_CONNECTIONS 12; GRANT SELECT ON doctor.* TO narrow; GRANT REPLICA MONITOR ON *.* TO narrow";
    stage.others(narrow);
    told("narrow").finding("may open 15 connections there, and the server admits 12 to its user");
}
