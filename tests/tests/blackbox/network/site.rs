//! The processes of a run and their proxies, held together: what is done to them, and what they say.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::child::{Serving, command};
use super::device::{Orders, State};
use super::proxy::{Proxy, Rules, Upstreams};
use super::schedule::{Deed, Who};
use crate::place::Data;

/// What a device has said so far, over all its lives.
#[derive(Debug, Default, Clone)]
pub(super) struct Said {
    pub(super) asked: i64,
    pub(super) returned: i64,
    pub(super) broken: Vec<String>,
    /// The last state it was asked for.
    pub(super) state: Option<State>,
    /// Answers to `state`, `busy` too.
    answers: u64,
    /// Failures it noticed.
    pub(super) notes: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A life of a device.
struct Living {
    child: Child,
    stdin: ChildStdin,
    hears: std::thread::JoinHandle<()>,
}

struct Device {
    said: Arc<Mutex<Said>>,
    proxy: Proxy,
    life: Option<Living>,
    lives: u64,
}

/// Everything that runs.
pub(super) struct Site {
    data: Data,
    logs: PathBuf,
    seed: u64,
    pace_ms: u64,
    addresses: Upstreams,
    servers: Vec<Option<Serving>>,
    devices: Vec<Device>,
    paused: Vec<u32>,
}

impl Site {
    pub(super) async fn start(
        data: Data,
        logs: &Path,
        seed: u64,
        servers: usize,
        devices: usize,
        pace_ms: u64,
    ) -> Self {
        let mut site = Site {
            data,
            logs: logs.to_owned(),
            seed,
            pace_ms,
            addresses: Upstreams::default(),
            servers: Vec::new(),
            devices: Vec::new(),
            paused: Vec::new(),
        };
        if let Data::Postgres(database) = &site.data {
            // Transactions that write many of few rows deadlock, and each time all involved stand still for this long: a
            // second by default. The runs are about the network.
            site.data.sql(&format!("ALTER DATABASE {} SET deadlock_timeout = '50ms'", database.name));
        }
        for number in 0..servers {
            site.servers.push(None);
            lock(&site.addresses).push(([127, 0, 0, 1], 1).into());
            site.start_server(number);
        }
        site.data.sql(&super::app::seed());
        for number in 0..devices {
            let proxy = Proxy::start(seed.wrapping_mul(31).wrapping_add(number as u64), Arc::clone(&site.addresses));
            let proxy = proxy.await;
            site.devices.push(Device { said: Arc::default(), proxy, life: None, lives: 0 });
            site.start_device(number, true);
        }
        site
    }

    pub(super) fn data(&self) -> &Data {
        &self.data
    }

    pub(super) fn said(&self) -> Vec<Said> {
        self.devices.iter().map(|device| lock(&device.said).clone()).collect()
    }

    /// How often a proxy did harm.
    pub(super) fn harm(&self) -> u64 {
        self.devices.iter().map(|device| device.proxy.harm()).sum()
    }

    fn log(&self, name: &str) -> File {
        let path = self.logs.join(name);
        File::options().create(true).append(true).open(path).expect("a log")
    }

    fn start_server(&mut self, number: usize) {
        let mut command = command("network::device::serve", self.data.address(), 0);
        command.stderr(self.log(&format!("server{number}.log")));
        let serving = Serving::of(command).expect("a server starts");
        lock(&self.addresses)[number] = serving.address;
        self.servers[number] = Some(serving);
    }

