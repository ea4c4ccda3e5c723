//! From pages of metrics to the screen.

use std::time::Duration;

use super::{board::Board, look::Look, scraped::read, screen::lines};

/// A page as exporters write it; counters stand at `count` times what they were at the first look.
fn page(count: u64, primary: &str, lag: &str) -> String {
    let mut page = String::from(
        "# HELP sealane_statements_total Statements by the node they went to\n\
         # TYPE sealane_statements_total counter\n\
         http_requests_total{path=\"/\"} 12\n",
    );
    for (node, intent, reason, one) in [
        ("db1", "write", "write", 10),
        ("db1", "read", "not_caught_up", 30),
        ("db2", "read", "replica", 960),
    ] {
        page += &format!(
            "sealane_statements_total{{cluster=\"main\",node=\"{node}\",role=\"any\",intent=\"{intent}\",\
             reason=\"{reason}\"}} {}\n",
            one * count
        );
    }
    page += "# TYPE sealane_acquire_seconds histogram\n\
             sealane_acquire_seconds_bucket{cluster=\"main\",node=\"db1\",le=\"0.1\"} 3\n\
             sealane_acquire_seconds_bucket{cluster=\"main\",node=\"db1\",le=\"+Inf\"} 3\n\
             sealane_acquire_seconds_sum{cluster=\"main\",node=\"db1\"} 0.1\n\
             sealane_acquire_seconds_count{cluster=\"main\",node=\"db1\"} 3\n";
    for node in ["db1", "db2"] {
        let role = if node == primary {
            "primary"
        } else {
            "replica"
        };
        for one in ["primary", "replica", "unknown"] {
            let is = u8::from(one == role);
            page += &format!(
                "sealane_node_role{{cluster=\"main\",node=\"{node}\",role=\"{one}\"}} {is}\n"
            );
        }
        page += &format!("sealane_node_health{{cluster=\"main\",node=\"{node}\"}} 1\n");
        page += &format!("sealane_in_flight{{cluster=\"main\",node=\"{node}\"}} 2\n");
        page += &format!("sealane_pool_connections{{cluster=\"main\",node=\"{node}\"}} 10\n");
    }
    page += "sealane_node_eligible{cluster=\"main\",node=\"db2\",reason=\"eligible\"} 1\n\
             sealane_node_eligible{cluster=\"main\",node=\"db2\",reason=\"lagging\"} 0\n";
    page += &format!("sealane_node_lag_seconds{{cluster=\"main\",node=\"db2\"}} {lag}\n");
    page + "sealane_epoch{cluster=\"main\"} 3\nsealane_asleep{cluster=\"main\"} 0\n"
}

/// Looks a second apart.
fn board_of(pages: &[String]) -> Board {
    let mut board = Board::default();
    let mut at = None;
    for page in pages {
        let mut look: Look = read(page, None).unwrap();
        let begun = *at.get_or_insert(look.at);
        look.at = begun;
        at = Some(begun + Duration::from_secs(1));
        board.take(Ok(look));
    }
    board
}

/// The line that holds this.
fn line<'a>(screen: &'a [String], part: &str) -> &'a str {
    let found = screen.iter().find(|line| line.contains(part));
    found.unwrap_or_else(|| panic!("no `{part}` in\n{}", screen.join("\n")))
}

#[test]
fn a_screen_shows_nodes_rates_reasons_and_what_happened() {
    let pages = [
        page(1, "db1", "0.002"),
        page(2, "db1", "0.004"),
        page(4, "db2", "NaN"),
    ];
    let screen = lines(&board_of(&pages)).unwrap();
    assert!(screen.len() <= 24 && screen.iter().all(|line| line.chars().count() <= 80));
    let words = |part: &str| -> Vec<String> {
        line(&screen, part)
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    };
    assert!(
        screen[0].contains("cluster main   primary db2   timeline 3   2000 statements/s"),
        "{screen:?}"
    );
    // The primary first, whoever that is by now.
    assert!(screen[3].starts_with("db2"), "{screen:?}");
    assert_eq!(words("db1  ")[..4], ["db1", "replica", "ok", "-"]);
    assert_eq!(words("db1  ")[4..], ["60", "20", "2/10"].map(str::to_owned));
    assert!(screen[3].contains("▅█"), "{screen:?}");
    assert_eq!(words("not_caught_up")[..3], ["not_caught_up", "60/s", "3"]);
    assert!(line(&screen, "db2 is the primary now (timeline 3)").contains("now"));
}

