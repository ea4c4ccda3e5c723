//! Where discovered nodes may be (rule T12).

use super::{AllowedHosts, is_allowed};

fn allows(list: &[&str], host: &str) -> bool {
    let list: Vec<String> = list.iter().map(|&one| one.to_owned()).collect();
    is_allowed(&list, Some(host))
}

#[test]
fn an_empty_list_allows_every_host() {
    assert!(allows(&[], "anywhere.example") && is_allowed(&[], None));
}

#[test]
fn a_name_allows_itself_in_any_letters_and_nothing_else() {
    for host in ["db.example", "DB.Example", "db.example."] {
        assert!(allows(&["Db.example"], host), "{host}");
    }
    for host in ["a.db.example", "db.example.evil", "xdb.example", "10.1.2.3"] {
        assert!(!allows(&["db.example"], host), "{host}");
    }
}

#[test]
fn a_star_allows_what_is_below_a_domain_and_not_the_domain() {
    for host in ["a.db.example", "a.b.DB.example."] {
        assert!(allows(&["*.db.example"], host), "{host}");
    }
    for host in [
        "db.example",
        ".db.example",
        "adb.example",
        "a.db.example.evil",
    ] {
        assert!(!allows(&["*.db.example"], host), "{host}");
    }
}

#[test]
fn a_network_allows_its_addresses_and_no_name() {
    let list = ["10.1.0.0/16", "127.0.0.2", "fd00::/8"];
    for host in [
        "10.1.255.1",
        "127.0.0.2",
        "fd00::1",
        "[fd00::1]",
        "::ffff:10.1.0.9",
    ] {
        assert!(allows(&list, host), "{host}");
    }
    for host in [
        "10.2.0.1",
        "127.0.0.3",
        "fe80::1",
        "10.1.0.1.example",
        "localhost",
    ] {
        assert!(!allows(&list, host), "{host}");
    }
}

#[test]
fn what_is_neither_is_refused() {
    for text in [
        "*",
        "*.",
        "a.*.example",
        "10.1.0",
        "10.1.0.0/33",
        "http://a",
        "a:5432",
        "u:p@h",
        "a..b",
        "a/24",
        "300.1.1.1",
        ".",
    ] {
        assert!(text.parse::<AllowedHosts>().is_err(), "{text}");
    }
}
