//! Throw-away Postgres servers for tests.
