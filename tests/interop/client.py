"""Shakes hands with a back-end, fetches a page through it and checks every byte; then does what must have no effect.

    client.py --server HOST:PORT --public KEY --key FILE --site NAME --path PATH --expect FILE --spec SPEC.md [--pause]

Written from the two SPEC.md files alone. Prints a line for each thing that was seen to hold; ends with status 1 and a
traceback at the first that does not.
"""

import argparse
import os
import sys
import time

import vectors
from noise import exchange, new_private, public_of
from tunnel import PATIENCE, Tunnel
from wire import *


def opening(site: str) -> bytes:
    """The envelope of one HTTP exchange for a client at 192.0.2.7:4711. [EXC-3] [EXC-4]"""
    client = bytes(10) + b"\xff\xff" + bytes([192, 0, 2, 7]) + (4711).to_bytes(2, "big")
    return bytes([1, 0]) + bytes(8) + client + bytes([len(site)]) + site.encode()


def body_of(stream) -> bytes:
    """The body of the answer on a stream: behind the reply envelope, by Content-Length. [EXC-7] [EXC-11]"""
    assert stream.reset is None, f"the back-end gave up with code {stream.reset}"
    envelope, answer = stream.received[:25], bytes(stream.received[25:])
    assert envelope[0] == 1 and envelope[2] >= 1, envelope.hex()
    head, body = answer.split(b"\r\n\r\n", 1)
    status, *fields = head.decode("ascii").split("\r\n")
    assert status.startswith("HTTP/1.1 200"), status
    lengths = [field.split(":", 1)[1] for field in fields if field.lower().startswith("content-length:")]
    assert [int(length) for length in lengths] == [len(body)], (lengths, len(body))
    return body


def tag(kind: int, length: int) -> bytes:
    """The two bytes in front of a block. [EXC-32]"""
    return (kind << 14 | length - 1).to_bytes(2, "big")


def raw(data: bytes) -> bytes:
    return tag(0, len(data)) + data


def literals(data: bytes) -> bytes:
    """An LZ4 block without a match: a length, then the bytes. [EXC-33]"""
    rest = bytes([len(data) - 15]) if len(data) >= 15 else b""
    return bytes([min(len(data), 15) << 4]) + rest + data


def packed(data: bytes) -> bytes:
    block = literals(data)
    return tag(1, len(data)) + len(block).to_bytes(2, "big") + block


