//! Names and values, whatever they are; and that no value is told to anybody (rule R11).

use std::{
    fmt::Write,
    sync::{Arc, Mutex},
};

use sea_orm::{ConnectionTrait, DbErr, TransactionTrait};
use sealane::{Error, Outcome, causes::LocalProblem};
use tracing_subscriber::{Layer, layer::SubscriberExt};

use super::{COUNT, builder, number, place, stmt, word};

const OWN: &str = "SELECT current_setting('app.tenant')";

fn problem(err: &DbErr) -> LocalProblem {
    match Error::from_db_err(err) {
        Some(ours @ Error::LocalSetting { why }) => {
            assert_eq!(ours.outcome(), Outcome::NotExecuted);
            assert!(!ours.is_retriable());
            why.clone()
        }
        _ => panic!("{err}"),
    }
}

#[tokio::test]
async fn a_value_arrives_as_it_is() {
    let place = place("tenants_values").await;
    let long = "ä".repeat(32 * 1024);
    let values = [
        "",
        " ",
        "'",
        "''",
        "\\",
        "\\'; DROP TABLE note; --",
        "$1 $$ $tag$",
        "a\nb\tc\r",
        "\u{1f600}é\u{200f}",
        "%s {}",
        "E'\\x41'",
        &long,
    ];
    for strings in ["on", "off"] {
        let set = format!(
            "ALTER ROLE tenant_app IN DATABASE tenants_values SET standard_conforming_strings = {strings}"
        );
        place.others(&set);
        let db = builder(&place).connect().await.unwrap();
        for value in values {
            let tenant = db.with_local("app.tenant", value).unwrap();
            assert_eq!(word(&tenant, OWN).await.unwrap(), value, "{strings}");
            assert_eq!(
                word(&tenant.primary(), OWN).await.unwrap(),
                value,
                "{strings}"
            );
            let txn = tenant.begin().await.unwrap();
            assert_eq!(word(&txn, OWN).await.unwrap(), value, "{strings}");
            txn.commit().await.unwrap();
        }
        assert_eq!(
            number(&db.with_local("app.tenant", "a").unwrap(), COUNT)
                .await
                .unwrap(),
            1
        );
        db.close().await.unwrap();
    }
}

#[tokio::test]
async fn what_cannot_be_set_is_an_error_without_the_value() {
    let place = place("tenants_refused").await;
    let db = builder(&place).max_connections(1).connect().await.unwrap();
    for name in [
        "",
        "tenant",
        "app.",
        "app.a'b",
        "app.\"a\"",
        "App.Tenant",
        "role",
        "app.a;b",
        "s3cret",
    ] {
        let err = db.with_local(name, "s3cret").unwrap_err();
        assert!(
            matches!(
                err,
                Error::LocalSetting {
                    why: LocalProblem::Name
                }
            ),
            "{name}: {err}"
        );
        assert!(!err.to_string().contains("s3cret"));
    }
    let err = db.with_local("app.tenant", "s3cret\0").unwrap_err();
    assert!(
        matches!(
            err,
            Error::LocalSetting {
                why: LocalProblem::Nul
            }
        ),
        "{err}"
    );
    // A server's own setting in two parts refuses values, and quotes them: where its library was loaded.
    let strange = db
        .with_local("plpgsql.variable_conflict", "s3cret")
        .unwrap();
    assert!(!format!("{strange:?}").contains("s3cret"));
    let load = db.execute_unprepared("DO $$ BEGIN END $$");
    load.await.unwrap();
    let errs = [
        strange.execute_unprepared("SELECT 1").await.unwrap_err(),
        strange.begin().await.unwrap_err(),
    ];
    for err in errs {
        assert!(
            matches!(problem(&err), LocalProblem::Refused { .. }),
            "{err}"
        );
        assert!(!format!("{err} {err:?}").contains("s3cret"), "{err:?}");
    }
    // The connection is as good as before.
    assert_eq!(number(&db.primary(), "SELECT 1::bigint").await.unwrap(), 1);

    let tenant = db.with_local("app.tenant", "a").unwrap();
    for text in [
        "COMMIT",
        "ROLLBACK; SELECT 1",
        "INSERT INTO note (tenant, text) VALUES ('a', 'x'); COMMIT; SELECT 1",
        "/* */ END",
        "PREPARE TRANSACTION 'x'",
        "SELECT 'commit",
    ] {
        let err = tenant.execute_unprepared(text).await.unwrap_err();
        assert_eq!(problem(&err), LocalProblem::EndsTransaction, "{text}");
        let err = tenant.query_all_raw(stmt(text)).await.unwrap_err();
        assert_eq!(problem(&err), LocalProblem::EndsTransaction, "{text}");
    }
    let two = "INSERT INTO note (tenant, text) VALUES ('a', 'end'); INSERT INTO note (tenant, text) VALUES ('a', 'commit')";
    tenant.execute_unprepared(two).await.unwrap();
    tenant
        .execute_unprepared("DO $$ BEGIN PERFORM 1; END $$")
        .await
        .unwrap();
    assert_eq!(number(&tenant, COUNT).await.unwrap(), 3);
    db.close().await.unwrap();
}

#[tokio::test]
async fn there_are_sixteen_sets_of_names() {
    let place = place("tenants_sets").await;
    let db = builder(&place).connect().await.unwrap();
    for at in 0..16 {
        db.with_local(format!("app.s{at}"), at).unwrap();
        db.with_local(format!("app.s{at}"), at + 1).unwrap();
    }
    let err = db.with_local("app.more", 1).unwrap_err();
    assert!(
        matches!(
            err,
            Error::LocalSetting {
                why: LocalProblem::TooMany
            }
        ),
        "{err}"
    );
    db.close().await.unwrap();
}

/// Everything that is said to subscribers, spans too.
#[derive(Clone, Default)]
struct All(Arc<Mutex<String>>);

struct Fields<'a>(&'a mut String);

impl tracing::field::Visit for Fields<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl<S: tracing::Subscriber> Layer<S> for All {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        event.record(&mut Fields(&mut self.0.lock().unwrap()));
    }

    fn on_new_span(
        &self,
        span: &tracing::span::Attributes<'_>,
        _: &tracing::span::Id,
        _: tracing_subscriber::layer::Context<'_, S>,
    ) {
        span.record(&mut Fields(&mut self.0.lock().unwrap()));
    }
}

#[tokio::test]
async fn no_value_is_told() {
    let place = place("tenants_untold").await;
    let all = All::default();
    let subscriber = tracing_subscriber::registry().with(all.clone());
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut db = builder(&place).connect().await.unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    db.set_metric_callback({
        let told = Arc::clone(&told);
        move |info| told.lock().unwrap().push(format!("{:?}", info.statement))
    });
    let tenant = db.with_local("app.tenant", "s3cret").unwrap();
    for handle in [tenant.clone(), tenant.primary()] {
        number(&handle, COUNT).await.unwrap();
        handle
            .query_all_raw(stmt("SELECT 1 / (count(*) - count(*)) FROM note"))
            .await
            .unwrap_err();
    }
    tenant.execute_unprepared("DELETE FROM note").await.unwrap();
    let txn = tenant.begin().await.unwrap();
    number(&txn, COUNT).await.unwrap();
    txn.commit().await.unwrap();
    let said = all.0.lock().unwrap().clone();
    assert!(said.contains("SELECT count(*) FROM note"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
    let told = told.lock().unwrap().join("\n");
    assert!(told.contains("SELECT count(*) FROM note"), "{told}");
    assert!(
        !told.contains("s3cret") && !told.contains("set_config"),
        "{told}"
    );
    db.close().await.unwrap();
}
