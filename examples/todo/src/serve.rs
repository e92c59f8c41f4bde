//! `todo serve`: the server, on one SQLite file.

use std::future::Future;
use std::io::Write;
use std::path::Path;

use plasma::http::request::Parts;
use plasma::server::{Auth, Server, SqliteDatabase};
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
        .filter(|user| !user.is_empty() && user.len() <= 200)
        .ok_or_else(|| plasma::Error::unauthorized("send `authorization: Bearer <user name>`"))?;
    Ok(Auth::new(user, Caller { user: user.to_owned() }))
}

/// Serves until `shutdown` is ready. Prints one line when it listens.
///
/// # Errors
/// When the database cannot be opened or the socket fails.
pub async fn serve(
    listener: TcpListener,
    db: &Path,
    shutdown: impl Future<Output = ()> + Send + 'static,
    out: &mut (dyn Write + Send),
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let server = Server::<App>::builder(SqliteDatabase::file(db)).auth(authenticate).open().await?;
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
