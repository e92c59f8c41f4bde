//! Every kind of value through the whole path, bit by bit: the optimistic run, the outbox, the push, the server's table
//! and log, the pull, a second device. Once as arguments and once made inside the mutator.

use plasma::client::{Client, SqliteStore};
use plasma::http::request::Parts;
use plasma::prelude::*;
use plasma::server::{Auth, Server};
use plasma::{Date, FileRef, Fixed, Json};
use serde::{Deserialize, Serialize};

use crate::place::Place;

#[derive(plasma::Column, Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Email(String);

#[derive(plasma::Column, Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[column(numeric)]
pub struct Money(Fixed<2>);

#[derive(plasma::Column, Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum State {
    LongName,
    #[column(rename = "ünï \"q\" \u{1F600}")]
    Odd,
    #[column(rename = "")]
    Empty,
}

#[derive(plasma::Column, Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[column(as = int)]
pub enum Level {
    Least = -2_147_483_648,
    None = 0,
    Most = 2_147_483_647,
}

#[derive(plasma::Column, Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Open {
    Known,
    #[column(other)]
    Other(String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    float: f64,
    entries: std::collections::BTreeMap<String, Option<i64>>,
    unsigned: u64,
    text: String,
    letter: char,
}

#[plasma::table(name = "everything", auth = open)]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Everything {
    pub id: Id<Everything>,
    pub text: String,
    pub int: i32,
    pub bigint: i64,
    pub float: f64,
    pub flag: bool,
    pub bytes: Vec<u8>,
    pub document: Json<Document>,
    pub moment: Timestamp,
    pub day: Date,
    pub whole: Fixed<0>,
    pub fine: Fixed<18>,
    pub email: Email,
    pub money: Money,
    pub state: State,
    pub level: Level,
    pub open: Open,
    pub text_or_null: Option<String>,
    pub document_or_null: Option<Json<Document>>,
    pub bytes_or_null: Option<Vec<u8>>,
    pub level_or_null: Option<Level>,
    pub open_or_null: Option<Open>,
    pub other_id: Option<Id<Everything>>,
    pub file: Option<FileRef>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Put {
    pub row: Everything,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Make {
    pub seed: u64,
    pub id: Id<Everything>,
}

pub struct Rows;

#[plasma::mutators(App)]
impl Rows {
    pub async fn put(tx: &mut plasma::Tx<'_, App>, _: &(), args: Put) -> plasma::Result<()> {
        tx.insert(args.row).await?;
        Ok(())
    }

    pub async fn make(tx: &mut plasma::Tx<'_, App>, _: &(), args: Make) -> plasma::Result<()> {
        tx.insert(row(args.seed, args.id)).await?;
        Ok(())
    }
}

#[plasma::schema(version = "1", tables(Everything), mutators(Rows), lock = false)]
pub struct App;

const TEXTS: [&str; 10] = [
    "",
    "null",
    "ünï\u{1F600}\u{200D}",
    "\u{1}\u{7f}\u{2028}\u{2029}\u{FFFE}\u{FEFF}",
    "\"\\/\n\r\t'; DROP TABLE everything; --",
    "e\u{301}",
    "\u{10FFFF}\u{E000}",
    "  pad  ",
    "\u{85}",
    "%_",
];
const INTS: [i64; 8] = [i64::MIN, i64::MIN + 1, -1, 0, 1, 9_007_199_254_740_993, i64::MAX - 1, i64::MAX];
const FLOATS: [f64; 10] =
    [0.0, f64::MIN_POSITIVE, 5e-324, -5e-324, f64::MAX, f64::MIN, f64::EPSILON, 0.1, 9_007_199_254_740_992.0, 1e16];

/// Numbers that follow from a seed (xorshift, Marsaglia 2003).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn of<T: Clone>(&mut self, values: &[T]) -> T {
        let count = u64::try_from(values.len()).expect("a short list");
        values[usize::try_from(self.next() % count).expect("within the list")].clone()
    }

    fn maybe<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.next().is_multiple_of(2).then(|| value(self))
    }

    fn text(&mut self) -> String {
        self.of(&TEXTS).to_owned()
    }

    /// An edge, or any bits that are a finite number. Zero has no sign in a column.
    fn float(&mut self) -> f64 {
        let any = f64::from_bits(self.next());
        if self.next().is_multiple_of(3) || !any.is_finite() { self.of(&FLOATS) } else { any }
    }

    fn document(&mut self) -> Document {
        Document {
            float: self.float(),
            entries: [(self.text(), Some(self.of(&INTS))), ("none".to_owned(), None)].into(),
            unsigned: self.of(&[0, 1 << 63, (1 << 53) + 1, u64::MAX]),
            text: self.text(),
            letter: self.of(&['\u{1}', 'x', '\u{10FFFF}']),
        }
    }

    fn open(&mut self) -> Open {
        let other = Open::Other(format!("other: {}", self.text()));
        self.of(&[Open::Known, other])
    }
}

