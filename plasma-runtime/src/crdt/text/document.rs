//! The library: documents of `yrs`, each made for one question and dropped.
//!
//! A document is loaded whole and then written: so what it writes depends on its characters alone, and not on the order
//! in which they came.

use std::ops::Range;

use yrs::block::{ClientID, ID};
use yrs::updates::decoder::Decode as _;
use yrs::{
    Assoc, Doc, GetString as _, OffsetKind, Options, ReadTxn as _, StateVector, StickyIndex, Text as _, TextRef,
    Transact as _, Update,
};

use super::bytes::{self, CharId, ROOT, Ranges};
use crate::error::{Error, Result};

pub(super) struct Document {
    doc: Doc,
    text: TextRef,
}

impl Document {
    /// Brings updates together. They have to be such as [`Blocks`](super::bytes::Blocks) lets through.
    ///
    /// # Errors
    /// [`Internal`](crate::ErrorKind::Internal) when the library finds something missing after all.
    pub(super) fn load(updates: &[&[u8]]) -> Result<Self> {
        // Every member is given: the library's defaults are random.
        let doc = Doc::with_options(Options {
            client_id: ClientID::new(0),
            guid: "".into(),
            collection_id: None,
            offset_kind: OffsetKind::Utf16,
            skip_gc: false,
            auto_load: false,
            should_load: true,
            cleanup_formatting: false,
        });
        let text = doc.get_or_insert_text(ROOT);
        let mut transaction = doc.transact_mut();
        for update in updates {
            let update = Update::decode_v1(update).map_err(broken)?;
            transaction.apply_update(update).map_err(broken)?;
        }
        if transaction.has_missing_updates() {
            return Err(broken("characters are missing"));
        }
        drop(transaction);
        Ok(Document { doc, text })
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.doc.transact().encode_state_as_update_v1(&StateVector::default())
    }

    pub(super) fn text(&self) -> String {
        self.text.get_string(&self.doc.transact())
    }

    /// The characters on either side of a place in the text, counted in units of UTF-16, deleted ones too: the library's
    /// answer when it inserts there. What is written between two that are no neighbours would have no certain place.
    pub(super) fn neighbours(&self, place: u32) -> Result<(Option<CharId>, Option<CharId>)> {
        let mut transaction = self.doc.transact_mut();
        self.text.insert(&mut transaction, place, "x");
        let inserted = transaction.encode_update_v1();
        self.text.remove_range(&mut transaction, place, 1);
        bytes::neighbours(&inserted).map_err(broken)
    }

    /// Where a character stands or stood, counted in units of UTF-16.
    pub(super) fn place(&self, CharId(writer, clock): CharId, after: bool) -> Option<u32> {
        let assoc = if after { Assoc::Before } else { Assoc::After };
        let index = StickyIndex::from_id(ID::new(ClientID::new(writer), clock), assoc);
        index.get_offset(&self.doc.transact()).map(|offset| offset.index)
    }

    /// The characters in a range of the text, counted in units of UTF-16.
    pub(super) fn characters(self, range: Range<u32>) -> Ranges {
        let mut transaction = self.doc.transact_mut();
        self.text.remove_range(&mut transaction, range.start, range.end - range.start);
        let deleted = transaction.delete_set().iter();
        deleted.map(|(writer, ranges)| (writer.get(), ranges.iter().cloned().collect())).collect()
    }
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::internal(format!("the document of a text cannot be put together: {error}"))
}
