//! `jiff::Timestamp` and `jiff::civil::Date`.

use super::{column_through, micros, out_of_range};
use crate::error::{Error, Result};
use crate::value::{Date, Timestamp};

column_through! { Timestamp, jiff::Timestamp, Moment }
column_through! { Date, jiff::civil::Date }

impl TryFrom<jiff::Timestamp> for Timestamp {
    type Error = Error;

    /// Cuts off what is below a microsecond, towards the past. Never fails: every moment of jiff is one.
    fn try_from(time: jiff::Timestamp) -> Result<Self> {
        micros(time.as_nanosecond())
    }
}

impl TryFrom<Timestamp> for jiff::Timestamp {
    type Error = Error;

    /// Fails beyond jiff's years, 9999 on both sides.
    fn try_from(time: Timestamp) -> Result<Self> {
        jiff::Timestamp::from_microsecond(time.micros()).map_err(|_| out_of_range(time, "`jiff::Timestamp`"))
    }
}

impl TryFrom<jiff::civil::Date> for Date {
    type Error = Error;

    /// Fails outside the years 1 to 9999.
    fn try_from(date: jiff::civil::Date) -> Result<Self> {
        // Months and days are positive.
        Date::new(date.year().into(), date.month() as u8, date.day() as u8)
    }
}

impl TryFrom<Date> for jiff::civil::Date {
    type Error = Error;

    /// Never fails: every [`Date`] is one.
    fn try_from(date: Date) -> Result<Self> {
        jiff::civil::Date::new(date.year() as i16, date.month() as i8, date.day() as i8)
            .map_err(|_| out_of_range(date, "`jiff::civil::Date`"))
    }
}
