#[plasma::schema(version = "1")]
pub struct App;

fn main() {}