fn row(seed: u64, id: Id<Everything>) -> Everything {
    let mut numbers = Numbers(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let n = &mut numbers;
    Everything {
        id,
        text: n.text(),
        int: n.of(&[i32::MIN, -1, 0, i32::MAX]),
        bigint: n.of(&INTS),
        float: n.float(),
        flag: n.of(&[true, false]),
        bytes: n.of(&[vec![], vec![0], vec![255, 0, 254], (0..=255).collect()]),
        document: Json(n.document()),
        moment: Timestamp::from_micros(n.of(&INTS)),
        day: n.of(&[Date::MIN, Date::constant(1969, 12, 31), Date::constant(2000, 2, 29), Date::MAX]),
        whole: Fixed::from_minor(n.of(&INTS)),
        fine: Fixed::from_minor(n.of(&INTS)),
        email: Email(n.text()),
        money: Money(Fixed::from_minor(n.of(&INTS))),
        state: n.of(&[State::LongName, State::Odd, State::Empty]),
        level: n.of(&[Level::Least, Level::None, Level::Most]),
        open: n.open(),
        text_or_null: n.maybe(Numbers::text),
        document_or_null: n.maybe(|n| Json(n.document())),
        bytes_or_null: n.maybe(|n| n.of(&[vec![], vec![7]])),
        level_or_null: n.maybe(|n| n.of(&[Level::Least, Level::Most])),
        open_or_null: n.maybe(Numbers::open),
        other_id: None,
        file: n.maybe(|_| FileRef::of(b"abc", "text/plain").expect("a media type")),
    }
}

/// `{:?}` of a float is its shortest text that reads back as the same bits: equal texts are equal bits.
#[track_caller]
fn same(whom: &str, found: &Everything, expected: &Everything) {
    assert_eq!(format!("{found:?}"), format!("{expected:?}"), "on {whom}");
}

async fn authenticate(_: &Parts) -> plasma::Result<Auth<()>> {
    Ok(Auth::new("all", ()))
}

async fn device(server: &Server<App>) -> Client<App> {
    let builder = Client::<App>::builder(SqliteStore::in_memory()).transport(server.transport()).group("all").ctx(());
    builder.open().await.expect("the device opens")
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn every_value_arrives_bit_by_bit(place: Place) {
    let Some(data) = place.data() else { return };
    let builder = Server::<App>::builder(data.database()).auth(authenticate);
    let server = builder.open().await.expect("the server opens");
    let (first, second) = (device(&server).await, device(&server).await);
    let mut rows = Vec::new();
    for seed in 1..=200 {
        let expected = row(seed, first.new_id());
        if seed % 2 == 0 {
            first.mutate(Put { row: expected.clone() }).await.expect("taken");
        } else {
            first.mutate(Make { seed, id: expected.id }).await.expect("taken");
        }
        same("the first device, before it is sent", &first.need(expected.id).await.expect("there"), &expected);
        rows.push(expected);
    }
    first.flush().await.expect("the server answers");
    first.pull_once().await.expect("the server answers");
    while second.count(Everything::select()).await.expect("readable") < 200 {
        second.pull_once().await.expect("the server answers");
    }
    for expected in &rows {
        same("the server", &server.db().trusted().need(expected.id).await.expect("there"), expected);
        same("the first device", &first.need(expected.id).await.expect("there"), expected);
        same("the second device", &second.need(expected.id).await.expect("there"), expected);
    }
    assert!(first.outcomes().await.expect("readable").iter().all(|outcome| outcome.error.is_none()));
}
