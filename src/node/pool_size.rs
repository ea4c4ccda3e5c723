//! How full a pool is, by counts that may be wrong for a moment.

/// How full a pool is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PoolSize {
    pub(crate) size: u32,
    pub(crate) idle: u32,
    pub(crate) max: u32,
}

impl PoolSize {
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

#[cfg(test)]
mod tests {
    use super::PoolSize;

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
