//! Editing a text.

use serde_json::Value as Json;

use super::{Cell, Operation, misread};
use crate::crdt::{Anchors, Edit, Text};
use crate::error::{Error, Result};
use crate::mutate::Access;

/// An edit lands beside the characters that its caller saw, and deletes of them no more than it does here.
impl Operation for Edit {
    fn apply(&self, state: &str, cell: &Cell<'_>) -> Result<String> {
        let mut text = Text::from_stored(state)
            .map_err(|error| Error::internal("the state of a text is damaged").with_source(error))?;
        let replica = cell.replica();
        let mut refused = None;
        let seen = cell.observe(|| match text.anchors(replica, self) {
            Ok(seen) => serde_json::to_value(seen).unwrap_or_default(),
            Err(error) => {
                refused = Some(error);
                Json::Null
            }
        });
        match (refused, seen) {
            (Some(error), _) => return Err(error),
            // A mutator that was refused and went on is asked anew.
            (None, Some(Json::Null)) => text.edit(replica, self, None)?,
            (None, Some(seen)) => {
                let seen: Anchors = serde_json::from_value(seen)
                    .map_err(|error| misread("the neighbours of an edit").with_source(error))?;
                text.edit(replica, self, Some(&seen))?;
            }
            // The client's run did not come by here: the position is as near as anything.
            (None, None) if cell.access == Access::Checked && cell.meta.client_id.is_some() => {
                text.edit(replica, &self.clamped(&text), None)?;
            }
            (None, None) => text.edit(replica, self, None)?,
        }
        Ok(text.to_json())
    }
}
