//! Calendar dates.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// A calendar date without a time: a day of the years 1 to 9999 of the Gregorian calendar, continued backwards (ISO 8601).
///
/// Text `YYYY-MM-DD` in the database, in JSON and in [`Display`](fmt::Display), so that dates are ordered as their texts
/// are. Which day it is depends on where one is: [`Timestamp::date`](crate::Timestamp::date) takes the offset from UTC.
///
/// ```
/// use plasma_runtime::Date;
///
/// let leap: Date = "2024-02-29".parse()?;
/// assert_eq!(leap, Date::new(2024, 2, 29)?);
/// assert_eq!(leap.checked_add_days(1).unwrap().to_string(), "2024-03-01");
/// assert!(Date::new(2023, 2, 29).is_err());
/// # Ok::<(), plasma_runtime::Error>(())
/// ```
// The order of the fields is the order of the dates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// The first date: 0001-01-01.
    pub const MIN: Date = Date { year: 1, month: 1, day: 1 };
    /// The last date: 9999-12-31.
    pub const MAX: Date = Date { year: 9999, month: 12, day: 31 };

    /// The date of year (1 to 9999), month (1 to 12) and day of the month (from 1).
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when the calendar has no such day.
    pub fn new(year: i32, month: u8, day: u8) -> Result<Self> {
        Self::checked(year, month, day).ok_or_else(|| {
            Error::validation(format!("there is no date {year:04}-{month:02}-{day:02} in the years 1 to 9999"))
        })
    }

    /// The date, for consts such as the default of a column: `Date::constant(2024, 2, 29)`.
    ///
    /// # Panics
    /// When the calendar has no such day; in a const that is a compile error. Values that are not known before use
    /// [`new`](Self::new).
    pub const fn constant(year: i32, month: u8, day: u8) -> Self {
        match Self::checked(year, month, day) {
            Some(date) => date,
            None => panic!("the calendar has no such day in the years 1 to 9999"),
        }
    }

    const fn checked(year: i32, month: u8, day: u8) -> Option<Self> {
        if year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) {
            return None;
        }
        Some(Date { year: year as u16, month, day })
    }

    /// The year, 1 to 9999.
    pub const fn year(self) -> i32 {
        self.year as i32
    }

    /// The month, 1 to 12.
    pub const fn month(self) -> u8 {
        self.month
    }

    /// The day of the month, 1 to 31.
    pub const fn day(self) -> u8 {
        self.day
    }

    /// Days since 1970-01-01, negative before it.
    ///
    /// Howard Hinnant's `days_from_civil` (<https://howardhinnant.github.io/date_algorithms.html>).
    pub const fn days_since_epoch(self) -> i64 {
        let (month, day) = (self.month as i64, self.day as i64);
        // Years that begin in March have the leap day at their end.
        let year = self.year as i64 - (month <= 2) as i64;
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 719_468
    }

    /// The date so many days after 1970-01-01; none outside the years 1 to 9999.
    pub fn from_days_since_epoch(days: i64) -> Option<Self> {
        if !(Self::MIN.days_since_epoch()..=Self::MAX.days_since_epoch()).contains(&days) {
            return None;
        }
        let (year, month, day) = civil(days);
        Self::checked(i32::try_from(year).ok()?, month, day)
    }

    /// The date so many days later (earlier when negative); none outside the years 1 to 9999.
    pub fn checked_add_days(self, days: i64) -> Option<Self> {
        Self::from_days_since_epoch(self.days_since_epoch().checked_add(days)?)
    }
}

const fn days_in_month(year: i32, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Year, month and day so many days after 1970-01-01, for every year a [`Timestamp`](crate::Timestamp) reaches.
///
/// Howard Hinnant's `civil_from_days` (<https://howardhinnant.github.io/date_algorithms.html>).
pub(super) fn civil(days: i64) -> (i64, u8, u8) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    (year, month as u8, day as u8)
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Date({self})")
    }
}

impl FromStr for Date {
    type Err = Error;

    /// Reads the one accepted form: `YYYY-MM-DD`.
    fn from_str(text: &str) -> Result<Self> {
        let number = |digits: &[u8]| {
            digits.iter().try_fold(0i32, |n, byte| byte.is_ascii_digit().then(|| n * 10 + i32::from(byte - b'0')))
        };
        let parts = match text.as_bytes() {
            [year @ .., b'-', m1, m2, b'-', d1, d2] if year.len() == 4 => {
                number(year).zip(number(&[*m1, *m2])).zip(number(&[*d1, *d2]))
            }
            _ => None,
        };
        // Two digits fit a byte.
        parts
            .and_then(|((year, month), day)| Self::checked(year, month as u8, day as u8))
            .ok_or_else(|| Error::validation("a date is written YYYY-MM-DD, in the years 1 to 9999"))
    }
}

impl serde::Serialize for Date {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Date {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
