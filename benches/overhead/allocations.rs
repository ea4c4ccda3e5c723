//! Allocations, counted and not timed: of a decision, and of a point select through each arm.
//!
//! The counter sees the calling thread only, so the statements run on a runtime that has no other; SQLite's own thread
//! is not seen, in no arm.

use allocation_counter::measure;
use sea_orm::{ConnectionTrait, EntityTrait};
use tokio::runtime::Runtime;

use crate::Result;
use crate::decision::{self, cluster};
use crate::entity::{Entity, point_select};
use crate::ours;
use crate::servers::{self, Servers};

const DECISIONS: u32 = 10_000;
const STATEMENTS: usize = 301;

/// Allocations of one decision, over many.
pub(crate) fn decisions(runtime: &Runtime, servers: &Servers) -> Result<f64> {
    let _context = runtime.enter();
    let (sql, db) = (point_select(), runtime.block_on(cluster(servers, 4))?);
    decision::time(&db, &sql, DECISIONS);
    let counted = measure(|| {
        decision::time(&db, &sql, DECISIONS);
    });
    let each = counted.count_total as f64 / f64::from(DECISIONS);
    println!("allocations of a decision: {each}\n");
    Ok(each)
}

/// Prints the allocations of one `find_by_id().one()`: the median of many, since a pool now and then does more.
pub(crate) fn statements(servers: &Servers) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    println!("allocations of find_by_id().one(), {}", servers.name);
    let bare = runtime.block_on(servers::bare(servers))?;
    println!("  {:<32}{}", "bare, same options", of_one(&runtime, &bare)?);
    let ours = runtime.block_on(ours::connect(servers))?;
    println!("  {:<32}{}", "routed", of_one(&runtime, &ours)?);
    let defaults = runtime.block_on(servers::defaults(servers))?;
    println!(
        "  {:<32}{}\n",
        "SeaORM's defaults",
        of_one(&runtime, &defaults)?
    );
    Ok(())
}

fn of_one<C: ConnectionTrait>(runtime: &Runtime, db: &C) -> Result<Allocations> {
    let select = || runtime.block_on(Entity::find_by_id(1).one(db));
    // Prepares the statement and fills the caches.
    for _ in 0..50 {
        select()?;
    }
    let mut counts = Vec::with_capacity(STATEMENTS);
    for _ in 0..STATEMENTS {
        let mut result = Ok(None);
        let counted = measure(|| result = select());
        result?.ok_or("the row is not there")?;
        counts.push((counted.count_total, counted.bytes_total));
    }
    counts.sort_unstable();
    Ok(Allocations {
        count: counts[STATEMENTS / 2].0,
        bytes: counts[STATEMENTS / 2].1,
    })
}

struct Allocations {
    count: u64,
    bytes: u64,
}

impl std::fmt::Display for Allocations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} B)", self.count, self.bytes)
    }
}
