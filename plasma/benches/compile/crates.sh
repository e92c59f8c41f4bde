# The crates that `run` compares: the same tables, arguments, queries and mutators, written with plasma, as plain
# structs, and with diesel. Sourced; each fn writes a crate's `src` into folder $1, with $2 tables. $3 is `tables` for a
# plasma crate of nothing else.

# The fields of a table besides its id: name and plain type. plasma and diesel say the same in their words.
plain_fields='pub title: String, pub done: bool, pub points: i32, pub rank: i64, pub note: Option<String>,
    pub slug: String, pub owner_id: Uuid, pub parent_id: Option<Uuid>, pub created_at: i64,'

# Sets of mutators: ten in each, but for the last.
sets() { echo $((($1 + 9) / 10)); }

# Ten fns of a set: calls $1 with each number of set $2 that is below $3.
of_set() {
    local i
    for ((i = $2 * 10; i < ($2 + 1) * 10 && i < $3; i++)); do "$1" "$i"; done
}

write_plasma() {
    local src=$1 count=$2 i tables="" sets=""
    mkdir -p "$src"
    {
        echo "use plasma::prelude::*;"
        echo "#[plasma::table(name = \"users\", auth = open)] #[derive(Debug, Clone, PartialEq)]"
        echo "pub struct User { pub id: Id<User>, pub name: String }"
        for ((i = 0; i < count; i++)); do
            tables+=", Table$i"
            cat <<RUST
/// Table $i.
#[plasma::table(name = "table_$i", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Table$i {
    pub id: Id<Table$i>,
    pub title: String,
    #[column(default = false)]
    pub done: bool,
    #[column(default = 0)]
    pub points: i32,
    pub rank: i64,
    pub note: Option<String>,
    #[column(unique)]
    pub slug: String,
    #[column(on_delete = cascade)]
    pub owner_id: Id<User>,
    #[column(on_delete = set_null)]
    pub parent_id: Option<Id<Table$i>>,
    pub created_at: Timestamp,
}
RUST
        done
    } > "$src/tables.rs"
    if [[ ${3:-} = tables ]]; then
        echo "pub mod tables; use tables::*;" > "$src/lib.rs"
        echo "#[plasma::schema(version = \"1\", tables(User$tables), lock = false)] pub struct App;" >> "$src/lib.rs"
        return
    fi
    {
        echo "use plasma::prelude::*; use crate::tables::*;"
        for ((i = 0; i < count; i++)); do plasma_query "$i"; done
    } > "$src/queries.rs"
    for ((i = 0; i < $(sets "$count"); i++)); do
        sets+=", set_$i::Set$i"
        {
            echo "use plasma::prelude::*; use crate::tables::*; use crate::{App, Tx};"
            of_set plasma_args "$i" "$count"
            echo "pub struct Set$i;"
            echo "#[plasma::mutators(App)] impl Set$i {"
            of_set plasma_mutator "$i" "$count"
            echo "}"
        } > "$src/set_$i.rs"
    done
    {
        echo "pub mod tables; pub mod queries; use tables::*;"
        for ((i = 0; i < $(sets "$count"); i++)); do echo "pub mod set_$i;"; done
        echo "#[plasma::schema(version = \"1\", ctx = (), tables(User$tables), mutators(${sets#, }), lock = false)] pub struct App;"
        echo "pub type Tx<'a> = plasma::Tx<'a, App>;"
    } > "$src/lib.rs"
}

# Half are filters, a quarter joins, the rest groups and projections.
plasma_query() {
    local i=$1
    case $((i % 4)) in
    0 | 2) echo "pub fn query_$i(words: &str) -> impl Query<Row = Table$i> + use<> { Table$i::select().filter(Table$i::done.eq(false).and(Table$i::points.gte(3))).filter(Table$i::title.like(words)).order_by(Table$i::rank.desc()).limit(20) }" ;;
    1) echo "pub fn query_$i() -> impl Query<Row = (Table$i, User)> { Table$i::select().inner_join(Table$i::owner_id).filter(User::name.eq(\"Ada\").and(Table$i::points.gt(1))).order_by(Table$i::created_at.asc()) }" ;;
    3) echo "pub fn query_$i() -> impl Query<Row = (bool, i64)> { Table$i::select().filter(Table$i::note.is_not_null()).group_by(Table$i::done).project(|done| (done, count())) }" ;;
    esac
}

plasma_args() {
    echo "#[plasma::args] #[derive(Debug, Clone)] pub struct Change$1 { pub id: Id<Table$1>, pub owner_id: Id<User>, #[arg(len(1..=200), trim)] pub title: String, pub points: i32 }"
}

plasma_mutator() {
    local i=$1
    echo "    pub async fn change_$i(tx: &mut Tx<'_>, _: &(), args: Change$i) -> plasma::Result<()> {"
    echo "        let points = args.points + 1;"
    if ((i % 2)); then
        echo "        tx.update(args.id).set((Table$i::title.to(args.title), Table$i::points.to(points))).await"
    else
        echo "        tx.insert(NewTable$i { title: args.title, rank: i64::from(points), slug: String::new(), owner_id: args.owner_id, created_at: tx.now() }.with_id(args.id).with(Table$i::note.to(\"new\"))).await?;"
        echo "        Ok(())"
    fi
    echo "    }"
}

