"""crypt(3)'s SHA-512 scheme, as guests check it: Python's own is gone since 3.13. https://www.akkadia.org/drepper/SHA-crypt.txt"""

from __future__ import annotations

import hashlib
import secrets

_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ROUNDS = 50_000  # some 50 ms here
_LONGEST = 256


def sha512_crypt(password: str, salt: str = "", rounds: int = _ROUNDS) -> str:
    """ "$6$rounds=…$salt$hash". Raises ValueError for a password that is empty or longer than 256 bytes."""
    secret = password.encode()
    if not 0 < len(secret) <= _LONGEST or b"\0" in secret:
        raise ValueError("A password has 1 to 256 bytes.")
    salt = salt or "".join(secrets.choice(_ALPHABET) for _ in range(16))
    digest = _digest(secret, salt.encode(), rounds)
    return f"$6$rounds={rounds}${salt}${_encoded(digest)}"


def _digest(secret: bytes, salt: bytes, rounds: int) -> bytes:
    other = hashlib.sha512(secret + salt + secret).digest()
    start = hashlib.sha512(secret + salt + _repeated(other, len(secret)))
    length = len(secret)
    while length:
        start.update(other if length & 1 else secret)
        length >>= 1
    digest = start.digest()
    p = _repeated(hashlib.sha512(secret * len(secret)).digest(), len(secret))
    s = _repeated(hashlib.sha512(salt * (16 + digest[0])).digest(), len(salt))
    for turn in range(rounds):
        parts = (p if turn & 1 else digest) + (s if turn % 3 else b"") + (p if turn % 7 else b"") + (digest if turn & 1 else p)
        digest = hashlib.sha512(parts).digest()
    return digest


def _repeated(block: bytes, length: int) -> bytes:
    return (block * (length // len(block) + 1))[:length]


def _encoded(digest: bytes) -> str:
    """Three bytes at a time, in the order of the scheme's table: 0, 21, 42, then each moved on by 22."""
    text, a, b, c = "", 0, 21, 42
    for _ in range(21):
        text += _letters(digest[a] << 16 | digest[b] << 8 | digest[c], 4)
        a, b, c = b + 1, c + 1, a + 1
    return text + _letters(digest[63], 2)


def _letters(value: int, count: int) -> str:
    return "".join(_ALPHABET[value >> 6 * place & 63] for place in range(count))
