include!("../../common/app.rs");

#[plasma::mutators(App)]
pub struct Todos;

fn main() {}