# What a user would have without any library: structs that serde reads and writes, and fns.
write_plain() {
    local src=$1 count=$2 i
    mkdir -p "$src"
    {
        echo "use serde::{Serialize, Deserialize}; use crate::Uuid;"
        echo "#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)] pub struct User { pub id: Uuid, pub name: String }"
        for ((i = 0; i < count; i++)); do
            echo "#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)] pub struct Table$i { pub id: Uuid, $plain_fields }"
        done
    } > "$src/tables.rs"
    {
        echo "use crate::tables::*;"
        for ((i = 0; i < count; i++)); do
            echo "pub fn query_$i(rows: &[Table$i]) -> Vec<Table$i> { rows.iter().filter(|row| !row.done && row.points >= 3).take(20).cloned().collect() }"
        done
    } > "$src/queries.rs"
    for ((i = 0; i < $(sets "$count"); i++)); do
        {
            echo "use serde::{Serialize, Deserialize}; use crate::Uuid; use crate::tables::*;"
            of_set plain_mutator "$i" "$count"
        } > "$src/set_$i.rs"
    done
    {
        echo "pub mod tables; pub mod queries; pub type Uuid = [u8; 16];"
        for ((i = 0; i < $(sets "$count"); i++)); do echo "pub mod set_$i;"; done
    } > "$src/lib.rs"
}

plain_mutator() {
    local i=$1
    echo "#[derive(Debug, Clone, Serialize, Deserialize)] pub struct Change$i { pub id: Uuid, pub owner_id: Uuid, pub title: String, pub points: i32 }"
    echo "pub async fn change_$i(row: &mut Table$i, args: Change$i) -> Result<(), String> {"
    echo "        let points = args.points + 1;"
    echo "        row.title = args.title; row.points = points; Ok(())"
    echo "}"
}

# `table!`, structs to read, to insert and to change, the same queries, a fn for each mutator. Only tables that are
# joined are told so: listing all 100 in one `allow_tables_to_appear_in_same_query!`, as diesel's own tool does, is slower.
write_diesel() {
    local src=$1 count=$2 i
    mkdir -p "$src"
    {
        echo "diesel::table! { users (id) { id -> Binary, name -> Text, } }"
        for ((i = 0; i < count; i++)); do
            echo "diesel::table! { table_$i (id) { id -> Binary, title -> Text, done -> Bool, points -> Integer, rank -> BigInt, note -> Nullable<Text>, slug -> Text, owner_id -> Binary, parent_id -> Nullable<Binary>, created_at -> BigInt, } }"
            echo "diesel::joinable!(table_$i -> users (owner_id)); diesel::allow_tables_to_appear_in_same_query!(table_$i, users);"
        done
    } > "$src/schema.rs"
    {
        echo "use diesel::prelude::*; use crate::Uuid; use crate::schema::*;"
        echo "#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)] #[diesel(table_name = users)] pub struct User { pub id: Uuid, pub name: String }"
        for ((i = 0; i < count; i++)); do
            echo "#[derive(Debug, Clone, PartialEq, Queryable, Selectable)] #[diesel(table_name = table_$i)] pub struct Table$i { pub id: Uuid, $plain_fields }"
            echo "#[derive(Debug, Clone, PartialEq, Insertable)] #[diesel(table_name = table_$i)] pub struct NewTable$i { pub id: Uuid, pub title: String, pub rank: i64, pub note: Option<String>, pub slug: String, pub owner_id: Uuid, pub created_at: i64 }"
        done
    } > "$src/tables.rs"
    {
        echo "use diesel::prelude::*; use diesel::dsl::count_star; use crate::schema::*; use crate::tables::*;"
        for ((i = 0; i < count; i++)); do diesel_query "$i"; done
    } > "$src/queries.rs"
    for ((i = 0; i < $(sets "$count"); i++)); do
        {
            echo "use diesel::prelude::*; use serde::{Serialize, Deserialize}; use crate::Uuid; use crate::schema::*; use crate::tables::*;"
            of_set diesel_mutator "$i" "$count"
        } > "$src/set_$i.rs"
    done
    {
        echo "pub mod schema; pub mod tables; pub mod queries; pub type Uuid = Vec<u8>;"
        for ((i = 0; i < $(sets "$count"); i++)); do echo "pub mod set_$i;"; done
    } > "$src/lib.rs"
}

diesel_query() {
    local i=$1 t=table_$1
    case $((i % 4)) in
    0 | 2) echo "pub fn query_$i(c: &mut SqliteConnection, words: &str) -> QueryResult<Vec<Table$i>> { $t::table.filter($t::done.eq(false).and($t::points.ge(3))).filter($t::title.like(words)).order($t::rank.desc()).limit(20).select(Table$i::as_select()).load(c) }" ;;
    1) echo "pub fn query_$i(c: &mut SqliteConnection) -> QueryResult<Vec<(Table$i, User)>> { $t::table.inner_join(users::table).filter(users::name.eq(\"Ada\").and($t::points.gt(1))).order($t::created_at.asc()).select((Table$i::as_select(), User::as_select())).load(c) }" ;;
    3) echo "pub fn query_$i(c: &mut SqliteConnection) -> QueryResult<Vec<(bool, i64)>> { $t::table.filter($t::note.is_not_null()).group_by($t::done).select(($t::done, count_star())).load(c) }" ;;
    esac
}

diesel_mutator() {
    local i=$1 t=table_$1
    echo "#[derive(Debug, Clone, Serialize, Deserialize)] pub struct Change$i { pub id: Uuid, pub owner_id: Uuid, pub title: String, pub points: i32 }"
    echo "pub fn change_$i(c: &mut SqliteConnection, args: Change$i) -> QueryResult<()> {"
    echo "        let points = args.points + 1;"
    if ((i % 2)); then
        echo "        diesel::update($t::table.find(args.id)).set(($t::title.eq(args.title), $t::points.eq(points))).execute(c)?;"
    else
        echo "        diesel::insert_into($t::table).values(&NewTable$i { id: args.id, title: args.title, rank: i64::from(points), note: None, slug: String::new(), owner_id: args.owner_id, created_at: 0 }).execute(c)?;"
    fi
    echo "        Ok(())"
    echo "}"
}
