//! Which system a server is by what it says, and what follows for who may write (T18).

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use super::words::{rows, str_of};
use crate::node::door::{Door, Expected, Guide, Hello, PoolPurpose, Stranger};
use crate::vocabulary::{Flavour, Signs};

#[test]
fn a_system_is_known_by_what_its_servers_say() {
    for row in rows("signs.jsonl", include_str!("flavour/signs.jsonl")) {
        let signs = row["signs"].as_str().unwrap_or_default();
        let has = |sign: &str| signs.split(' ').any(|known| known == sign);
        let found = Signs {
            version: str_of(&row, "version"),
            aurora: has("aurora"),
            citus: has("citus"),
            neon: has("neon"),
            alloydb: has("alloydb"),
        };
        assert_eq!(found.flavour().as_str(), str_of(&row, "is"), "{row}");
    }
}

/// What a row takes away is what would have a node fenced, or a position proved, for nothing.
#[test]
fn where_every_node_takes_writes_nothing_else_is_told() {
    for flavour in Flavour::ALL {
        let row = flavour.row();
        if row.writes_everywhere {
            let told = [row.roles, row.identity, row.epochs, row.positions];
            assert_eq!(told, [false; 4], "{flavour}");
        }
        // An epoch proves whose position it is.
        assert!(row.epochs || !row.positions, "{flavour}");
    }
    assert!(!Flavour::LogicalSubscriber.row().positions);
    assert_eq!(Flavour::Auto.row(), Flavour::Postgres.row());
}

#[test]
fn what_is_set_counts_for_more_than_what_is_said() {
    let said = Some(Flavour::Postgres);
    assert_eq!(Flavour::Auto.or(said), said);
    assert_eq!(Flavour::Auto.or(None), None);
    assert_eq!(Flavour::Citus.or(said), Some(Flavour::Citus));
    // What stands before the servers says nothing of them.
    let behind = Some(Flavour::Aurora);
    assert_eq!(Flavour::Pooler.or(behind), behind);
    let word: Value = serde_json::from_str(r#""yugabytedb""#).unwrap();
    assert_eq!(
        serde_json::from_value::<Flavour>(word).unwrap(),
        Flavour::YugabyteDb
    );
}

#[test]
fn a_read_of_a_follower_is_no_older_than_allowed() {
    let of = |flavour: Flavour, oldest| {
        let oldest: Option<u64> = oldest;
        flavour.follower_read(oldest.map(Duration::from_secs))
    };
    for (oldest, is_there) in [(None, true), (Some(5), true), (Some(4), false)] {
        let found = of(Flavour::CockroachDb, oldest);
        assert_eq!(found.is_some(), is_there, "{oldest:?}: {found:?}");
    }
    let age = |oldest| {
        let text = of(Flavour::YugabyteDb, oldest).unwrap();
        let (_, age) = text.split_once("'yb_follower_read_staleness_ms', '")?;
        age.split('\'').next()?.parse().ok()
    };
    let ages: Vec<Option<u64>> = [None, Some(60), Some(10)].map(age).into();
    assert_eq!(ages, [None, None, Some(10_000)]);
    assert_eq!(of(Flavour::Postgres, None), None);
}

fn guide(writes: bool, set: Flavour) -> (Arc<Door>, Arc<Guide>) {
    let door = Arc::new(Door::default());
    let guide = Guide::new(&door, purpose(writes, set));
    (door, guide)
}

fn purpose(writes: bool, flavour: Flavour) -> PoolPurpose {
    PoolPurpose {
        writes,
        read_only_default: !writes,
        flavour,
    }
}

fn hello(flavour: Flavour, started: u64) -> Hello {
    Hello {
        flavour: Some(flavour),
        started: Some(started),
        cluster: Some(started),
        plain_strings: true,
        ..Hello::default()
    }
}

/// A balancer before such nodes leads to any of them, and each will do; to another system it must not lead.
#[test]
fn a_connection_leads_to_any_node_of_the_system_and_to_no_other() {
    let expected = Expected {
        reigns: true,
        writes_everywhere: Some(true),
        ..Expected::default()
    };
    for writes in [true, false] {
        let (door, guide) = guide(writes, Flavour::Auto);
        door.expect(expected);
        let of = |flavour, started| hello(flavour, started).counted(purpose(writes, Flavour::Auto));
        for started in [10, 20, 10] {
            let node = of(Flavour::CockroachDb, started);
            assert_eq!(guide.admit(&node), Ok(()), "{writes}");
        }
        let other = guide.admit(&of(Flavour::Postgres, 10));
        assert_eq!(other, Err(Stranger::OtherSystem), "{writes}");
        let unknown = Hello {
            plain_strings: true,
            in_recovery: true,
            ..Hello::default()
        };
        assert_eq!(guide.admit(&unknown), Err(Stranger::OtherSystem));
    }
    let (door, guide) = guide(true, Flavour::Auto);
    door.expect(Expected {
        writes_everywhere: Some(false),
        ..expected
    });
    let node = hello(Flavour::YugabyteDb, 10).counted(purpose(true, Flavour::Auto));
    assert_eq!(guide.admit(&node), Err(Stranger::OtherSystem));
}

/// What is set says nothing of it: a name may lead to the PostgreSQL that such a cluster takes the place of.
#[test]
fn a_connection_to_postgresql_is_refused_where_every_node_is_said_to_take_writes() {
    for writes in [true, false] {
        let purpose = purpose(writes, Flavour::YugabyteDb);
        let door = Arc::new(Door::default());
        let guide = Guide::new(&door, purpose);
        door.expect(Expected {
            reigns: true,
            writes_everywhere: Some(true),
            ..Expected::default()
        });
        let node = hello(Flavour::YugabyteDb, 10).counted(purpose);
        assert_eq!(guide.admit(&node), Ok(()), "{writes}");
        let postgres = hello(Flavour::Postgres, 20).counted(purpose);
        assert_eq!(
            guide.admit(&postgres),
            Err(Stranger::OtherSystem),
            "{writes}"
        );
    }
}

/// What is in recovery subscribes to nobody.
#[test]
fn a_standby_of_the_publisher_beside_subscribers_is_held_against_its_cluster() {
    let purpose = purpose(false, Flavour::LogicalSubscriber);
    let door = Arc::new(Door::default());
    let guide = Guide::new(&door, purpose);
    door.expect(Expected {
        cluster: Some(7),
        greatest: Some(2),
        ..Expected::default()
    });
    let standby = |cluster, timeline| {
        let hello = Hello {
            cluster: Some(cluster),
            timeline: Some(timeline),
            in_recovery: true,
            read_only_default: true,
            ..hello(Flavour::Postgres, 10)
        };
        guide.admit(&hello.counted(purpose))
    };
    assert_eq!(standby(7, 2), Ok(()));
    assert_eq!(standby(7, 1), Err(Stranger::Stale));
    assert_eq!(standby(8, 2), Err(Stranger::OtherCluster));
}

/// Behind the read-only default a replica of PostgreSQL that takes writes is refused; there it is as it should be.
#[test]
fn a_node_that_takes_writes_serves_reads_there_without_the_read_only_default() {
    let (_, guide) = guide(false, Flavour::Auto);
    let counted = |flavour| hello(flavour, 10).counted(purpose(false, Flavour::Auto));
    assert_eq!(
        guide.admit(&counted(Flavour::Postgres)),
        Err(Stranger::TakesWrites)
    );
    assert_eq!(guide.admit(&counted(Flavour::CockroachDb)), Ok(()));
}
