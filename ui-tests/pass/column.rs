//! The passing twin of the column family: every kind of column type an application can make.
#![deny(missing_docs, warnings, clippy::pedantic)]

use plasma::schema::ColumnDefault;
use plasma::value::Value;
use plasma::{ColumnType, Date, ErrorKind, FileRef, Fixed};
use plasma::prelude::*;

/// Cents.
#[derive(Debug, Clone, Copy, PartialEq, plasma::Column)]
#[column(numeric)]
pub struct Money(pub Fixed<2>);

/// An address, compared with plain text as well.
#[derive(Debug, Clone, PartialEq, plasma::Column)]
#[column(text)]
pub struct Email(pub String);

/// Sorted by its number.
#[derive(Debug, Clone, Copy, PartialEq, plasma::Column)]
#[column(as = int)]
pub enum Priority {
    /// First.
    High = -1,
    /// In between.
    Normal = 0,
    /// Last.
    Low = 1_000,
}

/// Newer programs may know more; their values are read, and cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, plasma::Column)]
#[column(as = text)]
pub enum Status {
    /// Not yet.
    Open,
    /// Past.
    Done,
    /// Any other.
    #[column(other)]
    Unknown,
}

/// Newer programs may know more; their values stay what they are.
#[derive(Debug, Clone, PartialEq, plasma::Column)]
pub enum Emoji {
    /// Up.
    ThumbsUp,
    /// Any other.
    #[column(other)]
    Other(String),
}

/// The same with numbers.
#[derive(Debug, Clone, Copy, PartialEq, plasma::Column)]
#[column(as = int)]
#[repr(i32)]
pub enum Level {
    /// One.
    One = 1,
    /// Any other.
    #[column(other)]
    Other(i32),
}

/// The same with numbers, not kept.
#[derive(Debug, Clone, Copy, PartialEq, plasma::Column)]
#[column(as = int)]
pub enum Floor {
    /// Zero.
    Ground = 0,
    /// Any other.
    #[column(other)]
    Unknown,
}

/// A bill.
#[plasma::table(auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Bill {
    /// The row.
    pub id: Id<Bill>,
    /// When it is due.
    #[column(default = Date::constant(2024, 2, 29))]
    pub due: Date,
    /// Maybe when it was paid.
    pub paid: Option<Date>,
    /// What it costs.
    #[column(default = Fixed::from_minor(0))]
    pub total: Fixed<2>,
    /// The rate.
    pub rate: Option<Fixed<4>>,
    /// What was paid.
    #[column(default = Fixed::ZERO)]
    pub money: Money,
    /// The scan.
    pub scan: Option<FileRef>,
    /// The address.
    pub email: Email,
    /// Another address.
    pub copy: Option<Email>,
    /// The order.
    #[column(default = Priority::Normal)]
    pub priority: Priority,
    /// The state.
    #[column(default = Status::Open)]
    pub status: Status,
    /// The mood.
    #[column(default = Emoji::ThumbsUp)]
    pub emoji: Emoji,
    /// The level.
    #[column(default = Level::One)]
    pub level: Level,
    /// The floor.
    #[column(default = Floor::Ground)]
    pub floor: Floor,
}

fn queries() {
    let day = Date::constant(2024, 1, 1);
    let _ = Bill::select()
        .filter(Bill::due.lt(day).and(Bill::paid.gte(day)).and(Bill::paid.is(None::<Date>)).and(Bill::due.is_in([day])))
        .filter(Bill::total.gt(Fixed::from_minor(5)).and(Bill::rate.eq(Fixed::ZERO)).and(Bill::rate.is_not_null()))
        .filter(Bill::paid.eq(Bill::due).and(Bill::money.gt(Money(Fixed::ZERO))))
        .filter(Bill::email.eq("a@b").and(Bill::copy.ne("a@b")).and(Bill::copy.eq(Bill::email)))
        .filter(Bill::email.is(Some("a@b")).or(Bill::email.is_in(["a@b", "c@d"])).or(Bill::email.contains("@")))
        .filter(Bill::priority.lte(Priority::Normal).and(Bill::status.ne(Status::Done)))
        .filter(Bill::emoji.eq(Emoji::Other("tada".into())))
        .order_by(Bill::priority.desc())
        .order_by(Bill::due.asc())
        .order_by(Bill::total.asc())
        .order_by(Bill::money.asc())
        .order_by(Bill::email.asc());
    let scan = FileRef::of(b"scan", "image/png").expect("a media type");
    let _ = Bill::select().filter(Bill::scan.eq(scan.clone()).or(Bill::scan.is_null()));
    let _ = (Bill::scan.to(scan), Bill::scan.to(None::<FileRef>), Bill::due.to(day), Bill::paid.to(Bill::due));
    let _ = Bill::select().filter((Bill::money + Money(Fixed::ZERO) - Bill::money).gt(Money(Fixed::ZERO)));
    let _ = (Bill::money.to(Bill::money * 2), Bill::money.to(3i64 * Bill::money));
    let _ = (Bill::rate.to(Fixed::from_minor(1)), Bill::total.to(Fixed::ZERO), Bill::email.to(Email("a@b".into())));
}

fn there_and_back<V: ColumnType + Clone + PartialEq + std::fmt::Debug>(value: &V, stored: &Value) {
    assert_eq!(&value.clone().into_value().expect("it can be stored"), stored);
    assert_eq!(&V::from_value(stored.clone()).expect("it can be read"), value);
}

fn main() {
    queries();
    there_and_back(&Priority::High, &Value::Int(-1));
    there_and_back(&Priority::Low, &Value::Int(1_000));
    assert_eq!(Priority::from_value(Value::Int(2)).expect_err("no variant").kind(), ErrorKind::Storage);
    assert_eq!(Priority::from_value(Value::Int(i64::MAX)).expect_err("no i32").kind(), ErrorKind::Storage);

    there_and_back(&Status::Done, &Value::from("done"));
    assert_eq!(Status::from_value(Value::from("paused")).expect("an unknown one"), Status::Unknown);
    assert_eq!(Status::from_value(Value::from("unknown")).expect("an unknown one"), Status::Unknown);
    assert_eq!(Status::Unknown.into_value().expect_err("not written").kind(), ErrorKind::Validation);
    assert_eq!(Status::from_value(Value::Int(1)).expect_err("no text").kind(), ErrorKind::Storage);

    there_and_back(&Emoji::ThumbsUp, &Value::from("thumbs_up"));
    there_and_back(&Emoji::Other("tada".into()), &Value::from("tada"));
    assert!(Emoji::Other("\0".into()).into_value().is_err());

    there_and_back(&Level::One, &Value::Int(1));
    there_and_back(&Level::Other(7), &Value::Int(7));
    assert_eq!(Floor::from_value(Value::Int(-3)).expect("an unknown one"), Floor::Unknown);
    assert!(Floor::Unknown.into_value().is_err());

    there_and_back(&Money(Fixed::from_minor(-5)), &Value::Int(-5));
    let default = |name: &str| match Bill::DEF.column(name).and_then(|column| column.default) {
        Some(ColumnDefault::Value(value)) => value(),
        other => panic!("{other:?}"),
    };
    assert_eq!(default("due"), Value::from("2024-02-29"));
    assert_eq!((default("total"), default("money")), (Value::Int(0), Value::Int(0)));
    assert_eq!((default("priority"), default("level")), (Value::Int(0), Value::Int(1)));
}
