//! Several versions of one schema at once: clients of earlier versions on a server of a later one, stores that are
//! carried over with work in them, servers of two versions over one database.

mod fleet;
mod matrix;
mod merge;
mod refused;
mod rolling;
mod together;
mod upgrade;
pub(crate) mod v1;
pub(crate) mod v2;
pub(crate) mod v3;
pub(crate) mod v4;

use plasma::client::Client;
use plasma::schema::Schema;
use serde_json::{Value as Json, json};

use fleet::Fleet;

/// Who calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    pub user: String,
}

/// A task as every version knows it: title, minutes.
type Known = (String, i64);

/// What the tests ask of a version.
trait Version: Schema<Ctx = Caller> {
    /// The tasks a client shows, by title.
    fn tasks(client: &Client<Self>) -> impl Future<Output = Vec<Known>> + Send;
    /// The arguments of `tasks.add_task` under this version.
    fn add_task(id: &str, list: &str, title: &str, minutes: i64) -> Json {
        json!({ "id": id, "list_id": list, "title": title, "minutes": minutes })
    }
    /// The name under which a task's title is changed.
    const RETITLE: &'static str = "tasks.retitle";
}

/// The policies of lists and tasks: they are their owner's.
macro_rules! policies {
    () => {
        impl Policy<Caller> for List {
            fn read(caller: &Caller) -> Filter<List> {
                List::owner.eq(caller.user.as_str()).into()
            }
            fn insert(caller: &Caller) -> Filter<List> {
                Self::read(caller)
            }
            fn update(caller: &Caller) -> Filter<List> {
                Self::read(caller)
            }
            fn delete(caller: &Caller) -> Filter<List> {
                Self::read(caller)
            }
        }

        impl Policy<Caller> for Task {
            fn read(caller: &Caller) -> Filter<Task> {
                Task::list_id.has(List::owner.eq(caller.user.as_str())).into()
            }
            fn insert(caller: &Caller) -> Filter<Task> {
                Self::read(caller)
            }
            fn update(caller: &Caller) -> Filter<Task> {
                Self::read(caller)
            }
            fn delete(caller: &Caller) -> Filter<Task> {
                Self::read(caller)
            }
        }
    };
}
use policies;

macro_rules! version {
    ($($item:item)*) => {
        impl super::Version for App {
            async fn tasks(client: &plasma::client::Client<Self>) -> Vec<super::Known> {
                let tasks = client.all(Task::select().order_by(Task::title.asc())).await.expect("readable");
                tasks.into_iter().map(|task| (task.title, i64::from(task.minutes))).collect()
            }
            $($item)*
        }
    };
}
use version;

/// A row id from a number.
fn id(n: u32) -> String {
    format!("00000000-0000-4000-8000-{n:012}")
}

fn known(title: &str, minutes: i64) -> Known {
    (title.to_owned(), minutes)
}

/// Pushes and pulls until nothing is left to push, whatever is refused on the way.
async fn sync<S: Version>(client: &Client<S>) {
    for _ in 0..8 {
        let pushed = client.flush().await;
        let pulled = client.pull_once().await;
        if pushed.is_ok() && pulled.is_ok() {
            return;
        }
    }
    panic!("stuck: {:?}", client.status().get());
}

async fn list<S: Version>(client: &Client<S>, n: u32) {
    let args = json!({ "id": id(n), "name": format!("list {n}") });
    client.mutate_named("tasks.add_list", &args).await.expect("applied");
}

async fn task<S: Version>(client: &Client<S>, n: u32, title: &str, minutes: i64) {
    let args = S::add_task(&id(n), &id(1), title, minutes);
    client.mutate_named("tasks.add_task", &args).await.expect("applied");
}

async fn retitle<S: Version>(client: &Client<S>, n: u32, title: &str) {
    client.mutate_named(S::RETITLE, &json!({ "id": id(n), "title": title })).await.expect("applied");
}
