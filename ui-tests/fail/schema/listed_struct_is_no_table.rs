pub struct Note;

#[plasma::schema(version = "1", tables(Note))]
pub struct App;

fn main() {}
