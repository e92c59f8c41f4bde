#[derive(plasma::Column)]
pub struct Point(i32, i32);

fn main() {}
