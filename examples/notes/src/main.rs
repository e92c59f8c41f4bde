//! End-to-end encrypted notes on the terminal. `notes` alone tells the story of two devices.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use notes::command::{self, Command, Options};

/// Notes that only those with the key can read. Without a command it runs the demo.
#[derive(Debug, Parser)]
#[command(name = "notes", version, about)]
struct Cli {
    /// The server, such as http://127.0.0.1:8787. Without one everything stays local.
    #[arg(long, global = true)]
    server: Option<String>,
    /// The circle whose notes these are. This example takes the name as the password.
    #[arg(long, global = true, default_value = "home")]
    circle: String,
    /// The file with the circle's keys; it is made when there is none. Copy it to another device by hand.
    #[arg(long, global = true, default_value = "notes-keys.json")]
    keys: PathBuf,
    /// The file of the local store.
    #[arg(long, global = true, default_value = "notes.db")]
    store: PathBuf,
    #[command(subcommand)]
    command: Option<Top>,
}

#[derive(Debug, Subcommand)]
enum Top {
    /// Two devices write, meet, change their key, and look at what the server knows.
    Demo,
    /// Runs the server. It needs no key and is given none.
    Serve {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:8787")]
        listen: String,
        /// The file of the server's database.
        #[arg(long, default_value = "notes-server.db")]
        db: PathBuf,
    },
    /// Prints everything that is in a server's database.
    Dump {
        /// The file of the server's database.
        #[arg(long, default_value = "notes-server.db")]
        db: PathBuf,
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
        Top::Demo => notes::demo::run(&mut out).await?,
        Top::Serve { listen, db } => {
            let stop = notes::serve::stop_signal()?;
            let listener = tokio::net::TcpListener::bind(&listen)
                .await
                .map_err(|error| format!("cannot listen on {listen}: {error}"))?;
            notes::serve::serve(listener, db, stop, &mut out).await?;
        }
        Top::Dump { db } => notes::dump::print(&db, &mut out)?,
        Top::Client(command) => {
            let options = Options { server: cli.server, circle: cli.circle, keys: cli.keys, store: cli.store };
            return command::run(&options, command, &mut out).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}
