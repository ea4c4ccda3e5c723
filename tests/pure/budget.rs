//! The budget of repeats (R5): ten a second and a tenth of the requests, over about ten seconds.

use std::time::Duration;

use crate::route::budget::{Budget, Rates};

const RATES: Rates = Rates {
    per_second: 10,
    percent: 10,
};
use crate::state::Moment;

fn at(millis: u64) -> Moment {
    Moment(Duration::from_millis(millis))
}

fn spend_all(mut budget: Budget, now: Moment) -> (Budget, u64) {
    let mut spent = 0;
    while let Some(left) = budget.spend(now, RATES) {
        budget = left;
        spent += 1;
    }
    (budget, spent)
}

#[test]
fn a_start_has_ten_quiet_seconds_worth() {
    let (_, spent) = spend_all(Budget::new(at(0), RATES), at(0));
    assert_eq!(spent, 100);
}

#[test]
fn a_storm_gets_ten_a_second() {
    let (mut budget, _) = spend_all(Budget::new(at(0), RATES), at(0));
    let mut spent = 0;
    for tick in 1..=6_000 {
        let now = at(tick * 10);
        let more;
        (budget, more) = spend_all(budget, now);
        spent += more;
    }
    // 60 s; forgetting costs a little of what is saved up between two spendings.
    assert!((590..=600).contains(&spent), "{spent}");
}

#[test]
fn a_tenth_of_the_requests_may_be_repeats() {
    let (mut budget, _) = spend_all(Budget::new(at(0), RATES), at(0));
    let mut spent = 0;
    for second in 1..=60 {
        let now = at(second * 1000);
        budget = budget.credit(20_000, now, RATES);
        let more;
        (budget, more) = spend_all(budget, now);
        spent += more;
    }
    let (least, most) = (60 * 2_000, 60 * 2_010);
    assert!((least..=most).contains(&spent), "{spent}");
}

#[test]
fn what_is_saved_up_is_ten_seconds_worth_at_the_most() {
    let mut budget = Budget::new(at(0), RATES);
    for second in 1..=3_600 {
        budget = budget.credit(1_000, at(second * 1000), RATES);
    }
    let saved = budget.left(at(3_600_000), RATES);
    assert!((900..=1_200).contains(&saved), "{saved}");
    // An hour without a request forgets them, and not the ten a second.
    assert_eq!(budget.left(at(7_200_000), RATES), 100);
}

#[test]
fn it_fits_one_word() {
    let budget = Budget::new(at(123_456), RATES).credit(77, at(123_999), RATES);
    assert_eq!(Budget::from_bits(budget.to_bits()), budget);
}

#[test]
fn a_clock_that_wraps_or_steps_back_does_not_fill_it() {
    let (empty, _) = spend_all(Budget::new(at(1_000), RATES), at(1_000));
    assert!(empty.spend(at(900), RATES).is_none());
    let (empty, _) = spend_all(
        Budget::new(at(u64::from(u32::MAX) - 10), RATES),
        at(u64::from(u32::MAX) - 10),
    );
    assert_eq!(empty.left(at(u64::from(u32::MAX) + 990), RATES), 10);
}