    fn start_device(&mut self, number: usize, works: bool) {
        let store = self.logs.join(format!("device{number}.db"));
        let mut command = command("network::device::live", store, 0);
        let errors = self.log(&format!("device{number}.err"));
        let mut log = self.log(&format!("device{number}.log"));
        let device = &mut self.devices[number];
        device.lives += 1;
        let orders = Orders {
            server: format!("http://{}", device.proxy.address),
            device: number as i64,
            seed: self.seed.wrapping_add(1_000 * number as u64 + device.lives),
            made: lock(&device.said).returned,
            pace_ms: if works { self.pace_ms } else { 0 },
        };
        orders.give(&mut command);
        command.stdin(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().expect("the test binary starts again");
        let (stdin, out) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let said = Arc::clone(&device.said);
        let hears = std::thread::spawn(move || {
            for line in BufReader::new(out).lines() {
                // What is said while it is killed may be cut anywhere, and is no line then.
                let Ok(line) = line else { return };
                writeln!(log, "{line}").expect("logged");
                hear(&mut lock(&said), &line);
            }
        });
        device.life = Some(Living { child, stdin, hears });
    }

    fn pid(&self, who: Who) -> Option<u32> {
        match who {
            Who::Device(number) => self.devices[number].life.as_ref().map(|life| life.child.id()),
            Who::Server(number) => self.servers[number].as_ref().map(Serving::pid),
        }
    }

    /// Does one thing.
    pub(super) fn perform(&mut self, deed: Deed, works: bool) {
        match deed {
            Deed::Rules(device, rules) => self.devices[device].proxy.set(rules),
            Deed::Kill(who) => self.kill(who),
            Deed::Start(who) => self.start_again(who, works),
            Deed::Pause(who) => {
                if let Some(pid) = self.pid(who) {
                    signal("-STOP", pid);
                    self.paused.push(pid);
                }
            }
            Deed::Continue(who) => {
                if let Some(pid) = self.pid(who) {
                    signal("-CONT", pid);
                    self.paused.retain(|paused| *paused != pid);
                }
            }
        }
    }

    fn kill(&mut self, who: Who) {
        match who {
            Who::Server(number) => drop(self.servers[number].take()),
            Who::Device(number) => {
                if let Some(mut life) = self.devices[number].life.take() {
                    life.child.kill().expect("it can be killed");
                    life.child.wait().expect("it has ended");
                    life.hears.join().expect("all it said is heard");
                }
            }
        }
    }

    fn start_again(&mut self, who: Who, works: bool) {
        if self.pid(who).is_some() {
            return;
        }
        match who {
            Who::Server(number) => self.start_server(number),
            Who::Device(number) => self.start_device(number, works),
        }
    }

    /// Nothing new is begun, and nothing stands in the way any more.
    pub(super) fn heal(&mut self) {
        for pid in std::mem::take(&mut self.paused) {
            signal("-CONT", pid);
        }
        for number in 0..self.servers.len() {
            self.start_again(Who::Server(number), false);
        }
        for number in 0..self.devices.len() {
            self.devices[number].proxy.set(Rules::HEALED);
            self.start_again(Who::Device(number), false);
            self.tell(number, "quiet");
        }
    }

    /// Asks a device what it holds; the answer comes among what it said.
    pub(super) fn ask(&mut self, device: usize) {
        self.tell(device, "state");
    }

    /// How often it has answered.
    pub(super) fn answers(&self, device: usize) -> u64 {
        lock(&self.devices[device].said).answers
    }

    fn tell(&mut self, device: usize, word: &str) {
        if let Some(life) = &mut self.devices[device].life {
            // One that has died is found out by its silence.
            let _ = writeln!(life.stdin, "{word}");
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for number in 0..self.devices.len() {
            self.kill(Who::Device(number));
        }
    }
}

fn hear(said: &mut Said, line: &str) {
    let Some((word, rest)) = line.split_once(' ') else {
        said.answers += u64::from(line == "busy");
        return;
    };
    match word {
        "asks" => said.asked = rest.parse().expect("a number"),
        "returned" => said.returned = rest.parse().expect("a number"),
        "broken" => said.broken.push(rest.to_owned()),
        "note" => said.notes += 1,
        "state" => {
            said.state = Some(serde_json::from_str(rest).expect("a state"));
            said.answers += 1;
        }
        _ => {}
    }
}

/// The library has no use for signals, and the standard library no word for these.
fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill").args([name, &pid.to_string()]).status().expect("`kill` is there");
    assert!(sent.success(), "{name} {pid}");
}
