#[plasma::args]
pub struct Invite {
    #[arg(email)]
    pub whom: i64,
}

fn main() {}
