include!("../../common/app.rs");

pub struct Todos;

#[plasma::mutators]
impl Todos {}

fn main() {}
