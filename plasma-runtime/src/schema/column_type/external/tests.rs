//! The other crates are the judges of our calendar and our decimals, and what they hold survives the store and the wire.

use std::fmt::Debug;
use std::str::FromStr as _;

use chrono::{DateTime, NaiveDate, TimeDelta, Timelike as _, Utc};
use proptest::prelude::*;
use rust_decimal::Decimal;
use time::OffsetDateTime;

use crate::error::ErrorKind;
use crate::schema::{ColumnDef, ColumnType, Id, TableDef};
use crate::store::SqlConnection as _;
use crate::store::ddl::{Side, create_table};
use crate::store::sqlite::SqliteConnection;
use crate::value::json::{decode_row, encode_row};
use crate::value::{Date, Fixed, Kind, Timestamp, Value};

/// Through the untyped value, the wire and a table of SQLite.
fn there_and_back<V: ColumnType + Clone + PartialEq + Debug>(value: &V) -> Value {
    let table = TableDef::new("t", Box::leak(Box::new([ColumnDef::new("id", Kind::Id), ColumnDef::of::<V>("v")])));
    let id = Value::Text(uuid::Uuid::nil().to_string());
    let stored = value.clone().into_value().unwrap();
    let row = vec![id, stored.clone()];
    let json = encode_row(&table, &row);
    assert_eq!(decode_row(&table, &json).unwrap(), row, "{json}");
    let mut db = SqliteConnection::in_memory().unwrap();
    db.batch(&create_table(&table, Side::Server)).unwrap();
    db.execute("INSERT INTO t VALUES (?, ?)", &row).unwrap();
    let read = db.query("SELECT v FROM t", &[], &[V::KIND]).unwrap().remove(0).remove(0);
    assert_eq!(read, stored);
    assert_eq!(&V::from_value(read).unwrap(), value);
    stored
}

fn refused<V: ColumnType>(value: V) {
    assert_eq!(value.into_value().unwrap_err().kind(), ErrorKind::Validation);
}

fn unreadable<V: ColumnType + Debug>(value: Value) {
    assert_eq!(V::from_value(value).unwrap_err().kind(), ErrorKind::Storage);
}

/// Days since 1970 of the first and the last date.
const DAYS: std::ops::RangeInclusive<i64> = -719_162..=2_932_896;

#[test]
fn every_day_is_the_other_crates_day() {
    let first = NaiveDate::from_ymd_opt(1, 1, 1).unwrap();
    assert_eq!(Date::MIN.days_since_epoch(), *DAYS.start());
    assert_eq!(Date::MAX.days_since_epoch(), *DAYS.end());
    let mut before = None;
    for days in DAYS {
        let date = Date::from_days_since_epoch(days).unwrap();
        assert_eq!(date.days_since_epoch(), days);
        assert!(before < Some(date));
        before = Some(date);
        // All days against the fastest judge, some against the others and through text.
        let chrono = first + TimeDelta::days(days - *DAYS.start());
        assert_eq!(Date::try_from(chrono).unwrap(), date);
        if days % 97 == 0 {
            assert_eq!(NaiveDate::try_from(date).unwrap(), chrono);
            assert_eq!(date.to_string(), chrono.to_string());
            assert_eq!(date.to_string().parse::<Date>().unwrap(), date);
            let jiff = jiff::civil::Date::from_str(&date.to_string()).unwrap();
            assert_eq!((Date::try_from(jiff).unwrap(), jiff::civil::Date::try_from(date).unwrap()), (date, jiff));
            let time = time::Date::from_julian_day(days as i32 + 2_440_588).unwrap();
            assert_eq!((Date::try_from(time).unwrap(), time::Date::try_from(date).unwrap()), (date, time));
        }
    }
    assert_eq!(Date::from_days_since_epoch(*DAYS.start() - 1), None);
    assert_eq!(Date::from_days_since_epoch(*DAYS.end() + 1), None);
}

