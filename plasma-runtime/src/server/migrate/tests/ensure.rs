//! What `open` does to databases of other versions.

use super::*;
use crate::error::ErrorKind;
