//! Histograms: what a bucket stands for is near what fell into it.

use std::time::Duration;

use crate::metrics::{Buckets, Histogram};

fn counted(values: impl IntoIterator<Item = Duration>) -> Buckets {
    let histogram = Histogram::default();
    values.into_iter().for_each(|value| histogram.record(value));
    let mut buckets = Buckets::default();
    histogram.sum_into(&mut buckets);
    buckets
}

fn value_of(duration: Duration) -> Duration {
    let values: Vec<_> = counted([duration]).non_empty().collect();
    let [(value, 1)] = values[..] else {
        panic!("{duration:?} gave {values:?}")
    };
    value
}

#[test]
fn what_stands_for_a_bucket_is_within_an_eighth_of_its_values() {
    let seed = 0x5ea1;
    println!("seed {seed:#x}");
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..100_000 {
        let power = random.u32(8..36);
        let nanos = (1_u64 << power) + random.u64(0..1 << power);
        let (real, stands) = (
            nanos as f64,
            value_of(Duration::from_nanos(nanos)).as_nanos() as f64,
        );
        assert!(
            (stands - real).abs() <= real / 8.0,
            "{nanos} ns is counted as {stands}"
        );
    }
}

#[test]
fn greater_values_never_fall_into_smaller_buckets() {
    let edges = (0..64).flat_map(|power| {
        let edge = 1_u64 << power;
        [
            edge - 1,
            edge,
            edge + edge / 4,
            edge + edge / 2,
            edge + edge / 4 * 3,
        ]
    });
    let mut edges: Vec<_> = edges.collect();
    edges.sort_unstable();
    assert!(
        edges
            .iter()
            .map(|nanos| value_of(Duration::from_nanos(*nanos)))
            .is_sorted()
    );
}

#[test]
fn extremes_are_counted_at_the_ends() {
    assert_eq!(value_of(Duration::ZERO), Duration::from_nanos(128));
    assert_eq!(
        value_of(Duration::from_nanos(255)),
        Duration::from_nanos(128)
    );
    assert_eq!(
        value_of(Duration::from_secs(3_600)),
        Duration::from_nanos(1 << 36)
    );
    assert_eq!(value_of(Duration::MAX), Duration::from_nanos(1 << 36));
}

#[test]
fn quantiles_follow_the_values() {
    let buckets = counted((1..=1_000).map(Duration::from_micros));
    for (share, micros) in [(0.5, 500.0), (0.9, 900.0), (0.99, 990.0), (1.0, 1_000.0)] {
        let quantile = buckets.quantile(share).unwrap().as_secs_f64() * 1e6;
        assert!(
            (quantile - micros).abs() <= micros / 8.0,
            "{share}: {quantile} for {micros}"
        );
    }
    assert_eq!(
        buckets.quantile(0.0),
        Some(value_of(Duration::from_micros(1)))
    );
    assert_eq!(Buckets::default().quantile(0.5), None);
}

#[test]
fn the_difference_of_two_readings_is_what_came_between() {
    let (micro, milli) = (Duration::from_micros(1), Duration::from_millis(1));
    let earlier = counted([micro, micro]);
    let mut later = counted([milli]);
    later += &earlier;
    assert_eq!(later.count(), 3);
    assert_eq!(later.since(&earlier), counted([milli]));
    assert_eq!(earlier.since(&later), Buckets::default());
}

#[test]
fn thinning_keeps_the_distribution_and_the_rare_values() {
    let common = (0..10_000).map(|n| Duration::from_micros(10 + n % 90));
    let all = counted(common.chain([Duration::from_secs(7)]));
    let thin = all.thinned(1_000);
    assert!((1_000..1_200).contains(&thin.count()), "{}", thin.count());
    assert_eq!(thin.quantile(0.5), all.quantile(0.5));
    assert_eq!(thin.quantile(1.0), all.quantile(1.0));
    assert_eq!(all.thinned(all.count()), all);
}
