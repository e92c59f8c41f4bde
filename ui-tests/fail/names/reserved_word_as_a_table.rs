use plasma::prelude::*;

#[plasma::table]
pub struct Order {
    pub id: Id<Order>,
}

fn main() {}
