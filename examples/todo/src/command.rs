//! The client commands of `todo`, usable by hand, offline too.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use plasma::client::{Client, Headers, SqliteStore, Stuck};
use plasma::prelude::*;

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
    let token = user.to_owned();
    let mut builder = Client::<App>::builder(store)
        .group(user)
        .ctx(Caller { user: user.to_owned() })
        .offline(offline)
        .auth(move || {
            let token = token.clone();
            async move { Ok(Headers::bearer(&token)) }
        });
    if let Some(server) = server {
        builder = builder.server(format!("{}/sync", server.trim_end_matches('/')));
    }
    builder.open().await
}

/// Runs one command; the exit code tells whether what was asked is done (a queued change counts as done).
///
/// # Errors
/// Whatever went wrong, in words.
pub async fn run(options: Options, command: Command, out: &mut (dyn Write + Send)) -> Result<ExitCode, Failure> {
    let store = SqliteStore::open(&options.store)?;
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
        Command::Lists => show(client, out).await?,
        Command::Watch => watch(client, out).await?,
        Command::Sync => return sync(client, options, out).await,
        Command::Status => status(client, out)?,
        Command::Outbox => outbox(client, out)?,
        change => {
            let key = apply(client, change, out).await?;
            return settle(client, options, key, out).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs a change locally; returns how to find its outcome.
async fn apply(client: &Client<App>, command: Command, out: &mut (dyn Write + Send)) -> Result<String, Failure> {
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
        Command::Lists | Command::Watch | Command::Sync | Command::Status | Command::Outbox => {
            return Err("this command changes nothing".into());
        }
    };
    Ok(key.to_string())
}
