//! The past, compared with what the present was then.

use crate::error::ErrorKind;
use crate::schema::Table;
use crate::schema::samples::{Member, Org, Todo, User};
use crate::server::db::tests::{Me, Tracker, World, id, worlds};
use crate::server::{Moment, Scoped};

/// Numbers by a seed (splitmix64): the histories below are the same in every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn one_of(&mut self, texts: &[&'static str]) -> &'static str {
        texts[self.below(texts.len() as u64) as usize]
    }

    fn finite(&mut self) -> f64 {
        let bits = f64::from_bits(self.next());
        if bits.is_finite() { bits } else { 0.5 }
    }
}

/// Everything there is to see, by reads of many shapes.
#[derive(Debug, PartialEq)]
struct Seen {
    todos: Vec<Todo>,
    members: Vec<Member>,
    crowded: Vec<Org>,
    titles: Vec<(String, String)>,
    sums: Vec<(bool, i64)>,
    one: Option<Todo>,
    count: u64,
}

async fn see<M: Moment>(db: &Scoped<Tracker, M>) -> Seen {
    let guests = || Member::org_id.any(Member::role.eq("guest"));
    let joined = Todo::select().inner_join(Todo::org_id).order_by(Todo::id.asc());
    let sums = Todo::select().group_by(Todo::done).project(|done| (done, Todo::points.count()));
    Seen {
        todos: db.all(Todo::select().order_by(Todo::rank.desc()).order_by(Todo::id.asc()).limit(30)).await.unwrap(),
        members: db.all(Member::select()).await.unwrap(),
        crowded: db.all(Org::select().filter(guests())).await.unwrap(),
        titles: db.all(joined.project((Todo::title, Org::name))).await.unwrap(),
        sums: db.all(sums).await.unwrap(),
        one: db.get(id(103)).await.unwrap(),
        count: db.count(Todo::select().filter(Todo::weight.gt(0.0))).await.unwrap(),
    }
}

