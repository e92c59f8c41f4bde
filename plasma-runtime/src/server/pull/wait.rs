//! Whether a held pull has anything to look for.

use super::log;
use crate::error::Result;
use crate::protocol::cookie::AnyCookie;
use crate::query::lower::Dialect;
use crate::server::compaction::Horizon;
use crate::server::{Caller, ServerEngine};
use crate::store::SqlExecutor;
use crate::value::{Kind, Value};

impl ServerEngine {
    /// Whether a pull with this cookie could say anything to this caller: a cheap test for long polls, wrong only on the
    /// safe side. Outside of a transaction.
    ///
    /// # Errors
    /// Those of the database; a cookie that cannot be read could always say something.
    pub async fn may_have_changes(
        &self,
        db: &mut dyn SqlExecutor,
        caller: &Caller,
        cookie: Option<&str>,
    ) -> Result<bool> {
        let Some(Ok(AnyCookie::Position(position))) = cookie.map(AnyCookie::decode) else { return Ok(true) };
        self.sequence(db).await?;
        let head = log::head(db).await?;
        let own = position.schema == Some(self.definition.schema.fingerprint);
        let caught_up = own && position.walk.is_none() && position.seen.first == position.at;
        if !caught_up || head.version < position.at {
            return Ok(true);
        }
        if head.version == position.at {
            return Ok(head.mark != position.mark);
        }
        // Entries after it may be gone.
        if position.at < Horizon::load(db).await?.bound {
            return Ok(true);
        }
        // Acknowledgements of other groups move the log and nothing else.
        let sql = match db.dialect() {
            Dialect::Sqlite => {
                "SELECT 1 FROM _plasma_changes \
                 WHERE row_version > ?1 AND (table_name <> '' OR client_group_id = ?2) LIMIT 1"
            }
            Dialect::Postgres => {
                "SELECT 1 FROM _plasma_commits c WHERE c.row_version > ?1 AND (c.client_group_id = ?2 \
                 OR EXISTS (SELECT FROM _plasma_changes e WHERE e.unit = c.unit)) LIMIT 1"
            }
        };
        let params = [log::to_value(position.at), Value::from(caller.group.as_str())];
        Ok(!db.query(sql, &params, &[Kind::Int]).await?.is_empty())
    }
}
