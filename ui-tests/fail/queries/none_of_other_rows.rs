include!("../../common/app.rs");

fn open(user: Option<Id<User>>) -> plasma::query::AnyQuery<Todo> {
    user.map_or_else(plasma::query::AnyQuery::none, |_| User::select().any())
}

fn main() {
    let _ = open(None);
}
