pub struct Place {
    pub shelf: i32,
}

#[plasma::args]
pub struct Put {
    pub place: Place,
}

fn main() {}
