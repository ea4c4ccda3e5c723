//! MySQL's sets of transactions, held against plain sets of them (rule C16).

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::position::{Asks, Bookmark, GtidSet, server_of_uuid};

/// One transaction: by which of three servers, under which of three tags, and its number.
type One = (u8, u8, u64);

const TAGS: [&str; 3] = ["", ":a", ":b_2"];

/// The text of a single transaction.
fn text_of(&(server, tag, number): &One) -> String {
    let tag = TAGS[usize::from(tag)];
    format!("00000000-0000-0000-0000-00000000000{server}{tag}:{number}")
}

fn set(of: &BTreeSet<One>) -> GtidSet {
    let all: Vec<_> = of.iter().map(text_of).collect();
    all.join(",").parse().unwrap()
}

fn some() -> impl Strategy<Value = BTreeSet<One>> {
    prop::collection::btree_set((0..3_u8, 0..3_u8, 1..12_u64), 0..40)
}

proptest! {
    #[test]
    fn sets_do_what_plain_ones_do(a in some(), b in some()) {
        let (one, two) = (set(&a), set(&b));
        prop_assert_eq!(one.contains(&two), a.is_superset(&b));
        prop_assert_eq!(one.meets(&two), !a.is_disjoint(&b));
        prop_assert_eq!(one.count(), u64::try_from(a.len()).unwrap());
        prop_assert_eq!(one.is_empty(), a.is_empty());
        prop_assert_eq!(one == two, a == b);
        prop_assert_eq!(&one.without(&two), &set(&(&a - &b)));
        let mut both = one.clone();
        both.add(&two);
        prop_assert_eq!(&both, &set(&(&a | &b)));
        prop_assert_eq!(one.partial_cmp(&two).is_some(), a.is_superset(&b) || b.is_superset(&a));
        let own = |server: u8| a.iter().copied().filter(|(of, ..)| *of == server).collect();
        prop_assert_eq!(one.written_by(1), set(&own(1)));
        let others = a.iter().copied().filter(|(of, ..)| *of != 1).collect();
        prop_assert_eq!(one.written_by_others(1), set(&others));
    }

    /// Whatever the order in which they come.
    #[test]
    fn a_set_has_one_text_which_is_read_as_that_set(a in some(), seed: u64) {
        let whole = set(&a);
        let mut shuffled: Vec<_> = a.iter().map(text_of).collect();
        fastrand::Rng::with_seed(seed).shuffle(&mut shuffled);
        prop_assert_eq!(&shuffled.join(",\n").parse::<GtidSet>().unwrap(), &whole);
        prop_assert_eq!(whole.to_string().parse::<GtidSet>().unwrap(), whole);
    }

    #[test]
    fn no_text_makes_it_panic(text: String) {
        let _ = text.parse::<GtidSet>();
    }

    #[test]
    fn no_text_of_its_own_letters_makes_it_panic(text in "[0-9a-b:,\\-_ ]{0,80}") {
        if let Ok(set) = text.parse::<GtidSet>() {
            prop_assert_eq!(set.to_string().parse::<GtidSet>().unwrap(), set);
        }
    }
}

#[test]
fn what_servers_write_is_read() {
    for (text, shown) in [
        ("", ""),
        (
            "3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5",
            "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5",
        ),
        // In any order, with gaps, in one part or several.
        (
            "3e11fa47-71ca-11e1-9e33-c80aa9429562:7:1-5,\n2e11fa47-71ca-11e1-9e33-c80aa9429562:1,3e11fa47-71ca-11e1-9e33-c80aa9429562:6",
            "2e11fa47-71ca-11e1-9e33-c80aa9429562:1,3e11fa47-71ca-11e1-9e33-c80aa9429562:1-7",
        ),
        // Tags from 8.3 on: each counts by itself, and what follows one is its own.
        (
            "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-3:5:Tag_1:1-2:9:other:4",
            "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-3:5:other:4:tag_1:1-2:9",
        ),
        (
            "3e11fa47-71ca-11e1-9e33-c80aa9429562:only:1",
            "3e11fa47-71ca-11e1-9e33-c80aa9429562:only:1",
        ),
        (
            "ffffffff-ffff-ffff-ffff-ffffffffffff:18446744073709551615",
            "ffffffff-ffff-ffff-ffff-ffffffffffff:18446744073709551615",
        ),
    ] {
        let set: GtidSet = text.parse().unwrap_or_else(|_| panic!("{text}"));
        assert_eq!(set.to_string(), shown);
    }
    assert_eq!(
        server_of_uuid("3e11fa47-71ca-11e1-9e33-c80aa9429562\n"),
        Ok(0x3e11_fa47_71ca_11e1_9e33_c80a_a942_9562)
    );
}

