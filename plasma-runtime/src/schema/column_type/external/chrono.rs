//! `chrono::DateTime<Utc>` and `chrono::NaiveDate`.

use chrono::{DateTime, Datelike as _, NaiveDate, Utc};

use super::{column_through, out_of_range};
use crate::error::{Error, Result};
use crate::value::{Date, Timestamp};

column_through! { Timestamp, DateTime<Utc>, Moment }
column_through! { Date, NaiveDate }

impl TryFrom<DateTime<Utc>> for Timestamp {
    type Error = Error;

    /// Cuts off what is below a microsecond, towards the past. Never fails: every moment of chrono is one, and a leap
    /// second is the first second after it.
    fn try_from(time: DateTime<Utc>) -> Result<Self> {
        Ok(Timestamp::from_micros(time.timestamp_micros()))
    }
}

impl TryFrom<Timestamp> for DateTime<Utc> {
    type Error = Error;

    /// Fails beyond chrono's years, about 262,000 on both sides.
    fn try_from(time: Timestamp) -> Result<Self> {
        DateTime::from_timestamp_micros(time.micros()).ok_or_else(|| out_of_range(time, "`chrono::DateTime`"))
    }
}

impl TryFrom<NaiveDate> for Date {
    type Error = Error;

    /// Fails outside the years 1 to 9999.
    fn try_from(date: NaiveDate) -> Result<Self> {
        // Months and days fit a byte.
        Date::new(date.year(), date.month() as u8, date.day() as u8)
    }
}

impl TryFrom<Date> for NaiveDate {
    type Error = Error;

    /// Never fails: every [`Date`] is one.
    fn try_from(date: Date) -> Result<Self> {
        NaiveDate::from_ymd_opt(date.year(), date.month().into(), date.day().into())
            .ok_or_else(|| out_of_range(date, "`chrono::NaiveDate`"))
    }
}
