//! Pokes through the database itself: `NOTIFY` and `LISTEN`.

use std::fmt;
use std::future::poll_fn;

use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, Client};

use super::{PokeBus, Subscription};
use crate::error::{Error, ErrorKind, Result};
use crate::future::BoxFuture;
use crate::store::SqlExecutor;
use crate::store::postgres::{PostgresConnection, PostgresPool, error::from_postgres};
use crate::value::{Kind, Value};

/// Postgres allows less than 8,000 bytes in a notification.
const MAX_BYTES: usize = 7_900;

/// The channel of the database's current schema: channels belong to the whole database, and several schemas may each
/// hold a server's tables.
const CHANNEL: &str = "'plasma_' || substr(md5(coalesce(current_schema(), '')), 1, 16)";

/// Carries pokes as notifications of Postgres, on two connections of its own: one sends, one listens. A notification
/// makes commits wait for each other while it is sent, so it has a transaction of its own, outside of every push.
pub struct PostgresPokes {
    pool: PostgresPool,
    sender: Mutex<Option<PostgresConnection>>,
}

impl fmt::Debug for PostgresPokes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresPokes").finish_non_exhaustive()
    }
}

impl PostgresPokes {
    /// On the database of this pool.
    pub fn new(pool: PostgresPool) -> Self {
        PostgresPokes { pool, sender: Mutex::new(None) }
    }
}

impl PokeBus for PostgresPokes {
    fn max_bytes(&self) -> usize {
        MAX_BYTES
    }

    fn publish<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let mut sender = self.sender.lock().await;
            // Taken out while it is used: one that fails, or whose use is cut off, is not used again.
            let mut db = match sender.take() {
                Some(db) => db,
                None => self.pool.get_own().await?,
            };
            let sql = format!("SELECT pg_notify({CHANNEL}, ?)");
            db.query(&format!("SELECT 1 FROM ({sql}) AS told"), &[Value::from(text)], &[Kind::Int]).await?;
            *sender = Some(db);
            Ok(())
        })
    }

    fn subscribe(&self) -> BoxFuture<'_, Result<Box<dyn Subscription>>> {
        Box::pin(async move {
            let (client, driver, setup) = self.pool.open().await?;
            let (heard, inbox) = mpsc::unbounded_channel();
            let driving = Driving(drive(driver, heard));
            client.batch_execute(&setup).await.map_err(from_postgres)?;
            // The name of a channel is no parameter.
            let listen = format!("DO $$ BEGIN EXECUTE format('LISTEN %I', {CHANNEL}); END $$");
            client.batch_execute(&listen).await.map_err(from_postgres)?;
            Ok(Box::new(Listening { _client: client, _driving: driving, inbox }) as Box<dyn Subscription>)
        })
    }
}

/// A connection that listens.
struct Listening {
    /// Without it the connection would end.
    _client: Client,
    _driving: Driving,
    inbox: mpsc::UnboundedReceiver<String>,
}

/// The task of the connection, ended with it.
struct Driving(JoinHandle<()>);

impl Drop for Driving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the adapter that spawns")]
fn drive(mut driver: crate::store::postgres::Driver, heard: mpsc::UnboundedSender<String>) -> JoinHandle<()> {
    tokio::spawn(async move {
        // Ends with the connection; the sender goes with it, which is how the listener is told.
        while let Some(Ok(message)) = poll_fn(|cx| driver.poll_message(cx)).await {
            if let AsyncMessage::Notification(notification) = message
                && heard.send(notification.payload().to_owned()).is_err()
            {
                return;
            }
        }
    })
}

impl Subscription for Listening {
    fn next(&mut self) -> BoxFuture<'_, Result<String>> {
        Box::pin(async {
            let lost = || Error::new(ErrorKind::Storage, "the connection that listens for pokes is lost");
            self.inbox.recv().await.ok_or_else(lost)
        })
    }
}
