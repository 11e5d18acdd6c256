"""A server that a benchmark starts, pins to one core, and stops again; what it and the machine used of
processors and memory.

Seconds are seconds of processor time unless a name says otherwise. Linux only (`/proc`, `taskset`).
"""

import os
import resource
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# How long a server may take until it answers its first request, seconds of wall time.
START_WITHIN_S = 15
# How long a server may take to end after it was asked to, seconds of wall time.
STOP_WITHIN_S = 5

# Asks straight away, whatever proxy the environment names.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Failure(Exception):
    """The benchmark cannot go on; the text says why."""


class Server:
    """One process, with its output in `FOLDER/NAME.log`."""

    def __init__(self, name, command, cpu, folder):
        self.name = name
        self.log = os.path.join(folder, f"{name}.log")
        self.command = ["taskset", "-c", str(cpu), *command]
        self.start("wb")

    def start(self, mode="ab"):
        """Begins, or begins again, after what it said before."""
        with open(self.log, mode) as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.pid = self.process.pid

    def check_alive(self):
        """Fails, with what it last said, if it has ended."""
        if self.process.poll() is not None:
            raise Failure(f"{self.name} ended with status {self.process.returncode}:\n{self.last_words()}")

    def last_words(self):
        with open(self.log, errors="replace") as log:
            return log.read()[-2000:]

    def stop(self):
        """Asks twice, as draining may take long, then insists."""
        for kind in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is not None:
                return
            self.process.send_signal(kind)
            try:
                self.process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                pass


def free_port(kind=socket.SOCK_STREAM):
    """A port of the loopback that nobody uses at the moment."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def free_port_of_both():
    """A port that neither UDP nor TCP uses at the moment, as a name server needs it."""
    for _ in range(1000):
        port = free_port(socket.SOCK_DGRAM)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass
    raise Failure("no port is free for both UDP and TCP")


def raise_descriptor_limit():
    """A thousand clients have several thousand descriptors; the children inherit the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def wait_for_answer(url, host, servers):
    """Waits until `url` is answered 200; fails early if one of `servers` ends."""
    request = urllib.request.Request(url, headers={"Host": host})
    end, said = time.monotonic() + START_WITHIN_S, "nothing"
    while time.monotonic() < end:
        for server in servers:
            server.check_alive()
        try:
            with DIRECT.open(request, timeout=2) as answer:
                answer.read()
                return
        except (urllib.error.URLError, OSError) as error:
            said = str(error)
        time.sleep(0.1)
    logs = "\n".join(f"{server.name}: {server.last_words()}" for server in servers)
    raise Failure(f"{url} did not answer within {START_WITHIN_S} s: {said}\n{logs}")


def process_seconds(pid):
    """User and system time of a process and all its threads so far."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def resident_bytes(pid):
    """Memory of a process and its children: what is shared counts for each with its part (Pss)."""
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        own = next(int(line.split()[1]) << 10 for line in rollup if line.startswith("Pss:"))
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return own + sum(resident_bytes(int(child)) for child in children.read().split())


def ended_children_seconds():
    """User and system time of all children of this program that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def machine_seconds():
    """Time that all processors together were busy, or were stolen from this machine, since it started."""
    with open("/proc/stat") as stat:
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND
