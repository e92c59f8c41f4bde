//! A shared to-do list on the terminal. `todo` alone tells the story of two clients.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use todo::command::{self, Command, Options};
use todo::serve::Storage;

/// A shared to-do list that works offline. Without a command it runs the demo.
#[derive(Debug, Parser)]
#[command(name = "todo", version, about)]
struct Cli {
    /// The server, such as http://127.0.0.1:8787. Without one everything stays local.
    #[arg(long, global = true)]
    server: Option<String>,
    /// Who you are. This example takes the name as the password.
    #[arg(long, global = true)]
    user: Option<String>,
    /// The file of the local store.
    #[arg(long, global = true)]
    store: Option<PathBuf>,
    /// Keep changes local for now.
    #[arg(long, global = true)]
    offline: bool,
    #[command(subcommand)]
    command: Option<Top>,
}

#[derive(Debug, Subcommand)]
enum Top {
    /// Two clients work offline, sync, meet a conflict and agree.
    Demo,
    /// Runs the server.
    Serve {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:8787")]
        listen: String,
        /// The file of the server's database.
        #[arg(long, default_value = "todo.db", conflicts_with = "postgres")]
        db: PathBuf,
        /// A Postgres database instead, such as postgres://user@localhost/todo.
        #[arg(long, value_name = "URL")]
        postgres: Option<String>,
    },
    #[command(flatten)]
    Client(Command),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            command::complain(&*error);
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<ExitCode, Box<dyn std::error::Error + Send + Sync>> {
    let mut out = std::io::stdout();
    match cli.command.unwrap_or(Top::Demo) {
        Top::Demo => todo::demo::run(&mut out).await,
        Top::Serve { listen, db, postgres } => {
            let storage = postgres.map_or(Storage::File(db), Storage::Postgres);
            let stop = todo::serve::stop_signal()?;
            let listener = tokio::net::TcpListener::bind(&listen)
                .await
                .map_err(|error| format!("cannot listen on {listen}: {error}"))?;
            todo::serve::serve(listener, storage, stop, &mut out).await?;
            Ok(ExitCode::SUCCESS)
        }
        Top::Client(command) => {
            let user = cli.user.ok_or("say who you are: --user NAME")?;
            let store = cli.store.unwrap_or_else(|| PathBuf::from(format!("{user}.db")));
            let options = Options { server: cli.server, user, store, offline: cli.offline };
            command::run(options, command, &mut out).await
        }
    }
}