#[test]
fn what_is_no_set_is_refused() {
    let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    for rest in [
        "",
        ":",
        ":0",
        ":0-3",
        ":5-3",
        ":1-",
        ":-1",
        ":1--2",
        ":1-2-3",
        ":+1",
        ":1:tag-x:2",
        ":x y:1",
        ":tag",
        ":18446744073709551616",
        ":aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:1",
    ] {
        let text = format!("{uuid}{rest}");
        assert!(text.parse::<GtidSet>().is_err(), "{text}");
    }
    for text in [
        // MariaDB's, and what is no identifier.
        "0-1-13",
        "3e11fa47-71ca-11e1-9e33-c80aa942956:1",
        "3e11fa47-71ca-11e1-9e33-c80aa94295621:1",
        "3g11fa47-71ca-11e1-9e33-c80aa9429562:1",
    ] {
        assert!(text.parse::<GtidSet>().is_err(), "{text}");
    }
    // Longer than any that is read.
    let many = (0..2000_u32).map(|n| format!("{n:08x}-71ca-11e1-9e33-c80aa9429562:1"));
    let many: Vec<_> = many.collect();
    assert!(many[..1000].join(",").parse::<GtidSet>().is_ok());
    assert!(many.join(",").parse::<GtidSet>().is_err());
}

proptest! {
    /// Each value has exactly one text, and that holds letters, digits and dots.
    #[test]
    fn a_bookmark_of_a_set_is_read_as_that_set(a in some()) {
        let mark = Bookmark(Asks::executed(set(&a)));
        let text = mark.to_string();
        prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.'));
        prop_assert_eq!(text.parse::<Bookmark>().unwrap(), mark);
    }

    #[test]
    fn a_bookmark_of_a_set_is_read_in_no_other_form(text in "1s(\\.(s[0-9a-f]{32}|t[a-zU]{1,3}|[0-9a-f]{1,2}(x[0-9a-f]{1,2})?)){0,6}") {
        if let Ok(mark) = text.parse::<Bookmark>() {
            prop_assert_eq!(mark.to_string(), text);
        }
    }
}

#[test]
fn a_bookmark_of_a_set_has_one_text() {
    let id = "3e11fa4771ca11e19e33c80aa9429562";
    let text = format!("1s.s{id}.1x5.7.ttagU1.1xff");
    let mark: Bookmark = text.parse().unwrap();
    assert_eq!(mark.to_string(), text);
    for rest in [
        ".1x5.6",
        ".7.1x5",
        ".1x1",
        ".5x1",
        ".0x1",
        ".01",
        ".1X5",
        ".1x5.",
        ".ttag",
        ".tTag.1",
        ".ttag_1.1",
        "",
        ".1..2",
    ] {
        format!("1s.s{id}{rest}").parse::<Bookmark>().unwrap_err();
    }
    for text in ["1s.", "1s.5", "1s.s3e11.1", "1s.ttag.1", "1sx"] {
        text.parse::<Bookmark>().unwrap_err();
    }
    // Two of them are one that stands for both.
    let other: Bookmark = format!("1s.s{id}.6").parse().unwrap();
    let both = mark.clone().merge(other).unwrap();
    assert_eq!(both.to_string(), format!("1s.s{id}.1x7.ttagU1.1xff"));
    assert_eq!(mark.merge("1g.0.d".parse().unwrap()), None);
}

/// What would be too long for a cookie asks for what the primary has when it comes.
#[test]
fn a_bookmark_of_too_many_servers_asks_for_the_primary() {
    let of = |count: u32| {
        let all = (0..count).map(|n| format!("{n:08x}-71ca-11e1-9e33-c80aa9429562:1-1000000"));
        let set: GtidSet = all.collect::<Vec<_>>().join(",").parse().unwrap();
        Bookmark(Asks::executed(set)).to_string()
    };
    assert!(of(60).starts_with("1s.") && of(60).len() <= 3072);
    assert_eq!(of(100), "1u.0");
    let long = format!("1s.{}", "1.".repeat(2000));
    let refused = long.parse::<Bookmark>().unwrap_err().to_string();
    assert!(refused.contains("3072"), "{refused}");
}
