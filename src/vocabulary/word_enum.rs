//! Enums with one text form each: how they are declared, read and written.

use std::fmt;

/// Declares an enum of which each value is one word. `without Display`: it has a text for people beside the word.
macro_rules! word_enum {
    (
        $(#[$meta:meta])*
        $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+ }
    ) => {
        word_enum! {
            $(#[$meta])*
            $name without Display { $($(#[$variant_meta])* $variant = $text,)+ }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
    (
        $(#[$meta:meta])*
        $name:ident without Display { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+ }
    ) => {
        $(#[$meta])*
        pub enum $name { $($(#[$variant_meta])* $variant,)+ }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word of every value, in the order of declaration.
            pub const WORDS: &'static [&'static str] = &[$($text,)+];

            /// The word, as it stands in configuration, metrics, logs, errors and output.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::vocabulary::ParseWordError;

            /// Reads the word, in upper or lower case.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let known = Self::ALL.iter().find(|one| text.eq_ignore_ascii_case(one.as_str()));
                known.copied().ok_or(crate::vocabulary::ParseWordError { words: Self::WORDS })
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// A text that is none of an enum's words. It is not quoted: it may have been meant for another variable.
///
/// ```
/// use sealane::Consistency;
///
/// let err = "stong".parse::<Consistency>().unwrap_err();
/// assert_eq!(err.to_string(), "must be one of strong, read-your-writes, monotonic, eventual");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseWordError {
    pub(super) words: &'static [&'static str],
}

impl fmt::Display for ParseWordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "must be one of {}", self.words.join(", "))
    }
}

impl std::error::Error for ParseWordError {}
