//! Fields whose names SQL or the table itself has a use for, given another.

#![allow(non_snake_case)]

use plasma::prelude::*;

#[plasma::table(name = "orders", auth = open)]
pub struct Order {
    pub id: Id<Order>,
    #[column(name = "sort_order")]
    pub order: i32,
    #[column(name = "selected", accessor = is_selected)]
    pub select: bool,
    #[column(accessor = definition)]
    pub DEF: String,
    #[column(name = "kind")]
    pub r#type: String,
    #[column(name = "xmin_")]
    pub xmin: i64,
}

fn main() {
    assert_eq!(Order::order.name(), "sort_order");
    assert_eq!(Order::is_selected.name(), "selected");
    assert_eq!(Order::definition.name(), "DEF");
    assert_eq!(Order::r#type.name(), "kind");
    let _ = Order::select().filter(Order::is_selected).order_by(Order::order.asc());
}
