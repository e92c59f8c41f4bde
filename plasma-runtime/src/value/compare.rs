//! The one comparator.
