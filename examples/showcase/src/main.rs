//! Runs the tour and prints what it says: what people do in [`story`](showcase::story), then every query of
//! [`queries`](showcase::queries).

use std::io::Write;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match showcase::story::tell().await {
        Ok(text) => match std::io::stdout().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            // Whoever closed the pipe has read enough.
            Err(_) => ExitCode::FAILURE,
        },
        Err(error) => {
            // A closed stderr is no reason to say more.
            let _ = writeln!(std::io::stderr(), "showcase: {error} ({})", error.code());
            ExitCode::FAILURE
        }
    }
}
