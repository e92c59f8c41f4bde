//! One rule for several tables.

include!("../common/app.rs");

trait OfUser: Table {
    const OWNER: plasma::query::Col<Self, Id<User>>;
}

#[plasma::table]
struct Comment {
    id: Id<Comment>,
    author_id: Id<User>,
}

impl OfUser for Comment {
    const OWNER: plasma::query::Col<Self, Id<User>> = Comment::author_id;
}

#[plasma::table]
struct Photo {
    id: Id<Photo>,
    owner_id: Id<User>,
}

impl OfUser for Photo {
    const OWNER: plasma::query::Col<Self, Id<User>> = Photo::owner_id;
}

fn mine<T: OfUser>(ctx: &Ctx) -> Filter<T> {
    T::OWNER.eq(ctx.user).into()
}

mod rules {
    use super::*;

    pub fn anybody<T: Table>(_: &Guest) -> Filter<T> {
        Filter::all()
    }
    pub fn signed_in<T: Table>(guest: &Guest) -> Filter<T> {
        Filter::when(guest.name.is_some())
    }
}

pub struct Guest {
    name: Option<String>,
}

plasma::policy!(Ctx => Comment, Photo: mine);
// Each rule by its name; deletes are not written, and nobody deletes.
plasma::policy!(Guest => Comment, Photo,: read = rules::anybody, insert = rules::signed_in, update = self::rules::signed_in,);
plasma::policy!(Option<Guest> => Photo: read = nobody);

fn nobody<T: Table>(_: &Option<Guest>) -> Filter<T> {
    Filter::nothing()
}

/// Both say the same.
fn same<T: Table>(a: Filter<T>, b: Filter<T>) -> bool {
    format!("{a:?}") == format!("{b:?}")
}

fn main() {
    let ctx = Ctx { user: Id::from_u128(1) };
    let rules = [Photo::read, Photo::insert, Photo::update, Photo::delete].map(|rule: fn(&Ctx) -> Filter<Photo>| rule(&ctx));
    let mine = || Filter::from(Photo::owner_id.eq(ctx.user));
    assert!(rules.into_iter().all(|rule| same(rule, mine())));
    let guest = Guest { name: None };
    assert!(same(Comment::read(&guest), Filter::all()) && same(Comment::insert(&guest), Filter::nothing()));
    assert!(same(Photo::update(&Guest { name: Some("x".into()) }), Filter::all()));
    assert!(same(Photo::delete(&Guest { name: Some("x".into()) }), Filter::nothing()));
    assert!(same(Photo::read(&Some(guest)), Filter::nothing()));
}
