//! One connection writes, on a thread of its own; others read.

use std::sync::Arc;

use super::super::database::BlockingDatabase;
use super::readers::Readers;
use crate::error::{Error, Result};
use crate::future::poll_once;
use crate::inputs::Entropy;
use crate::server::poke::Hub;
use crate::server::{ClockFn, ServerEngine, Writer};

/// The writer and the readers.
#[derive(Debug)]
pub(in crate::server) struct Blocking {
    pub(super) readers: Readers,
    pub(super) writer: Arc<Writer>,
}

impl Blocking {
    /// Opens the database, makes its schema where it is missing, and starts the writer.
    pub(in crate::server::http) async fn open(
        database: Box<dyn BlockingDatabase>,
        engine: Arc<ServerEngine>,
        clock: ClockFn,
        mut entropy: Box<dyn Entropy>,
        (readers, queue): (usize, usize),
        hub: Arc<Hub>,
    ) -> Result<Self> {
        let at = Arc::clone(&engine);
        let now = clock();
        let opening = tokio::task::spawn_blocking(move || -> Result<_> {
            let mut db = database.writer()?;
            let made = poll_once(Box::pin(at.ensure_schema(&mut *db, now, &mut *entropy)));
            made.ok_or_else(|| Error::internal("the database's futures are not ready at once"))??;
            Ok((database, db, entropy))
        });
        let (database, db, entropy) =
            opening.await.map_err(|e| Error::internal("opening the database panicked").with_source(e))??;
        let writer = Arc::new(Writer::with_hub(engine, db, clock, entropy, queue, hub)?);
        Ok(Blocking { readers: Readers::new(database, Arc::clone(&writer), readers), writer })
    }
}
