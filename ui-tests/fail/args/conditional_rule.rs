#[plasma::args]
pub struct AddTodo {
    #[cfg_attr(debug_assertions, arg(len(1..=200)))]
    pub title: String,
}

fn main() {}
