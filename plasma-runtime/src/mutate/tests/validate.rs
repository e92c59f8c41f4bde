use serde_json::json;

use crate::ErrorKind;
use crate::mutate::Checks;

fn messages(body: impl for<'c> FnOnce(&'c mut Checks) -> &'c mut Checks) -> Vec<String> {
    let mut checks = Checks::new();
    body(&mut checks);
    checks.errors().iter().map(|e| format!("{} {} {}", e.field, e.code, e.message)).collect()
}

#[test]
fn nothing_reported_is_valid() {
    let mut checks = Checks::new();
    checks.len("title", "milk", 1..=4).range("points", &3, 1..4).check("note", true, "blank", "must not be blank");
    assert_eq!(checks.errors(), []);
    checks.finish().unwrap();
}

#[test]
fn lengths_are_counted_in_characters() {
    assert_eq!(messages(|c| c.len("t", "žluť", 4..=4)), Vec::<String>::new());
    assert_eq!(messages(|c| c.len("t", "", 1..=200)), ["t len must be 1 to 200 characters long, not 0"]);
    assert_eq!(messages(|c| c.len("t", "ab", ..2)), ["t len must be less than 2 characters long, not 2"]);
    assert_eq!(messages(|c| c.len("t", "ab", 3..)), ["t len must be at least 3 characters long, not 2"]);
}

#[test]
fn ranges_are_said_in_words() {
    assert_eq!(messages(|c| c.range("n", &0, 1..=9)), ["n range must be 1 to 9, not 0"]);
    assert_eq!(messages(|c| c.range("n", &9, 1..9)), ["n range must be at least 1 and less than 9, not 9"]);
    assert_eq!(messages(|c| c.range("n", &1.5, ..=1.0)), ["n range must be at most 1, not 1.5"]);
    let bounds = (std::ops::Bound::Excluded(1), std::ops::Bound::Unbounded);
    assert_eq!(messages(|c| c.range("n", &1, bounds)), ["n range must be more than 1, not 1"]);
    assert_eq!(messages(|c| c.range("n", &f64::NAN, 0.0..=1.0)).len(), 1, "not a number is in no range");
}

#[test]
fn every_broken_rule_is_told_at_once() {
    let mut checks = Checks::new();
    checks.len("title", "", 1..=3).check("email", false, "email", "must be an address");
    let error = checks.finish().expect_err("two rules");
    assert_eq!(error.kind(), ErrorKind::Validation);
    assert_eq!(error.code(), "validation");
    assert_eq!(error.message(), "`title` must be 1 to 3 characters long, not 0; `email` must be an address");
    let fields = json!({ "fields": [
        { "field": "title", "code": "len", "message": "must be 1 to 3 characters long, not 0" },
        { "field": "email", "code": "email", "message": "must be an address" },
    ]});
    assert_eq!(error.data(), Some(&fields));
}

/// The examples are those of the HTML standard's definition and of what it leaves out.
#[test]
fn e_mail_addresses_are_those_of_a_form() {
    let broken = |text: &str| {
        let mut checks = Checks::new();
        checks.email("mail", text);
        checks.errors().len()
    };
    let longest = format!("{}@{}.org", "a".repeat(186), "b".repeat(63));
    for good in ["a@b", "ann@example.org", "a.b+c!#$%&'*/=?^_`{|}~-@x-1.y.z", ".dots..are.fine.@a.b", &longest] {
        assert_eq!(broken(good), 0, "{good}");
    }
    let label = format!("a@{}.org", "b".repeat(64));
    for bad in [
        "",
        "a",
        "@b",
        "a@",
        "a@b@c",
        "a b@c",
        "a@b c",
        "a@-b",
        "a@b-",
        "a@b..c",
        "a@.b",
        "a@b.",
        "ä@b.c",
        "a@bücher.de",
        "\"a\"@b",
        "a@[127.0.0.1]",
        &label,
        &format!("a{longest}"),
    ] {
        assert_eq!(broken(bad), 1, "{bad}");
    }
}
