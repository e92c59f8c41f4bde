//! The deterministic simulator: many clients, some servers over one database, a bad network, crashes; one thread, a
//! virtual clock, one seed.
//!
//! The engines of the library have no clock, no randomness and no network of their own, so a whole system of them runs
//! here inside one loop, and the same seed gives the same run to the byte. Applications use it for their own schema and
//! mutators: describe what their clients do with a [`Workload`], and run it over a range of seeds.
//!
//! ```no_run
//! use plasma_runtime::sim::{Sim, Workload};
//! # fn workload() -> Box<dyn Workload> { unimplemented!() }
//! let report = Sim::new(workload()).seeds(0..200).clients(2).run();
//! report.assert_passed();
//! ```
//!
//! A run has two parts. First faults: the network loses, doubles, delays and reorders requests and answers; both sides
//! crash, also in the middle of a step; clients go offline; a request goes to any of the servers, whose transactions
//! overlap and whose pokes to each other get lost; the change log is compacted; servers go on with the next version of
//! the application and migrate the database, clients are updated later; the database is restored from an older backup; a
//! client's store is copied; clocks of devices jump by up to a day, disks are full, processes are frozen, captive portals
//! and overloaded proxies answer for the server. Then everything heals, and within a bound of virtual time all queues must be empty and all
//! clients equal to what the server shows them. Checks run all along; each names its invariant:
//!
//! | | invariant | checked |
//! | --- | --- | --- |
//! | I1 | no mutation is lost without a report | at the end, against a ledger the simulator keeps |
//! | I2 | exactly-once effect | at the end: ledger, keys and audit rows; the workload's own rules on rows |
//! | I3 | per-client order | at the end: ids without gaps; audit rows in the order of issue |
//! | I4 | a cookie never goes back; one of another history is not taken | at every pull |
//! | I5 | no hole | at every pull that reaches the head: base = what the server showed |
//! | I6 | acknowledgement and effect come together | at every pull |
//! | I7 | a mutation is seen whole | at every change of visible rows: the workload's rules |
//! | I8 | causes before effects, nothing goes back | at every pull: the workload's rules on base rows; at the end: each client's
//! | | | reads of the audit table are prefixes of the order of commits, never shorter ones, its writes behind them |
//! | I9 | convergence | at the end |
//! | I10 | liveness | at the end |
//! | I11 | no row is sent or held that may not be read | at every pull |
//! | I13 | a delete reaches every client, whatever was compacted meanwhile | as I5 and I9 |
//! | I14 | compaction cannot be seen: who stands at or above the floor is not sent everything | at every pull |
//! | I15 | base + replay of the outbox is one state, however it was reached | at random pulls, and at the end |
//! | I23 | a mutator that reads the same writes the same, on both sides: no drift | at every answer to a push |
//!
//! `PLASMA_SIM_SEED=N` runs one seed alone and prints its trace. The first seed that fails is made shorter, down to the
//! steps and kinds of faults that are enough to break the same invariant; its command and trace are in the report. [`World`] is the system itself, for scripted cases.

mod audit;
mod check;
mod crashy;
mod device;
mod history;
mod message;
mod network;
mod node;
mod plan;
mod releases;
mod report;
mod rng;
mod runner;
mod server;
mod serving;
mod settings;
mod settle;
mod shrink;
mod steps;
mod tamper;
mod trace;
mod transactions;
mod workload;
mod world;

pub use message::Leg;
pub use node::NodeId;
pub use releases::Release;
pub use report::{Failure, Rare, Report, Violation};
pub use rng::Rng;
pub use runner::Sim;
pub use server::ServerId;
pub use settings::{Faults, Settings};
pub use shrink::Shrunk;
pub use tamper::{NoTamper, Tamper};
pub use transactions::CommitOrder;
pub use workload::{AuditTable, Call, Principal, Rows, Workload};
pub use world::World;
