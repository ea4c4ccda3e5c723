//! Patroni's interface by https, which takes those alone who show a certificate.

use std::path::PathBuf;

use sealane::{Builder, Discovery, RoutedConnection};
use sealane_harness::{Authority, Patroni};

use super::{insert, until_roles};

fn client(patroni: &Patroni) -> Builder {
    let addresses: Vec<String> = patroni.members().iter().map(|one| one.rest()).collect();
    assert!(addresses[0].starts_with("https://"));
    RoutedConnection::builder()
        .primary(patroni.leader().unwrap().url())
        .discovery(Discovery::Patroni(addresses.join(",")))
        .check_interval(std::time::Duration::from_millis(100))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_are_found_with_the_certificate_that_patroni_asks_for_and_not_without() {
    let authority = Authority::new("ours").unwrap();
    let patroni = Patroni::start_with_tls(2, &authority).unwrap();
    let shown = authority.sign(&["client"]).unwrap();
    let with = |authority: &Authority, certificate: Option<(PathBuf, PathBuf)>| {
        let client = client(&patroni).discovery_ca(authority.certificate());
        match certificate {
            Some((certificate, key)) => client.discovery_cert(certificate).discovery_key(key),
            None => client,
        }
    };
    let files = Some((shown.certificate.clone(), shown.key.clone()));
    let db = with(&authority, files.clone()).connect().await.unwrap();
    until_roles(&db, 1).await;
    insert_into_new_table(&db).await;
    assert_eq!(db.cluster().topology().nodes.len(), 2);
    db.close().await.unwrap();

    // Without the certificate, or where another authority is believed, the configured node is all there is.
    let stranger = Authority::new("another").unwrap();
    let strange = stranger.sign(&["client"]).unwrap();
    for (authority, files) in [
        (&authority, None),
        (&authority, Some((strange.certificate, strange.key))),
        (&stranger, files),
    ] {
        let db = with(authority, files).connect().await.unwrap();
        insert(&db).await;
        assert_eq!(db.cluster().topology().nodes.len(), 1);
        db.close().await.unwrap();
    }
}

async fn insert_into_new_table(db: &RoutedConnection) {
    use sea_orm::ConnectionTrait as _;
    db.execute_unprepared("CREATE TABLE t (n bigint)")
        .await
        .unwrap();
    insert(db).await;
}
