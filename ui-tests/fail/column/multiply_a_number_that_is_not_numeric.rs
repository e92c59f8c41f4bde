//! A newtype of a number that did not ask to be calculated with.

use plasma::prelude::*;

#[derive(plasma::Column)]
pub struct Points(pub i32);

#[plasma::table]
pub struct Player {
    pub id: Id<Player>,
    pub points: Points,
}

fn main() {
    let _ = Player::points * 2;
}
