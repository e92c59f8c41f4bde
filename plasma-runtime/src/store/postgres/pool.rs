//! Connections, opened when needed and used again.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Connect, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::{from_pool, from_postgres, no_answer};
use super::options::Parsed;
use super::{PostgresConnection, PostgresOptions, tls};
use crate::error::{Error, ErrorKind, Result};

/// The half of a connection that does the work and hears what the server says unasked, such as notifications: to be
/// driven by a task.
pub type Driver = Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

/// A pool of connections to one database. Copies share it.
///
/// It opens no connection before one is asked for, so that a server starts while its database is down; a connection that
/// was lost is replaced by a new one.
#[derive(Clone)]
pub struct PostgresPool {
    pool: Pool,
    opener: Opener,
}

/// Opens connections.
#[derive(Clone)]
struct Opener {
    config: Config,
    tls: MakeRustlsConnect,
    setup: Arc<str>,
    /// How long a new connection may take.
    most: Duration,
}

impl fmt::Debug for PostgresPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresPool").field("status", &self.pool.status()).finish_non_exhaustive()
    }
}

impl PostgresPool {
    /// A pool; no connection is opened yet.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) when the URL or the certificates of the authorities cannot be read.
    pub fn new(options: PostgresOptions) -> Result<Self> {
        let Parsed { config, ssl_mode, ssl_root_cert, setup, most } = options.parse()?;
        let tls = tls::connector(ssl_mode, ssl_root_cert.as_deref())?;
        let opener = Opener { config: config.clone(), tls, setup: setup.into(), most };
        // A lost connection is noticed by its task; no statement is spent on asking.
        let how = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_connect(config, opener.clone(), how);
        let pool = Pool::builder(manager)
            .max_size(options.pool_size.max(1))
            .wait_timeout(Some(Duration::from_millis(options.wait_timeout_ms)))
            .create_timeout(Some(most))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::new(ErrorKind::Config, error.to_string()))?;
        Ok(PostgresPool { pool, opener })
    }

    /// A connection of the pool. Dropped, it goes back.
    ///
    /// # Errors
    /// [`Fault`](ErrorKind::Fault) when none becomes free in time
    /// ([`is_exhausted`](super::error::is_exhausted)); [`Storage`](ErrorKind::Storage) when the server does not answer or
    /// refuses ([`is_connection`](super::error::is_connection)); [`Closed`](ErrorKind::Closed) after
    /// [`close`](PostgresPool::close).
    pub async fn get(&self) -> Result<PostgresConnection> {
        self.pool.get().await.map(PostgresConnection::from).map_err(from_pool)
    }

    /// A connection outside the pool: for what holds one for long.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage) when the server does not answer or refuses.
    pub async fn get_own(&self) -> Result<PostgresConnection> {
        let opened = timeout(self.opener.most, self.opener.open()).await.map_err(|_| no_answer())?;
        let (client, task) = opened.map_err(from_postgres)?;
        Ok(ClientWrapper::new(client, task).into())
    }

    /// A connection outside the pool whose driver is the caller's: for `LISTEN`. The session has not been set up: the
    /// second value is the SQL that does it, and nothing runs before the driver does.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage) when the server does not answer or refuses.
    pub async fn open(&self) -> Result<(Client, Driver, Arc<str>)> {
        let opened = timeout(self.opener.most, self.opener.config.connect(self.opener.tls.clone())).await;
        let (client, driver) = opened.map_err(|_| no_answer())?.map_err(from_postgres)?;
        Ok((client, driver, Arc::clone(&self.opener.setup)))
    }

    /// How many connections there may be.
    #[expect(clippy::misnamed_getters, reason = "`size` of the pool is what it has just now")]
    pub fn size(&self) -> usize {
        self.pool.status().max_size
    }

    /// How many connections could be had at once: those that are idle, and those not yet opened.
    pub fn available(&self) -> usize {
        let status = self.pool.status();
        status.available + status.max_size.saturating_sub(status.size)
    }

    /// How many callers wait for a connection.
    pub fn waiting(&self) -> usize {
        self.pool.status().waiting
    }

    /// Closes idle connections, and the others when they come back. Who waits for one is told.
    pub fn close(&self) {
        self.pool.close();
    }
}

impl Opener {
    #[expect(clippy::disallowed_methods, reason = "a connection is driven by a task of its own")]
    async fn open(&self) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
        let (client, driver) = self.config.connect(self.tls.clone()).await?;
        let task = tokio::spawn(async move {
            // Whoever uses the client is told; nobody else need know.
            if let Err(error) = driver.await {
                tracing::debug!(%error, "a connection to the database ended");
            }
        });
        match client.batch_execute(&self.setup).await {
            Ok(()) => Ok((client, task)),
            Err(error) => {
                task.abort();
                Err(error)
            }
        }
    }
}

impl Connect for Opener {
    fn connect(
        &self,
        _: &Config,
    ) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), tokio_postgres::Error>> + Send + '_>> {
        Box::pin(self.open())
    }
}
