//! How full a pool is, by counts that may be wrong for a moment.

/// How full a pool is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PoolSize {
    pub(crate) size: u32,
    pub(crate) idle: u32,
    pub(crate) max: u32,
}

impl PoolSize {
    /// `size` has to be read before `idle` (see [`PoolLook`]).
    ///
    /// sqlx counts a connection as idle after it can be taken already, and sets the counts of a pool that is closed to
    /// nothing while connections of it are still out: both can be below zero, which shows as a huge number.
    pub(crate) fn read(size: u32, idle: usize, max: u32) -> Self {
        let size = if size > max { 0 } else { size };
        let idle = u32::try_from(idle).ok().filter(|idle| *idle <= max);
        Self {
            size,
            idle: idle.unwrap_or_default().min(size),
            max,
        }
    }
}

/// One look at a pool out of which connections are taken that nobody tells us of (rule C7).
///
/// Its counts change one by one while they are read, so two looks, or one count read twice, can miss somebody: a
/// connection that is being opened stands for one that was closed, or one that was opened and given back meanwhile is
/// counted as idle but not in the size. Read once, in the order of [`take`](Self::take), that shows: whoever has a
/// connection makes it `in_use`, and whoever closed one since an earlier look makes it `in_use` or another
/// [`count`](Self::count).
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolLook {
    opened: u32,
    size: u32,
    /// Somebody may have a connection of it.
    pub(crate) in_use: bool,
}

impl PoolLook {
    /// `opened`: how many connections were opened by now, counted before anybody can have them.
    pub(crate) fn take(opened: impl Fn() -> u32, pool: impl FnOnce() -> PoolSize) -> Self {
        let before = opened();
        let pool = pool();
        Self {
            opened: before,
            size: pool.size,
            in_use: pool.size > pool.idle || opened() != before,
        }
    }

    /// How many were opened, and how many there are, in one number.
    pub(crate) fn count(self) -> u64 {
        (u64::from(self.opened) << u32::BITS) | u64::from(self.size)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::{PoolLook, PoolSize};

    const fn pool(size: u32, idle: u32) -> PoolSize {
        let max = 10;
        PoolSize { size, idle, max }
    }

    #[test]
    fn one_that_was_opened_and_given_back_between_the_counts_hides_nobody() {
        let opened = Cell::new(1);
        let look = PoolLook::take(
            || opened.get(),
            || {
                // The size of before, and the idle one of after.
                opened.set(2);
                pool(1, 1)
            },
        );
        assert!(look.in_use);
    }

    #[test]
    fn one_that_is_being_opened_hides_none_that_was_closed() {
        let look = |size, idle| PoolLook::take(|| 1, || pool(size, idle));
        let before = look(1, 0);
        let closed = look(0, 0);
        assert!(!closed.in_use && closed.count() != before.count());
        let another = look(1, 0);
        assert!(another.in_use && another.count() == before.count());
        assert!(!look(1, 1).in_use);
    }

    #[test]
    fn counts_below_zero_are_no_huge_numbers() {
        let read = |size, idle| {
            let read = PoolSize::read(size, idle, 10);
            (read.size, read.idle)
        };
        assert_eq!(read(3, 2), (3, 2));
        assert_eq!(read(3, usize::MAX), (3, 0));
        assert_eq!(read(u32::MAX, 0), (0, 0));
        assert_eq!(read(2, 3), (2, 2));
    }
}
