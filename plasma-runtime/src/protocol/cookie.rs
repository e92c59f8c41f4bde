//! The causal cookie: a position in the change log that the client keeps and never reads.
