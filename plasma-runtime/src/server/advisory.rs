//! Advisory locks on Postgres. Each is a pair of numbers: what it is for, and the Postgres schema it is about.

/// Of the sequencer, and of whoever gives positions in its place.
pub(super) const SEQUENCER: i32 = 0x706c_6173;
/// Of whoever migrates, or makes tables.
pub(super) const MIGRATION: i32 = 0x706c_6174;
/// Of a step of compaction or expiry.
pub(super) const UPKEEP: i32 = 0x706c_6175;

/// The schema of the connection, by the table that every log has: as the second number.
pub(super) const THIS_LOG: &str = "CAST(CAST(CAST('_plasma_commits' AS regclass) AS oid) AS integer)";