#[test]
fn an_application_that_does_not_answer_leaves_its_last_screen_which_is_called_old() {
    let mut board = board_of(&[page(1, "db1", "0"), page(2, "db1", "0")]);
    for _ in 0..2 {
        board.take(Err("http://app/metrics does not answer".to_owned()));
    }
    let screen = lines(&board).unwrap();
    assert!(
        screen[1].starts_with("OLD: http://app/metrics does not answer"),
        "{screen:?}"
    );
    line(&screen, "1 look ago  http://app/metrics does not answer");
    assert!(
        screen.iter().any(|line| line.starts_with("db2")),
        "{screen:?}"
    );
    board.take(read(&page(3, "db1", "0"), None));
    line(&lines(&board).unwrap(), "there is an answer again");
}

#[test]
fn an_application_that_was_started_anew_counts_from_nothing() {
    let board = board_of(&[page(9, "db1", "0"), page(1, "db1", "0")]);
    assert!((board.rates("db2").unwrap().reads - 960.0).abs() < 1.0);
}

#[test]
fn of_several_clusters_one_has_to_be_named() {
    let both = page(1, "db1", "0") + &page(1, "db1", "0").replace("\"main\"", "\"billing\"");
    assert_eq!(
        read(&both, None).unwrap_err(),
        "say which one with --cluster: billing, main"
    );
    assert_eq!(read(&both, Some("billing")).unwrap().of, "cluster billing");
    assert_eq!(
        read(&both, Some("other")).unwrap_err(),
        "there is no cluster other (billing, main)"
    );
    assert_eq!(
        read("http_requests_total 1\n", None).unwrap_err(),
        "there are no metrics of sealane"
    );
}

#[test]
fn a_long_name_and_a_reason_go_before_the_trend_of_the_lag() {
    let behind = |page: String| {
        page.replace("db2", "db2.eu-west.example.com")
            .replace("reason=\"eligible\"} 1", "reason=\"too_far_behind\"} 1")
            .replace("reason=\"lagging\"", "reason=\"eligible\"")
            + "sealane_node_eligible{cluster=\"main\",node=\"db1\",reason=\"primary\"} 1\n"
    };
    let pages = [1, 2].map(|count| behind(page(count, "db1", "9")));
    let screen = lines(&board_of(&pages)).unwrap();
    let replica = line(&screen, "db2.eu-west.example.com");
    assert!(replica.contains("replica too far behind"), "{replica}");
    let primary = screen.iter().find(|line| line.starts_with("db1")).unwrap();
    let primary: Vec<&str> = primary.split_whitespace().collect();
    assert_eq!(primary[..3], ["db1", "primary", "ok"]);
    let longer = behind(page(1, "db1", "0")).replace("example.com", "example-of-a-company.com");
    let screen = lines(&board_of(&[longer])).unwrap();
    assert!(line(&screen, "db2.eu-west").contains("… "), "{screen:?}");
}

#[test]
fn a_small_or_an_endless_screen_is_no_fault() {
    let many: String = (0..60)
        .map(|n| {
            let name = format!("a-replica-with-a-name-that-nobody-would-give-{n}");
            page(1, "db1", "0").replace("db2", &name)
        })
        .collect();
    let mut board = Board::default();
    board.take(read(&many, None));
    assert_eq!(lines(&board).unwrap().len(), 24);
    assert_eq!(lines(&Board::default()).unwrap(), ["there was no look yet"]);
}

#[test]
fn each_metric_that_is_read_is_one_that_is_told() {
    let (code, told) = (
        include_str!("scraped.rs"),
        include_str!("../../../../docs/metrics.md"),
    );
    let names = code
        .split('"')
        .filter(|word| word.starts_with("sealane_") && word.len() > 8);
    let mut count = 0;
    for name in names {
        assert!(told.contains(&format!("`{name}`")), "{name}");
        count += 1;
    }
    assert!(count > 5, "{count}");
}
