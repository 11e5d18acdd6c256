"""What a pair's idle clients cost in memory: connections that asked for something once and keep still.

Both processes with their children, in user space; the kernel's own memory for sockets is charged to nobody. Bytes.
"""

import socket
import time

from contestants import SITE, start_contestant
from server import Failure, resident_bytes

# Idle connections that are counted.
IDLE = 5_000
# Connections that warm up what serving touches by itself, and what each of them asks for.
WARM, WARM_REQUESTS = 200, 20
# Requests under way at once while the connections are made.
AT_ONCE = 50
# How long an answer may take, and how long all keep still before memory is looked at, seconds.
PATIENCE_S, REST_S = 10, 1
REQUEST = f"GET /b128 HTTP/1.1\r\nHost: {SITE}\r\n\r\n".encode()


def measure_idle(place, name):
    """A pair of its own is started: memory that was touched once stays."""
    pair = start_contestant(name, place)
    try:
        close(hold(pair, WARM, WARM_REQUESTS))
        time.sleep(REST_S)
        before = memory(pair)
        clients = hold(pair, IDLE)
        time.sleep(REST_S)
        held = memory(pair)
        # Those that were closed meanwhile would make the rest look cheap.
        for client in clients[::100]:
            ask(client)
            hear(client)
        close(clients)
        return {"pair": pair.name, "before_bytes": before, "held_bytes": held, "each_bytes": (held - before) / IDLE}
    finally:
        pair.stop()


def memory(pair):
    return sum(resident_bytes(server.pid) for server in pair.servers)


def hold(pair, count, requests=1):
    """Connects, asks on each connection, and keeps them all."""
    clients = []
    try:
        while len(clients) < count:
            batch = [socket.create_connection(("127.0.0.1", pair.port), PATIENCE_S) for _ in range(AT_ONCE)]
            clients += batch
            for _ in range(requests):
                for client in batch:
                    ask(client)
                for client in batch:
                    hear(client)
        return clients
    except OSError as error:
        raise Failure(f"{pair.name}, idle connection {len(clients)}: {error}") from error


def ask(client):
    client.sendall(REQUEST)


def hear(client):
    """Reads one answer whole."""
    data = b""
    while b"\r\n\r\n" not in data or len(data.split(b"\r\n\r\n", 1)[1]) < 128:
        piece = client.recv(4096)
        if not piece:
            raise OSError("the connection ended")
        data += piece


def close(clients):
    for client in clients:
        client.close()
