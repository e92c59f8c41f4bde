//! A book of contacts: numbers that a lost device does not tell, and names that it does.

use plasma::prelude::*;

#[plasma::table(name = "contacts", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Contact {
    pub id: Id<Contact>,
    /// What is not encrypted, to see that these tests find it.
    pub name: String,
    pub phone: AtRest<String>,
    pub remark: Option<AtRest<String>>,
}

/// Never leaves the device.
#[plasma::table(name = "calls", local_only)]
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub id: Id<Call>,
    pub number: AtRest<String>,
}

#[plasma::schema(version = "1", tables(Contact, Call), mutators(Contacts), lock = false)]
#[derive(Debug)]
pub struct App;

pub type Tx<'a> = plasma::Tx<'a, App>;

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Add {
    pub id: Id<Contact>,
    pub name: String,
    pub phone: String,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct SetPhone {
    pub id: Id<Contact>,
    pub phone: String,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Noted {
    pub id: Id<Contact>,
    pub remark: String,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Called {
    pub id: Id<Call>,
    pub number: String,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Remove {
    pub id: Id<Contact>,
}

#[derive(Debug)]
pub struct Contacts;

#[plasma::mutators(App)]
impl Contacts {
    pub async fn add(tx: &mut Tx<'_>, _: &(), args: Add) -> plasma::Result<()> {
        tx.insert(NewContact { name: args.name, phone: args.phone.into() }.with_id(args.id)).await?;
        Ok(())
    }

    pub async fn set_phone(tx: &mut Tx<'_>, _: &(), args: SetPhone) -> plasma::Result<()> {
        tx.update(args.id).set(Contact::phone.to(args.phone)).await
    }

    /// The server takes none, and says what it was given.
    pub async fn note(tx: &mut Tx<'_>, _: &(), args: Noted) -> plasma::Result<()> {
        if tx.is_server() {
            return Err(plasma::Error::rejected("no-remarks", format!("not `{}`", args.remark)));
        }
        tx.update(args.id).set(Contact::remark.to(args.remark)).await
    }

    pub async fn called(tx: &mut Tx<'_>, _: &(), args: Called) -> plasma::Result<()> {
        tx.insert(NewCall { number: args.number.into() }.with_id(args.id)).await?;
        Ok(())
    }

    pub async fn remove(tx: &mut Tx<'_>, _: &(), args: Remove) -> plasma::Result<()> {
        tx.delete(args.id).await
    }
}
