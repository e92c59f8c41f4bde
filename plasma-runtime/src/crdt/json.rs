//! Reading states strictly: what is written twice or out of range is an error, and not the last one.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use super::MAX_SAFE;

/// A map whose members come once each.
pub(super) fn unique_members<'de, D, K, V>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de>,
{
    struct Members<K, V>(PhantomData<(K, V)>);
    impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Visitor<'de> for Members<K, V> {
        type Value = BTreeMap<K, V>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some((key, value)) = members.next_entry()? {
                if map.insert(key, value).is_some() {
                    return Err(A::Error::custom("a replica comes twice"));
                }
            }
            Ok(map)
        }
    }
    deserializer.deserialize_map(Members(PhantomData))
}

/// A whole number from 0 to 2^53 - 1.
pub(super) fn safe_integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(deserializer)?;
    if number > MAX_SAFE {
        return Err(D::Error::custom("a time is a whole number up to 2^53 - 1"));
    }
    Ok(number)
}
