//! The one JSON codec of rows.
