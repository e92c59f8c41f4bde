//! Power loss, failing disks and damaged files.
//!
//! A kill leaves what the process wrote; power loss leaves what it synced, and of the rest anything. So a program is run below a
//! shim that writes down every call that changes a file ([`log`]), the disk is built anew as it may be found after a power loss
//! at any moment ([`disk`], [`replay`]), and the library opens it ([`client`], [`server`]).
//!
//! Sampled in a normal run; every call with `PLASMA_DEEP=1`.

mod client;
mod damage;
mod disk;
mod failing;
mod keys;
mod log;
mod losses;
mod migrations;
mod parts;
mod recording;
mod replay;
mod server;
mod survive;
mod world;
