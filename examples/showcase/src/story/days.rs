//! The days that go well.

use plasma::prelude::*;
use plasma::{Date, FileRef};

use super::Cast;
use crate::mutators::{
    AcceptJob, AddLines, AddPart, Assign, AttachPhoto, CancelStale, CorrectCustomer, Discontinue, EditJob, Hire,
    IssueInvoice, MoveJob, NewItem, OpenBranch, PinNotice, React, Receive, RegisterCustomer, Say, SetStatus, Take,
    TidyUp,
};
use crate::queries::conditions::day;
use crate::report::Report;
use crate::schema::{
    Audit, Branch, Checklist, Comment, Customer, Draft, Emoji, Job, JobPatch, Money, Notice, Part, Person, Priority,
    Role, Sku, Status, Stock,
};
use crate::world::{World, person};

/// What a set of arguments is called on the wire.
fn wire_name<M: Mutation>() -> &'static str {
    M::NAME
}

/// Lives them.
///
/// # Errors
/// When something goes wrong.
pub(super) async fn live(world: &World, out: &mut Report) -> plasma::Result<Cast> {
    out.chapter("Head office opens two branches");
    let mut cast =
        Cast { parts: catalogue(world).await?, customers: Vec::new(), jobs: Vec::new(), glass: world.ada.new_id() };
    staff(world).await?;
    out.say(&format!(
        "{} branches, {} parts",
        world.head.count(Branch::select()).await?,
        world.ada.count(Part::select()).await?
    ));
    cast.customers = customers(world).await?;
    shelves(world, &cast).await?;
    out.say(&format!(
        "Ada sees {} shelves, Ben {}, head office {}",
        world.ada.count(Stock::select()).await?,
        world.ben.count(Stock::select()).await?,
        world.head.count(Stock::select()).await?
    ));

    out.chapter("Bicycles come in");
    accept(world, &mut cast).await?;
    bills(world, &cast).await?;
    talk(world, &cast).await?;
    out.say(&format!(
        "{} jobs on Ben's device, {} on Ada's",
        world.ben.count(Job::select()).await?,
        world.ada.count(Job::select()).await?
    ));
    out.list(
        "the board",
        world.dee.all(Notice::select().order_by(Notice::text.asc())).await?.into_iter().map(|notice| {
            format!("{} ({}{})", notice.text, notice.posted_on, if notice.pinned { ", pinned" } else { "" })
        }),
    );

    out.chapter("The server writes an invoice, and cleans up at night");
    world.clock.advance(24 * 60);
    let flat = cast.job("Flat tyre, rear")?;
    world.ada.mutate(SetStatus { id: flat, status: Status::ReadyForPickup }).await?;
    let queued = world.ada.mutate(IssueInvoice { job: flat }).await?;
    world.sync().await?;
    queued.acknowledged().await?;
    let invoice = world.ada.need(crate::mutators::billing::invoice_of(flat)).await?;
    let code = invoice.pickup_code.as_bytes();
    let shape = code.len() == 10 && code[0].is_ascii_uppercase() && code[5] == b'-';
    out.say(&format!("`{}` ran on the server", wire_name::<IssueInvoice>()));
    out.say(&format!("invoice {} over {}; the code looks like one: {shape}", invoice.number, invoice.total));
    // A job of the server: with a key it runs once, however often it is asked for.
    for _ in 0..2 {
        world
            .server
            .invoke(CancelStale { before: day(15) })
            .as_ctx(&crate::world::caller("head"))
            .key("night of the 17th")
            .await?;
    }
    world.sync().await?;
    let log = world.ada.all(Audit::select().order_by(Audit::at.asc())).await?;
    out.list("Ada's log", log.iter().map(|entry| format!("{}, by a device: {}", entry.what, entry.origin.is_some())));
    let stale = world.dee.need(cast.job("Wheel check")?).await?;
    out.say(&format!("`{}` is {:?}: {}", stale.title, stale.status, stale.note.unwrap_or_default()));
    world.dee.mutate(TidyUp { branch: world.zuid }).await?;
    world.sync().await?;
    out.say(&format!("{} jobs are left in Zuid", world.dee.count(Job::select()).await?));
    let (id, job, body) = (world.dee.new_id(), cast.job("New tyre and tube")?, "The one with stripes".to_owned());
    world.dee.mutate(Say { id, job, reply_to: None, body }).await?;
    world.sync().await?;
    Ok(cast)
}

