"""The ways from a user over a long path to the origin that stand beside each other, each on a path of its own.

A way has two network namespaces (`longhaul wan topo`), an emulator between them (`longhaul wan --tun`), an origin at the
far end and, where it is a pair, two processes in between. In a namespace of one's own every port is free.
"""

import itertools
import json
import os
import shutil
import subprocess
import sys
import time

from contestants import SITE, haproxy_configuration, make_certificate, new_key
from server import Failure, Server, process_seconds

NEAR, FAR = "198.18.0.1", "198.18.0.2"
# Where users ask (near), where the far end of a pair listens, the origin.
ASK_PORT, HOP_PORT, ORIGIN_PORT = 8080, 7000, 9000
# How long the first answer over the path may take, seconds.
ANSWER_WITHIN_S = 20
# What is urgent, by its path, and everything else.
CLASSES = ["--class", "path=/bytes/2048:0", "--class", "default:4"]
FOLDER = os.path.dirname(os.path.abspath(__file__))
CLIENT, PROBE = os.path.join(FOLDER, "wan_client.py"), os.path.join(FOLDER, "path_probe.py")


PREFIX = "lh-bench"


def offer_what_was_left(binary):
    """Names the namespaces of benchmarks that ended without removing them."""
    listed = subprocess.run([binary, "wan", "topo", "list"], capture_output=True, text=True)
    for name in listed.stdout.split():
        owner = name.removeprefix(f"{PREFIX}-").split("-")[0]
        if name.startswith(f"{PREFIX}-") and owner.isdigit() and not os.path.exists(f"/proc/{owner}"):
            print(f"a benchmark that crashed left namespaces: remove them with `longhaul wan topo down {name}`",
                  file=sys.stderr)