class Check:
    """The run: one tunnel, and strangers beside it."""

    def __init__(self, flags):
        host, port = flags.server.rsplit(":", 1)
        self.address = (host.strip("[]"), int(port))
        self.private = key_from_text("private", open(flags.key).read())
        self.public = key_from_text("public", flags.public)
        self.request = opening(flags.site) + f"GET {flags.path} HTTP/1.1\r\nHost: {flags.site}\r\n\r\n".encode()
        self.expected = open(flags.expect, "rb").read()
        self.tunnel = Tunnel(self.address, self.private, self.public)

    def fetch(self):
        assert body_of(self.tunnel.fetch(self.request)) == self.expected, "the page is another"

    def page(self):
        self.tunnel.connect()
        self.fetch()
        return f"{len(self.expected)} bytes came as they are"

    def strangers(self):
        """An INIT to another key and one by another key get nothing: the first answer is to the good one. [TMP-63.1]"""
        self.tunnel.socket.send(Tunnel(self.address, self.private, public_of(new_private())).init()[0])
        self.tunnel.socket.send(Tunnel(self.address, new_private(), self.public).init()[0])
        packet, handshake, own_id = self.tunnel.init()
        self.tunnel.socket.send(packet)
        answer = self.answer(RESP)
        assert answer[1:5] == own_id, "somebody else was answered"
        handshake.read(answer[8:-16])
        return "wrong keys get no answer"

    def replays(self):
        """Packets again, turned round, cut and changed have no effect. [TMP-10.1] [TMP-84]"""
        before = self.tunnel.number
        for _ in range(20):
            self.tunnel.socket.send(self.tunnel.last_packet)
        for cut in (1, 9, 43, len(self.tunnel.last_packet) - 1):
            self.tunnel.socket.send(self.tunnel.last_packet[:cut])
        self.tunnel.socket.send(self.tunnel.packet_received)
        changed = bytearray(self.tunnel.seal.seal(self.tunnel.peer_id, before + 1000, b"\x01"))
        changed[-1] ^= 1
        self.tunnel.socket.send(changed)
        # A RESET of the last packets without the peer's token is not believed. [TMP-92]
        for number in range(max(before - 20, 0), before):
            about = self.tunnel.peer_id + number.to_bytes(4, "big")
            self.tunnel.socket.send(bytes([RESET, 0, 0, 0]) + about + os.urandom(16 * 16))
        self.fetch()
        return "replayed, reflected, cut, changed and forged packets have no effect"

    def unknown(self):
        """A packet with an id that nobody has is answered by a RESET that is ours alone, and no longer. [TMP-90] [TMP-91]"""
        key = mac(exchange(self.private, self.public), b"longhaul tmp reset", 32)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            # Which worker has the socket is not known; ids of another worker of the machine are not answered.
            stray = self.tunnel.seal.seal(bytes([200, 1, 2, 3]), 77, b"\x01")
            self.tunnel.socket.send(stray)
            reset = self.answer(RESET)
            assert len(reset) <= len(stray) and reset[4:12] == stray[1:9]
            token = mac(key, self.public + stray[1:9] + stray[-16:-8], 16)
            tokens = [reset[at : at + 16] for at in range(12, len(reset), 16)]
            assert token in tokens, "no token of ours"
            return "an unknown id is answered by a RESET with our token"
        raise TimeoutError("no RESET")

    def cookie(self):
        """A flood of good INITs is answered by COOKIE in the end, and an INIT signed with it gets its RESP. [TMP-70] [TMP-71.2]"""
        other = Tunnel(self.address, self.private, self.public)
        packet, handshake, other.own_id = other.init()
        deadline = time.monotonic() + PATIENCE
        answer = b""
        while not answer or answer[0] != COOKIE:
            assert time.monotonic() < deadline, "no COOKIE"
            for _ in range(50):
                other.socket.send(packet)
            while (answer := other.receive(0.05) or b"") and answer[0] != COOKIE:
                pass
        proven = other.proven(packet, answer)
        assert proven != packet, "the COOKIE is for another"
        while True:
            assert time.monotonic() < deadline, "no RESP to a proven INIT"
            other.socket.send(proven)
            answer = other.receive(0.25)
            if answer and answer[0] == RESP and other.take_resp(answer, handshake):
                return "under load a COOKIE is asked for and given"

    def streams(self):
        """Streams that make no sense fail with their code, alone; a class beyond the last is the last. [EXC-2] [EXC-20]"""
        assert body_of(self.tunnel.fetch(self.request, 255)) == self.expected
        for code, request in ((15, b"\2" + self.request[1:]), (15, self.request[:20]), (15, b"\1\7" + self.request[2:]),
                              (3, opening("other.example") + b"GET / HTTP/1.1\r\nHost: other.example\r\n\r\n")):
            assert self.tunnel.fetch(request).reset == code, code
        return "streams that make no sense fail alone, each with its code"

    def blocks(self):
        """A request in blocks is understood; blocks that make no sense fail their stream alone; and who has not said that he
        can unpack gets no blocks, whatever his stream says. [EXC-30] [EXC-31] [EXC-32] [EXC-34]"""
        head = self.request.index(b"GET ")
        blocks = packed(self.request[:head]) + raw(self.request[head:])
        every = packed(self.request[:head]) + raw(self.request[head : head + 4]) + b"\x80\x00" + self.request[head + 4 :]
        for half in (b"\xc1" + every, b"\xc0" + self.request):
            assert body_of(self.tunnel.fetch(half)) == self.expected, half[:1].hex()
        good = b"\x81" + packed(self.request[:head])
        for half in (b"\x83" + blocks,                                    # codec: nobody has it
                     good + b"\xc0\x00", good + tag(1, 9) + b"\xff\xff",  # tag: no such kind, and too long
                     good + tag(1, 5) + b"\x00\x02\xff\xff",             # corrupt
                     good + tag(1, 3) + b"\x00\x06" + literals(b"hello"),  # bomb: more than it says
                     good + raw(b"GET ")[:-1], good[:-1]):                # cut
            assert self.tunnel.fetch(half).reset == 15, half[:1].hex()
        return "blocks are understood, and refused where they make no sense"

    def violation(self):
        """A frame that there is not ends the tunnel with code 1. [TMP-40.1] [TMP-50]"""
        self.tunnel.send(bytes([0x30]))
        deadline = time.monotonic() + PATIENCE
        while self.tunnel.close is None:
            assert time.monotonic() < deadline, "no CLOSE"
            packet = self.tunnel.receive(0.25)
            if packet:
                self.tunnel.take(packet)
        assert self.tunnel.close[0] == 1, self.tunnel.close
        return "a broken rule ends the tunnel with code 1"

    def answer(self, kind: int) -> bytes:
        """The next packet of this kind; DATA of the tunnel is acknowledged on the way."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            packet = self.tunnel.receive(0.25)
            if packet and packet[0] == kind:
                return packet
            if packet and self.tunnel.take(packet):
                self.tunnel.send_ack()
        raise TimeoutError(f"no packet {kind:#x}")


def main():
    parser = argparse.ArgumentParser()
    for flag in ("server", "public", "key", "site", "path", "expect", "spec"):
        parser.add_argument(f"--{flag}", required=True)
    parser.add_argument("--pause", action="store_true", help="wait for a line of input before the tunnel is broken")
    flags = parser.parse_args()
    sys.argv[1:] = [flags.spec]
    vectors.main()
    print("ok: the vectors are those of the specification")
    check = Check(flags)
    for step in (check.page, check.strangers, check.replays, check.unknown, check.cookie,
                 check.streams, check.blocks, check.violation):
        if step == check.violation and flags.pause:
            sys.stdin.readline()
        print(f"ok: {step()}", flush=True)


if __name__ == "__main__":
    main()
