//! `time::OffsetDateTime` and `time::Date`.

use time::{Month, OffsetDateTime};

use super::{column_through, micros, out_of_range};
use crate::error::{Error, Result};
use crate::value::{Date, Timestamp};

column_through! { Timestamp, OffsetDateTime, Moment }
column_through! { Date, time::Date }

impl TryFrom<OffsetDateTime> for Timestamp {
    type Error = Error;

    /// Cuts off what is below a microsecond, towards the past, and the offset: a timestamp is a moment and not a place.
    fn try_from(time: OffsetDateTime) -> Result<Self> {
        micros(time.unix_timestamp_nanos())
    }
}

impl TryFrom<Timestamp> for OffsetDateTime {
    type Error = Error;

    /// In UTC. Fails beyond the years of the `time` crate, 9999 on both sides unless its `large-dates` is on.
    fn try_from(time: Timestamp) -> Result<Self> {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(time.micros()) * 1_000)
            .map_err(|_| out_of_range(time, "`time::OffsetDateTime`"))
    }
}

impl TryFrom<time::Date> for Date {
    type Error = Error;

    /// Fails outside the years 1 to 9999.
    fn try_from(date: time::Date) -> Result<Self> {
        Date::new(date.year(), date.month().into(), date.day())
    }
}

impl TryFrom<Date> for time::Date {
    type Error = Error;

    /// Never fails: every [`Date`] is one.
    fn try_from(date: Date) -> Result<Self> {
        Month::try_from(date.month())
            .and_then(|month| time::Date::from_calendar_date(date.year(), month, date.day()))
            .map_err(|_| out_of_range(date, "`time::Date`"))
    }
}
