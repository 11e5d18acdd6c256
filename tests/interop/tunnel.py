"""A TMP initiator over one UDP socket: hands are shaken, streams are opened, every byte is acknowledged.

As small as it may be: no congestion control (it sends a request and acknowledgements), no rekeying (it lives for
seconds), no roaming. Times in seconds; raises TimeoutError when the peer is silent.
"""

import os
import socket
import time

import xchacha
from noise import Initiator, public_of
from wire import *

PATIENCE = 20.0
RESEND_AFTER = 0.25
STREAM_CREDIT = 256 << 10


class Stream:
    """One stream that this end has opened."""

    def __init__(self, id_: bytes, request: bytes, class_: int):
        self.id, self.request, self.class_ = id_, request, class_
        self.is_opened = False
        self.received, self.ahead, self.end = bytearray(), {}, None
        self.reset = None
        self.credit = STREAM_CREDIT

    def frame(self) -> bytes:
        return sub(self.id, 0, self.request, True, (self.class_, 0, STREAM_CREDIT))

    def take(self, frame: Sub):
        offset = nearest(frame.offset_low, len(self.received))
        if frame.is_final:
            self.end = offset + len(frame.data)
        self.ahead[offset] = max(self.ahead.get(offset, b""), frame.data, key=len)
        self._join()

    def _join(self):
        for offset in sorted(self.ahead):
            if offset > len(self.received):
                return
            data = self.ahead.pop(offset)
            self.received += data[len(self.received) - offset :]

    def is_done(self) -> bool:
        return self.reset is not None or self.end == len(self.received)