class Way:
    """A way that runs. `servers` are the processes whose time counts: a pair's two, or none."""

    # So that no two of one run share a name, a key or a log.
    numbers = itertools.count()

    def __init__(self, name, place, congestion, spec, seed):
        self.name, self.place, self.servers, self.others = name, place, [], []
        self.topology = f"{PREFIX}-{os.getpid()}-{next(Way.numbers)}"
        self.ask_at = (FAR, ORIGIN_PORT)
        self.longhaul("wan", "topo", "up", self.topology, "--congestion", congestion)
        try:
            log = open(place.path(f"{self.topology}.json"), "w")
            command = [place.binary, "wan", "--tun", self.topology, "--path", spec, "--seed", str(seed),
                       "--control", place.path(f"{self.topology}.sock")]
            self.emulator = subprocess.Popen(command, stdout=log, stderr=subprocess.PIPE, text=True)
            if "joining" not in (said := self.emulator.stderr.readline()):
                raise Failure(f"the emulator did not start: {said}")
        except BaseException:
            self.longhaul("wan", "topo", "down", self.topology)
            raise

    def longhaul(self, *words):
        done = subprocess.run([self.place.binary, *words], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"longhaul {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def serve(self, side, name, command, counts):
        cpus = ",".join(map(str, sorted(os.sched_getaffinity(0))))
        inside = ["ip", "netns", "exec", f"{self.topology}-{side}", *command]
        server = Server(f"{self.topology}-{name}", inside, cpus, self.place.folder)
        (self.servers if counts else self.others).append(server)

    def start_origin(self, listen):
        self.serve("b", "origin", [self.place.binary, "origin", "--listen", f"{listen}:{ORIGIN_PORT}"], False)

    def ask(self, *words):
        """Starts the client in the users' namespace."""
        return self.ask_there(self.ask_at, *words)

    def ask_there(self, address, *words):
        """The same, for a client that asks at another address."""
        return self.start("a", [sys.executable, CLIENT, words[0], *address, SITE, *words[1:]])

    def load(self, rate, seconds, body_bytes):
        """Starts the load generator in the users' namespace."""
        url = "http://{}:{}/bytes/{}".format(*self.ask_at, body_bytes)
        return self.start("a", [self.place.binary, "load", "--json", "--rate", rate, "--connections", rate,
                                "--duration", f"{seconds}s", "--host", SITE, url])

    def probe(self, side, *words):
        """Starts what counts and times on one side of the path itself."""
        return self.start(side, [sys.executable, PROBE, *words])

    def start(self, side, command):
        inside = ["ip", "netns", "exec", f"{self.topology}-{side}", *map(str, command)]
        return subprocess.Popen(inside, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def answer(self, client):
        """What the client found."""
        out, said = client.communicate()
        if client.returncode != 0:
            raise Failure(f"{self.name}: {said.strip().splitlines()[-1]}")
        return json.loads(out)

    def wait(self):
        try:
            self.answer(self.ask("probe", ANSWER_WITHIN_S))
        except Failure as failure:
            words = "\n".join(server.last_words() for server in [*self.servers, *self.others])
            raise Failure(f"{failure}\n{words}") from failure

    def cpu_seconds(self):
        for server in [*self.servers, *self.others]:
            server.check_alive()
        return sum(process_seconds(server.pid) for server in self.servers)

    def counters(self):
        return json.loads(self.longhaul("wan", "ctl", self.place.path(f"{self.topology}.sock"), "counters"))

    def queued(self):
        """How long packets towards the user have waited at the bottleneck, µs in all, and how many they were."""
        down = self.counters()["down"]
        return down["queue_us_sum"], down["departed_packets"]

    def stop(self):
        for server in reversed([*self.others, *self.servers]):
            server.stop()
        self.emulator.terminate()
        self.emulator.communicate()
        # A namespace goes when its last socket has gone.
        time.sleep(0.1)
        self.longhaul("wan", "topo", "down", self.topology)


def start_direct(way):
    way.start_origin(FAR)


def start_longhaul(way):
    way.start_origin("127.0.0.1")
    place = way.place
    back_key, back_public = new_key(place, f"{way.topology}-back.key")
    front_key, front_public = new_key(place, f"{way.topology}-front.key")
    # One worker each, as the peers have one thread.
    both = ["--cpus", str(max(os.sched_getaffinity(0))), "--log-level", "warning"]
    way.serve("b", "back", [place.binary, "back", *both, "--key", back_key, "--listen", f"{FAR}:{HOP_PORT}",
                            "--peer", f"{front_public}={SITE}",
                            "--origin", f"{SITE}=http://127.0.0.1:{ORIGIN_PORT}"], True)
    way.serve("a", "front", [place.binary, "front", *both, "--key", front_key, "--listen", f"127.0.0.1:{ASK_PORT}",
                             "--route", f"far={back_public}@{FAR}:{HOP_PORT}", "--site", f"{SITE}=far", *CLASSES], True)
    way.ask_at = ("127.0.0.1", ASK_PORT)


def start_haproxy(way):
    way.start_origin("127.0.0.1")
    place = way.place
    certificate, _, bundle = make_certificate(place)
    # The manual of tune.h2.initial-window-size: the default allows about 5 Mbit/s at 100 ms.
    tuning = "tune.h2.initial-window-size 8388608"
    server = f"ssl ca-file {certificate} verify required ssl-min-ver TLSv1.3 alpn h2 proto h2"
    bind = f"ssl crt {bundle} ssl-min-ver TLSv1.3 alpn h2"
    back = haproxy_configuration(f"{FAR}:{HOP_PORT}", bind, f"127.0.0.1:{ORIGIN_PORT}", "", tuning)
    front = haproxy_configuration(f"127.0.0.1:{ASK_PORT}", "", f"{FAR}:{HOP_PORT}", server, tuning)
    for side, name, text in (("b", "back", back), ("a", "front", front)):
        file = place.write(f"{way.topology}-{name}.cfg", text)
        way.serve(side, name, ["haproxy", "-db", "-f", file], True)
    way.ask_at = ("127.0.0.1", ASK_PORT)


# By name: what starts it, the kernel's congestion control, and the programs without which it cannot be.
WAYS = {
    "TCP cubic": (start_direct, "cubic", ()),
    "TCP bbr": (start_direct, "bbr", ()),
    "HAProxy pair, cubic": (start_haproxy, "cubic", ("haproxy", "openssl")),
    "HAProxy pair, bbr": (start_haproxy, "bbr", ("haproxy", "openssl")),
    "Longhaul": (start_longhaul, "cubic", ()),
}


def why_not(name):
    """What has to be done before this way can run; nothing if it can."""
    _, congestion, programs = WAYS[name]
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        return f"apt-get install {' '.join(missing)}"
    with open("/proc/sys/net/ipv4/tcp_available_congestion_control") as known:
        return "" if congestion in known.read().split() else f"modprobe tcp_{congestion}"


def start_way(name, place, spec, seed):
    start, congestion, _ = WAYS[name]
    way = Way(name, place, congestion, spec, seed)
    try:
        start(way)
        way.wait()
        return way
    except BaseException:
        way.stop()
        raise
