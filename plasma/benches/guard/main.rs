//! A guard against regressions of the five hottest paths: what each costs, as a multiple of what a program written by hand
//! for the same work costs in the same run. Never times: they say more about the machine than about a change.
//!
//! With valgrind, executed instructions are counted (callgrind): the same program gives the same count within a percent,
//! so the limits are close. Without it, processor time is compared (medians of several rounds), with wide limits.
//!
//! `scripts/test guard` runs it. A path above its limit fails; a path far below says so, and its limit should follow it.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "a benchmark"
)]
#![allow(missing_debug_implementations, dead_code, reason = "it uses parts of other benchmarks")]

#[path = "../ivm/floor.rs"]
mod floor;
mod paths;
#[path = "../ivm/todos.rs"]
mod todos;
#[path = "../util/mod.rs"]
mod util;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use util::{Samples, folder};

/// A path and what it may cost.
struct Guarded {
    name: &'static str,
    /// Instructions over the floor's instructions: measured, and the most that is let through.
    instructions: (f64, f64),
    /// The same for processor time.
    time: (f64, f64),
    plasma: fn(&Path),
    floor: fn(&Path),
}

/// The limits: a twentieth above the instructions that were measured (two runs differ by 0.2 %), twice the times.
const GUARDED: [Guarded; 5] = [
    Guarded {
        name: "mutate",
        instructions: (2.69, 2.85),
        time: (1.50, 3.00),
        plasma: paths::mutate,
        floor: paths::mutate_floor,
    },
    Guarded {
        name: "ivm window change",
        instructions: (6.67, 7.05),
        time: (6.00, 12.00),
        plasma: paths::window,
        floor: paths::window_floor,
    },
    Guarded {
        name: "rebase of pending",
        instructions: (5.86, 6.20),
        time: (4.50, 9.00),
        plasma: paths::rebase,
        floor: paths::rebase_floor,
    },
    Guarded {
        name: "push, decode to commit",
        instructions: (1.80, 1.90),
        time: (1.30, 2.60),
        plasma: paths::push,
        floor: paths::push_floor,
    },
    Guarded {
        name: "pull, page to text",
        instructions: (17.47, 18.50),
        time: (25.00, 50.00),
        plasma: paths::pull,
        floor: paths::pull_floor,
    },
];

/// Nanoseconds of all measured work.
static SPENT: AtomicU64 = AtomicU64::new(0);
/// Whether callgrind counts: the clock of this thread cannot be read under valgrind.
static COUNTED: AtomicBool = AtomicBool::new(false);

/// The work that counts; what a path does before and after does not.
pub fn measure(work: &mut dyn FnMut()) {
    let before = processor_time();
    measured(work);
    SPENT.fetch_add(processor_time() - before, Ordering::Relaxed);
}

/// Callgrind counts while this function runs; it finds it by its name.
#[inline(never)]
fn measured(work: &mut dyn FnMut()) {
    work();
    // A call at the end would leave the function before its work is done.
    std::hint::black_box(());
}

/// Nanoseconds this thread has run.
fn processor_time() -> u64 {
    if COUNTED.load(Ordering::Relaxed) {
        return 0;
    }
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let [how @ ("--count" | "--time"), name, side] = arguments[..] {
        COUNTED.store(how == "--count", Ordering::Relaxed);
        let guarded = GUARDED.iter().find(|guarded| guarded.name == name).expect("a path");
        let folder = folder();
        let path = folder.path().join("guard.db");
        if side == "plasma" {
            (guarded.plasma)(&path)
        } else {
            (guarded.floor)(&path)
        }
        println!("{}", SPENT.load(Ordering::Relaxed));
        return ExitCode::SUCCESS;
    }
    let counted = Command::new("valgrind").arg("--version").output().is_ok_and(|answer| answer.status.success());
    println!("{}", if counted { "instructions, by callgrind" } else { "no valgrind: processor time" });
    let mut failed = false;
    for guarded in &GUARDED {
        let count = if counted { instructions } else { nanoseconds };
        let (plasma, floor) = std::thread::scope(|scope| {
            // Times are taken one after the other, instructions side by side.
            let plasma = scope.spawn(|| count(guarded.name, "plasma"));
            let plasma = if counted { Err(plasma) } else { Ok(plasma.join().expect("plasma's side")) };
            let floor = count(guarded.name, "floor");
            (plasma.unwrap_or_else(|running| running.join().expect("plasma's side")), floor)
        });
        let ratio = plasma / floor;
        let (usual, limit) = if counted { guarded.instructions } else { guarded.time };
        let verdict = match ratio {
            _ if ratio > limit => "ABOVE THE LIMIT",
            _ if ratio < usual * 0.8 => "far below: lower the limit",
            _ => "",
        };
        failed |= ratio > limit;
        let name = guarded.name;
        println!(
            "{name:<24} plasma {plasma:>12}  floor {floor:>12}  ratio {ratio:>7.2}  usual {usual:.2}, limit {limit:.2}  {verdict}"
        );
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// This program again, for one side of one path.
fn child(runner: &[&str], how: &str, name: &str, side: &str) -> String {
    let itself = std::env::current_exe().expect("this program");
    let itself = itself.to_str().expect("a path");
    let command = [runner, &[itself, how, name, side]].concat();
    let output = Command::new(command[0]).args(&command[1..]).output().expect("it starts");
    assert!(output.status.success(), "{name}, {side}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn instructions(name: &str, side: &str) -> f64 {
    let folder = folder();
    let out = folder.path().join("callgrind.out");
    let file = format!("--callgrind-out-file={}", out.display());
    child(&["valgrind", "--tool=callgrind", "--toggle-collect=guard::measured*", &file], "--count", name, side);
    let text = std::fs::read_to_string(&out).expect("what callgrind has counted");
    let total = text.lines().find_map(|line| line.strip_prefix("summary: ").or(line.strip_prefix("totals: ")));
    let total = total.and_then(|total| total.trim().parse().ok()).expect("a number of instructions");
    assert!(total > 10_000.0, "callgrind did not find the function `guard::measured`");
    total
}

fn nanoseconds(name: &str, side: &str) -> f64 {
    let mut samples = Samples::default();
    for _ in 0..7 {
        samples.push(child(&[], "--time", name, side).trim().parse().expect("a number"));
    }
    samples.median()
}
