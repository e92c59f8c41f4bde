include!("../../common/app.rs");

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

plasma::policy!(Ctx => Comment, Photo);

fn main() {}
