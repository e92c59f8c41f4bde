//! `plasma doctor FILE`: looks at a client's store. It needs no schema and no key, and changes nothing.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks")]

use std::process::ExitCode;

const HELP: &str = "\
plasma doctor FILE..

    Looks at clients' stores: whether the file is whole, what waits in its queue and why the head of it has not left,
    rejected mutations, mutators that did something else on the server. Reads only, also while the application runs.

    Ends with 0 when all stores are whole, 1 when one is damaged or cannot be examined, 2 when the call is wrong.";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match arguments.split_first() {
        Some((command, files)) if command == "doctor" && !files.is_empty() => doctor(files),
        Some((command, _)) if command == "--help" || command == "-h" || command == "help" => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{HELP}");
            ExitCode::from(2)
        }
    }
}

fn doctor(files: &[std::ffi::OsString]) -> ExitCode {
    let mut well = true;
    for file in files {
        let path = std::path::Path::new(file);
        println!("{}", path.display());
        match plasma::client::doctor::examine(path) {
            Ok(checkup) => {
                well &= checkup.damage.is_empty();
                println!("{checkup}\n");
            }
            Err(error) => {
                well = false;
                println!("cannot be examined: {error}\n");
            }
        }
    }
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
