//! Runs a throw-away server until standard input ends; prints what to set for the tests.
#![expect(clippy::print_stdout, reason = "a program that says where its server is")]

use std::io::{Read, stdin};

use plasma_test_postgres::{Durability, Server};

fn main() {
    let Some(server) = Server::start(Durability::None) else {
        println!("no Postgres binaries were found: install them, or set PLASMA_POSTGRES_BIN");
        std::process::exit(1);
    };
    println!("PLASMA_TEST_POSTGRES={}", server.url());
    let mut all = Vec::new();
    // Whatever ends the input ends the server.
    let _ = stdin().read_to_end(&mut all);
}
