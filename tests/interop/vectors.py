"""Makes the test vectors of SPEC.md's Annex A, or, given the file, checks them: `vectors.py SPEC.md`.

Every line `name = value` of the annex must be one of these and equal, and none may be missing.
"""

import sys

import noise
from wire import *

SECRET = bytes(range(0x40, 0x60))
RECEIVER_ID, NUMBER = bytes.fromhex("07a1b2c3"), (1 << 32) + 2


def vectors() -> dict[str, str]:
    private, theirs = bytes(range(32)), bytes(range(32, 64))
    public = noise.public_of(private)
    reset_key = mac(noise.exchange(private, noise.public_of(theirs)), b"longhaul tmp reset", 32)
    frames = bytes([PING]) + ack([(90, 99), (80, 80), (1, 70)], 0x01020304)
    piece = sub(bytes([0, 5, 1]), 7, b"hello", True, (3, 1, 65536))
    first = noise.Initiator(PROLOGUE + init_header(RECEIVER_ID), private, noise.public_of(theirs), bytes(32))
    first.ephemeral = bytes(range(64, 96))
    payload = parameters([(1, b"\1"), (2, bytes(4))], 1064)
    init = signed(noise.public_of(theirs), init_header(RECEIVER_ID) + first.write(payload)) + bytes(16)
    return {
        "private key": private.hex(),
        "private key text": key_text("private", private),
        "public key": public.hex(),
        "public key text": key_text("public", public),
        "their private key": theirs.hex(),
        "mac1 key of the public key": label_hash(b"longhaul tmp mac1", public).hex(),
        "INIT ephemeral private key": bytes(range(64, 96)).hex(),
        "INIT begins": init[:104].hex(),
        "INIT mac1": init[1168:1184].hex(),
        "BLAKE2s-256 of INIT": label_hash(b"", init).hex(),
        "secret": SECRET.hex(),
        "AEAD key": mac(SECRET, b"tmp key", 32).hex(),
        "AEAD IV": mac(SECRET, b"tmp iv", 32)[:12].hex(),
        "receiver id": RECEIVER_ID.hex(),
        "number": NUMBER.to_bytes(8, "big").hex(),
        "PING and ACK": frames.hex(),
        "DATA, AES-256-GCM": Keys(SECRET, 1).seal(RECEIVER_ID, NUMBER, frames).hex(),
        "DATA, ChaCha20-Poly1305": Keys(SECRET, 2).seal(RECEIVER_ID, NUMBER, frames).hex(),
        "SUB with OPEN and FIN": piece.hex(),
        "RESET token": mac(reset_key, noise.public_of(theirs) + RECEIVER_ID + bytes(4) + bytes(range(8)), 16).hex(),
    }


def main():
    expected = vectors()
    if len(sys.argv) == 1:
        for name, value in expected.items():
            print(f"{name} = {value}")
        return
    annex = open(sys.argv[1]).read().split("## Annex A", 1)[1]
    said = dict(line.split(" = ") for line in annex.splitlines() if " = " in line)
    assert said == expected, sorted(set(said.items()) ^ set(expected.items()))


if __name__ == "__main__":
    main()
