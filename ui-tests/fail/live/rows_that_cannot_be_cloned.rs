include!("../../common/app.rs");

struct Title(String);

fn f(client: &plasma::Client<App>) {
    let _ = client.live(Todo::select().map(|todo| Title(todo.title)));
}

fn main() {
    let _ = f;
    let _ = Title(String::new()).0;
}
