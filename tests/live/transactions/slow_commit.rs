//! A COMMIT that takes long, behind a wire that can be cut meanwhile.

use sealane::RoutedConnection;
use sealane_harness::Forwarder;

use super::start;
use crate::place::{Place, until};

/// Ends slowly whoever has put a row into `log`.
const SLOWLY: &str = "CREATE TABLE log (n bigint); \
     CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS \
     $$ BEGIN PERFORM pg_sleep(0.4); RETURN NULL; END $$; \
     CREATE CONSTRAINT TRIGGER slowly AFTER INSERT ON log DEFERRABLE INITIALLY DEFERRED \
     FOR EACH ROW EXECUTE FUNCTION slowly()";

pub(super) struct SlowCommit {
    place: Place,
    wire: Forwarder,
    commits: String,
}

impl SlowCommit {
    pub(super) async fn start(database: &str) -> (Self, RoutedConnection) {
        let (place, _) = start(database).await;
        place.others(SLOWLY);
        let wire = Forwarder::to(place.primary().addr()).unwrap();
        let url = place.primary().url_at(wire.addr(), database);
        let db = RoutedConnection::builder().primary(url).connect();
        let db = db.await.unwrap();
        let commits = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' \
             AND state = 'active' AND query = 'COMMIT'"
        );
        let slow = Self {
            place,
            wire,
            commits,
        };
        (slow, db)
    }

    fn running(&self) -> String {
        self.place.on(self.place.primary(), &self.commits)
    }

    /// Cuts the wire while the server commits.
    pub(super) async fn cut(&self) {
        until("COMMIT to run", async || self.running() == "1").await;
        self.wire.cut();
    }

    /// How many rows are in `log` when it has ended.
    pub(super) async fn rows(&self) -> String {
        until("its end", async || self.running() == "0").await;
        self.place
            .on(self.place.primary(), "SELECT count(*) FROM log")
    }
}
