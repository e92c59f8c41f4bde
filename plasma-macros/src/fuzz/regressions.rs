//! Cases that once broke a promise.

use super::judge::judge;
use super::{Case, MACROS, tree};

/// The macro, its options, its item.
const CASES: &[(&str, &str, &str)] = &[
    // `syn` reads fields without a name, and `try` as a path.
    ("Projection", "", "struct Name { #[from(model::User)] _: String }"),
    ("table", "index(_)", "struct Name { id: Id<Name>, #[column(unique)] _: String }"),
    ("args", "", "struct Name { #[arg(trim, len(1..=2))] _: String }"),
    ("mutators", "try", "impl Todos {}"),
    // Types are no place to import from.
    ("Column", "", "#[column(crate = Self)] struct Email(String);"),
    ("table", "crate = a::Self", "struct Name { id: Id<Name> }"),
    ("schema", "version = \"1\", tables(try), mutators(a::try)", "struct App;"),
];

#[test]
fn what_was_found_stays_repaired() {
    for (name, options, item) in CASES {
        let mac = MACROS.iter().find(|(known, _)| known == name).expect("a macro of the list").1;
        let case = Case { options: tree::parse(options), item: tree::parse(item) };
        if let Err(failure) = judge(mac, &case) {
            panic!("`{name}`: {failure}\n{case}");
        }
    }
}
