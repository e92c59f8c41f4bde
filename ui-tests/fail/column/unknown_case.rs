#[derive(plasma::Column)]
#[column(rename_all = "kebap-case")]
pub enum Status {
    Open,
}

fn main() {}
