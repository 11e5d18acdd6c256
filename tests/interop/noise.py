"""Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s, the initiator's side (Noise Protocol Framework, revision 34). [TMP-60]

Not a Noise library: one pattern, one suite, two messages. Written from the specification alone, to see whether it says
enough. Raises InvalidTag where a message does not open.
"""

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

NAME = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"


def public_of(private: bytes) -> bytes:
    """The public key of a private one, 32 bytes each."""
    key = X25519PrivateKey.from_private_bytes(private)
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def new_private() -> bytes:
    """A private key from the system's random source."""
    return X25519PrivateKey.generate().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())


def exchange(private: bytes, public: bytes) -> bytes:
    """X25519: the secret that two keys have in common."""
    return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))


def blake2s(*parts: bytes) -> bytes:
    return hashlib.blake2s(b"".join(parts)).digest()


def derive(chaining: bytes, secret: bytes, count: int) -> list[bytes]:
    """HKDF as Noise has it: HMAC over the suite's hash."""
    root = hmac.new(chaining, secret, hashlib.blake2s).digest()
    outputs, last = [], b""
    for index in range(1, count + 1):
        last = hmac.new(root, last + bytes([index]), hashlib.blake2s).digest()
        outputs.append(last)
    return outputs


class Initiator:
    """The state of one handshake: write the first message, read the second, split."""

    def __init__(self, prologue: bytes, private: bytes, peer_public: bytes, preshared: bytes):
        self.private, self.peer, self.preshared = private, peer_public, preshared
        self.hash = self.chaining = blake2s(NAME)
        self.key, self.count = None, 0
        self.ephemeral = new_private()
        self._mix_hash(prologue)
        self._mix_hash(peer_public)

    def _mix_hash(self, data: bytes):
        self.hash = blake2s(self.hash, data)

    def _mix_key(self, secret: bytes):
        self.chaining, self.key = derive(self.chaining, secret, 2)
        self.count = 0

    def _mix_key_and_hash(self, secret: bytes):
        self.chaining, mixed, self.key = derive(self.chaining, secret, 3)
        self._mix_hash(mixed)
        self.count = 0

    def _nonce(self) -> bytes:
        nonce = bytes(4) + self.count.to_bytes(8, "little")
        self.count += 1
        return nonce

    def _encrypt(self, plain: bytes) -> bytes:
        sealed = ChaCha20Poly1305(self.key).encrypt(self._nonce(), plain, self.hash)
        self._mix_hash(sealed)
        return sealed

    def _decrypt(self, sealed: bytes) -> bytes:
        plain = ChaCha20Poly1305(self.key).decrypt(self._nonce(), sealed, self.hash)
        self._mix_hash(sealed)
        return plain

    def write(self, payload: bytes) -> bytes:
        """-> e, es, s, ss"""
        own = public_of(self.ephemeral)
        self._mix_hash(own)
        self._mix_key(own)
        self._mix_key(exchange(self.ephemeral, self.peer))
        static = self._encrypt(public_of(self.private))
        self._mix_key(exchange(self.private, self.peer))
        return own + static + self._encrypt(payload)

    def read(self, message: bytes) -> bytes:
        """<- e, ee, se, psk"""
        theirs = message[:32]
        self._mix_hash(theirs)
        self._mix_key(theirs)
        self._mix_key(exchange(self.ephemeral, theirs))
        self._mix_key(exchange(self.private, theirs))
        self._mix_key_and_hash(self.preshared)
        return self._decrypt(message[32:])

    def split(self) -> tuple[bytes, bytes]:
        """The secrets of the two directions: initiator to responder, and back."""
        first, second = derive(self.chaining, b"", 2)
        return first, second
