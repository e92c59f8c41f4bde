//! `notes serve`: the server. Nothing in it knows a key.

use std::future::Future;
use std::io::Write;
use std::path::PathBuf;

use plasma::EnvelopeLimits;
use plasma::http::request::Parts;
use plasma::server::{Auth, Server, ServerError, ServerErrorKind, SqliteDatabase};
use tokio::net::TcpListener;

use crate::app::{App, Caller};

/// The bearer token of this example is the circle's name. A real program checks a session or a signed token here.
///
/// # Errors
/// `unauthorized` without a usable bearer token.
pub async fn authenticate(parts: &Parts) -> plasma::Result<Auth<Caller>> {
    let circle = parts
        .headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .filter(|circle| is_name(circle))
        .ok_or_else(|| plasma::Error::unauthorized("send `authorization: Bearer <circle>`"))?;
    Ok(Auth::new(circle, Caller { circle: circle.to_owned() }))
}

/// Whether a token may be a circle's name. The library reserves names that begin with `_plasma`: what a stranger sends is
/// wrong credentials, never a fault of the server.
fn is_name(circle: &str) -> bool {
    !circle.is_empty() && circle.len() <= 200 && !circle.starts_with("_plasma") && !circle.contains(char::is_control)
}

/// Tells the operator of the server's own faults: the wire says only that there was one. What clients do wrong, they are
/// told themselves.
fn report(error: &ServerError) {
    if matches!(error.kind, ServerErrorKind::Internal | ServerErrorKind::MutationError) {
        let sources = std::iter::successors(std::error::Error::source(&error.error), |error| error.source());
        let causes: String = sources.map(|cause| format!(": {cause}")).collect();
        // A closed stderr is no reason to stop.
        let _ = writeln!(std::io::stderr(), "notes: {}{causes}", error.error);
    }
}

/// Serves until `shutdown` is ready. Prints one line when it listens.
///
/// # Errors
/// When the database cannot be opened or the socket fails.
pub async fn serve(
    listener: TcpListener,
    database: PathBuf,
    shutdown: impl Future<Output = ()> + Send + 'static,
    out: &mut (dyn Write + Send),
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let server = Server::<App>::builder(SqliteDatabase::file(database))
        .auth(authenticate)
        .envelope_limits(EnvelopeLimits { max_ciphertext_bytes: 128 << 10, ..EnvelopeLimits::default() })
        .on_error(report)
        .open()
        .await?;
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
