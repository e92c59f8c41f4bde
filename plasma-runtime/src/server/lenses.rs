//! Which versions of the schema the server speaks: its own, and the ancestors in `plasma.lock` that fit.

use std::collections::BTreeMap;

use super::Refusal;
use crate::schema::fingerprint::hex;
use crate::schema::{Incompatible, Lens, SchemaDef};

/// The versions whose clients are served, and those that are known but refused. Made once, at start-up.
#[derive(Debug)]
pub struct Lenses {
    own: Lens,
    former: BTreeMap<u64, Lens>,
    refused: BTreeMap<u64, Incompatible>,
}

impl Lenses {
    /// The lenses of a schema and its lock.
    pub fn new(schema: &SchemaDef) -> Self {
        let (mut former, mut refused) = (BTreeMap::new(), BTreeMap::new());
        for ancestor in schema.ancestors() {
            match ancestor {
                Ok(lens) => {
                    former.insert(lens.fingerprint, lens);
                }
                Err(incompatible) => {
                    tracing::info!(schema = schema.name, version = incompatible.version, "{incompatible}");
                    refused.insert(incompatible.fingerprint, incompatible);
                }
            }
        }
        Lenses { own: Lens::whole(schema), former, refused }
    }

    /// The ancestors that are served, by fingerprint.
    pub fn former(&self) -> impl Iterator<Item = &Lens> {
        self.former.values()
    }

    /// What the version with this fingerprint knows; none when it is not served.
    pub fn get(&self, fingerprint: u64) -> Option<&Lens> {
        if fingerprint == self.own.fingerprint { Some(&self.own) } else { self.former.get(&fingerprint) }
    }

    /// What the sender of a request knows that names this version and fingerprint.
    ///
    /// # Errors
    /// 409 `schema-mismatch`; the message says why a known ancestor is none that can be served.
    pub fn check(&self, version: &str, fingerprint: Option<&str>) -> Result<&Lens, Refusal> {
        let Some(got) = fingerprint else {
            let own = &self.own.version;
            return if version == own { Ok(&self.own) } else { Err(Refusal::schema_mismatch(own, version)) };
        };
        let known = parse(got);
        if let Some(lens) = known.and_then(|fingerprint| self.get(fingerprint)) {
            return Ok(lens);
        }
        let mut refusal = Refusal::schema_mismatch(&hex(self.own.fingerprint), got);
        if let Some(why) = known.and_then(|fingerprint| self.refused.get(&fingerprint)) {
            refusal.error.message = format!("{}: {why}", refusal.error.message);
        }
        Err(refusal)
    }

    /// What the sender of a checked request knows.
    pub(super) fn of(&self, fingerprint: Option<&str>) -> &Lens {
        fingerprint.and_then(parse).and_then(|fingerprint| self.get(fingerprint)).unwrap_or(&self.own)
    }
}

/// Reads the one spelling of a fingerprint.
fn parse(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok().filter(|fingerprint| hex(*fingerprint) == text)
}
