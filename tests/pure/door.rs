//! Whose connections may be used, by what their servers say of themselves (rules C4, T3).

use std::sync::{Arc, Mutex};

use crate::node::door::{Door, Expected, Guide, Hello, News, PoolPurpose, Stranger};
use crate::vocabulary::Flavour;

const ONE: u64 = 1;

fn hello(started: u64, timeline: u64) -> Hello {
    Hello {
        cluster: Some(7),
        timeline: Some(timeline),
        started: Some(started),
        plain_strings: true,
        ..Hello::default()
    }
}

fn reigns(started: u64, greatest: Option<u64>) -> Expected {
    Expected {
        reigns: true,
        writes_everywhere: None,
        cluster: Some(7),
        greatest,
        led: true,
        started: Some(started),
        address: None,
        epoch: Some(ONE),
    }
}

fn writer(door: &Arc<Door>) -> Arc<Guide> {
    Guide::new(
        door,
        PoolPurpose {
            writes: true,
            read_only_default: false,
            flavour: Flavour::Auto,
        },
    )
}

fn reader(door: &Arc<Door>) -> Arc<Guide> {
    Guide::new(
        door,
        PoolPurpose {
            writes: false,
            read_only_default: true,
            flavour: Flavour::Auto,
        },
    )
}

/// A server that knows no timelines takes its place again without having been started anew in between.
#[test]
fn a_name_without_timelines_may_lead_back_to_where_it_came_from() {
    let door = Arc::new(Door::default());
    let told = |started| Hello {
        cluster: None,
        timeline: None,
        ..hello(started, 1)
    };
    let expected = Expected {
        cluster: None,
        epoch: None,
        ..reigns(10, None)
    };
    assert!(!door.expect(expected));
    for (from, to) in [(10, 20), (20, 10), (10, 20)] {
        let pool = writer(&door);
        assert_eq!(pool.admit(&told(from)), Ok(()));
        assert_eq!(pool.admit(&told(to)), Err(Stranger::Moved));
    }
}

#[test]
fn a_name_that_moves_to_a_newer_timeline_ends_the_pools_of_before_and_never_goes_back() {
    let door = Arc::new(Door::default());
    let pool = writer(&door);
    assert_eq!(
        pool.admit(&hello(10, 1)),
        Ok(()),
        "before anything is known"
    );
    assert!(!door.expect(reigns(10, None)));
    assert_eq!(pool.admit(&hello(10, 1)), Ok(()));
    assert_eq!(pool.admit(&hello(20, 2)), Err(Stranger::Moved));
    assert!(pool.is_over());
    assert_eq!(
        pool.admit(&hello(20, 2)),
        Err(Stranger::Moved),
        "its pool is over"
    );
    let next = writer(&door);
    assert_eq!(next.admit(&hello(20, 2)), Ok(()));
    assert_eq!(next.admit(&hello(10, 1)), Err(Stranger::Left));
    assert_eq!(next.admit(&hello(30, 1)), Err(Stranger::Stale));
    assert!(!next.is_over());
    assert!(door.is_home(20) && !door.is_home(10));
}

/// The server of before is gone where another answers at its own address; elsewhere it may live on, and take writes.
#[test]
fn a_pool_may_go_on_after_a_restart_and_not_after_a_move() {
    let at = |address: u64, started: u64| Hello {
        address: Some(address),
        ..hello(started, 1)
    };
    for reigns_throughout in [true, false] {
        let door = Arc::new(Door::default());
        let pool = writer(&door);
        let restarted = |started: u64, address: u64| {
            let expected = Expected {
                address: Some(address),
                ..reigns(started, Some(1))
            };
            match reigns_throughout {
                true => assert_eq!(pool.admit(&at(address, started)), Err(Stranger::Moved)),
                false => {
                    let silent = Expected {
                        reigns: false,
                        ..expected
                    };
                    door.expect(silent);
                }
            }
            door.expect(expected);
        };
        door.expect(reigns(10, Some(1)));
        assert_eq!(pool.admit(&at(7, 10)), Ok(()));
        restarted(20, 7);
        assert!(pool.is_over() && !pool.is_elsewhere());
        pool.renew();
        assert_eq!(pool.admit(&at(7, 20)), Ok(()), "it goes on");
        restarted(30, 8);
        assert!(pool.is_over() && pool.is_elsewhere());
    }
}

#[test]
fn a_newer_timeline_waits_until_the_topology_has_accepted_it() {
    let door = Arc::new(Door::default());
    door.expect(reigns(10, Some(1)));
    assert_eq!(writer(&door).admit(&hello(20, 2)), Err(Stranger::Moved));
    let next = writer(&door);
    assert_eq!(next.admit(&hello(20, 2)), Err(Stranger::NotYet));
    door.expect(reigns(20, Some(2)));
    assert_eq!(next.admit(&hello(20, 2)), Ok(()));
    assert_eq!(next.admit(&hello(40, 1)), Err(Stranger::Stale));
}

