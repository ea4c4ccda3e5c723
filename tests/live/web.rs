//! The middleware over real HTTP: two application processes, one client (rules C11, C12).

mod server;

use sealane_harness::Cluster;

use self::server::{Server, cluster};

/// A client: what it was given last goes with its next request.
#[derive(Default)]
struct Client {
    cookie: Option<String>,
}

struct Answer {
    value: i64,
    /// The whole Set-Cookie header.
    given: Option<String>,
}

impl Client {
    fn post(&mut self, server: &Server, key: i64) -> Answer {
        let request = ureq::post(server.url(key));
        let request = match &self.cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        };
        self.take(request.send_empty().unwrap())
    }

    fn get(&mut self, server: &Server, key: i64) -> Answer {
        let request = ureq::get(server.url(key));
        let request = match &self.cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        };
        self.take(request.call().unwrap())
    }

    /// A write of which the application does not know what became.
    fn lose(&mut self, server: &Server, key: i64, way: &str) -> Answer {
        let cookie = self.cookie.clone().unwrap();
        let request = ureq::http::Request::builder()
            .method(way)
            .uri(server.url(key));
        let request = request.header("cookie", cookie).body(()).unwrap();
        self.take(ureq::run(request).unwrap())
    }

    fn take(&mut self, mut response: ureq::http::Response<ureq::Body>) -> Answer {
        let given = response.headers().get("set-cookie");
        let given = given.map(|value| value.to_str().unwrap().to_owned());
        if let Some(given) = &given {
            // An application has cookies of its own.
            let pair = given.split(';').next().unwrap();
            self.cookie = Some(format!("theme=dunkel-größer; {pair}"));
        }
        let value = response
            .body_mut()
            .read_to_string()
            .unwrap()
            .parse()
            .unwrap();
        Answer { value, given }
    }
}

/// Standbys that are always a little behind.
fn lag(cluster: &Cluster) {
    let delay = std::time::Duration::from_millis(40);
    cluster.standby(0).apply_delay(delay).unwrap();
    cluster.standby(1).apply_delay(delay * 2).unwrap();
}

#[test]
fn what_one_process_wrote_the_other_one_reads_for_the_same_client() {
    let cluster = cluster();
    // Only the bookmark helps: what a process wrote lately would keep its other reads on the primary as well.
    let (one, two) = (
        Server::start(&cluster, server::NARROW),
        Server::start(&cluster, server::NARROW),
    );
    lag(&cluster);
    let (mut with, mut without) = (Client::default(), Client::default());
    let (mut stale, mut missed) = (0, 0);
    for n in 1..=200 {
        let (writes, reads) = if n % 2 == 0 {
            (&one, &two)
        } else {
            (&two, &one)
        };
        assert_eq!(with.post(writes, 0).value, n);
        stale += i64::from(with.get(reads, 0).value < n);
        // The same client without its cookie, to see that there is something to miss.
        without.cookie = None;
        assert_eq!(without.post(writes, 1).value, n);
        without.cookie = None;
        missed += i64::from(without.get(reads, 1).value < n);
    }
    println!("200 rounds: {stale} stale with the cookie, {missed} without");
    assert_eq!(stale, 0);
    assert!(missed > 20, "{missed}: nothing was there to be missed");
}

/// Overlapping requests of one client have no order; what the last response gave counts.
#[test]
fn overlapping_requests_are_counted_and_what_came_last_counts() {
    let cluster = cluster();
    let (one, two) = (Server::start(&cluster, ""), Server::start(&cluster, ""));
    lag(&cluster);
    let mut client = Client::default();
    let mut missed = 0;
    for _ in 0..50 {
        let (mut first, mut second) = (Client::default(), Client::default());
        (first.cookie, second.cookie) = (client.cookie.clone(), client.cookie.clone());
        let answers = std::thread::scope(|scope| {
            let first = scope.spawn(|| first.post(&one, 0).value);
            let second = scope.spawn(|| second.post(&two, 0).value);
            [first.join().unwrap(), second.join().unwrap()]
        });
        // The one that wrote the lower value is taken for the last to arrive.
        client = if answers[0] < answers[1] {
            first
        } else {
            second
        };
        let read = client.get(&two, 0).value;
        assert!(read >= answers[0].min(answers[1]));
        missed += i32::from(read < answers[0].max(answers[1]));
    }
    println!("50 overlapping pairs: {missed} reads without the other one's write");
}

