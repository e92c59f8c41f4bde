//! The story: two clients work offline, sync through a real server, meet a conflict and agree.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use plasma::client::{Client, OutcomeStatus, SqliteStore};
use plasma::prelude::*;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::app::{AddTodo, App, CreateList, List, RenameTodo, SetDone, Share, ShareList, Todo, UnshareList};
use crate::command::{HOLDING, open, render};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long any wait of the story may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// Tells the story. The exit code is 0 only if the end state is right.
///
/// # Errors
/// When a step that has to work does not.
pub async fn run(out: &mut (dyn Write + Send)) -> Result<ExitCode, Failure> {
    let folder = tempfile::tempdir()?;
    let mut story = Story::begin(folder.path(), out).await?;
    story.tell().await?;
    let right = story.end().await?;
    Ok(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Story<'o> {
    out: &'o mut (dyn Write + Send),
    began: Instant,
    step: Instant,
    folder: PathBuf,
    url: String,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), Failure>>,
}

impl<'o> Story<'o> {
    #[expect(clippy::disallowed_methods, reason = "a program may look at the clock and start a task")]
    async fn begin(folder: &Path, out: &'o mut (dyn Write + Send)) -> Result<Self, Failure> {
        let began = Instant::now();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel::<()>();
        let db = folder.join("server.db");
        let server = tokio::spawn(async move {
            let shutdown = async move {
                // A dropped sender means that the story is over too.
                let _ = stopped.await;
            };
            crate::serve::serve(listener, crate::serve::Storage::File(db), shutdown, &mut std::io::sink()).await
        });
        let mut story = Story { out, began, step: began, folder: folder.to_owned(), url, stop, server };
        story.say(&format!(
            "a server listens on {} and keeps its rows in {}",
            story.url,
            folder.join("server.db").display()
        ))?;
        Ok(story)
    }

    #[expect(clippy::disallowed_methods, reason = "timings are part of the story")]
    fn say(&mut self, text: &str) -> Result<(), Failure> {
        let now = Instant::now();
        writeln!(self.out, "{:>7.1} ms  {text}", (now - self.step).as_secs_f64() * 1e3)?;
        self.step = now;
        Ok(())
    }

    fn chapter(&mut self, title: &str) -> Result<(), Failure> {
        writeln!(self.out, "\n== {title}")?;
        Ok(())
    }

    async fn client(&self, user: &str) -> Result<Client<App>, Failure> {
        let store = SqliteStore::open(self.folder.join(format!("{user}.db")));
        Ok(open(Some(&self.url), user, store, false).await?)
    }

