use proptest::prelude::*;

use super::*;
use crate::error::ErrorKind;

/// FIPS 180-4, appendix B.1, and the empty message.
#[test]
fn the_hash_is_sha_256() {
    for (bytes, hash) in [
        (&b"abc"[..], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ] {
        assert_eq!(FileHash::of(bytes).to_string(), hash);
        assert_eq!(hash.parse::<FileHash>().unwrap(), FileHash::of(bytes));
        assert!(hash.to_uppercase().parse::<FileHash>().is_err());
        assert!(hash[1..].parse::<FileHash>().is_err());
        assert!(hash.replace('b', "g").parse::<FileHash>().is_err());
    }
}

#[test]
fn media_types_are_rfc_6838s() {
    for mime in ["image/png", "application/vnd.api+json", "application/x-www-form-urlencoded", "x/1", "TEXT/Plain"] {
        assert_eq!(FileRef::of(b"", mime).unwrap().mime(), mime.to_ascii_lowercase());
    }
    let (long, longest) = (format!("text/{}", "x".repeat(251)), format!("text/{}", "x".repeat(250)));
    FileRef::of(b"", &longest).unwrap();
    for mime in [
        "",
        "/",
        "text",
        "text/",
        "/plain",
        "text/plain/x",
        "text/plain; charset=utf-8",
        "*/*",
        "é/x",
        "a/b\0",
        "+a/b",
        &long,
    ] {
        assert_eq!(FileRef::of(b"", mime).unwrap_err().kind(), ErrorKind::Validation, "{mime}");
    }
}

#[test]
fn sizes_are_whole_numbers_every_reader_of_json_has() {
    let hash = FileHash::of(b"");
    assert_eq!(FileRef::new(hash, (1 << 53) - 1, "a/b").unwrap().size(), 9_007_199_254_740_991);
    assert_eq!(FileRef::new(hash, 1 << 53, "a/b").unwrap_err().kind(), ErrorKind::Validation);
}

proptest! {
    #[test]
    fn serde_and_the_stored_form_are_one(bytes: Vec<u8>, mime in "[a-z0-9]{1,5}/[a-z0-9][a-z0-9!#$&^_.+-]{0,8}") {
        let file = FileRef::of(&bytes, &mime).unwrap();
        let json = file.to_json();
        prop_assert_eq!(&serde_json::to_string(&file).unwrap(), &json);
        prop_assert_eq!(&serde_json::from_str::<FileRef>(&json).unwrap(), &file);
        prop_assert_eq!(FileRef::from_canonical_json(&json).unwrap(), file);
        // Other spellings are read by serde, in arguments, and are no stored form.
        let spaced = json.replace(',', ", ");
        serde_json::from_str::<FileRef>(&spaced).unwrap();
        prop_assert!(FileRef::from_canonical_json(&spaced).is_err());
    }
}

#[test]
fn json_that_breaks_a_rule_is_no_file() {
    let good = FileRef::of(b"abc", "text/plain").unwrap().to_json();
    for bad in [
        good.replace("text/plain", "text"),
        good.replace(":3,", ":-1,"),
        good.replace(":3,", ":3.0,"),
        good.replace(":3,", ":9007199254740992,"),
        good.replace("ba78", "BA78"),
        good.replace('}', ",\"name\":\"a\"}"),
        good.replace("\"size\":3,", ""),
        "null".to_owned(),
    ] {
        assert!(serde_json::from_str::<FileRef>(&bad).is_err(), "{bad}");
    }
}
