//! Columns that are encrypted in the client's file.

use plasma::prelude::*;

#[plasma::table(auth = open)]
pub struct Contact {
    pub id: Id<Contact>,
    pub name: String,
    pub phone: AtRest<String>,
    pub born: Option<AtRest<plasma::Date>>,
    #[column(default = 0)]
    pub calls: AtRest<i32>,
}

#[plasma::args]
pub struct AddContact {
    pub id: Id<Contact>,
    pub name: String,
    pub phone: AtRest<String>,
}

pub struct Contacts;

#[plasma::mutators(App)]
impl Contacts {
    pub async fn add(tx: &mut plasma::Tx<'_, App>, _: &(), args: AddContact) -> plasma::Result<()> {
        tx.insert(NewContact { name: args.name, phone: args.phone }.with_id(args.id)).await?;
        let born: plasma::Date = "2001-02-03".parse().expect("a date");
        tx.update(args.id).set((Contact::born.to(born), Contact::calls.to(1))).await?;
        tx.update(args.id).set((Contact::born.to(None), Contact::phone.to("another"))).await?;
        let contact = tx.need(args.id).await?;
        let length: usize = contact.phone.len();
        let _: (String, i32) = (contact.phone.into_inner(), *contact.calls.get() + length as i32);
        Ok(())
    }
}

#[plasma::schema(version = "1", tables(Contact), mutators(Contacts))]
pub struct App;

fn main() {
    let _ = Contact::select().filter(Contact::born.is_null());
    let column = Contact::DEF.columns.iter().find(|column| column.name == "phone").expect("it is there");
    assert!(column.at_rest);
}
