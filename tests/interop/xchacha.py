"""XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), which the cryptography package has not. Only what a cookie needs."""

import struct

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305


def _quarter(state: list[int], a: int, b: int, c: int, d: int):
    for first, second, third, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        state[first] = (state[first] + state[second]) & 0xFFFFFFFF
        mixed = state[third] ^ state[first]
        state[third] = (mixed << turn | mixed >> (32 - turn)) & 0xFFFFFFFF


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    """The key of the inner cipher: 32 bytes from a key and the first 16 bytes of the nonce."""
    state = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce))
    for _ in range(10):
        for column in range(4):
            _quarter(state, *(column + 4 * row for row in range(4)))
        for column in range(4):
            _quarter(state, *(4 * row + (column + row) % 4 for row in range(4)))
    return struct.pack("<8I", *(state[:4] + state[12:]))


def open_sealed(key: bytes, nonce: bytes, sealed: bytes, additional: bytes) -> bytes:
    """Opens ciphertext and tag; raises InvalidTag."""
    return ChaCha20Poly1305(hchacha20(key, nonce[:16])).decrypt(bytes(4) + nonce[16:], sealed, additional)
