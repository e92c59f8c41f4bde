//! How connections are opened.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// Whether a connection is encrypted, and what the server must show (`sslmode` of libpq).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SslMode {
    /// Never encrypted.
    Disable,
    /// Encrypted when the server can; whoever it is.
    #[default]
    Prefer,
    /// Encrypted; whoever the server is, unless a root certificate is given.
    Require,
    /// Encrypted, with a certificate that a known authority signed.
    VerifyCa,
    /// The same, and the certificate is for the server's name.
    VerifyFull,
}

/// How connections to a database are opened, and how many. Every setting but the URL has a default.
///
/// ```
/// use plasma_runtime::store::postgres::PostgresOptions;
/// let options = PostgresOptions {
///     schema: Some("app".into()),
///     pool_size: 32,
///     ..PostgresOptions::new("postgres://app@db.example.org/app?sslmode=verify-full")
/// };
/// # let _ = options;
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/database?..`, with the parameters of libpq that tokio-postgres knows, and
    /// `sslmode` and `sslrootcert`.
    pub url: String,
    /// The Postgres schema with the tables (`search_path`). None is the user's own setting, usually `public`.
    pub schema: Option<String>,
    /// What the connections are called in `pg_stat_activity`. `plasma`.
    pub application_name: String,
    /// The most connections at a time. 16.
    pub pool_size: usize,
    /// How long to wait for a free connection, ms. 5,000.
    pub wait_timeout_ms: u64,
    /// How long to wait for the server when a connection is opened, for each host of the URL, ms; what the URL says
    /// (`connect_timeout`, s) comes first. 5,000.
    pub connect_timeout_ms: u64,
    /// How long a statement may run, ms; 0 is without limit. 30,000.
    pub statement_timeout_ms: u64,
    /// How long a statement may wait for a lock, ms; 0 is without limit. 10,000.
    pub lock_timeout_ms: u64,
    /// How long a transaction may be open and idle before the server ends its connection, ms; 0 is without limit.
    /// 60,000.
    pub idle_in_transaction_timeout_ms: u64,
    /// After how long without a word TCP asks whether the server is there, s. 30.
    pub keepalive_s: u64,
    /// None is what the URL says, or [`SslMode::Prefer`].
    pub ssl_mode: Option<SslMode>,
    /// A file with the certificates of the authorities to trust, in PEM. None is what the URL says, or the machine's.
    pub ssl_root_cert: Option<PathBuf>,
}

/// Without the URL, which may hold a password.
impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("schema", &self.schema)
            .field("pool_size", &self.pool_size)
            .finish_non_exhaustive()
    }
}

/// The options, read.
pub(super) struct Parsed {
    pub(super) config: tokio_postgres::Config,
    pub(super) ssl_mode: SslMode,
    pub(super) ssl_root_cert: Option<PathBuf>,
    /// What a new session says first.
    pub(super) setup: String,
    /// How long a new connection may take. tokio-postgres' own bound is on TCP alone, which the kernel of a server that
    /// hangs still answers.
    pub(super) most: Duration,
}

impl PostgresOptions {
    /// The defaults for a database.
    pub fn new(url: impl Into<String>) -> Self {
        PostgresOptions {
            url: url.into(),
            schema: None,
            application_name: "plasma".to_owned(),
            pool_size: 16,
            wait_timeout_ms: 5_000,
            connect_timeout_ms: 5_000,
            statement_timeout_ms: 30_000,
            lock_timeout_ms: 10_000,
            idle_in_transaction_timeout_ms: 60_000,
            keepalive_s: 30,
            ssl_mode: None,
            ssl_root_cert: None,
        }
    }

    /// # Errors
    /// [`Config`](ErrorKind::Config) when the URL cannot be read.
    pub(super) fn parse(&self) -> Result<Parsed> {
        let wrong = |what: String| Error::new(ErrorKind::Config, what);
        let (url, mut ssl_mode, mut ssl_root_cert) = self.without_ssl()?;
        let mut config: tokio_postgres::Config = url.parse().map_err(|error: tokio_postgres::Error| {
            // Its message names the place and no value.
            wrong(format!("the URL of the database cannot be read: {error}"))
        })?;
        ssl_mode = self.ssl_mode.or(ssl_mode);
        ssl_root_cert = self.ssl_root_cert.clone().or(ssl_root_cert);
        let ssl_mode = ssl_mode.unwrap_or_default();
        config.ssl_mode(match ssl_mode {
            SslMode::Disable => tokio_postgres::config::SslMode::Disable,
            SslMode::Prefer => tokio_postgres::config::SslMode::Prefer,
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => tokio_postgres::config::SslMode::Require,
        });
        if config.get_application_name().is_none() {
            config.application_name(&self.application_name);
        }
        let each = *config.get_connect_timeout().unwrap_or(&Duration::from_millis(self.connect_timeout_ms));
        config.connect_timeout(each);
        // One host after the other is tried.
        let hosts = config.get_hosts().len().max(config.get_hostaddrs().len()).max(1);
        let most = each.saturating_mul(u32::try_from(hosts).unwrap_or(u32::MAX));
        let keepalive = Duration::from_secs(self.keepalive_s.max(1));
        config.keepalives(true).keepalives_idle(keepalive).keepalives_interval(keepalive).keepalives_retries(3);
        // What was sent is answered for, too: a server that vanished is noticed in the middle of a statement.
        config.tcp_user_timeout(keepalive * 3);
        // Without `jit`: statements are short, and compiling what only looks expensive costs more than it.
        let mut setup = format!(
            "SET statement_timeout = {}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {}; \
             SET standard_conforming_strings = on; SET TimeZone = 'UTC'; SET jit = off; \
             SET default_transaction_isolation = 'read committed'",
            self.statement_timeout_ms, self.lock_timeout_ms, self.idle_in_transaction_timeout_ms
        );
        if let Some(schema) = &self.schema {
            setup.push_str(&format!("; SET search_path = {}", crate::store::ddl::quote(schema)));
        }
        Ok(Parsed { config, ssl_mode, ssl_root_cert, setup, most })
    }

    /// The URL without what tokio-postgres does not know.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) when it is none: in a text of words, `host=.. sslmode=..`, a mode would be passed over.
    fn without_ssl(&self) -> Result<(String, Option<SslMode>, Option<PathBuf>)> {
        if !["postgres://", "postgresql://"].iter().any(|scheme| self.url.starts_with(scheme)) {
            let message = "a database is named by a URL, `postgres://user@host/database`";
            return Err(Error::new(ErrorKind::Config, message));
        }
        let Some((head, query)) = self.url.split_once('?') else {
            return Ok((self.url.clone(), None, None));
        };
        let (mut mode, mut cert, mut rest) = (None, None, Vec::new());
        for pair in query.split('&') {
            match pair.split_once('=') {
                Some(("sslmode", name)) => {
                    mode = Some(match name {
                        "disable" => SslMode::Disable,
                        "allow" | "prefer" => SslMode::Prefer,
                        "require" => SslMode::Require,
                        "verify-ca" => SslMode::VerifyCa,
                        "verify-full" => SslMode::VerifyFull,
                        other => {
                            return Err(Error::new(ErrorKind::Config, format!("there is no `sslmode` `{other}`")));
                        }
                    });
                }
                Some(("sslrootcert", path)) => cert = Some(PathBuf::from(decoded(path))),
                _ => rest.push(pair),
            }
        }
        let url = if rest.is_empty() { head.to_owned() } else { format!("{head}?{}", rest.join("&")) };
        Ok((url, mode, cert))
    }
}