    async fn tell(&mut self) -> Result<(), Failure> {
        let (alice, bob) = (self.client("alice").await?, self.client("bob").await?);
        self.say("alice and bob open their stores")?;

        self.chapter("Alice works on a train")?;
        alice.set_offline(true).await?;
        let groceries = alice.new_id::<List>();
        let milk = alice.new_id::<Todo>();
        alice.mutate(CreateList { id: groceries, name: "Groceries".into() }).await?;
        alice.mutate(AddTodo { id: milk, list_id: groceries, title: "milk".into() }).await?;
        alice.mutate(AddTodo { id: alice.new_id(), list_id: groceries, title: "bread".into() }).await?;
        alice.mutate(ShareList { id: alice.new_id(), list_id: groceries, user: "bob".into() }).await?;
        self.say(&format!(
            "offline: {} changes are on her disk, and she sees them at once",
            alice.status().get().pending
        ))?;
        self.show("alice", &alice).await?;

        self.chapter("She is back online; Bob sees the list she shared")?;
        alice.set_offline(false).await?;
        alice.flush().await?;
        alice.pull_once().await?;
        self.say("alice pushed and pulled")?;
        bob.pull_once().await?;
        self.say("bob pulled")?;
        self.show("bob", &bob).await?;
        check(bob.count(Todo::select()).await? == 2, "bob sees both to-dos")?;

        self.chapter("Both change the same to-do offline")?;
        alice.set_offline(true).await?;
        bob.set_offline(true).await?;
        alice.mutate(RenameTodo { id: milk, title: "oat milk".into() }).await?;
        bob.mutate(RenameTodo { id: milk, title: "whole milk, 2 l".into() }).await?;
        bob.mutate(SetDone { id: milk, done: true }).await?;
        self.say("alice calls it `oat milk`, bob calls it `whole milk, 2 l` and ticks it off")?;
        alice.set_offline(false).await?;
        alice.flush().await?;
        bob.set_offline(false).await?;
        bob.flush().await?;
        both(&alice, &bob).await?;
        let title = alice.need(milk).await?.title;
        check(alice.need(milk).await? == bob.need(milk).await?, "alice and bob agree on the to-do")?;
        self.say(&format!("alice arrived first, bob last: both now read `{title}`, done"))?;

        self.chapter("Bob tries what only the owner may do")?;
        bob.set_offline(true).await?;
        let refused = bob.mutate(ShareList { id: bob.new_id(), list_id: groceries, user: "eve".into() }).await;
        match refused {
            Ok(_) => return Err("the optimistic run let bob share alice's list".into()),
            Err(error) => self.say(&format!("his own device already says no: {error} ({})", error.code()))?,
        }
        // What a device does not know, the server decides: alice takes the share back while bob is offline.
        let late = bob.mutate(AddTodo { id: bob.new_id(), list_id: groceries, title: "chocolate".into() }).await?;
        alice.mutate(UnshareList { list_id: groceries, user: "bob".into() }).await?;
        alice.flush().await?;
        self.say("bob adds `chocolate` offline; meanwhile alice unshares the list")?;
        bob.set_offline(false).await?;
        bob.flush().await?;
        match tokio::time::timeout(PATIENCE, late.acknowledged()).await? {
            Ok(()) => return Err("the server took a to-do for a list that is no longer shared".into()),
            Err(error) => {
                self.say(&format!("the server refused `chocolate`, and said why: {error} ({})", error.code()))?
            }
        }
        bob.pull_once().await?;
        let kept = bob.outcomes().await?.iter().filter(|o| o.status == OutcomeStatus::Rejected).count();
        check(kept == 1, "the reason is kept in bob's store")?;
        check(bob.count(List::select()).await? == 0, "the list left bob's store")?;
        check(bob.count(Todo::select()).await? == 0, "its to-dos left bob's store")?;
        self.say("bob pulled: the list and its to-dos have left his device")?;
        self.show("bob", &bob).await?;

        self.chapter("Bob's program is killed with work in its outbox")?;
        bob.close().await;
        self.kill_with_pending_work("Camping", "tent").await?;
        self.say("a process of bob's wrote two changes offline and was killed (SIGKILL)")?;
        let bob = self.client("bob").await?;
        let pending = bob.status().get().pending;
        check(pending == 2, "both changes are still queued after the restart")?;
        self.say(&format!("started again: {pending} changes are still queued, and visible"))?;
        let tent = bob.outbox().await?.last().ok_or("the outbox is empty")?.key;
        let camping = bob.one(List::select().filter(List::name.eq("Camping"))).await?.id;
        bob.flush().await?;
        let receipt = bob.receipt(tent).await?.ok_or("the receipt is gone")?;
        tokio::time::timeout(PATIENCE, receipt.acknowledged()).await??;
        bob.mutate(ShareList { id: bob.new_id(), list_id: camping, user: "alice".into() }).await?;
        bob.flush().await?;
        self.say("they are up now, and he shares the list with alice")?;

        self.chapter("Live: alice's screen follows by itself")?;
        alice.start()?;
        let live = alice.live(Todo::select().filter(Todo::list_id.eq(camping)).order_by(Todo::created_at.asc()));
        let (seen, mut screen) = tokio::sync::watch::channel(Vec::<String>::new());
        let _subscription = live.subscribe(move |rows| {
            seen.send_replace(rows.iter().map(|todo: &Todo| todo.title.clone()).collect());
        });
        wait(&mut screen, |titles| titles.len() == 1).await?;
        self.say("`tent` is on her screen")?;
        bob.mutate(AddTodo { id: bob.new_id(), list_id: camping, title: "stove".into() }).await?;
        bob.flush().await?;
        wait(&mut screen, |titles| titles.len() == 2).await?;
        self.say("bob added `stove`; it appeared on her screen")?;

        self.chapter("The end: everybody agrees")?;
        both(&alice, &bob).await?;
        self.show("alice", &alice).await?;
        check(alice.count(List::select()).await? == 2, "alice has both lists")?;
        check(bob.count(List::select()).await? == 1, "bob has his list only")?;
        let of_camping = Todo::select().filter(Todo::list_id.eq(camping)).order_by(Todo::created_at.asc());
        check(
            alice.all(of_camping.clone()).await? == bob.all(of_camping).await?,
            "the shared list is the same on both",
        )?;
        check(alice.count(Share::select()).await? == 1, "one share is left")?;
        check(alice.status().get().pending == 0 && bob.status().get().pending == 0, "nothing is queued")?;
        alice.close().await;
        bob.close().await;
        Ok(())
    }

    /// Runs this program once more as bob, waits until its changes are on disk, and kills it.
    async fn kill_with_pending_work(&self, list: &str, title: &str) -> Result<(), Failure> {
        let mut child = tokio::process::Command::new(std::env::current_exe()?)
            .args(["--user", "bob", "--offline", "--store"])
            .arg(self.folder.join("bob.db"))
            .args(["hold", list, title])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let said = child.stdout.take().ok_or("the child process has no output")?;
        let mut lines = BufReader::new(said).lines();
        loop {
            match tokio::time::timeout(PATIENCE, lines.next_line()).await?? {
                Some(line) if line == HOLDING => break,
                Some(_) => {}
                None => return Err("the child process ended before it was killed".into()),
            }
        }
        child.kill().await?;
        Ok(())
    }

    async fn show(&mut self, who: &str, client: &Client<App>) -> Result<(), Failure> {
        let lists = client.all(List::select().order_by(List::name.asc())).await?;
        let todos = client.all(Todo::select().order_by(Todo::created_at.asc())).await?;
        let shares = client.all(Share::select().order_by(Share::user.asc())).await?;
        for line in render(&lists, &todos, &shares).lines() {
            // Ids are of no use in a story.
            let line = line.rsplit_once("  ").map_or(line, |(text, _)| text);
            writeln!(self.out, "            {who} | {line}")?;
        }
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "timings are part of the story")]
    async fn end(self) -> Result<bool, Failure> {
        // The server may have ended already, with an error that the join below returns.
        let _ = self.stop.send(());
        self.server.await??;
        writeln!(self.out, "\nall of it in {:.2} s", (Instant::now() - self.began).as_secs_f64())?;
        Ok(true)
    }
}

async fn both(alice: &Client<App>, bob: &Client<App>) -> plasma::Result<()> {
    alice.pull_once().await?;
    bob.pull_once().await
}

fn check(right: bool, what: &str) -> Result<(), Failure> {
    if right { Ok(()) } else { Err(format!("the end state is wrong: {what} does not hold").into()) }
}

async fn wait<T>(watch: &mut tokio::sync::watch::Receiver<T>, until: impl FnMut(&T) -> bool) -> Result<(), Failure> {
    tokio::time::timeout(PATIENCE, watch.wait_for(until)).await.map_err(|_| "the screen did not follow in time")??;
    Ok(())
}
