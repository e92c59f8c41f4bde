//! `todo serve`: the server, on one SQLite file or on Postgres.

use std::future::Future;
use std::io::Write;
use std::path::PathBuf;

use plasma::http::request::Parts;
use plasma::server::{Auth, Database, PostgresDatabase, Server, ServerError, ServerErrorKind, SqliteDatabase};
use tokio::net::TcpListener;

use crate::app::{App, Caller};

/// The bearer token of this example is the user's name. A real program checks a session or a signed token here.
///
/// # Errors
/// `unauthorized` without a usable bearer token.
pub async fn authenticate(parts: &Parts) -> plasma::Result<Auth<Caller>> {
    let user = parts
        .headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .filter(|user| is_name(user))
        .ok_or_else(|| plasma::Error::unauthorized("send `authorization: Bearer <user name>`"))?;
    Ok(Auth::new(user, Caller { user: user.to_owned() }))
}

/// Whether a token may be a user's name. The library reserves names that begin with `_plasma`: what a stranger sends is
/// wrong credentials, never a fault of the server.
fn is_name(user: &str) -> bool {
    !user.is_empty() && user.len() <= 200 && !user.starts_with("_plasma") && !user.contains(char::is_control)
}

/// Tells the operator of the server's own faults: the wire says only that there was one. What clients do wrong, they are
/// told themselves.
fn report(error: &ServerError) {
    if matches!(error.kind, ServerErrorKind::Internal | ServerErrorKind::MutationError) {
        let sources = std::iter::successors(std::error::Error::source(&error.error), |error| error.source());
        let causes: String = sources.map(|cause| format!(": {cause}")).collect();
        // A closed stderr is no reason to stop.
        let _ = writeln!(std::io::stderr(), "todo: {}{causes}", error.error);
    }
}

/// Where the server keeps its data. Everything else is the same.
#[derive(Debug, Clone)]
pub enum Storage {
    /// A file of SQLite.
    File(PathBuf),
    /// A database of Postgres: its URL.
    Postgres(String),
}

impl Storage {
    fn database(self) -> Box<dyn Database> {
        match self {
            Storage::File(path) => Box::new(SqliteDatabase::file(path)),
            Storage::Postgres(url) => Box::new(PostgresDatabase::url(url)),
        }
    }
}

/// Serves until `shutdown` is ready. Prints one line when it listens.
///
/// # Errors
/// When the database cannot be opened or the socket fails.
pub async fn serve(
    listener: TcpListener,
    storage: Storage,
    shutdown: impl Future<Output = ()> + Send + 'static,
    out: &mut (dyn Write + Send),
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let server = Server::<App>::builder(storage.database()).auth(authenticate).on_error(report).open().await?;
    writeln!(out, "listening on http://{}", listener.local_addr()?)?;
    out.flush()?;
    server.serve(listener, shutdown).await?;
    Ok(())
}

/// Ready when the process is asked to stop: SIGINT or SIGTERM.
///
/// # Errors
/// When the signals cannot be watched.
pub fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    {
        Ok(async {
            // Without the signal there is no orderly stop: the process is killed, which loses nothing either.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Parts, authenticate};

    async fn code(authorization: Option<&str>) -> Option<String> {
        let mut request = plasma::http::Request::new(());
        if let Some(value) = authorization {
            request.headers_mut().insert("authorization", value.parse().unwrap());
        }
        let parts: Parts = request.into_parts().0;
        authenticate(&parts).await.err().map(|error| error.code().to_owned())
    }

    #[tokio::test]
    async fn a_token_that_is_no_name_is_unauthorized() {
        for bad in ["Bearer ", "bearer alice", "alice", "Bearer _plasma_jobs", "Bearer a\tb"] {
            assert_eq!(code(Some(bad)).await.as_deref(), Some("unauthorized"), "{bad}");
        }
        assert_eq!(code(Some(&format!("Bearer {}", "x".repeat(201)))).await.as_deref(), Some("unauthorized"));
        assert_eq!(code(None).await.as_deref(), Some("unauthorized"));
        assert_eq!(code(Some("Bearer alice")).await, None);
    }
}