async fn catalogue(world: &World) -> plasma::Result<Vec<(&'static str, Id<Part>)>> {
    let head = &world.head;
    let open = |id, name: &str, opened_on, latitude, hourly_rate| OpenBranch {
        id,
        name: name.into(),
        opened_on,
        utc_offset: 60,
        latitude,
        hourly_rate,
    };
    head.mutate(open(world.noord, " Noord ", Date::constant(2019, 4, 1), 52.4, None)).await?;
    head.mutate(open(world.zuid, "Zuid", Date::constant(2021, 9, 15), 52.33, Some(Money::cents(4_950)))).await?;
    let parts = [
        ("TUBE-28", "inner tube", 750, Some(0.125), Some([0x87, 0x12])),
        ("TYRE-28", "tyre", 3_295, Some(0.65), Some([0x87, 0x13])),
        ("CHAIN-8", "chain", 1_840, Some(0.3125), None),
        ("BELL-1", "bell", 995, None, None),
        ("LAMP-F", "front lamp", 2_400, Some(0.0625), None),
        ("PAD-V", "brake pads", 1_125, Some(0.05), None),
    ];
    let mut ids = Vec::new();
    for (sku, name, cents, weight, barcode) in parts {
        let id = head.new_id();
        let (name, price, barcode) = (name.to_owned(), Money::cents(cents), barcode.map(Vec::from));
        head.mutate(AddPart { id, sku: Sku(sku.into()), name, price, weight, barcode }).await?;
        ids.push((sku, id));
    }
    // Its successor is not in the catalogue yet: the column is `unconstrained`.
    head.mutate(Discontinue { id: ids[5].1, successor: Some(head.new_id()) }).await?;
    world.sync().await?;
    Ok(ids)
}

async fn staff(world: &World) -> plasma::Result<()> {
    let hire = |name: &str, branch, role| Hire {
        person: person(&name.to_lowercase()),
        name: name.into(),
        email: format!("{}@example.org", name.to_lowercase()),
        branch,
        role,
    };
    world.head.mutate(hire("Ada", world.noord, Role::Manager)).await?;
    world.head.mutate(hire("Dee", world.zuid, Role::Manager)).await?;
    world.sync().await?;
    // Two managers hire the same person while both are offline; he is one row, and works in two branches.
    world.ada.mutate(hire("Ben", world.noord, Role::Apprentice)).await?;
    world.dee.mutate(hire("Ben", world.zuid, Role::Mechanic)).await?;
    world.dee.mutate(hire("Cis", world.zuid, Role::Apprentice)).await?;
    world.ada.mutate(hire("Ben", world.noord, Role::Mechanic)).await?;
    world.sync().await
}

async fn customers(world: &World) -> plasma::Result<Vec<(&'static str, Id<Customer>)>> {
    let mut ids = Vec::new();
    for (client, branch, name, phone, bikes) in [
        (&world.ada, world.noord, "Vos", Some("06 1234"), vec!["red Gazelle"]),
        (&world.ada, world.noord, "Klein", None, vec![]),
        (&world.dee, world.zuid, "Bos", Some("06 5678"), vec!["cargo bike", "folding bike"]),
        (&world.dee, world.zuid, "de Wit", None, vec!["tandem"]),
    ] {
        let id = client.new_id();
        let bikes = bikes.into_iter().map(str::to_owned).collect();
        let args = RegisterCustomer { id, branch, name: name.into(), phone: phone.map(str::to_owned), bikes };
        client.mutate(args).await?;
        ids.push((name, id));
    }
    world.sync().await?;
    let (vos, klein) = (ids[0].1, ids[1].1);
    let correct = |id| CorrectCustomer { id, name: None, phone: None, bike: None };
    world
        .ada
        .mutate(CorrectCustomer { phone: Some("06 9999".into()), bike: Some("child's".into()), ..correct(vos) })
        .await?;
    world.ada.mutate(CorrectCustomer { name: Some("Kleijn".into()), ..correct(klein) }).await?;
    world.sync().await?;
    Ok(ids)
}

async fn shelves(world: &World, cast: &Cast) -> plasma::Result<()> {
    for (client, branch, sku, qty) in [
        (&world.ada, world.noord, "TUBE-28", 12),
        (&world.ada, world.noord, "CHAIN-8", 3),
        (&world.ada, world.noord, "LAMP-F", 1),
        (&world.dee, world.zuid, "TUBE-28", 7),
        (&world.dee, world.zuid, "TYRE-28", 9),
        (&world.dee, world.zuid, "PAD-V", 2),
        // Ben receives a box of the same part while he is offline: both count.
        (&world.ben, world.zuid, "TUBE-28", 5),
    ] {
        client.mutate(Receive { branch, part: cast.part(sku)?, qty }).await?;
    }
    world.sync().await?;
    let found = vec![(cast.part("TUBE-28")?, 12), (cast.part("CHAIN-8")?, 4)];
    world.ada.mutate(crate::mutators::CountShelf { branch: world.noord, found, shelf_size: Some(20) }).await?;
    world.ben.mutate(Take { branch: world.zuid, part: cast.part("PAD-V")?, qty: 2 }).await?;
    world.sync().await
}