class Tunnel:
    """A session with one back-end."""

    def __init__(self, address, private: bytes, peer_public: bytes, preshared: bytes = bytes(32)):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.connect(address)
        self.private, self.peer, self.preshared = private, peer_public, preshared
        self.number, self.largest = 0, -1
        self.seen, self.sent, self.streams = set(), {}, {}
        self.slot, self.last_packet, self.packet_received = 0, b"", b""
        self.close = None

    # The handshake

    def init(self) -> tuple[bytes, Initiator, bytes]:
        """An INIT, the handshake that it begins and the id that it names us with. [TMP-12] [TMP-60]"""
        own_id = bytes([0]) + os.urandom(3)
        header = init_header(own_id)
        handshake = Initiator(PROLOGUE + header, self.private, self.peer, self.preshared)
        payload = parameters([(1, b"\1"), (2, bytes(4))], 1064)
        packet = signed(self.peer, header + handshake.write(payload))
        packet += bytes(INIT_BYTES - len(packet))
        return packet, handshake, own_id

    def connect(self):
        """Repeats one INIT until a RESP opens. [TMP-61]"""
        packet, handshake, self.own_id = self.init()
        deadline, wait = time.monotonic() + PATIENCE, 0.25
        while time.monotonic() < deadline:
            self.socket.send(packet)
            answer = self.receive(wait)
            if answer is None:
                wait = min(wait * 2, 3.0)
            elif answer[0] == COOKIE:
                packet = self.proven(packet, answer)
            elif self.take_resp(answer, handshake):
                return
        raise TimeoutError("no RESP")

    def proven(self, packet: bytes, answer: bytes) -> bytes:
        """The INIT, signed with the cookie of a COOKIE that answers it. [TMP-71.1] [TMP-71.2]"""
        if len(answer) != 64 or answer[1:5] != self.own_id:
            return packet
        key = label_hash(b"longhaul tmp cookie", self.peer)
        cookie = xchacha.open_sealed(key, answer[8:32], answer[32:], packet[1168:1184])
        return packet[:1184] + mac(label_hash(b"longhaul tmp mac2", cookie), packet[:1184], 16)

    def take_resp(self, answer: bytes, handshake: Initiator) -> bool:
        """Makes the keys of a RESP. [TMP-23] [TMP-62] [TMP-63]"""
        body = answer[:-16]
        if answer[0] != RESP or answer[1:5] != self.own_id or signed(public_of(self.private), body) != answer:
            return False
        items = read_parameters(handshake.read(body[8:]))
        cipher = items[4][0]
        to_peer, from_peer = handshake.split()
        self.seal, self.unseal = Keys(to_peer, cipher), Keys(from_peer, cipher)
        self.peer_id = items[6]
        return True

    def receive(self, wait: float) -> bytes | None:
        self.socket.settimeout(max(wait, 0.001))
        try:
            return self.socket.recv(65536)
        except (TimeoutError, ConnectionRefusedError):
            return None

    # Packets

    def send(self, frames: bytes, streams=()):
        """Seals and sends one packet; what of `streams` it opens is remembered until it is acknowledged."""
        self.last_packet = self.seal.seal(self.peer_id, self.number, frames)
        self.sent[self.number] = streams
        self.number += 1
        self.socket.send(self.last_packet)

    def send_ack(self):
        ranges = []
        for number in sorted(self.seen, reverse=True):
            if ranges and ranges[-1][0] == number + 1:
                ranges[-1] = (number, ranges[-1][1])
            elif len(ranges) == 32:
                break
            else:
                ranges.append((number, number))
        self.send(ack(ranges, time.monotonic_ns() // 1000))

    def take(self, packet: bytes) -> bool:
        """Digests a packet; whether it asks for an acknowledgement. [TMP-84] [TMP-100]"""
        if packet[0] != DATA or packet[1:5] != self.own_id:
            return False
        try:
            number, payload = self.unseal.open(packet, self.largest + 1)
        except InvalidTag:
            return False
        if number in self.seen:
            return False
        self.seen.add(number)
        self.packet_received = packet
        self.largest = max(self.largest, number)
        return any([self.take_frame(kind, content) for kind, content in read_frames(payload)])

    def take_frame(self, kind: int, content) -> bool:
        if kind == ACK:
            self.take_ack(*content)
        elif kind == SUB and content.stream in self.streams:
            self.streams[content.stream].take(content)
        elif kind == STREAM_RESET and content[:3] in self.streams:
            self.streams[content[:3]].reset = int.from_bytes(content[3:5], "big")
        elif kind == PATH_CHALLENGE:
            self.send(bytes([PATH_RESPONSE]) + content)
        elif kind == CLOSE:
            self.close = content
        return kind not in (ACK, CLOSE)

    def take_ack(self, largest_low: int, ranges: list[tuple[int, int]]):
        largest = nearest(largest_low, self.number)
        for number, streams in list(self.sent.items()):
            if any(largest - far <= number <= largest - near for near, far in ranges):
                for stream in streams:
                    stream.is_opened = True
                del self.sent[number]

    # Streams

    def fetch(self, request: bytes, class_: int = 0) -> Stream:
        """Opens a stream with one request, reads it to its end. [TMP-41] [TMP-112]"""
        stream = Stream(self.slot.to_bytes(2, "big") + b"\0", request, class_)
        self.slot += 1
        self.streams[stream.id] = stream
        deadline, resend_at = time.monotonic() + PATIENCE, 0.0
        while not stream.is_done():
            now = time.monotonic()
            if self.close:
                raise ConnectionError(f"closed: {self.close}")
            if now > deadline:
                raise TimeoutError(f"{len(stream.received)} bytes of {stream.end}")
            if not stream.is_opened and now >= resend_at:
                self.send(stream.frame(), [stream])
                resend_at = now + RESEND_AFTER
            packet = self.receive(RESEND_AFTER)
            if packet is not None and self.take(packet):
                self.send_ack()
                self.grant(stream)
        return stream

    def grant(self, stream: Stream):
        """More credit when half of it is used. [TMP-112]"""
        if stream.credit - len(stream.received) < STREAM_CREDIT // 2:
            stream.credit = len(stream.received) + STREAM_CREDIT
            self.send(bytes([CREDIT]) + stream.id + (stream.credit & 0xFFFFFFFF).to_bytes(4, "big"))

    def end(self):
        """CLOSE with code 0: done. [TMP-50]"""
        self.send(bytes([CLOSE, 0, 0, 0]))
        self.socket.close()
