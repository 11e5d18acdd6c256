"""Keys, packets and frames of TMP version 1, from SPEC.md alone. Ids in brackets are its requirements.

No sockets and no state of a tunnel. Raises Malformed for what SPEC.md does not allow.
"""

import base64
import hashlib
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

INIT, RESP, COOKIE, DATA, RESET = 0x11, 0x12, 0x13, 0x14, 0x15
INIT_BYTES, DATA_BYTES_MIN, TAG_BYTES = 1200, 44, 16
PROLOGUE = b"longhaul tmp v1 "
PAD, PING, ACK, QUALITY, ACK_POLICY, TUNNEL_CREDIT, CREDIT = range(7)
STREAM_RESET, STOP, PRIO, PATH_CHALLENGE, PATH_RESPONSE = 0x09, 0x0A, 0x0B, 0x0C, 0x0D
CLOSE, BLOCKED, SUB = 0x10, 0x11, 0x20
FIN, LAST, OPEN = 1, 2, 4


class Malformed(Exception):
    """What no implementation of version 1 sends."""


# Primitives and keys -----------------------------------------------------------------------------------------------


def label_hash(label: bytes, *parts: bytes) -> bytes:
    """HASH [TMP-3]"""
    return hashlib.blake2s(label + b"".join(parts)).digest()


def mac(key: bytes, data: bytes, size: int) -> bytes:
    """MAC16 and MAC32 [TMP-3]"""
    return hashlib.blake2s(data, key=key, digest_size=size).digest()


ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


def _check(kind: str, key: bytes) -> str:
    return "".join(ALPHABET[byte & 31] for byte in label_hash(f"longhaul {kind} key".encode(), key)[:2])


def key_text(kind: str, key: bytes) -> str:
    """A key as text; kind is private, public or preshared. [TMP-5]"""
    return base64.b32encode(key).decode().rstrip("=").lower() + _check(kind, key)


def key_from_text(kind: str, text: str) -> bytes:
    """The inverse of key_text; refuses a text whose check fails."""
    text = text.strip().lower()
    key = base64.b32decode(text[:52].upper() + "====")
    if key_text(kind, key) != text:
        raise Malformed(f"this is no {kind} key")
    return key


# Packets -----------------------------------------------------------------------------------------------------------


def init_header(sender_id: bytes) -> bytes:
    """The first eight bytes; 255 lets any worker answer. [TMP-12]"""
    return bytes([INIT, 255, 1, 0]) + sender_id


def signed(receiver_public: bytes, packet: bytes) -> bytes:
    """A packet with its mac1. [TMP-63]"""
    return packet + mac(label_hash(b"longhaul tmp mac1", receiver_public), packet, 16)


def parameters(items: list[tuple[int, bytes]], size: int = 0) -> bytes:
    """The payload of a handshake message, padded to `size`. [TMP-62]"""
    body = b"".join(bytes([kind, len(value)]) + value for kind, value in items)
    return body.ljust(size, b"\0")


def read_parameters(payload: bytes) -> dict[int, bytes]:
    items, at = {}, 0
    while at < len(payload) and payload[at] != 0:
        if at + 2 > len(payload) or at + 2 + payload[at + 1] > len(payload):
            raise Malformed("a cut parameter")
        items[payload[at]] = payload[at + 2 : at + 2 + payload[at + 1]]
        at += 2 + payload[at + 1]
    return items


class Keys:
    """One direction of one epoch. [TMP-23]"""

    def __init__(self, secret: bytes, cipher: int):
        kind = {1: AESGCM, 2: ChaCha20Poly1305}[cipher]
        self.aead = kind(mac(secret, b"tmp key", 32))
        self.iv = int.from_bytes(mac(secret, b"tmp iv", 32)[:12], "big")

    def _nonce(self, number: int) -> bytes:
        return (self.iv ^ number).to_bytes(12, "big")

    def seal(self, receiver_id: bytes, number: int, frames: bytes) -> bytes:
        """A DATA packet; short contents are padded. [TMP-20] [TMP-22]"""
        header = bytes([DATA]) + receiver_id + (number & 0xFFFFFFFF).to_bytes(4, "big")
        frames = frames.ljust(DATA_BYTES_MIN - len(header) - TAG_BYTES, b"\0")
        return header + self.aead.encrypt(self._nonce(number), frames, header)

    def open(self, packet: bytes, expected: int) -> tuple[int, bytes]:
        """Number and frames of a packet; `expected` is the largest number so far plus one. [TMP-21]"""
        if len(packet) < DATA_BYTES_MIN:
            raise Malformed("a short packet")
        number = nearest(int.from_bytes(packet[5:9], "big"), expected)
        return number, self.aead.decrypt(self._nonce(number), packet[9:], packet[:9])


