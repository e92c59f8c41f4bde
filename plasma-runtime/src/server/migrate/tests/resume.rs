//! Runs that are cut off.

use super::*;
