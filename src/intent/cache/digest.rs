//! What stands for a long text in the cache: kept whole, lists of literals would empty it for all others.

use std::hash::{BuildHasher, RandomState};

/// What every digest begins with, and no text that is kept as it is.
pub(super) const SIGN: u8 = 0;

/// How many digits a digest has.
const DIGITS: usize = 32;

/// Room for a digest: a lookup allocates nothing.
pub(super) type Room = [u8; 1 + DIGITS];

pub(super) const ROOM: Room = [0; 1 + DIGITS];

/// Two keyed hashes of 64 bits each. The keys are the process's own: a text that is to meet another one's digest would
/// have to guess both.
#[derive(Debug, Default)]
pub(super) struct Digests {
    first: RandomState,
    second: RandomState,
}

impl Digests {
    pub(super) fn write<'a>(&self, sql: &str, room: &'a mut Room) -> Option<&'a str> {
        let (first, second) = (self.first.hash_one(sql), self.second.hash_one(sql));
        let bits = u128::from(first) << 64 | u128::from(second);
        let (sign, digits) = room.split_first_mut()?;
        *sign = SIGN;
        for (at, digit) in digits.iter_mut().enumerate() {
            let value = (bits >> (4 * at)) & 0xf;
            *digit = b"0123456789abcdef"
                .get(usize::try_from(value).ok()?)
                .copied()?;
        }
        std::str::from_utf8(room).ok()
    }
}
