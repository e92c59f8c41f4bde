//! Limits of the server, with their defaults.

use std::time::Duration;

/// What the server accepts. Every limit has a default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Mutations in one push. 200.
    pub mutations_per_push: usize,
    /// Bytes of a body after decompression. 1 MiB.
    pub body_bytes: usize,
    /// Depth of JSON. 64.
    pub json_depth: usize,
    /// Patch operations of a pull page when the request does not say. 1,000.
    pub page_operations: usize,
    /// The greatest `limit` a pull may ask for; more counts as this. 10,000.
    pub max_page_operations: usize,
    /// Bytes of a pull page. 4 MiB.
    pub page_bytes: usize,
    /// The longest `wait` of a pull, ms; more counts as this. 25,000.
    pub max_wait_ms: u64,
    /// Long polls held at once. 10,000.
    pub held_pulls: usize,
    /// How long a client may take to send its headers. 10 s.
    pub header_timeout: Duration,
    /// How long a client may take to send its body. 30 s.
    pub body_timeout: Duration,
    /// How long a request may take (held long polls excepted). 60 s.
    pub request_timeout: Duration,
    /// Connections at once. 10,000.
    pub connections: usize,
    /// Statements a mutator may run. 10,000.
    pub mutation_statements: u64,
    /// Rows a mutator may read and write. 1,000,000.
    pub mutation_rows: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            mutations_per_push: 200,
            body_bytes: 1 << 20,
            json_depth: 64,
            page_operations: 1_000,
            max_page_operations: 10_000,
            page_bytes: 4 << 20,
            max_wait_ms: 25_000,
            held_pulls: 10_000,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(60),
            connections: 10_000,
            mutation_statements: 10_000,
            mutation_rows: 1_000_000,
        }
    }
}
