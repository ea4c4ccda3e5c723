//! Never less available than without replicas: which reads fail beside SeaORM alone, and how long they take.
//!
//! `cargo bench --bench availability [-- [--short] [--rounds N] [--state NAME]…]`. The same loads through SeaORM alone
//! on the primary, and through a handle with one replica, in turns: 1, 8, 30 and 100 callers, a burst of 500 slow reads,
//! and callers that give up; while the replica is `up`, `stopped`, `frozen`, `lagging`, `restarting`, or `refusing`
//! connections. Each load runs twice: it begins while the replica is well and goes on when it no longer is, and it
//! begins then. Where SeaORM alone fails no read, a read that fails here makes the bench fail. Both pools have ten
//! connections. The last line is for programs.
#![allow(clippy::print_stdout, reason = "a bench is there to print")]

mod arguments;
#[path = "availability/load.rs"]
mod load;
#[path = "availability/options.rs"]
mod options;
#[path = "availability/replica.rs"]
mod replica;
#[path = "availability/table.rs"]
mod table;

use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use sealane::RoutedConnection;

use load::{Load, Ran};
use options::Options;
use replica::{Replica, State};
use table::{Arm, Table};

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

/// Connections of each pool.
const POOL: u32 = 10;

fn main() -> Result<()> {
    let options = Options::read()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(run(&options))
}

async fn run(options: &Options) -> Result<()> {
    let replica = Replica::start()?;
    let mut alone = ConnectOptions::new(replica.primary().url());
    alone.max_connections(POOL).sqlx_logging(false);
    let arms = Arms {
        alone: Database::connect(alone).await?,
        ours: RoutedConnection::builder()
            .primary(replica.primary().url())
            .replica(replica.url())
            .max_connections(POOL)
            // It comes and goes all the time, and each load begins when it is used again.
            .eject_max(Duration::from_secs(1))
            .connect()
            .await?,
        replica,
    };
    let mut table = Table::new(options.rounds);
    for round in 0..options.rounds {
        for state in options.states() {
            println!("round {round}, {}", state.name());
            for load in Load::ALL {
                // Neither is always the first.
                for arm in if round % 2 == 0 {
                    Arm::BOTH
                } else {
                    Arm::BOTH_BACK
                } {
                    let ran = arms.run(arm, state, options.scaled(load)).await?;
                    table.add((state, load), arm, ran);
                }
            }
        }
    }
    println!("{table}");
    table.verdict()
}

struct Arms {
    alone: DatabaseConnection,
    ours: RoutedConnection,
    replica: Replica,
}

impl Arms {
    async fn run(&self, arm: Arm, state: State, load: Load) -> Result<Ran> {
        self.replica.until_used(&self.ours).await?;
        let entering = self.replica.enter(state);
        let (mut ran, entered) = match arm {
            Arm::Alone => tokio::join!(load.run(&self.alone), entering),
            Arm::Ours => tokio::join!(load.run(&self.ours), entering),
        };
        let entered = entered?;
        // What a session wrote it must see: with it, a replica that lags serves nothing.
        self.write(arm).await?;
        ran.and(match arm {
            Arm::Alone => load.run(&self.alone).await,
            Arm::Ours => load.run(&self.ours).await,
        });
        self.replica.leave(entered).await?;
        Ok(ran)
    }

    async fn write(&self, arm: Arm) -> Result<()> {
        let insert = "INSERT INTO note VALUES (1)";
        match arm {
            Arm::Alone => self.alone.execute_unprepared(insert).await?,
            Arm::Ours => self.ours.execute_unprepared(insert).await?,
        };
        Ok(())
    }
}
