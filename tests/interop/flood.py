"""Measures handshakes with a back-end while INITs with a good first code flood it. A run by hand, not a test:

    flood.py --server HOST:PORT --public KEY --key FILE [--rate 50000] [--seconds 10] [--sources 64]

The flood knows the back-end's public key and has no key of its own: its INITs pass the first code and open to nothing. It
comes from many sockets (loopback addresses, if the server is there). Prints the rate that was reached and how long
handshakes took without it and during it, in ms.
"""

import argparse
import os
import socket
import statistics
import time
from multiprocessing import Event, Process, Value

from tunnel import Tunnel
from wire import *

INITS = 4096
BETWEEN = 0.1


def junk(public: bytes) -> list[bytes]:
    """INITs that anybody can make who knows the public key. [TMP-63]"""
    made = (signed(public, init_header(os.urandom(4)) + os.urandom(1160)) for _ in range(INITS))
    return [packet + bytes(16) for packet in made]


def sockets(address, count: int) -> list[socket.socket]:
    made = []
    for number in range(count):
        flood = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if address[0].startswith("127."):
            flood.bind((f"127.1.{number // 250}.{number % 250 + 1}", 0))
        flood.connect(address)
        flood.setblocking(False)
        made.append(flood)
    return made


def flood(address, public: bytes, rate: int, count: int, stop, sent):
    packets, ways, begun, done = junk(public), sockets(address, count), time.monotonic(), 0
    while not stop.is_set():
        due = int((time.monotonic() - begun) * rate)
        if due <= done:
            time.sleep(0.0002)
        for number in range(done, min(due, done + 256)):
            try:
                ways[number % count].send(packets[number % INITS])
                sent.value += 1
            except (BlockingIOError, ConnectionRefusedError):
                pass
        # What could not be sent in time for a tenth of a second is given up, not made up for.
        done = max(min(due, done + 256), due - rate // 10)


def handshakes(flags, seconds: float) -> list[float]:
    """How long each took, in ms."""
    host, port = flags.server.rsplit(":", 1)
    private, public = key_from_text("private", open(flags.key).read()), key_from_text("public", flags.public)
    took, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        tunnel = Tunnel((host, int(port)), private, public)
        begun = time.monotonic()
        tunnel.connect()
        took.append((time.monotonic() - begun) * 1e3)
        tunnel.socket.close()
        time.sleep(BETWEEN)
    return took


def line(what: str, took: list[float]) -> str:
    took = sorted(took)
    at = lambda share: took[min(int(len(took) * share), len(took) - 1)]
    return f"{what}: {len(took)} handshakes, median {statistics.median(took):.1f} ms, p99 {at(0.99):.1f}, longest {took[-1]:.1f}"


def main():
    parser = argparse.ArgumentParser()
    for flag in ("server", "public", "key"):
        parser.add_argument(f"--{flag}", required=True)
    for flag, default in (("rate", 50_000), ("seconds", 10), ("sources", 64)):
        parser.add_argument(f"--{flag}", type=int, default=default)
    flags = parser.parse_args()
    host, port = flags.server.rsplit(":", 1)
    print(line("quiet", handshakes(flags, 3)), flush=True)
    stop, sent = Event(), Value("Q", 0, lock=False)
    public = key_from_text("public", flags.public)
    process = Process(target=flood, args=((host, int(port)), public, flags.rate, flags.sources, stop, sent))
    process.start()
    time.sleep(1)
    before, begun = sent.value, time.monotonic()
    took = handshakes(flags, flags.seconds)
    rate = (sent.value - before) / (time.monotonic() - begun)
    stop.set()
    process.join()
    print(line(f"at {rate:,.0f} INITs/s", took))


if __name__ == "__main__":
    main()
