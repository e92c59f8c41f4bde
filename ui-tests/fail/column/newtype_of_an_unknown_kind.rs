pub struct Place;

#[derive(plasma::Column)]
pub struct Home(Place);

fn main() {}
