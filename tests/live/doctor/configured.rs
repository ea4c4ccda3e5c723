//! What the doctor says of how a cluster is configured.

use super::{SLOT, doctor, in_the_end, of_cluster, urls, watching};

/// What one process may open is more than the server admits to its user, or to its database.
#[tokio::test]
async fn a_limit_of_the_user_or_the_database_that_is_too_small_is_told() {
    let place = SLOT.shared("doctor_limits").await;
    let cluster = place.cluster();
    place.others(
        "CREATE ROLE narrow LOGIN CONNECTION LIMIT 12; GRANT pg_monitor TO narrow; \
         ALTER DATABASE doctor_limits CONNECTION LIMIT 13",
    );
    let url = cluster.primary().url_of("doctor_limits");
    let narrow = url.replace("postgres@", "narrow@");
    let told = doctor(&[("DATABASE_URL", &narrow)], &[]);
    assert_eq!(told.code, Some(0), "{}", told.text);
    for (limit, what) in [
        ("admits 12 to its user", "ALTER ROLE"),
        ("admits 13 to its database", "ALTER DATABASE"),
    ] {
        let finding = told.finding(limit);
        assert!(finding.starts_with("warning: "), "{finding}");
        assert!(finding.contains(what), "{finding}");
    }
    // Neither binds an administrator, nor whoever stays below.
    let administrators = doctor(&[("DATABASE_URL", &url)], &[]);
    assert!(
        !administrators.text.contains("admits 1"),
        "{}",
        administrators.text
    );
    let few = [("DATABASE_URL", &*narrow), ("SEALANE_MAX_CONNECTIONS", "5")];
    let few = doctor(&few, &[]);
    assert!(!few.text.contains("admits 1"), "{}", few.text);
}

#[tokio::test]
async fn one_standby_under_two_names_is_told() {
    let place = SLOT.shared("doctor_names").await;
    let cluster = place.cluster();
    let (primary, standby) = (cluster.primary().url(), cluster.standby(0).url());
    let again = standby.replace("127.0.0.1", "localhost");
    let replicas = format!("{standby}?name=a,{again}?name=b");
    let variables = [
        ("DATABASE_URL", primary.as_str()),
        ("DATABASE_REPLICA_URLS", replicas.as_str()),
    ];
    let told = doctor(&variables, &[]);
    let finding = told.finding("is the same server as");
    assert!(
        finding.starts_with("warning: b: is the same server as `a`"),
        "{finding}"
    );
    assert!(!of_cluster(cluster, &[]).text.contains("the same server"));
}

/// The doctor sends no statement, so a cluster of its own would sleep while it is looked at.
#[tokio::test]
async fn a_cluster_that_may_sleep_is_looked_at_awake() {
    let place = SLOT.shared("doctor_idle").await;
    let (primary, replicas) = urls(place.cluster());
    let variables = [
        ("DATABASE_URL", primary.as_str()),
        ("DATABASE_REPLICA_URLS", replicas.as_str()),
        ("SEALANE_IDLE_AFTER", "500ms"),
    ];
    let told = in_the_end(|| watching("3s", &variables, &[]));
    assert!(told.text.ends_with("\nnothing is wrong\n"), "{}", told.text);
}

/// What stands beside an error of the library's own is told with it.
#[tokio::test]
async fn a_node_in_a_list_that_cannot_be_used_is_told_with_its_reason() {
    let place = SLOT.shared("doctor_list").await;
    let primary = place.cluster().primary();
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("nodes.toml");
    let good = format!("[[nodes]]\nhost = \"{}\"\n", primary.addr());
    let bad = "[[nodes]]\nhost = \"db 2:many\"\nname = \"second\"\n";
    std::fs::write(&list, format!("{good}{bad}")).unwrap();
    let (url, source) = (primary.url(), format!("file={}", list.display()));
    let variables = [
        ("DATABASE_URL", url.as_str()),
        ("SEALANE_DISCOVERY", source.as_str()),
    ];
    let told = doctor(&variables, &[]);
    let finding = told.finding("cannot be used and is left out");
    assert!(finding.starts_with("warning: second: "), "{finding}");
    assert!(
        finding.contains("has a port that is not a number"),
        "{finding}"
    );
}

/// The server's own words, at each node once, and nothing of the file.
#[tokio::test]
async fn a_wrong_password_from_a_file_is_told_and_never_shown() {
    let cluster = crate::credentials::cluster("right");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "hidden").unwrap();
    let primary = crate::credentials::url(cluster.primary(), "app");
    let replica = crate::credentials::url(cluster.standby(0), "app");
    let shown = file.display().to_string();
    let variables = [
        ("DATABASE_URL", primary.as_str()),
        ("DATABASE_REPLICA_URLS", replica.as_str()),
        ("SEALANE_PASSWORD_FILE", shown.as_str()),
        ("SEALANE_CONNECT_TIMEOUT", "4s"),
    ];
    // A login is tried again for most of that, so that a busy server may be too slow for the last try.
    let refused = "gives no connection: password authentication failed";
    let mut looks = std::iter::repeat_with(|| doctor(&variables, &[])).take(6);
    let told = looks.find(|told| told.text.matches(refused).count() == 2);
    let told = told.expect("what the server said, of both");
    assert_eq!(told.code, Some(1), "{}", told.text);
    for arguments in [&[][..], &["--json"]] {
        let shown = doctor(&variables, arguments).text;
        assert!(!shown.contains("hidden"), "{shown}");
    }
    std::fs::write(&file, "right").unwrap();
    let told = in_the_end(|| doctor(&variables, &[]));
    assert_eq!(told.code, Some(0), "{}", told.text);
}
