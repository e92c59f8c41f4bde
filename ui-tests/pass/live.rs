//! Live queries of rows, of values, and of structs of one's own.

include!("../common/app.rs");

#[derive(Debug, Clone, PartialEq)]
pub struct Title(String);

pub fn queries(client: &plasma::Client<App>, id: Id<Todo>) -> plasma::LiveQuery<Title> {
    let rows = client.live(Todo::select().filter(Todo::done).order_by(Todo::title.asc()));
    let values = client.live(Todo::select().project((Todo::title, Todo::points)));
    let any = client.live(User::select().any());
    let one = client.live_row(id);
    drop((rows, values, any, one));
    client.live(Todo::select().project(Todo::title).map(Title))
}

fn main() {
    let _ = (queries, Title(String::new()).0);
}
