//! Aurora PostgreSQL: `aurora_replica_status()` of any instance tells all instances, and which of them writes.
//!
//! See <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora_replica_status.html>. An instance's host is
//! its identifier in the place of the `?` of a pattern, which follows from the cluster's endpoint:
//! `shop.cluster-abc.eu-west-1.rds.amazonaws.com` has instances `?.abc.eu-west-1.rds.amazonaws.com`.

use std::time::Duration;

use sea_orm::sqlx::{self, PgConnection, Row};

use super::{Answer, FoundNode, NoAnswer};
use crate::{config::Config, node::open::connect_postgres};

/// One question, connecting included.
const LIMIT: Duration = Duration::from_secs(2);

/// Instances that have said something within five minutes. The writer is marked by a word that is put together here
/// because it is no word of ours.
const STATUS: &str = "SELECT server_id::text, session_id::text = 'MAS' || 'TER_SESSION_ID' \
     FROM aurora_replica_status() \
     WHERE session_id::text = 'MAS' || 'TER_SESSION_ID' \
     OR last_update_timestamp > pg_catalog.now() - interval '5 minutes' ORDER BY 1";

/// The connection that is kept between two questions.
#[derive(Default)]
pub(super) struct KeptConnection(Option<PgConnection>);

pub(super) async fn ask(
    config: &Config,
    pattern: &str,
    kept: &mut KeptConnection,
) -> Result<Answer, NoAnswer> {
    let mut conn = kept.0.take();
    let asked = async {
        let mut open = match conn.take() {
            Some(open) => open,
            None => connect(config).await?,
        };
        let rows = sqlx::query(STATUS).fetch_all(&mut open).await;
        let rows = rows.map_err(|err| NoAnswer(format!("aurora_replica_status(): {err}")))?;
        Ok((open, rows))
    };
    let timed_out = || NoAnswer("aurora_replica_status() did not answer in time".to_owned());
    let (open, rows) = tokio::time::timeout(LIMIT, asked)
        .await
        .map_err(|_| timed_out())??;
    kept.0 = Some(open);
    let pattern = match pattern {
        "" => instances_of(config.primary.url.host().unwrap_or_default())?,
        given => given.to_owned(),
    };
    let mut answer = Answer::default();
    for row in rows {
        let read = |err: sqlx::Error| NoAnswer(format!("aurora_replica_status(): {err}"));
        let name: String = row.try_get(0).map_err(read)?;
        if row
            .try_get::<Option<bool>, _>(1)
            .map_err(read)?
            .unwrap_or_default()
        {
            answer.leader = Some(name.clone());
        }
        answer.nodes.push(FoundNode {
            address: pattern.replace('?', &name),
            name,
            ..FoundNode::default()
        });
    }
    Ok(answer)
}

async fn connect(config: &Config) -> Result<PgConnection, NoAnswer> {
    let connected = connect_postgres(config, &config.primary, "sealane-discovery").await;
    connected.map_err(|err| NoAnswer(format!("the cluster's endpoint: {err}")))
}

fn instances_of(endpoint: &str) -> Result<String, NoAnswer> {
    let rest = endpoint.split_once('.').map(|(_, rest)| rest);
    let rest = rest.and_then(|rest| {
        rest.strip_prefix("cluster-ro-")
            .or_else(|| rest.strip_prefix("cluster-"))
    });
    match rest {
        Some(rest) => Ok(format!("?.{rest}")),
        None => Err(NoAnswer(
            "the host is no cluster endpoint of Aurora: name it in DATABASE_URL, or write aurora=?.HOST".to_owned(),
        )),
    }
}
