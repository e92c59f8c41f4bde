//! A mutator may await only its transaction: who waits for something else is ended, by name.

use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::{Recorder, on_client, on_server};
use crate::error::{Error, ErrorKind, Result};
use crate::future::{BoxFuture, poll_once};
use crate::mutate::{Access, ErasedCtx, Executor, MutatorDef, TxMeta};
use crate::query::ir::{Query, Write};
use crate::schema::Table;
use crate::schema::samples::Todo;
use crate::value::Row;

/// A store that answers at the second poll, as one over a network does.
#[derive(Default)]
struct Distant(Recorder);

/// Pending once.
fn turn() -> impl Future<Output = ()> + Send {
    let mut waited = false;
    poll_fn(move |cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

impl Executor for Distant {
    fn query<'a>(&'a mut self, query: &'a Query) -> BoxFuture<'a, Result<Vec<Row>>> {
        Box::pin(async move {
            turn().await;
            self.0.query(query).await
        })
    }
    fn write(&mut self, write: Write, access: Access) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async move {
            turn().await;
            self.0.write(write, access).await
        })
    }
    fn write_returning(&mut self, write: Write, access: Access) -> BoxFuture<'_, Result<Vec<Row>>> {
        self.0.write_returning(write, access)
    }
}

type Run<'t> = BoxFuture<'t, Result<()>>;

macro_rules! mutator {
    ($name:literal, |$executor:ident| $body:expr) => {{
        fn run<'t>($executor: &'t mut dyn Executor, _: &'t TxMeta, _: &'t ErasedCtx, _: &'t str) -> Run<'t> {
            Box::pin(async move { $body })
        }
        MutatorDef { name: $name, aliases: &[], server_only: false, upgrade: None, run }
    }};
}

async fn ask(executor: &mut dyn Executor) -> Result<()> {
    executor.query(&Query::all(Todo::DEF)).await.map(drop)
}

struct Count(AtomicUsize);
impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Drives it as an asynchronous server does; none when it would hang.
fn drive(def: MutatorDef, executor: &mut dyn Executor) -> Option<Result<()>> {
    let meta = on_server();
    let mut running = def.start(executor, &meta, &(), "{}");
    let wakes = Arc::new(Count(AtomicUsize::new(1)));
    let waker = Waker::from(wakes.clone());
    while wakes.0.swap(0, Ordering::Relaxed) > 0 {
        if let Poll::Ready(result) = Pin::new(&mut running).poll(&mut Context::from_waker(&waker)) {
            return Some(result);
        }
    }
    None
}

fn assert_named(error: &Error, name: &str) {
    assert_eq!((error.kind(), error.code()), (ErrorKind::ForeignAwait, "foreign-await"));
    assert!(error.is_refusal(), "trying again would not help");
    let message = error.message();
    assert!(
        message.contains(&format!("`{name}`")) && message.contains("may await only what `tx` returns"),
        "{message}"
    );
}

const PATIENT: MutatorDef = mutator!("todos.patient", |executor| {
    ask(executor).await?;
    ask(executor).await
});
const WAITS: MutatorDef = mutator!("todos.wait", |executor| {
    ask(executor).await?;
    pending::<()>().await;
    Ok(())
});
/// Waits for both at once: the statement alone would be fine.
const RACES: MutatorDef = mutator!("todos.race", |executor| {
    let mut statement = Box::pin(ask(executor));
    let mut timer = Box::pin(pending::<()>());
    poll_fn(|cx| {
        let _ = timer.as_mut().poll(cx);
        statement.as_mut().poll(cx).map(drop)
    })
    .await;
    timer.await;
    Ok(())
});
/// Gives a statement up half-way.
const DROPS: MutatorDef = mutator!("todos.drop", |executor| {
    let mut statement = Box::pin(ask(executor));
    let begun = poll_fn(|cx| Poll::Ready(statement.as_mut().poll(cx).is_pending())).await;
    assert!(begun, "it is under way");
    drop(statement);
    pending::<()>().await;
    Ok(())
});

#[test]
fn a_statement_may_take_its_time() {
    let mut store = Distant::default();
    drive(PATIENT, &mut store).expect("it ends").unwrap();
    assert_eq!(store.0.queries.len(), 2);
}

#[test]
fn a_foreign_future_is_noticed_whether_the_store_answers_at_once_or_later() {
    for (def, name) in [(WAITS, "todos.wait"), (RACES, "todos.race")] {
        assert_named(&drive(def, &mut Distant::default()).expect("it is ended").unwrap_err(), name);
        let meta = on_client();
        let mut store = Recorder::default();
        let ended = poll_once(def.start(&mut store, &meta, &(), "{}")).expect("it is ended");
        assert_named(&ended.unwrap_err(), name);
    }
    assert_named(&drive(DROPS, &mut Distant::default()).expect("it is ended").unwrap_err(), "todos.drop");
}

/// The server's writer is a thread without a runtime, where a timer cannot even be asked.
#[test]
#[cfg(feature = "http-server")]
#[expect(clippy::disallowed_methods, reason = "the mistake under test")]
fn a_timer_without_a_runtime_is_the_same_mistake_and_not_a_panic() {
    let sleeps = mutator!("todos.sleep", |_executor| {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        Ok(())
    });
    assert_named(&drive(sleeps, &mut Recorder::default()).expect("it is ended").unwrap_err(), "todos.sleep");
}

#[test]
fn every_other_panic_goes_on() {
    let panics = mutator!("todos.panic", |_executor| panic!("a bug"));
    let caught = std::panic::catch_unwind(|| drive(panics, &mut Recorder::default()));
    assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"a bug"));
}