async fn accept(world: &World, cast: &mut Cast) -> plasma::Result<()> {
    let flat = world.ada.new_id();
    let brakes = world.dee.new_id();
    let worn = Checklist { fine: vec!["chain".into()], worn: vec!["rim tape".into(), "spokes".into()] };
    let job = |id, branch, customer, title: &'static str, on| AcceptJob {
        id,
        branch,
        customer,
        title: title.into(),
        on: day(on),
        due: None,
        priority: None,
        follows: None,
        checklist: Checklist::default(),
    };
    let (vos, klein, bos, wit) =
        (cast.customer("Vos")?, cast.customer("Klein")?, cast.customer("Bos")?, cast.customer("de Wit")?);
    let (ada, dee, ben) = (&world.ada, &world.dee, &world.ben);
    let noord = |title, id, customer, on| job(id, world.noord, customer, title, on);
    let zuid = |title, id, customer, on| job(id, world.zuid, customer, title, on);
    let urgent = Some(Priority::High);
    let jobs = [
        (
            ada,
            AcceptJob {
                due: Some(day(17)),
                priority: urgent,
                checklist: worn,
                ..noord("Flat tyre, rear", flat, vos, 16)
            },
        ),
        (ada, AcceptJob { due: Some(day(20)), ..noord("New chain", ada.new_id(), klein, 17) }),
        (
            ada,
            AcceptJob {
                follows: Some(flat),
                priority: Some(Priority::Low),
                ..noord("Lamp does not light", ada.new_id(), vos, 18)
            },
        ),
        (ada, AcceptJob { due: Some(day(16)), ..noord("100% service", ada.new_id(), klein, 18) }),
        (dee, AcceptJob { due: Some(day(19)), priority: urgent, ..zuid("Squeaking brakes", brakes, bos, 16) }),
        (dee, AcceptJob { due: Some(day(10)), ..zuid("Wheel check", dee.new_id(), wit, 10) }),
        (ben, AcceptJob { due: Some(day(21)), ..zuid("New tyre and tube", ben.new_id(), bos, 17) }),
        // What a newer program calls priority 7.
        (
            dee,
            AcceptJob {
                follows: Some(brakes),
                priority: Some(Priority::Other(7)),
                ..zuid("The brakes again", dee.new_id(), bos, 23)
            },
        ),
    ];
    for (client, args) in jobs {
        cast.jobs.push((title_of(&args.title)?, args.id));
        // One after the other, so that the server numbers them in this order.
        client.mutate(args).await?;
        world.sync().await?;
    }
    ada.mutate(Assign { id: cast.job("New chain")?, mechanic: Some(person("ben")) }).await?;
    ada.mutate(SetStatus { id: cast.job("New chain")?, status: Status::InRepair }).await?;
    dee.mutate(SetStatus { id: brakes, status: Status::InRepair }).await?;
    dee.mutate(SetStatus { id: brakes, status: Status::ReadyForPickup }).await?;
    ben.mutate(Assign { id: cast.job("New tyre and tube")?, mechanic: Some(person("ben")) }).await?;
    // What a form sends: absent stays, `null` clears. The lamp is booked a day later; its note is new.
    let patch: JobPatch =
        serde_json::from_str(r#"{"note":"only when it rains","due":"2026-11-25"}"#).map_err(plasma::Error::fault)?;
    ada.mutate(EditJob { id: cast.job("Lamp does not light")?, patch }).await?;
    ada.mutate(EditJob {
        id: cast.job("Lamp does not light")?,
        patch: JobPatch { due: Some(None), ..JobPatch::default() },
    })
    .await?;
    ada.mutate(MoveJob { branch: world.noord, from: day(18), to: day(19) }).await?;
    world.sync().await
}

/// The titles of the story, which the rest finds jobs by.
fn title_of(title: &str) -> plasma::Result<&'static str> {
    let known = [
        "Flat tyre, rear",
        "New chain",
        "Lamp does not light",
        "100% service",
        "Squeaking brakes",
        "Wheel check",
        "New tyre and tube",
        "The brakes again",
    ];
    let found = known.into_iter().find(|known| *known == title);
    found.ok_or_else(|| plasma::Error::internal("a job of another story"))
}

