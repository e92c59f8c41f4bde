use super::{Recorder, id, on_client, run};
use crate::ErrorKind;
use crate::mutate::Tx;
use crate::query::typed::Query;
use crate::schema::Table;
use crate::schema::samples::{App, Stray, Todo, User};
use crate::value::{Row, Value};

fn ada() -> Row {
    vec![id::<User>(1).to_string().into(), "Ada".into(), true.into()]
}

#[test]
fn each_read_asks_once_and_reads_its_rows() {
    let meta = on_client();
    let answers = vec![
        vec![ada()],
        vec![ada()],
        vec![ada(), ada()],
        vec![ada()],
        vec![ada()],
        vec![vec![Value::Int(4)]],
        vec![],
        vec![vec!["Ada".into()]],
    ];
    let mut recorder = Recorder { answers, ..Recorder::default() };
    let mut tx: Tx<'_, App> = Tx::new(&mut recorder, &meta);
    assert_eq!(run(tx.get(id::<User>(1))).unwrap().unwrap().name, "Ada");
    assert_eq!(run(tx.need(id::<User>(1))).unwrap().name, "Ada");
    assert_eq!(run(tx.all(User::select())).unwrap().len(), 2);
    assert_eq!(run(tx.first(User::select().filter(User::admin))).unwrap().unwrap().name, "Ada");
    assert_eq!(run(tx.one(User::select())).unwrap().name, "Ada");
    assert_eq!(run(tx.count(User::select())).unwrap(), 4);
    assert!(!run(tx.exists(User::select())).unwrap());
    assert_eq!(run(tx.all(User::select().project(User::name).any())).unwrap(), ["Ada"]);
    assert_eq!(recorder.queries.len(), 8);
    assert_eq!(&recorder.queries[2], User::select().ir().unwrap());
    assert!(recorder.writes.is_empty());
}

#[test]
fn what_cannot_be_read_is_an_error_before_the_store() {
    let meta = on_client();
    let mut recorder = Recorder::default();
    let mut tx: Tx<'_, App> = Tx::new(&mut recorder, &meta);
    assert_eq!(run(tx.need(id::<User>(1))).expect_err("no row").kind(), ErrorKind::NotFound);
    let stray = Todo::select().filter(Todo::note.in_query(Stray::select().project(Stray::name)));
    assert_eq!(run(tx.all(stray)).expect_err("not in the schema").kind(), ErrorKind::Internal);
    assert_eq!(run(tx.count(Stray::select().any())).expect_err("not in the schema").kind(), ErrorKind::Internal);
    assert_eq!(
        run(tx.first(User::select().filter(User::name.eq("\0")))).expect_err("U+0000").kind(),
        ErrorKind::Validation
    );
    assert_eq!(recorder.queries.len(), 1, "only the first one reached the store");
}

#[test]
fn a_row_that_is_not_the_tables_is_a_defect_and_not_a_fault_to_try_again() {
    let meta = on_client();
    let mut recorder = Recorder { answers: vec![vec![vec![Value::Null]], vec![vec![]]], ..Recorder::default() };
    let mut tx: Tx<'_, App> = Tx::new(&mut recorder, &meta);
    assert_eq!(run(tx.all(User::select())).expect_err("NULL id").kind(), ErrorKind::Internal);
    assert_eq!(run(tx.get(id::<User>(1))).expect_err("no columns").kind(), ErrorKind::Internal);
}
