"""What goes into a path and what comes out of it, by the kernel's own account.

`benches/path` runs it inside the namespaces; one JSON object on standard output. Standard library only; root.
"""

import json
import os
import socket
import struct
import sys
import threading
import time

DEVICE = "wan0"
# Echoes per second.
ECHOES_PER_S = 100
# Options that Python has no name for: the kernel's receive time (asm-generic/socket.h), segmentation (linux/udp.h).
SO_TIMESTAMPNS, UDP_SEGMENT = 35, 103
# The heads of IPv4 and UDP, and the packets that one system call hands over.
HEAD_BYTES, TRAIN = 28, 40
# Frames of every protocol (linux/if_ether.h).
ETH_P_ALL = 3


def ping(address, seconds):
    """Round trips, ms, from just before an ICMP echo is handed over to when the kernel has the answer."""
    link = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    link.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    link.settimeout(1)
    sent, came, own = {}, {}, os.getpid() & 0xFFFF

    def receive():
        while True:
            try:
                data, ancillary, _, _ = link.recvmsg(256, 64)
            except TimeoutError:
                return
            kind, _, _, number, sequence = struct.unpack("!BBHHH", data[20:28])
            if kind == 0 and number == own:
                whole, parts = struct.unpack("qq", ancillary[0][2])
                came[sequence] = whole * 10**9 + parts

    receiver = threading.Thread(target=receive)
    receiver.start()
    for sequence in range(int(seconds * ECHOES_PER_S)):
        echo = struct.pack("!BBHHH", 8, 0, checksum(8, own, sequence), own, sequence)
        sent[sequence] = time.clock_gettime_ns(time.CLOCK_REALTIME)
        link.sendto(echo, (address, 0))
        time.sleep(1 / ECHOES_PER_S)
    receiver.join()
    return {"ms": [(came[sequence] - at) / 1e6 for sequence, at in sent.items() if sequence in came]}


def checksum(kind, number, sequence):
    total = (kind << 8) + number + sequence
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def blast(address, mbit, packet_bytes, seconds):
    """UDP at a rate, in IP packets of that size; nobody listens for it but the device's counters."""
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    payload = packet_bytes - HEAD_BYTES
    link.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, payload)
    train, every = bytes(payload * TRAIN), TRAIN * packet_bytes * 8 / (mbit * 1e6)
    begun, count = time.monotonic(), 0
    while count * every < seconds:
        time.sleep(max(0, begun + count * every - time.monotonic()))
        link.sendto(train, (address, 9))
        count += 1
    return {"packets": count * TRAIN}


def count(seconds):
    """What the device received within so many seconds, and everything it ever sent and received."""
    before, begun = counter("rx_bytes"), time.monotonic()
    time.sleep(seconds)
    after, ended = counter("rx_bytes"), time.monotonic()
    return {"bytes": after - before, "seconds": ended - begun, "packets_ever": counter("rx_packets"),
            "sent_packets_ever": counter("tx_packets")}


def counter(name):
    with open(f"/sys/class/net/{DEVICE}/statistics/{name}") as file:
        return int(file.read())


def longest(seconds):
    """The longest packet that crossed the device either way, bytes."""
    link = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
    link.bind((DEVICE, ETH_P_ALL))
    end, most, packets = time.monotonic() + seconds, 0, 0
    while (left := end - time.monotonic()) > 0:
        link.settimeout(left)
        try:
            most = max(most, link.recv_into(bytearray(1), 0, socket.MSG_TRUNC))
            packets += 1
        except TimeoutError:
            break
    return {"bytes": most, "packets": packets}


if __name__ == "__main__":
    work, *words = sys.argv[1:]
    numbers = [word if word.count(".") == 3 else float(word) if "." in word else int(word) for word in words]
    print(json.dumps({"ping": ping, "blast": blast, "count": count, "longest": longest}[work](*numbers)))