async fn bills(world: &World, cast: &Cast) -> plasma::Result<()> {
    let work = |text: &str, cents| NewItem::Work(text.into(), Money::cents(cents));
    let add = |job: &str, items, discount: Option<&str>| -> plasma::Result<AddLines> {
        Ok(AddLines { job: cast.job(job)?, items, discount: discount.map(str::parse).transpose()? })
    };
    let part = |sku, qty| -> plasma::Result<NewItem> { Ok(NewItem::Part(cast.part(sku)?, qty)) };
    world.ada.mutate(add("Flat tyre, rear", vec![part("TUBE-28", 1)?, work("mending", 1_500)], None)?).await?;
    world.ada.mutate(add("New chain", vec![part("CHAIN-8", 1)?, work("fitting", 2_250)], Some("0.1000"))?).await?;
    world
        .dee
        .mutate(add("Squeaking brakes", vec![part("PAD-V", 2)?, work("adjusting", 1_200)], Some("0.1500"))?)
        .await?;
    world
        .ben
        .mutate(add(
            "New tyre and tube",
            vec![part("TYRE-28", 2)?, part("TUBE-28", 2)?, work("gift wrapping", 50)],
            None,
        )?)
        .await?;
    world.sync().await?;
    let wrapping = crate::schema::Line::select().filter(crate::schema::Line::text.eq("gift wrapping"));
    let wrapping = world.ben.one(wrapping).await?.id;
    world.ben.mutate(crate::mutators::RemoveLine { id: wrapping }).await?;
    world.sync().await
}

async fn talk(world: &World, cast: &Cast) -> plasma::Result<()> {
    let (flat, tyre) = (cast.job("Flat tyre, rear")?, cast.job("New tyre and tube")?);
    let say = |id, job, reply_to, body: &str| Say { id, job, reply_to, body: body.into() };
    let (again, mistake) = (world.ben.new_id::<Comment>(), world.ada.new_id::<Comment>());
    world.ada.mutate(say(cast.glass, flat, None, "Glass in it")).await?;
    world.sync().await?;
    world.ben.mutate(say(again, flat, Some(cast.glass), "Again?")).await?;
    world.ben.mutate(React { comment: cast.glass, emoji: Emoji::ThumbsUp, on: true }).await?;
    world.ben.mutate(React { comment: cast.glass, emoji: Emoji::ThumbsUp, on: true }).await?;
    world.sync().await?;
    // 15 hours later it is Tuesday here, and still Monday in UTC.
    world.clock.advance(13 * 60);
    world.ada.mutate(say(world.ada.new_id(), flat, Some(again), "Third time this month")).await?;
    world.ada.mutate(React { comment: again, emoji: Emoji::Other("facepalm".into()), on: true }).await?;
    world.ada.mutate(React { comment: again, emoji: Emoji::PartyPopper, on: true }).await?;
    world.ada.mutate(React { comment: again, emoji: Emoji::PartyPopper, on: false }).await?;
    world.ada.mutate(say(mistake, flat, None, "wrong window")).await?;
    world.ada.mutate(crate::mutators::Retract { id: mistake }).await?;
    world.sync().await?;
    world.clock.advance(60);
    world.ben.mutate(say(world.ben.new_id(), tyre, None, "Which profile?")).await?;
    let picture = FileRef::of(b"a flat tyre", "image/png")?;
    let receipt = Some(FileRef::of(b"EUR 7.50", "application/pdf")?);
    world
        .ada
        .mutate(AttachPhoto { id: world.ada.new_id(), job: flat, picture, receipt, preview: vec![1, 2, 3] })
        .await?;
    world.head.mutate(PinNotice { text: "Closed on Sundays".into() }).await?;
    world.sync().await?;
    world.dee.mutate(PinNotice { text: "Cake in Zuid".into() }).await?;
    world.sync().await?;
    // A draft stays on the device: no mutator, no outbox.
    world
        .ben
        .local(async |tx| {
            let draft = crate::schema::device::NewDraft { job_id: flat, text: "Maybe".into() };
            let text = Draft::text.to("Maybe it is the rim");
            tx.insert(draft.clone()).on_conflict_update(text.clone()).await?;
            tx.insert(draft).on_conflict_update(text).await?;
            tx.update_where(Draft::text.eq("")).set(Draft::text.to("..")).await
        })
        .await?;
    let drafts = (world.ben.count(Draft::select()).await?, world.ada.count(Draft::select()).await?);
    assert_eq!((drafts, world.ben.count(Person::select()).await?), ((1, 0), 4));
    Ok(())
}
