//! Writes of every shape, with what they answer.

include!("../common/app.rs");

#[plasma::table(name = "drafts", auth = open)]
pub struct Draft {
    pub id: Id<Draft>,
    pub due: Option<Timestamp>,
    pub day: plasma::Date,
}

#[plasma::schema(version = "1", tables(Draft), lock = false)]
pub struct Drafts;

pub async fn times(tx: &mut plasma::Tx<'_, Drafts>, id: Id<Draft>) -> plasma::Result<()> {
    tx.update(id).set((Draft::due.to(plasma::now()), Draft::day.to(plasma::now().date()))).await?;
    tx.delete_where(Draft::due.lt(plasma::now())).await?;
    tx.all(Draft::select().filter(Draft::due.gt(plasma::now()))).await?;
    Ok(())
}

pub async fn writes(tx: &mut Tx<'_>, id: Id<Todo>, owner: Id<User>) -> plasma::Result<()> {
    let new = || NewUser { name: "Ada".into() };
    let ada: Id<User> = tx.insert(new().with(User::age.to(36))).await?;
    let _: Vec<Id<User>> = tx.insert_all([new().with_id(owner), new().with(User::age.to(1))]).await?;
    let _: User = tx.insert(new()).returning().await?;
    let upserted: plasma::Upserted<User> = tx.insert(new().with_id(ada)).on_conflict_update(User::age.to(37)).await?;
    let _: User = tx.insert(new().with_id(upserted.id)).on_conflict_ignore().returning().await?;
    tx.update(id).set((Todo::done.to(true), Todo::note.to(None::<String>), Todo::points.to(Todo::points + 1))).await?;
    tx.update(id).set([Todo::title.to("x"), Todo::title.to(String::from("y"))]).await?;
    let changed: u64 = tx.update_where(Todo::done).set(Some(Todo::owner_id.to(ada))).await?;
    let _: Vec<Todo> = tx.delete_where(Todo::points.lt(1)).returning().await?;
    let _ = changed;
    tx.delete(id).await
}

fn main() {
    let _ = (writes, times);
}