#[test]
fn a_request_that_only_reads_is_given_nothing_and_the_cookie_is_well_kept() {
    let cluster = cluster();
    let server = Server::start(&cluster, "");
    let mut client = Client::default();
    assert!(client.get(&server, 0).given.is_none());
    let given = client.post(&server, 0).given.unwrap();
    for part in [
        "sealane=1p.",
        "HttpOnly",
        "Secure",
        "SameSite=Lax",
        "Path=/",
    ] {
        assert!(given.contains(part), "{given}");
    }
    assert!(client.get(&server, 0).given.is_none(), "it has not moved");
}

#[test]
fn a_cookie_that_is_garbage_foreign_or_false_fails_no_request() {
    let cluster = cluster();
    let server = Server::start(&cluster, "");
    let mut honest = Client::default();
    honest.post(&server, 0);
    let cookie = honest.cookie.unwrap();
    let parts: Vec<&str> = cookie.rsplit('=').next().unwrap().split('.').collect();
    let [kind, id, timeline, lsn] = parts[..] else {
        panic!("{cookie}");
    };
    let false_one = format!("{kind}.{id}.{timeline}.fff{lsn}");
    for text in [
        "yesterday".to_owned(),
        "x".repeat(2_000),
        format!("{kind}.1.{timeline}.{lsn}"),
        false_one.clone(),
    ] {
        let mut client = Client {
            cookie: Some(format!("sealane={text}")),
        };
        let answer = client.get(&server, 0);
        assert_eq!(answer.value, 1, "{text:.40}");
        // What was never written is taken away, so that it costs its question once.
        assert_eq!(answer.given.is_some(), text == false_one, "{text:.40}");
    }
}

