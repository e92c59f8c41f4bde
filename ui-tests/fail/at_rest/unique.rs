use plasma::prelude::*;

#[plasma::table]
pub struct Contact {
    pub id: Id<Contact>,
    #[column(unique)]
    pub phone: AtRest<String>,
}

fn main() {}