#[test]
fn strangers_are_refused_for_what_they_are() {
    let door = Arc::new(Door::default());
    door.expect(reigns(10, Some(1)));
    let pool = writer(&door);
    let other = Hello {
        cluster: Some(8),
        ..hello(10, 1)
    };
    assert_eq!(pool.admit(&other), Err(Stranger::OtherCluster));
    let follows = Hello {
        in_recovery: true,
        ..hello(20, 1)
    };
    assert_eq!(pool.admit(&follows), Err(Stranger::InRecovery));
    // Where it stands tells a primary that was demoted from another server of the name.
    for (address, expected) in [(1, Stranger::InRecovery), (2, Stranger::Strays)] {
        let address = Some(address);
        let home = Hello {
            address: Some(1),
            ..hello(10, 1)
        };
        assert_eq!(pool.admit(&home), Ok(()));
        assert_eq!(
            pool.admit(&Hello {
                address,
                ..follows.clone()
            }),
            Err(expected)
        );
    }
    let reader = reader(&door);
    assert_eq!(reader.admit(&follows), Ok(()), "a standby is in recovery");
    assert_eq!(reader.admit(&other), Err(Stranger::OtherCluster));
    assert_eq!(reader.admit(&hello(10, 1)), Err(Stranger::TakesWrites));
    door.expect(reigns(10, Some(2)));
    assert_eq!(reader.admit(&follows), Err(Stranger::Stale));
    let silent = Hello {
        plain_strings: true,
        ..Hello::default()
    };
    assert_eq!(
        pool.admit(&silent),
        Ok(()),
        "it tells nothing to judge it by"
    );
}

/// Checks may have looked at another server of the same name (rule T5). Without a primary nobody sends anything.
#[test]
fn a_standby_that_receives_nothing_is_read_from_only_where_there_is_no_primary() {
    let door = Arc::new(Door::default());
    let reader = reader(&door);
    let standby = |receives| Hello {
        in_recovery: true,
        receives,
        ..hello(20, 1)
    };
    for (led, nothing) in [(true, Err(Stranger::ReceivesNothing)), (false, Ok(()))] {
        door.expect(Expected {
            reigns: false,
            led,
            ..reigns(10, Some(1))
        });
        assert_eq!(reader.admit(&standby(Some(false))), nothing);
        for unknown_or_fed in [None, Some(true)] {
            assert_eq!(reader.admit(&standby(unknown_or_fed)), Ok(()));
        }
    }
}

#[test]
fn connections_that_waited_for_a_promotion_and_lead_elsewhere_are_given_up_with_it() {
    let door = Arc::new(Door::default());
    let pool = writer(&door);
    let follows = |started| Hello {
        in_recovery: true,
        ..hello(started, 1)
    };
    assert_eq!(pool.admit(&follows(10)), Ok(()));
    assert_eq!(pool.admit(&follows(20)), Ok(()), "a balancer");
    assert!(door.expect(reigns(20, Some(2))));
    assert!(pool.is_over());
    let next = writer(&door);
    assert_eq!(next.admit(&hello(20, 2)), Ok(()));
    assert!(!door.expect(reigns(20, Some(2))));
}

/// Whichever connection it is that leads there; and nobody else's primary, and no standby.
#[test]
fn a_primary_of_a_later_timeline_is_told_of_wherever_a_connection_leads_to_it() {
    let door = Arc::new(Door::default());
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    door.listen(Box::new(move |_, news| {
        if let News::Ahead(epoch) = news {
            heard.lock().unwrap().push(epoch);
        }
    }));
    door.expect(Expected {
        reigns: false,
        ..reigns(10, Some(1))
    });
    let reader = reader(&door);
    let ends = |hello: &Hello| {
        let _ = reader.admit(hello);
        let _ = writer(&door).admit(hello);
        #[cfg(feature = "postgres")]
        let _ = reader.meet(hello);
        std::mem::take(&mut *told.lock().unwrap())
    };
    let others = [
        hello(20, 1),
        Hello {
            cluster: Some(8),
            ..hello(20, 2)
        },
        Hello {
            cluster: None,
            ..hello(20, 2)
        },
        Hello {
            in_recovery: true,
            ..hello(20, 2)
        },
    ];
    for other in &others {
        assert_eq!(ends(other), [0; 0], "{other:?}");
    }
    let ways = 2 + usize::from(cfg!(feature = "postgres"));
    assert_eq!(ends(&hello(20, 2)), vec![2; ways]);
}
