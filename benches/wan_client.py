"""A user at the near end of a path: downloads, loads small pages, or does urgent things beside a download.

`benches/wan` runs it inside the users' network namespace; one JSON object on standard output. Times are ms of the
monotonic clock, sizes bytes. Standard library only.
"""

import json
import random
import socket
import sys
import threading
import time

# A request that is not answered whole after so long has failed.
PATIENCE_S = 10
# Connections that are kept for urgent requests: at 10 per second enough for answers that take most of a second.
KEPT = 8
# Length of one bin of a download's course, seconds.
BIN_S = 0.25


class Connection:
    """One HTTP/1.1 connection; `fetch` reads a whole answer and keeps the connection."""

    def __init__(self, address, host):
        self.host = host
        self.socket = socket.create_connection(address, timeout=PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, path):
        """Sends a request; the length of the answer's body and what of it has come with the head."""
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.receive()
        head, rest = data.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        if lines[0].split()[1] != "200":
            raise OSError(lines[0])
        fields = dict(line.lower().split(": ", 1) for line in lines[1:])
        return int(fields["content-length"]), len(rest)

    def receive(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise OSError("the connection ended")
        return data

    def fetch(self, path, deadline):
        length, come = self.ask(path)
        while come < length:
            if time.monotonic() > deadline:
                raise OSError("too late")
            come += len(self.receive())

    def close(self):
        self.socket.close()


def bulk(address, host, seconds):
    """One download for so long: bytes of each bin, the handshake's time in the first."""
    begun = time.monotonic()
    bins = [0] * int(seconds / BIN_S)
    connection = Connection(address, host)
    _, come = connection.ask("/bytes/1g")
    while True:
        index = int((time.monotonic() - begun) / BIN_S)
        if index >= len(bins):
            connection.close()
            return {"bin_s": BIN_S, "bins": bins}
        bins[index] += come
        come = len(connection.receive())


def flows(address, host, seconds, count):
    """So many downloads at once, which begin within a second: bytes of each second, all together."""
    begun, bins, lock = time.monotonic(), [0] * seconds, threading.Lock()

    def one(number):
        time.sleep(number / count)
        connection = Connection(address, host)
        _, come = connection.ask("/bytes/1g")
        while (second := int(time.monotonic() - begun)) < seconds:
            with lock:
                bins[second] += come
            come = len(connection.receive())
        connection.close()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"bins": bins}


class Latencies:
    """Times of requests that threads make side by side."""

    def __init__(self):
        self.ms, self.failures, self.lock = [], {}, threading.Lock()

    def time(self, intended, request):
        """Runs a request; its time counts from when it should have begun."""
        try:
            request(intended + PATIENCE_S)
            with self.lock:
                self.ms.append((time.monotonic() - intended) * 1e3)
        except (OSError, ValueError, IndexError, KeyError) as error:
            with self.lock:
                self.failures[str(error)] = self.failures.get(str(error), 0) + 1

    def result(self):
        return {"ms": sorted(self.ms), "failures": self.failures}


def at_times(times, latencies, request):
    """Starts a request at each time, whatever became of the others, and waits for all."""
    begun, threads = time.monotonic(), []
    for at in times:
        time.sleep(max(0, begun + at - time.monotonic()))
        threads.append(threading.Thread(target=latencies.time, args=(begun + at, request)))
        threads[-1].start()
    for thread in threads:
        thread.join()


def poisson(per_second, seconds):
    """The same arrivals for everybody."""
    dice, at, times = random.Random(1), 0.0, []
    while (at := at + dice.expovariate(per_second)) < seconds:
        times.append(at)
    return times


def pages(address, host, seconds, per_second, size):
    """Answers of one size, each over a connection of its own."""
    latencies = Latencies()

    def request(deadline):
        connection = Connection(address, host)
        try:
            connection.fetch(f"/bytes/{size}", deadline)
        finally:
            connection.close()

    at_times(poisson(per_second, seconds), latencies, request)
    return latencies.result()


def urgent(address, host, seconds, per_second, size):
    """Small requests over kept connections beside one download, which begins two seconds before. The connections are
    there before that: a handshake behind a full queue would count for the request."""
    latencies, lock, course = Latencies(), threading.Lock(), {}
    idle = [Connection(address, host) for _ in range(KEPT)]
    for connection in idle:
        connection.fetch(f"/bytes/{size}", time.monotonic() + PATIENCE_S)
    beside = threading.Thread(target=lambda: course.update(bulk(address, host, seconds + 3)))
    beside.start()

    def request(deadline):
        with lock:
            connection = idle.pop() if idle else None
        connection = connection or Connection(address, host)
        connection.fetch(f"/bytes/{size}", deadline)
        with lock:
            idle.append(connection)

    time.sleep(2)
    at_times([number / per_second for number in range(int(seconds * per_second))], latencies, request)
    beside.join()
    return {**latencies.result(), "bulk": course}


def probe(address, host, seconds):
    """Waits until a small object is answered; how often it had to ask."""
    begun, asked = time.monotonic(), 0
    while True:
        asked += 1
        try:
            Connection(address, host).fetch("/bytes/128", time.monotonic() + 2)
            return {"asked": asked}
        except OSError as error:
            if time.monotonic() - begun > seconds:
                raise SystemExit(f"{address} does not answer: {error}")
            time.sleep(0.1)


if __name__ == "__main__":
    work, ip, port, host = sys.argv[1:5]
    numbers = [float(word) if "." in word else int(word) for word in sys.argv[5:]]
    works = {"bulk": bulk, "flows": flows, "pages": pages, "urgent": urgent, "probe": probe}
    print(json.dumps(works[work]((ip, int(port)), host, *numbers)))
