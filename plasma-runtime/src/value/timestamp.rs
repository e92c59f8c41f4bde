//! Points in time.

use std::fmt;
use std::time::Duration;

use super::date::{Date, civil};
use crate::error::{Error, Result};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// A point in time: microseconds since 1970-01-01T00:00:00 UTC.
///
/// A decimal string in JSON, an integer in the database. The library never reads a clock for you: inside a mutator
/// take `tx.now()`.
///
/// ```
/// use plasma_runtime::Timestamp;
/// assert_eq!(Timestamp::from_millis(1_500).micros(), 1_500_000);
/// assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000000Z");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Timestamp(micros)
    }

    /// From milliseconds since the epoch; saturates at the ends of `i64`.
    pub const fn from_millis(millis: i64) -> Self {
        Timestamp(millis.saturating_mul(1_000))
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch, rounded down.
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// The time so much later; none when it is out of range. Parts of a microsecond are dropped from `duration`.
    pub fn checked_add(self, duration: Duration) -> Option<Self> {
        self.0.checked_add(i64::try_from(duration.as_micros()).ok()?).map(Timestamp)
    }

    /// The time so much earlier; none when it is out of range. Parts of a microsecond are dropped from `duration`.
    pub fn checked_sub(self, duration: Duration) -> Option<Self> {
        self.0.checked_sub(i64::try_from(duration.as_micros()).ok()?).map(Timestamp)
    }

    /// The time that passed since `earlier`; none when that is later.
    pub fn checked_since(self, earlier: Timestamp) -> Option<Duration> {
        let micros = i128::from(self.0) - i128::from(earlier.0);
        u64::try_from(micros).ok().map(Duration::from_micros)
    }

    /// The calendar day at this time, where clocks are `offset_minutes` ahead of UTC (behind it when negative).
    ///
    /// ```
    /// use plasma_runtime::Timestamp;
    /// let evening = Timestamp::from_millis(82_800_000); // 1970-01-01, 23:00 UTC
    /// assert_eq!(evening.date(0)?.to_string(), "1970-01-01");
    /// assert_eq!(evening.date(60)?.to_string(), "1970-01-02");
    /// # Ok::<(), plasma_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when the day is not in the years 1 to 9999.
    pub fn date(self, offset_minutes: i32) -> Result<Date> {
        let local = i128::from(self.0) + i128::from(offset_minutes) * 60_000_000;
        let days = i64::try_from(local.div_euclid(MICROS_PER_DAY.into())).ok();
        days.and_then(Date::from_days_since_epoch)
            .ok_or_else(|| Error::validation(format!("{self} is on no date of the years 1 to 9999")))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 with microseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, micros) = (self.0.div_euclid(MICROS_PER_DAY), self.0.rem_euclid(MICROS_PER_DAY));
        let (year, month, day) = civil(days);
        let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{fraction:06}Z",
            seconds / 3_600,
            seconds / 60 % 60,
            seconds % 60
        )
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse()
            .map(Timestamp)
            .map_err(|_| serde::de::Error::custom("a timestamp is a decimal string of microseconds"))
    }
}

#[cfg(test)]
mod tests;
