//! Behind PgBouncer: what it lets through, and what is told of what it does not (rule I7).

mod changes;
mod concrete;
mod elsewhere;
mod failover;
mod load;
mod pgpool;
mod session;
mod tenants;
mod transaction;

use sealane::{Builder, RoutedConnection};
use sealane_harness::{PgBouncer, PoolMode, StartUpOptions};

use crate::place::{Place, Slot};

static SLOT: Slot = Slot::new(2);

/// How many connections of its server each pooler has: in session mode a handle needs them all, its monitor's included.
const SIZE: u32 = 40;

/// The modes in which transactions share connections, of those that the installed pooler has. `tests/pgbouncer` brings one
/// that has both.
fn sharing() -> Vec<PoolMode> {
    match PgBouncer::tells_prepared_apart().unwrap() {
        true => vec![PoolMode::Transaction, PoolMode::Prepared],
        false => {
            println!("not run with prepared statements told apart: tests/run --pgbouncer trixie");
            vec![PoolMode::Transaction]
        }
    }
}

/// A pooler of its own in front of each server, the primary's first.
struct Poolers(Vec<PgBouncer>);

impl Poolers {
    fn before(place: &Place, mode: PoolMode, options: StartUpOptions) -> Self {
        let start = |node| PgBouncer::to(node, mode, options, SIZE).unwrap();
        Self(place.cluster().nodes().iter().map(start).collect())
    }

    fn builder(&self, database: &str) -> Builder {
        let names = ["one", "two"];
        let replicas = self.0[1..].iter().zip(names);
        RoutedConnection::builder()
            .primary(format!("{}?name=primary", self.0[0].url(database)))
            .replicas(replicas.map(|(one, name)| format!("{}?name={name}", one.url(database))))
    }
}