#[test]
fn a_date_exists_exactly_when_sqlite_and_chrono_say_so() {
    let mut db = SqliteConnection::in_memory().unwrap();
    for year in [0, 1, 4, 100, 400, 1582, 1900, 2000, 2023, 2024, 9999, 10_000] {
        for month in 0..=13u8 {
            for day in 0..=32u8 {
                let ours = Date::new(year, month, day);
                let text = format!("{year:04}-{month:02}-{day:02}");
                let chrono =
                    NaiveDate::from_ymd_opt(year, month.into(), day.into()).filter(|_| (1..=9999).contains(&year));
                assert_eq!(ours.is_ok(), chrono.is_some(), "{text}");
                assert_eq!(text.parse::<Date>().ok(), ours.as_ref().ok().copied());
                let sql = format!("SELECT '{text}' IS date('{text}')");
                let sqlite = db.query(&sql, &[], &[Kind::Bool]).unwrap()[0][0] == Value::Bool(true);
                assert_eq!(ours.is_ok(), sqlite && (1..=9999).contains(&year), "{text}");
                if let Ok(date) = ours {
                    let sql = format!("SELECT CAST(julianday('{text}') - 2440587.5 AS INTEGER)");
                    let days = db.query(&sql, &[], &[Kind::BigInt]).unwrap()[0][0].as_int().unwrap();
                    assert_eq!(date.days_since_epoch(), days, "{text}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn moments_survive(micros in -62_135_596_800_000_000i64..=253_402_300_799_999_999, below in 0i64..1_000) {
        let time = Timestamp::from_micros(micros);
        let chrono = DateTime::<Utc>::try_from(time).unwrap();
        prop_assert_eq!(there_and_back(&chrono), Value::Int(micros));
        let text = format!("{}T{:02}:{:02}:{:02}.{:06}Z", chrono.date_naive(), chrono.hour(), chrono.minute(),
            chrono.second(), chrono.timestamp_subsec_micros());
        prop_assert_eq!(text, time.to_string());
        prop_assert_eq!(time.date(0).unwrap(), Date::try_from(chrono.date_naive()).unwrap());
        // What is below a microsecond goes towards the past, before 1970 as well.
        prop_assert_eq!(Timestamp::try_from(chrono + TimeDelta::nanoseconds(below)).unwrap(), time);

        let offset = OffsetDateTime::try_from(time).unwrap();
        prop_assert_eq!(there_and_back(&offset), Value::Int(micros));
        prop_assert_eq!(Timestamp::try_from(offset + time::Duration::nanoseconds(below)).unwrap(), time);

        if let Ok(jiff) = jiff::Timestamp::try_from(time) {
            prop_assert_eq!(there_and_back(&jiff), Value::Int(micros));
            if let Ok(later) = jiff.checked_add(jiff::SignedDuration::from_nanos(below)) {
                prop_assert_eq!(Timestamp::try_from(later).unwrap(), time);
            }
        }
    }

    #[test]
    fn dates_survive(days in DAYS) {
        let date = Date::from_days_since_epoch(days).unwrap();
        let text = Value::Text(date.to_string());
        prop_assert_eq!(&there_and_back(&date), &text);
        prop_assert_eq!(&there_and_back(&NaiveDate::try_from(date).unwrap()), &text);
        prop_assert_eq!(&there_and_back(&time::Date::try_from(date).unwrap()), &text);
        prop_assert_eq!(&there_and_back(&jiff::civil::Date::try_from(date).unwrap()), &text);
        prop_assert_eq!(serde_json::from_str::<Date>(&serde_json::to_string(&date).unwrap()).unwrap(), date);
    }

    #[test]
    fn decimals_convert_exactly_or_not_at_all(minor: i64, mantissa in -(1i128 << 70)..(1i128 << 70), scale in 0u32..=28) {
        let fixed = Fixed::<4>::from_minor(minor);
        prop_assert_eq!(there_and_back(&fixed), Value::Int(minor));
        let decimal = Decimal::from(fixed);
        prop_assert_eq!(decimal.to_string(), fixed.to_string());
        prop_assert_eq!(Fixed::<4>::try_from(decimal).unwrap(), fixed);
        prop_assert_eq!(Fixed::<18>::try_from(decimal).ok().map(Decimal::from), Fixed::<18>::try_from(decimal).ok().map(|_| decimal));

        let decimal = Decimal::from_i128_with_scale(mantissa, scale);
        let exact = decimal.round_dp(4) == decimal && decimal.abs() <= Decimal::from(Fixed::<4>::MAX);
        match Fixed::<4>::try_from(decimal) {
            Ok(fixed) => prop_assert_eq!(Decimal::from(fixed), decimal),
            Err(error) => {
                prop_assert!(!exact, "{decimal}: {error}");
                prop_assert_eq!(error.kind(), ErrorKind::Validation);
            }
        }
    }
}

#[test]
fn the_ends_of_each_range_are_typed_errors() {
    refused(NaiveDate::from_ymd_opt(0, 12, 31).unwrap());
    refused(NaiveDate::from_ymd_opt(10_000, 1, 1).unwrap());
    refused(NaiveDate::MAX);
    refused(time::Date::MIN);
    refused(jiff::civil::Date::MIN);
    there_and_back(&DateTime::<Utc>::MIN_UTC);
    there_and_back(&jiff::Timestamp::MIN);
    there_and_back(&OffsetDateTime::UNIX_EPOCH);
    let last = Timestamp::try_from(DateTime::<Utc>::MAX_UTC).unwrap();
    assert!(DateTime::<Utc>::try_from(last).unwrap() <= DateTime::<Utc>::MAX_UTC);
    for micros in [i64::MIN, i64::MAX] {
        unreadable::<DateTime<Utc>>(Value::Int(micros));
        unreadable::<OffsetDateTime>(Value::Int(micros));
        unreadable::<jiff::Timestamp>(Value::Int(micros));
        unreadable::<Date>(Value::Int(micros));
        assert!(Timestamp::from_micros(micros).date(0).is_err());
    }
    unreadable::<NaiveDate>(Value::from("2023-02-29"));
    unreadable::<Id<crate::schema::samples::User>>(Value::Int(1));
}

#[test]
fn an_offset_is_not_kept_and_the_moment_is() {
    let local = time::PrimitiveDateTime::new(
        time::Date::from_calendar_date(2024, time::Month::March, 1).unwrap(),
        time::Time::from_hms(1, 30, 0).unwrap(),
    )
    .assume_offset(time::UtcOffset::from_hms(2, 0, 0).unwrap());
    let time = Timestamp::try_from(local).unwrap();
    assert_eq!(time.to_string(), "2024-02-29T23:30:00.000000Z");
    assert_eq!(OffsetDateTime::try_from(time).unwrap().offset(), time::UtcOffset::UTC);
    assert_eq!((time.date(0).unwrap().day(), time.date(120).unwrap().day()), (29, 1));
}
