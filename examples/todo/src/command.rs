//! The client commands of `todo`, usable by hand, offline too.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use plasma::client::{Client, Headers, OutcomeStatus, Receipt, SqliteStore, Stuck};
use plasma::prelude::*;
use plasma::query::typed::Select;

use crate::app::{
    AddTodo, App, Caller, CreateList, List, RemoveList, RemoveTodo, RenameList, RenameTodo, SetDone, Share, ShareList,
    Todo, UnshareList,
};

/// What a command works on.
#[derive(Debug)]
pub struct Options {
    /// The server's address; none is local only.
    pub server: Option<String>,
    /// The user.
    pub user: String,
    /// The file of the local store.
    pub store: PathBuf,
    /// Keep changes local for now.
    pub offline: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Adds a to-do and then waits to be killed: for the demo.
    #[command(hide = true)]
    Hold {
        /// Name of the list.
        list: String,
        /// What to do.
        title: String,
    },
    /// Shows every list with its to-dos.
    Lists,
    /// Adds a to-do; makes the list when there is none of that name.
    Add {
        /// Name or id of the list.
        list: String,
        /// What to do.
        title: String,
    },
    /// Marks a to-do as done.
    Done {
        /// Title or id.
        todo: String,
        /// Not done after all.
        #[arg(long)]
        undo: bool,
    },
    /// Renames a to-do, or a list.
    Rename {
        /// Title or id.
        what: String,
        /// The new name.
        name: String,
    },
    /// Removes a to-do, or a list with everything in it.
    Rm {
        /// Title or id.
        what: String,
    },
    /// Shares a list.
    Share {
        /// Name or id of the list.
        list: String,
        /// With whom.
        with: String,
    },
    /// Takes a share back, or leaves a list.
    Unshare {
        /// Name or id of the list.
        list: String,
        /// From whom.
        from: String,
    },
    /// Follows the lists live until interrupted.
    Watch,
    /// Pushes what is queued and pulls what is new.
    Sync,
    /// Says where the writes are, and why.
    Status,
    /// Lists what is queued and what was rejected.
    Outbox,
}

/// What `hold` says once its change is on disk.
pub const HOLDING: &str = "holding";

type Failure = Box<dyn Error + Send + Sync>;

