//! What the queries answer, calculated again over plain rows by plain Rust.

use std::collections::BTreeMap;

use plasma::prelude::*;
use plasma::{Cursor, Fixed};
use showcase::report::Report;
use showcase::schema::{Comment, Customer, Job, Line, Money, Notice, Part, Staff, Stock};
use showcase::story;
use showcase::world::World;

fn cents(money: Money) -> i64 {
    money.0.minor()
}

#[tokio::test]
async fn the_database_calculates_as_rust_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let world = World::open(folder.path()).await.expect("it opens");
    story::live(&world, &mut Report::default()).await.expect("the days go well");

    let ben = &world.ben;
    let jobs = ben.all(Job::select()).await.expect("jobs");
    let lines = ben.all(Line::select()).await.expect("lines");
    let parts = ben.all(Part::select()).await.expect("parts");
    let stock = ben.all(Stock::select()).await.expect("stock");
    assert_eq!((jobs.len(), lines.len(), parts.len()), (7, 8, 6));

    // Sums of products, by group and over a join.
    let totals =
        Line::select().group_by(Line::job_id).project(|job| (job, (Line::unit_price * Line::qty).sum(), count()));
    let mut wanted: BTreeMap<Id<Job>, (i64, i64)> = BTreeMap::new();
    for line in &lines {
        let sum = wanted.entry(line.job_id).or_default();
        *sum = (sum.0 + cents(line.unit_price) * i64::from(line.qty), sum.1 + 1);
    }
    let totals = world.all(totals).await.expect("totals");
    let found: BTreeMap<_, _> = totals.into_iter().map(|(job, sum, n)| (job, (sum.map_or(0, cents), n))).collect();
    assert_eq!(found, wanted);
    let price = |id: Id<Part>| parts.iter().find(|part| part.id == id).map_or(0, |part| cents(part.price));
    let worth = Stock::select().inner_join(Stock::part_id).aggregate((Part::price * Stock::qty).sum());
    let worth = ben.one(worth).await.expect("a sum").map(cents);
    assert_eq!(worth, Some(stock.iter().map(|shelf| price(shelf.part_id) * shelf.qty).sum()));

    // Anti join, left join and sub-query say the same.
    let sold = |part: &&Part| !lines.iter().any(|line| line.part_id == Some(part.id));
    let mut unsold: Vec<Id<Part>> = parts.iter().filter(sold).map(|part| part.id).collect();
    unsold.sort();
    let joined = Part::select().left_join(Line::on(Line::part_id.eq(Part::id))).filter(is_missing::<Line>());
    let mut joined: Vec<Id<Part>> =
        world.all(joined).await.expect("parts").into_iter().map(|(part, _)| part.id).collect();
    joined.sort();
    let asked = Part::select().filter(not(Line::part_id.any(Filter::<Line>::all()))).order_by(Part::id.asc());
    let asked: Vec<Id<Part>> = world.all(asked.project(Part::id)).await.expect("parts");
    assert_eq!((&joined, &asked), (&unsold, &unsold));

    // Numbers have no gaps, whoever accepted the bicycle.
    for (branch, gone) in [(world.noord, 0), (world.zuid, 1)] {
        let mut numbers: Vec<i64> = jobs.iter().filter(|job| job.branch_id == branch).map(|job| job.number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers.len() + gone, usize::try_from(numbers[numbers.len() - 1]).expect("a number"));
    }
    // One row for each pair, and both boxes that were received offline count.
    let tubes = stock.iter().filter(|shelf| shelf.branch_id == world.zuid && shelf.qty == 12).count();
    assert_eq!((tubes, ben.count(Staff::select()).await.expect("staff")), (1, 5));
    // What is derived, defaulted and kept by the library.
    assert!(
        jobs.iter().all(|job| job.updated_at >= job.created_at)
            && jobs.iter().any(|job| job.updated_at > job.created_at)
    );
    assert!(lines.iter().any(|line| line.discount == Some(Fixed::from_minor(1_500))));
    assert_eq!(ben.count(Notice::select().filter(Notice::pinned)).await.expect("notices"), 1);

    // Pages are the whole in pieces; a join's rows are those of the tables.
    let whole = world.all(Job::select().order_by(Job::due.desc()).project(Job::id)).await.expect("jobs");
    let (mut paged, mut cursor): (Vec<Id<Job>>, Option<Cursor>) = (Vec::new(), None);
    loop {
        let query = Job::select().order_by(Job::due.desc()).limit(2).project(Job::id).after(cursor);
        let page = ben.page(query).await.expect("a page");
        paged.extend(page.rows);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(paged, whole);
    let owned = world.all(Job::select().inner_join(Job::customer_id)).await.expect("jobs");
    assert!(owned.len() == jobs.len() && owned.iter().all(|(job, customer)| job.customer_id == customer.id));
    let nested =
        world.all(Customer::select().with_many(Job::customer_id).with_count(Job::customer_id)).await.expect("rows");
    assert!(nested.iter().all(|(customer, jobs, n)| i64::try_from(jobs.len()).ok() == Some(*n)
        && jobs.iter().all(|job| job.customer_id == customer.id)));

    // Every device that may see a row sees the same row, and what the server has.
    for client in [&world.ada, &world.dee] {
        for job in client.all(Job::select()).await.expect("jobs") {
            assert_eq!(Some(&job), jobs.iter().find(|other| other.id == job.id));
            assert_eq!(world.server.db().trusted().need(job.id).await.expect("the server has it"), job);
        }
        for comment in client.all(Comment::select()).await.expect("comments") {
            assert_eq!(ben.need(comment.id).await.expect("Ben sees both branches"), comment);
        }
    }
    for client in world.clients() {
        assert_eq!(client.status().get().pending, 0, "everything is up");
        assert!(client.status().get().drift.is_none(), "both sides ran alike");
    }
}
