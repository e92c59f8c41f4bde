#[derive(plasma::Column)]
pub enum Status {
    InProgress,
    #[column(rename = "in_progress")]
    Started,
}

fn main() {}