/// Prints an error and its causes.
#[expect(clippy::print_stderr, reason = "a command-line program speaks on the terminal")]
pub fn complain(error: &(dyn Error + 'static)) {
    eprintln!("todo: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}

/// Opens the client of a user.
///
/// # Errors
/// When the store cannot be opened, or belongs to another user.
pub async fn open(server: Option<&str>, user: &str, store: SqliteStore, offline: bool) -> plasma::Result<Client<App>> {
    let mut builder = Client::<App>::builder(store).group(user).ctx(Caller { user: user.to_owned() }).offline(offline);
    if let Some(server) = server {
        let token = user.to_owned();
        builder = builder.server(format!("{}/sync", server.trim_end_matches('/'))).auth(move || {
            let token = token.clone();
            async move { Ok(Headers::bearer(&token)) }
        });
    }
    builder.open().await
}

/// Runs one command; the exit code tells whether what was asked is done (a queued change counts as done).
///
/// # Errors
/// Whatever went wrong, in words.
pub async fn run(options: Options, command: Command, out: &mut (dyn Write + Send)) -> Result<ExitCode, Failure> {
    let store = SqliteStore::open(&options.store);
    let client = open(options.server.as_deref(), &options.user, store, options.offline).await?;
    let outcome = execute(&client, &options, command, out).await;
    client.close().await;
    outcome
}

async fn execute(
    client: &Client<App>,
    options: &Options,
    command: Command,
    out: &mut (dyn Write + Send),
) -> Result<ExitCode, Failure> {
    match command {
        Command::Hold { list, title } => {
            apply(client, Command::Add { list, title }, out).await?;
            writeln!(out, "{HOLDING}")?;
            out.flush()?;
            std::future::pending::<()>().await;
        }
        Command::Lists => show(client, out).await?,
        Command::Watch => watch(client, out).await?,
        Command::Sync => return sync(client, options, out).await,
        Command::Status => status(client, out)?,
        Command::Outbox => outbox(client, out).await?,
        change => {
            let receipt = apply(client, change, out).await?;
            return settle(client, options, &receipt, out).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs a change locally; returns how to find its outcome.
async fn apply(client: &Client<App>, command: Command, out: &mut (dyn Write + Send)) -> Result<Receipt, Failure> {
    let key = match command {
        Command::Add { list, title } => {
            let list_id = match find_list(client, &list).await? {
                Some(list) => list.id,
                None => {
                    let id = client.new_id::<List>();
                    client.mutate(CreateList { id, name: list.clone() }).await?;
                    writeln!(out, "made the list {list}")?;
                    id
                }
            };
            client.mutate(AddTodo { id: client.new_id(), list_id, title }).await?.key()
        }
        Command::Done { todo, undo } => {
            let todo = need_todo(client, &todo).await?;
            client.mutate(SetDone { id: todo.id, done: !undo }).await?.key()
        }
        Command::Rename { what, name } => match find_todo(client, &what).await? {
            Some(todo) => client.mutate(RenameTodo { id: todo.id, title: name }).await?.key(),
            None => {
                let list = need_list(client, &what).await?;
                client.mutate(RenameList { id: list.id, name }).await?.key()
            }
        },
        Command::Rm { what } => match find_todo(client, &what).await? {
            Some(todo) => client.mutate(RemoveTodo { id: todo.id }).await?.key(),
            None => {
                let list = need_list(client, &what).await?;
                client.mutate(RemoveList { id: list.id }).await?.key()
            }
        },
        Command::Share { list, with } => {
            let list = need_list(client, &list).await?;
            client.mutate(ShareList { id: client.new_id(), list_id: list.id, user: with }).await?.key()
        }
        Command::Unshare { list, from } => {
            let list = need_list(client, &list).await?;
            client.mutate(UnshareList { list_id: list.id, user: from }).await?.key()
        }
        Command::Hold { .. } | Command::Lists | Command::Watch | Command::Sync | Command::Status | Command::Outbox => {
            return Err("this command changes nothing".into());
        }
    };
    client.receipt(key).await?.ok_or_else(|| "the change has no receipt".into())
}

/// Tells where a change is, and waits a moment for the server's word on it.
async fn settle(
    client: &Client<App>,
    options: &Options,
    receipt: &Receipt,
    out: &mut (dyn Write + Send),
) -> Result<ExitCode, Failure> {
    if options.server.is_none() || options.offline {
        writeln!(out, "saved on this device")?;
        return Ok(ExitCode::SUCCESS);
    }
    match tokio::time::timeout(PATIENCE, client.flush()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            writeln!(out, "saved on this device; it goes up later ({error})")?;
            return Ok(ExitCode::SUCCESS);
        }
        Err(_) => {
            writeln!(out, "saved on this device; it goes up later ({})", why(client))?;
            return Ok(ExitCode::SUCCESS);
        }
    }
    match receipt.acknowledged().await {
        Ok(()) => {
            writeln!(out, "saved, and the server has it")?;
            if let Err(error) = client.pull_once().await {
                writeln!(out, "what others wrote comes later ({error})")?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            writeln!(out, "the server refused it: {error} ({})", error.code())?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// How long a command waits for the server before it leaves the change in the outbox.
const PATIENCE: Duration = Duration::from_secs(3);

async fn sync(client: &Client<App>, options: &Options, out: &mut (dyn Write + Send)) -> Result<ExitCode, Failure> {
    if options.server.is_none() {
        return Err("say where the server is: --server URL".into());
    }
    let queued = client.status().get().pending;
    client.flush().await?;
    client.pull_once().await?;
    writeln!(out, "in step with the server ({queued} sent)")?;
    let mut refused = false;
    for outcome in client.outcomes().await? {
        if outcome.status != OutcomeStatus::Applied {
            refused = true;
            if let Err(error) = outcome.result() {
                writeln!(
                    out,
                    "refused: {} {}: {error} ({})",
                    outcome.name,
                    outcome.args.unwrap_or_default(),
                    error.code()
                )?;
            }
            client.dismiss(outcome.key).await?;
        }
    }
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Why nothing moves, in words.
fn why(client: &Client<App>) -> String {
    match client.status().get().stuck {
        None => "it is under way".to_owned(),
        Some(Stuck::NoServer) => "there is no server: --server URL".to_owned(),
        Some(Stuck::Offline) => "offline".to_owned(),
        Some(Stuck::Stopped) => "syncs with the next command".to_owned(),
        Some(Stuck::NotLeader { .. }) => "another process syncs this store".to_owned(),
        Some(Stuck::Backoff { until }) => {
            format!("the server cannot be reached; tried again at {}", Timestamp::from_millis(until))
        }
        Some(Stuck::Overloaded { until }) => {
            format!("the server has too much to do; tried again at {}", Timestamp::from_millis(until))
        }
        Some(Stuck::Unauthorized { .. }) => "the server does not know you".to_owned(),
        Some(Stuck::SchemaMismatch { .. }) => "the server has another version of this program".to_owned(),
        Some(Stuck::Refused { code }) => format!("the server refuses this store ({code})"),
        Some(stuck) => format!("{stuck:?}"),
    }
}

fn status(client: &Client<App>, out: &mut (dyn Write + Send)) -> Result<(), Failure> {
    let status = client.status().get();
    writeln!(out, "queued: {}", status.pending)?;
    if let Some(at) = status.oldest_pending_ms {
        writeln!(out, "oldest: {}", Timestamp::from_millis(at))?;
    }
    match status.last_pull_ms {
        Some(at) => writeln!(out, "last pull: {}", Timestamp::from_millis(at))?,
        None => writeln!(out, "last pull: none since this command started")?,
    }
    writeln!(
        out,
        "why not up yet: {}",
        if status.pending == 0 { "nothing is queued".to_owned() } else { why(client) }
    )?;
    Ok(())
}

async fn outbox(client: &Client<App>, out: &mut (dyn Write + Send)) -> Result<(), Failure> {
    for queued in client.outbox().await? {
        let state = if queued.acknowledged { "decided" } else { "queued" };
        writeln!(out, "{} {state} {} {}", queued.id, queued.name, queued.args)?;
    }
    for outcome in client.outcomes().await? {
        if let Err(error) = outcome.result() {
            writeln!(
                out,
                "{} refused {} {}: {error} ({})",
                outcome.id,
                outcome.name,
                outcome.args.unwrap_or_default(),
                error.code()
            )?;
        }
    }
    Ok(())
}

async fn show(client: &Client<App>, out: &mut (dyn Write + Send)) -> Result<(), Failure> {
    let lists = client.all(all_lists()).await?;
    let todos = client.all(all_todos()).await?;
    let shares = client.all(Share::select().order_by(Share::user.asc())).await?;
    write!(out, "{}", render(&lists, &todos, &shares))?;
    Ok(())
}

fn all_lists() -> Select<List> {
    List::select().order_by(List::name.asc())
}

fn all_todos() -> Select<Todo> {
    Todo::select().order_by(Todo::created_at.asc())
}

/// The lists as text.
pub fn render(lists: &[List], todos: &[Todo], shares: &[Share]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    if lists.is_empty() {
        text.push_str("no lists yet\n");
    }
    for list in lists {
        let with: Vec<&str> =
            shares.iter().filter(|share| share.list_id == list.id).map(|share| share.user.as_str()).collect();
        let with = if with.is_empty() { String::new() } else { format!(", shared with {}", with.join(", ")) };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} (of {}{with})  {}", list.name, list.owner, list.id);
        for todo in todos.iter().filter(|todo| todo.list_id == list.id) {
            let mark = if todo.done { 'x' } else { ' ' };
            let _ = writeln!(text, "  [{mark}] {}  {}", todo.title, todo.id);
        }
    }
    text
}

/// Follows the lists until the process is asked to stop.
async fn watch(client: &Client<App>, out: &mut (dyn Write + Send)) -> Result<(), Failure> {
    client.start()?;
    let (changed, mut wake) = tokio::sync::watch::channel(());
    let (lists, todos) = (client.live(all_lists()), client.live(all_todos()));
    let shares = client.live(Share::select().order_by(Share::user.asc()));
    let tell = std::sync::Arc::new(changed);
    let notify = |tell: &std::sync::Arc<tokio::sync::watch::Sender<()>>| {
        let tell = tell.clone();
        move || {
            tell.send_replace(());
        }
    };
    let (on_lists, on_todos, on_shares) = (notify(&tell), notify(&tell), notify(&tell));
    let _subscriptions = (
        lists.subscribe(move |_| on_lists()),
        todos.subscribe(move |_| on_todos()),
        shares.subscribe(move |_| on_shares()),
    );
    let stop = crate::serve::stop_signal()?;
    tokio::pin!(stop);
    let mut shown = String::new();
    loop {
        let text = render(&lists.rows(), &todos.rows(), &shares.rows());
        if text != shown {
            writeln!(out, "--- {}", why_short(client))?;
            write!(out, "{text}")?;
            out.flush()?;
            shown = text;
        }
        tokio::select! {
            () = &mut stop => return Ok(()),
            changed = wake.changed() => changed?,
        }
    }
}

fn why_short(client: &Client<App>) -> String {
    let status = client.status().get();
    match (status.pending, &status.stuck) {
        (0, None) => "in step".to_owned(),
        (pending, None) => format!("{pending} under way"),
        (pending, Some(_)) => format!("{pending} queued, {}", why(client)),
    }
}

/// Whether `what` is the id or the beginning of the id.
fn is_id(what: &str, id: &str) -> bool {
    what == id || (what.len() >= 8 && id.starts_with(what))
}

async fn find_list(client: &Client<App>, what: &str) -> Result<Option<List>, Failure> {
    let found: Vec<List> = client
        .all(all_lists())
        .await?
        .into_iter()
        .filter(|list| list.name == what || is_id(what, &list.id.to_string()))
        .collect();
    one(found, what)
}

async fn find_todo(client: &Client<App>, what: &str) -> Result<Option<Todo>, Failure> {
    let found: Vec<Todo> = client
        .all(all_todos())
        .await?
        .into_iter()
        .filter(|todo| todo.title == what || is_id(what, &todo.id.to_string()))
        .collect();
    one(found, what)
}

fn one<T>(mut found: Vec<T>, what: &str) -> Result<Option<T>, Failure> {
    match found.len() {
        0 | 1 => Ok(found.pop()),
        several => Err(format!("`{what}` names {several} rows; use the id, which `lists` shows").into()),
    }
}

async fn need_list(client: &Client<App>, what: &str) -> Result<List, Failure> {
    find_list(client, what).await?.ok_or_else(|| format!("there is no list `{what}` on this device").into())
}

async fn need_todo(client: &Client<App>, what: &str) -> Result<Todo, Failure> {
    find_todo(client, what).await?.ok_or_else(|| format!("there is no to-do `{what}` on this device").into())
}
