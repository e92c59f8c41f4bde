#[plasma::table]
pub struct Todo;

fn main() {}