def nearest(low: int, expected: int) -> int:
    """The number with these low 32 bits that is nearest to `expected`. [TMP-21]"""
    around = (expected & ~0xFFFFFFFF) | low
    return min((around + step for step in (-(1 << 32), 0, 1 << 32) if around + step >= 0), key=lambda n: abs(n - expected))


# Frames ------------------------------------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    """RFC 9000 section 16. [TMP-43]"""
    for prefix, size in ((0, 1), (1, 2), (2, 4), (3, 8)):
        if value < 1 << (8 * size - 2):
            return (value | prefix << (8 * size - 2)).to_bytes(size, "big")
    raise ValueError(value)


def ack(ranges: list[tuple[int, int]], rx_time_us: int) -> bytes:
    """An ACK of these ranges (first, last), the highest first. [TMP-44]"""
    largest = ranges[0][1]
    head = struct.pack(">BBBIHIB", ACK, 0, 0, largest & 0xFFFFFFFF, 0, rx_time_us & 0xFFFFFFFF, len(ranges) - 1)
    body = varint(largest - ranges[0][0])
    for (above, _), (first, last) in zip(ranges, ranges[1:]):
        body += varint(above - last - 2) + varint(last - first)
    return head + body


def sub(stream: bytes, offset: int, data: bytes, is_final: bool, opening: tuple[int, int, int] | None) -> bytes:
    """A SUB frame with its length; `opening` is class, kind and credit. [TMP-46]"""
    kind = SUB | (FIN if is_final else 0) | (OPEN if opening else 0)
    fields = struct.pack(">BBI", *opening) if opening else b""
    return bytes([kind]) + stream + struct.pack(">I", offset & 0xFFFFFFFF) + fields + struct.pack(">H", len(data)) + data


@dataclass
class Sub:
    """A SUB frame that came."""

    stream: bytes
    offset_low: int
    data: bytes
    is_final: bool


class Reader:
    """Takes a payload apart; every step past the end is a malformed frame. [TMP-45]"""

    def __init__(self, payload: bytes):
        self.payload, self.at = payload, 0

    def is_done(self) -> bool:
        return self.at == len(self.payload)

    def take(self, count: int) -> bytes:
        taken = self.payload[self.at : self.at + count]
        if len(taken) < count:
            raise Malformed("a cut frame")
        self.at += count
        return taken

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "big")

    def varint(self) -> int:
        first = self.number(1)
        size = 1 << (first >> 6)
        return (first & 0x3F) << 8 * (size - 1) | int.from_bytes(self.take(size - 1), "big")


def read_ack(reader: Reader) -> tuple[int, list[tuple[int, int]]]:
    """Low bits of the largest and the ranges as distances below it, (nearest, furthest)."""
    flags, _path, largest = reader.number(1), reader.number(1), reader.number(4)
    reader.take(6)
    count, length = reader.number(1), reader.varint()
    if flags > 1 or count > 63:
        raise Malformed("an ACK")
    ranges, below = [(0, length)], length
    for _ in range(count):
        start = below + reader.varint() + 2
        below = start + reader.varint()
        ranges.append((start, below))
    if flags & 1:
        reader.take(8)
    return largest, ranges


# The bytes behind the type of the frames that always have the same length. [TMP-43]
FIXED = {PING: 0, QUALITY: 40, ACK_POLICY: 4, TUNNEL_CREDIT: 8, CREDIT: 7, STREAM_RESET: 9, STOP: 5, PRIO: 4,
         PATH_CHALLENGE: 8, PATH_RESPONSE: 8}


def read_sub(kind: int, reader: Reader) -> Sub:
    stream, offset = reader.take(3), reader.number(4)
    if kind & OPEN:
        raise Malformed("only the initiator opens streams")
    length = len(reader.payload) - reader.at if kind & LAST else reader.number(2)
    return Sub(stream, offset, reader.take(length), bool(kind & FIN))


def read_frames(payload: bytes):
    """The frames of a payload, as (type, content) pairs."""
    reader = Reader(payload)
    while not reader.is_done():
        kind = reader.number(1)
        if kind == PAD:
            if any(reader.take(len(payload) - reader.at)):
                raise Malformed("padding that is not zero")
        elif kind == ACK:
            yield kind, read_ack(reader)
        elif kind == CLOSE:
            code, length = reader.number(2), reader.number(1)
            yield kind, (code, reader.take(length))
        elif kind == BLOCKED:
            yield kind, reader.take(8 if reader.number(1) else 7)
        elif SUB <= kind <= SUB | 7:
            yield SUB, read_sub(kind, reader)
        elif kind in FIXED:
            yield kind, reader.take(FIXED[kind])
        else:
            raise Malformed(f"frame of type {kind:#x}")


__all__ = [name for name in dir() if not name.startswith("_")] + ["InvalidTag"]
