//! The reader of locks: what it takes, and what it says about everything else.

use super::lock::{Mistake, parse};

const LOCK: &str = "\
# Comments and empty lines may stand everywhere.
plasma.lock format 1

schema App version \"1\" fingerprint 00000000000000ff
  table todos
    id: id

schema App version \"2 beta\" fingerprint 0123456789abcdef
  table drafts local_only
    id: id
    body: text   null
  table todos
    id: id
    owner_id: id null -> users on_delete set_null
    price: fixed(2) default
    slug: text unique
    table: int
    schema: json
    unique: blob
    unique( owner_id,slug )
schema Größe version \"1\" fingerprint 0000000000000001
";

#[test]
fn a_lock_is_read() {
    let entries = parse(LOCK).expect("the lock is as it should be");
    let headings: Vec<_> = entries.iter().map(|e| (e.schema.as_str(), e.version.as_str(), e.fingerprint)).collect();
    assert_eq!(headings, [("App", "1", 0xff), ("App", "2 beta", 0x0123_4567_89ab_cdef), ("Größe", "1", 1)]);
    let shape = "table drafts local_only\nid: id\nbody: text null\ntable todos\nid: id\n\
                 owner_id: id null -> users on_delete set_null\nprice: fixed(2) default\nslug: text unique\ntable: int\n\
                 schema: json\nunique: blob\nunique(owner_id, slug)\n";
    assert_eq!(entries[1].shape, shape);
    assert_eq!(parse(&LOCK.replace('\n', "\r\n")).expect("a checkout on Windows"), entries);
}

/// A lock with one line changed, the line, and what is said.
#[test]
fn a_mangled_lock_is_refused_with_its_line() {
    let cases = [
        ("plasma.lock format 1", "plasma.lock format 2", 2, "this is format 2"),
        ("plasma.lock format 1", "", 4, "expected the line `plasma.lock format 1` first, found `schema App"),
        ("plasma.lock format 1", "plasma.lock format 1\n  table users", 3, "expected `schema NAME"),
        (
            "schema App version \"1\" fingerprint 00000000000000ff",
            "schema App version \"1\"",
            4,
            "expected `schema NAME",
        ),
        ("fingerprint 00000000000000ff", "fingerprint ff", 4, "expected `schema NAME"),
        ("fingerprint 00000000000000ff", "fingerprint 00000000000000FF", 4, "expected `schema NAME"),
        ("version \"2 beta\"", "version \"1\"", 8, "version \"1\" of schema `App` stands here twice"),
        ("table drafts local_only", "table drafts local", 9, "expected `table drafts` or"),
        ("table drafts local_only", "table todos", 12, "table `todos` stands here twice"),
        ("table drafts local_only", "tabel drafts local_only", 9, "expected `table NAME`, found `tabel"),
        ("  table drafts local_only\n    id: id", "  table drafts local_only", 11, "table `drafts` ends here without"),
        ("body: text   null", "body text", 11, "a column such as `title: text`, found `body text`"),
        ("body: text   null", "body: string", 11, "the kind of `body` is `string`; expected one of `id`, `text`"),
        ("body: text   null", "body:", 11, "the kind of `body` is ``"),
        ("body: text   null", "body: text nul", 11, "unknown word `nul` in column `body`"),
        ("body: text   null", "body: text null null", 11, "`null` stands twice in column `body`"),
        ("body: text   null", "id: id", 11, "column `id` stands here twice"),
        ("-> users on_delete", "-> on_delete", 14, "unknown word `set_null`"),
        ("on_delete set_null", "on_delete", 14, "expected one of `restrict`, `cascade`"),
        ("fixed(2)", "fixed(x)", 15, "the kind of `price` is `fixed(x)`"),
        ("unique( owner_id,slug )", "unique(owner_id, nobody)", 20, "names the column `nobody`"),
        ("unique( owner_id,slug )", "unique(owner_id", 20, "expected `unique(column, ..)`"),
        ("    slug: text unique", "<<<<<<< HEAD\n    slug: text", 16, "unresolved merge conflict (`<<<<<<<`)"),
        ("    slug: text unique", "=======", 16, "unresolved merge conflict (`=======`)"),
        ("    slug: text unique", ">>>>>>> theirs", 16, "unresolved merge conflict (`>>>>>>>`)"),
    ];
    for (from, to, line, said) in cases {
        let mangled = LOCK.replacen(from, to, 1);
        assert_ne!(mangled, LOCK, "{from} is in the lock");
        let mistake = parse(&mangled).expect_err(to);
        assert!(mistake.line == line && mistake.text.contains(said), "{from:?} -> {to:?} gives {mistake:?}");
    }
}

#[test]
fn a_lock_that_was_cut_off_is_refused() {
    let Mistake { line, text } = parse("").expect_err("empty");
    assert_eq!((line, text.as_str()), (1, "expected the line `plasma.lock format 1` first, found nothing"));
    let cut = &LOCK[..LOCK.find("    id: id\n    owner_id").expect("it is there")];
    let Mistake { line, text } = parse(cut).expect_err("cut off");
    assert_eq!((line, text.as_str()), (12, "table `todos` ends here without a column `id`"));
}

/// Any line may be lost, doubled or swapped with the next: the reader answers and never panics.
#[test]
fn lines_that_moved_are_no_reason_to_panic() {
    let lines: Vec<&str> = LOCK.lines().collect();
    for at in 0..lines.len() - 1 {
        let mut swapped = lines.clone();
        swapped.swap(at, at + 1);
        let mut lost = lines.clone();
        lost.remove(at);
        let mut doubled = lines.clone();
        doubled.insert(at, lines[at]);
        for variant in [swapped, lost, doubled] {
            let _ = parse(&variant.join("\n"));
        }
        for end in (0..lines[at].len()).filter(|end| lines[at].is_char_boundary(*end)) {
            let mut cut = lines.clone();
            cut[at] = &lines[at][..end];
            let _ = parse(&cut.join("\n"));
        }
    }
}
