#[plasma::args]
pub struct AddTodo {
    #[arg(range(5..=-1))]
    pub count: i64,
}

fn main() {}