/// One random write, as raw SQL.
fn write(dice: &mut Dice) -> String {
    let row = uuid::Uuid::from_u128(100 + u128::from(dice.below(8)));
    let org = uuid::Uuid::from_u128(11 + u128::from(dice.below(2)));
    let member = uuid::Uuid::from_u128(80 + u128::from(dice.below(3)));
    let user = uuid::Uuid::from_u128(1 + u128::from(dice.below(2)));
    let (title, points) = (dice.below(5), dice.below(9));
    let (weight, rank, due) = (dice.finite(), dice.next().cast_signed(), dice.next().cast_signed() >> 16);
    let thumb = if dice.below(3) == 0 { "NULL".to_owned() } else { blob(dice.next()) };
    let meta = dice.one_of(&["[]", "[1,2]", "[0,255]"]);
    let note = dice.one_of(&["NULL", r#"'it''s "quoted" \ back'"#, "'null'", "'\u{1f600}'"]);
    let flag = dice.one_of(&["NULL", "TRUE", "FALSE"]);
    let done = dice.one_of(&["TRUE", "FALSE"]);
    match dice.below(9) {
        0..=2 => format!(
            "INSERT INTO todos (id, title, org_id, done, points, rank, weight, meta, note, flag, thumb, due) VALUES \
             ('{row}', 't{title}', '{org}', {done}, {points}, {rank}, {weight:e}, '{meta}', {note}, {flag}, {thumb}, \
             {due}) ON CONFLICT (id) DO UPDATE SET title = excluded.title, rank = excluded.rank, thumb = excluded.thumb"
        ),
        3 | 4 => format!("UPDATE todos SET weight = {weight:e}, note = {note}, flag = {flag} WHERE id = '{row}'"),
        5 => format!("UPDATE todos SET org_id = '{org}', meta = '{meta}', done = {done} WHERE id = '{row}'"),
        6 => format!("DELETE FROM todos WHERE id = '{row}'"),
        7 => format!(
            "INSERT INTO members (id, org_id, user_id, role) VALUES ('{member}', '{org}', '{user}', 'guest') \
             ON CONFLICT (id) DO UPDATE SET org_id = excluded.org_id, role = 'host'"
        ),
        _ => format!("DELETE FROM members WHERE id = '{member}'"),
    }
}

/// Eight bytes, as both databases write them.
fn blob(bytes: u64) -> String {
    format!("bytes'{bytes:016x}'")
}

async fn history(world: &World, seed: u64) {
    let mut dice = Dice(seed);
    let db = world.server.db();
    let callers = [db.as_ctx(&Me(id(1))), db.as_ctx(&Me(id(2))), db.trusted()];
    let mut past = Vec::new();
    for _ in 0..24 {
        for _ in 0..dice.below(6) {
            let (one, other) = (write(&mut dice), write(&mut dice));
            // Some transactions have several writes: a cookie never lies inside of one.
            world.raw(&if dice.below(3) == 0 { format!("BEGIN; {one}; {other}; COMMIT") } else { one });
        }
        let cookie = db.cookie().await.unwrap();
        let mut seen = Vec::new();
        for caller in &callers {
            seen.push(see(caller).await);
        }
        past.push((cookie, seen));
    }
    for (step, (cookie, seen)) in past.iter().enumerate() {
        for (caller, then) in callers.iter().zip(seen) {
            let snapshot = caller.snapshot_as_of(cookie).await.unwrap();
            assert_eq!(see(&snapshot).await, *then, "{} seed {seed} step {step} {snapshot:?}", world.kind);
        }
    }
}

#[tokio::test]
async fn a_snapshot_is_what_the_present_was() {
    for world in worlds().await {
        for seed in 0..3 {
            history(&world, seed).await;
        }
    }
}

#[tokio::test]
async fn a_position_that_is_gone_is_a_typed_error() {
    for world in worlds().await {
        let db = world.server.db();
        let trusted = db.trusted();
        let early = db.cookie().await.unwrap();
        world.raw("UPDATE users SET name = 'x'");
        let late = db.cookie().await.unwrap();
        let open = trusted.snapshot_as_of(&early).await.unwrap();
        assert_eq!(open.count(User::select().filter(User::name.eq("x"))).await.unwrap(), 0);
        let bound = crate::protocol::cookie::Position::decode(&late).unwrap().at;
        world.raw(&format!(
            "INSERT INTO _plasma_meta (key, value) VALUES ('compaction_bound', '{bound}') \
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        ));
        let reason = |error: crate::Error| {
            assert_eq!(error.kind(), ErrorKind::PositionGone, "{error}");
            error.data().unwrap()["reason"].as_str().unwrap().to_owned()
        };
        assert_eq!(reason(trusted.snapshot_as_of(&early).await.unwrap_err()), "compacted");
        assert_eq!(reason(open.all(User::select()).await.unwrap_err()), "compacted", "also when it was open");
        assert_eq!(trusted.snapshot_as_of(&late).await.unwrap().count(User::select()).await.unwrap(), 2);
        // Another database, or this one after a restore: the same version, another mark.
        for other in worlds().await.into_iter().filter(|other| other.kind == world.kind) {
            other.raw("UPDATE users SET name = 'y'");
            let foreign = other.server.db().cookie().await.unwrap();
            assert_eq!(reason(trusted.snapshot_as_of(&foreign).await.unwrap_err()), "other-history");
        }
        assert_eq!(trusted.snapshot_as_of("c2:nonsense").await.unwrap_err().kind(), ErrorKind::Protocol);
    }
}

/// Whatever a value means by now, a server of another version does not know.
#[tokio::test]
async fn a_server_that_no_longer_fits_reads_nothing() {
    for world in worlds().await {
        let db = world.server.db();
        let past = db.trusted().snapshot_as_of(&db.cookie().await.unwrap()).await.unwrap();
        assert_eq!(db.trusted().count(User::select()).await.unwrap(), 2);
        world.raw(
            "ALTER TABLE orgs RENAME COLUMN name TO title; \
             UPDATE _plasma_meta SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE key = 'schema_epoch'",
        );
        let now = db.trusted().count(User::select()).await.map_err(|error| error.kind());
        let then = past.count(User::select()).await.map_err(|error| error.kind());
        assert_eq!((now, then), (Err(ErrorKind::SchemaMismatch), Err(ErrorKind::SchemaMismatch)), "{}", world.kind);
        let live = db.trusted().live_select(User::select()).await.map(drop).map_err(|error| error.kind());
        assert_eq!(live, Err(ErrorKind::SchemaMismatch), "{}", world.kind);
    }
}
