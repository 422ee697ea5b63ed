use std::fmt;
use std::str::FromStr;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::{NoContext, Timestamp, Uuid};

/// A UUID of version 7: ids made later sort later, to the millisecond.
fn uuid_at(timestamp_ms: i64) -> Uuid {
    // A clock before 1970 is wrong anyway; the random part still keeps the id unique.
    let milliseconds = u64::try_from(timestamp_ms).unwrap_or(0);
    let nanoseconds = u32::try_from(milliseconds % 1000).unwrap_or(0) * 1_000_000;
    Uuid::new_v7(Timestamp::from_unix(NoContext, milliseconds / 1000, nanoseconds))
}

macro_rules! define_id {
    ($(#[$documentation:meta])* $name:ident) => {
        $(#[$documentation])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Makes a new id for something created at `timestamp_ms` (milliseconds since 1970).
            #[must_use]
            pub fn new(timestamp_ms: i64) -> Self {
                Self(uuid_at(timestamp_ms))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(formatter)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }

        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::from(self.to_string()))
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                value.as_str()?.parse().map_err(FromSqlError::other)
            }
        }
    };
}

define_id! {
    /// Names a conversation.
    ConversationId
}

define_id! {
    /// Names a message, in whichever conversation it is.
    MessageId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_writes() {
        let id = MessageId::new(1_700_000_000_123);
        assert_eq!(id.to_string().parse::<MessageId>(), Ok(id));
        let json = serde_json::to_value(id).expect("an id is a string");
        assert_eq!(serde_json::from_value::<MessageId>(json).expect("the same string"), id);
    }

    #[test]
    fn sorts_by_time() {
        let earlier = ConversationId::new(1_700_000_000_123);
        let later = ConversationId::new(1_700_000_000_124);
        assert!(earlier < later && earlier.to_string() < later.to_string());
    }

    #[test]
    fn accepts_any_time() {
        for time in [i64::MIN, -1, 0, i64::MAX] {
            assert_ne!(MessageId::new(time), MessageId::new(time), "the random part differs at {time}");
        }
    }
}
