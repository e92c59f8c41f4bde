include!("../../common/app.rs");

pub struct Todos;

#[plasma::mutators(App)]
impl Default for Todos {
    fn default() -> Self {
        Todos
    }
}

fn main() {}