#[test]
fn clients_that_are_no_browsers_use_a_header() {
    let cluster = cluster();
    let (one, two) = (
        Server::start(&cluster, "x-bookmark"),
        Server::start(&cluster, "x-bookmark"),
    );
    lag(&cluster);
    for n in 1..=50 {
        let response = ureq::post(one.url(0)).send_empty().unwrap();
        let bookmark = response.headers()["x-bookmark"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(!response.headers().contains_key("set-cookie"));
        let mut response = ureq::get(two.url(0))
            .header("x-bookmark", &bookmark)
            .call()
            .unwrap();
        assert_eq!(response.body_mut().read_to_string().unwrap(), n.to_string());
    }
}

/// A client that keeps no cookie has what it would have without the layer.
#[test]
fn a_client_that_keeps_no_cookie_reads_its_own_writes_in_one_process() {
    let cluster = cluster();
    let server = Server::start(&cluster, "");
    lag(&cluster);
    let mut stale = 0;
    for n in 1..=40 {
        assert_eq!(Client::default().post(&server, 0).value, n);
        stale += i64::from(Client::default().get(&server, 0).value < n);
    }
    assert_eq!(stale, 0);
    // Narrowed, there is something to be missed.
    let narrow = Server::start(&cluster, server::NARROW);
    let mut missed = 0;
    for n in 41..=80 {
        assert_eq!(Client::default().post(&narrow, 0).value, n);
        missed += i64::from(Client::default().get(&narrow, 0).value < n);
    }
    assert!(missed > 4, "{missed}: nothing was there to be missed");
}

/// What the process did itself is there for every request, with a cookie from before or without one.
#[test]
fn what_a_process_did_at_its_start_is_seen_by_every_request() {
    let cluster = cluster();
    let before = Server::start(&cluster, "");
    let mut client = Client::default();
    client.post(&before, 0);
    drop(before);
    lag(&cluster);
    for _ in 0..10 {
        // Every start writes once more.
        let server = Server::start(&cluster, server::MIGRATES);
        let written = cluster
            .primary()
            .sql("SELECT value FROM mine WHERE key = 3")
            .unwrap();
        let old = Client {
            cookie: client.cookie.clone(),
        };
        for mut client in [Client::default(), old] {
            assert_eq!(client.get(&server, 3).value.to_string(), written.trim());
        }
    }
}

/// C7: what is committed on connections that the application has kept is the process's, also for who brings a cookie.
#[test]
fn a_request_with_a_cookie_sees_what_was_done_on_a_pool_that_was_taken_before() {
    let cluster = cluster();
    let server = Server::start(&cluster, server::POOLED);
    let mut client = Client::default();
    client.post(&server, 0);
    cluster.wait_caught_up().unwrap();
    for standby in cluster.standbys() {
        standby.pause_replay().unwrap();
    }
    for n in 1..=5 {
        for key in [1, 2] {
            let given = client.cookie.clone();
            let request = ureq::delete(server.url(key)).header("cookie", given.unwrap());
            let answer = client.take(request.call().unwrap());
            assert_eq!(answer.value, n, "key {key}");
            let answer = client.get(&server, key);
            assert_eq!(answer.value, n, "key {key}");
        }
    }
}

/// Two servers, standbys that replay nothing, and a client that wrote once.
fn left_behind(cluster: &Cluster) -> (Server, Server, Client) {
    let servers = (
        Server::start(cluster, server::NARROW),
        Server::start(cluster, server::NARROW),
    );
    let mut client = Client::default();
    assert_eq!(client.post(&servers.0, 0).value, 1);
    cluster.wait_caught_up().unwrap();
    for standby in cluster.standbys() {
        standby.pause_replay().unwrap();
    }
    (servers.0, servers.1, client)
}

const STORED: &str = "SELECT value FROM mine WHERE key = 0";
const SLEEPS: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";

/// Waits until the primary says this.
fn until(cluster: &Cluster, question: &str, answer: &str) {
    let begun = std::time::Instant::now();
    while cluster.primary().sql(question).unwrap().trim() != answer {
        assert!(begun.elapsed().as_secs() < 30, "never {answer}: {question}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// C1, C12: nobody waits for it, and what the client is given lets it see the write all the same.
#[test]
fn a_response_waits_for_no_write_that_goes_on_and_the_next_request_sees_it_once_it_is_there() {
    let cluster = cluster();
    let (one, two, mut client) = left_behind(&cluster);
    let answer = client.lose(&one, 0, "PATCH");
    assert_eq!(answer.value, 0);
    let given = answer.given.unwrap();
    assert!(given.contains("=1u."), "{given}");
    // It reads on the primary for as long as it may be executed, and is given nothing else meanwhile.
    assert!(client.get(&two, 0).given.is_none());
    until(&cluster, STORED, "2");
    for server in [&one, &two, &one] {
        assert_eq!(client.get(server, 0).value, 2);
    }
}

/// The same for a write whose primary fell silent.
#[test]
fn a_response_of_unknown_outcome_goes_out_at_once_and_the_next_request_sees_what_was_stored() {
    let cluster = cluster();
    let (one, two, mut client) = left_behind(&cluster);
    let answer = std::thread::scope(|scope| {
        let answer = scope.spawn(|| client.lose(&one, 0, "PUT"));
        until(&cluster, SLEEPS, "1");
        cluster.primary().freeze();
        answer.join().unwrap()
    });
    assert_eq!(answer.value, 0);
    let given = answer.given.unwrap();
    assert!(
        given.contains("=1u.") && !given.contains("=1u.0;"),
        "{given}"
    );
    // The server has lost nothing: it goes on with what it was given.
    cluster.primary().thaw();
    until(&cluster, STORED, "2");
    for server in [&two, &one] {
        assert_eq!(client.get(server, 0).value, 2);
    }
}

/// C11: what nobody wrote, of another primaryship, costs a request nothing while a standby is down.
#[test]
fn a_cookie_of_a_future_primaryship_fails_no_request_while_a_standby_is_down() {
    let cluster = cluster();
    let server = Server::start(&cluster, "");
    let mut client = Client::default();
    client.post(&server, 0);
    let cookie = client.cookie.take().unwrap();
    let parts: Vec<&str> = cookie.rsplit('=').next().unwrap().split('.').collect();
    let [kind, id, _, lsn] = parts[..] else {
        panic!("{cookie}");
    };
    cluster.standby(0).freeze();
    for _ in 0..3 {
        client.cookie = Some(format!("sealane={kind}.{id}.9.{lsn}"));
        assert_eq!(client.get(&server, 0).value, 1);
    }
    // It is not known what it stands for, so the client keeps it; unless it writes.
    let given = client.post(&server, 0).given.unwrap();
    assert!(given.contains("=1u.0;"), "{given}");
    let answer = client.get(&server, 0);
    assert_eq!(answer.value, 2);
    cluster.standby(0).thaw();
}
