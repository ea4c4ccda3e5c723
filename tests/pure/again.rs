//! The pauses before a closure runs again (rule R12).

use std::time::Duration;

use crate::RetryPolicy;

#[test]
fn pauses_are_doubled_up_to_the_longest_and_cut_at_random_by_a_half_at_most() {
    let ms = Duration::from_millis;
    let policy = RetryPolicy::default().with_pauses(ms(10), ms(500));
    for (attempts, whole) in [
        (1, 10),
        (2, 20),
        (3, 40),
        (6, 320),
        (7, 500),
        (u32::MAX, 500),
    ] {
        assert_eq!(policy.pause_after(attempts, 0.0), ms(whole), "{attempts}");
        assert_eq!(
            policy.pause_after(attempts, 1.0),
            ms(whole) / 2,
            "{attempts}"
        );
    }
    let endless = RetryPolicy::default().with_pauses(Duration::MAX, Duration::MAX);
    assert!(endless.pause_after(1, 0.0) > Duration::from_hours(1));
}