/// `%2F` as `/`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = (*first == b'%')
            .then(|| tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()))
            .flatten();
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_url_says_of_tls_is_taken_out_of_it() {
        let options =
            PostgresOptions::new("postgres://a:b@h/d?sslmode=verify-ca&sslrootcert=%2Fca%20x.pem&connect_timeout=3");
        let parsed = options.parse().unwrap();
        assert_eq!((parsed.ssl_mode, parsed.ssl_root_cert), (SslMode::VerifyCa, Some(PathBuf::from("/ca x.pem"))));
        assert_eq!(parsed.config.get_connect_timeout(), Some(&Duration::from_secs(3)));
        assert_eq!(parsed.most, Duration::from_secs(3));
        // The second of two hosts is tried when the first one is silent.
        assert_eq!(PostgresOptions::new("postgres://a,b/d").parse().unwrap().most, Duration::from_secs(10));
        assert!(!format!("{options:?}").contains("a:b"));
        let wrong = ["postgres://h/d?sslmode=maybe", "postgres://h:port/d", "postgres://h/d?nonsense=1"];
        // Of a text of words the mode was once passed over, and what was to be encrypted might not have been.
        for wrong in wrong.into_iter().chain(["host=h sslmode=require", "host=h", "mysql://h/d"]) {
            let error = PostgresOptions::new(wrong).parse().err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Config, "{wrong}");
        }
    }
}
