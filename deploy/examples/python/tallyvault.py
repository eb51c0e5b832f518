#!/usr/bin/env python3
"""Meter readings for a Tallyvault committee, from Python.

One file, to import or to run. It needs the standard library of Python 3.9 and
the package `cryptography` (Debian: python3-cryptography).

A gateway stores what it measures, whether or not anybody can be reached, and
sends it when it can:

    import tallyvault
    genesis = tallyvault.Genesis.load("genesis.json")
    key = tallyvault.Key.load("sunny.key")
    with tallyvault.Gateway("outbox.db", genesis, key) as gateway:
        gateway.outbox.add("energy", "roof-1", 1_003_000)
        gateway.send(timeout=60)
        gateway.follow(timeout=10)
        for reading in gateway.outbox.readings():
            print(reading.seq, reading.meter, reading.fate, reading.detail)

What it holds itself to:

* A measurement is on disk before `add` returns. It is signed when it is sent,
  and the signed bytes are on disk before they leave: after a kill, or an answer
  that did not come, the same bytes are sent again, which is always safe.
* One reading of a meter is under way at a time, so they come in order, each on
  its meter's own lane "m/<meter>".
* A lost disk costs no nonce: the last one of each lane is asked for (/v1/lanes).
  A measurement that comes again is not credited twice: the cluster takes one
  reading for one meter and time.
* The cluster says when our clock is wrong (TimestampSkew); it is corrected by
  what the cluster says, and the reading signed anew.
* A node is believed who it is when its TLS key is the one that the node's own
  key, named in genesis or by a proven change of it, has signed.
* A receipt is verified without any network: signed note, k of n cosignatures,
  RFC 6962 inclusion.

`python3 tallyvault.py --help` has the same as commands.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import dataclasses
import email.utils
import fcntl
import hashlib
import http.client
import json
import os
import random
import re
import socket
import sqlite3
import ssl
import sys
import time
import urllib.parse
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

READING_TYPE = "application/vnd.tallyvault.submit_reading.v1+json"
GENESIS_TYPE = "application/vnd.tallyvault.genesis.v1+json"
PINS_TYPE = "application/vnd.tallyvault.pins.v1+json"

ERA_ZERO = "0-" + "0" * 64  # of a cluster that was never restored

MAX_ENVELOPE = 96 << 10
MAX_PAYLOAD = 60 << 10
MAX_TOKEN_LIFE_S = 300
MAX_BATCH = 256  # readings in one request, each of another meter
READING_TTL_MS = 3_600_000


class Error(Exception):
    """Something that this program says no to, in words for people."""


class Refused(Error):
    """A "no" with a stable code, by the cluster or by the same rules here."""

    def __init__(self, code: str, detail: str = "", *, status: int = 0, cause: str = "", recovery: str = "",
                 fields: Mapping[str, str] | None = None, logged: bool = False):
        super().__init__(f"{code}: {detail or cause}")
        self.code, self.detail, self.status = code, detail or cause, status
        self.cause, self.recovery = cause, recovery
        self.fields, self.logged = dict(fields or {}), logged  # logged: it is replicated, and its nonce used up

    @classmethod
    def of_problem(cls, problem: Mapping[str, Any], status: int = 0) -> "Refused":
        """Reads a problem document (RFC 9457) of a node."""
        return cls(problem["code"], problem.get("detail", ""), status=status or problem.get("status", 0),
                   cause=problem.get("cause", ""), recovery=problem.get("recovery", ""), fields=problem.get("fields"),
                   logged=bool(problem.get("logged")))


class Unavailable(Error):
    """No node gave an answer in time. What was sent may have been taken."""

    def __init__(self, message: str, retry_after: float = 0.0):
        super().__init__(message)
        self.retry_after = retry_after


class Untrusted(Unavailable):
    """A server that could not prove that it is a node of the cluster. Nothing was sent to it."""


# --------------------------------------------------------------------------
# Signing: keys, envelopes, tokens


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed: DSSE's pre-authentication encoding."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def identity(payload_type: str, payload: bytes) -> str:
    """The name of a command, in hex: SHA-256 of what is signed."""
    return hashlib.sha256(pae(payload_type, payload)).hexdigest()


def key_id(public: bytes) -> str:
    """The name of a public key, in hex: the first 16 bytes of its SHA-256."""
    return hashlib.sha256(public).digest()[:16].hex()


def verifies(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether an Ed25519 signature is one by the key over the message."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


class Key:
    """An Ed25519 key in the form of tallyvault's key files."""

    FORMAT = "tallyvault-key v1 ed25519"

    def __init__(self, seed: bytes):
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.id = key_id(self.public)

    def __repr__(self) -> str:
        return f"Key({self.id})"  # never the seed

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)

    @classmethod
    def parse(cls, text: str) -> "Key":
        """Reads a key file. Errors never quote it: it may be most of a seed."""
        if text.startswith("-----BEGIN AGE"):
            raise Error("the key file is under a passphrase: open it first, with: age -d FILE")
        if not text.endswith("\n"):
            raise Error("damaged key file: it is cut off in its last line")
        lines = [line for line in text[:-1].split("\n") if not line.startswith("#")]
        if lines[0] != cls.FORMAT:
            raise Error(f'damaged key file: its first line is not "{cls.FORMAT}"')
        fields = [re.fullmatch(rf"{name} ([0-9a-f]{{{digits}}})", line)
                  for line, (name, digits) in zip(lines[1:], (("id", 32), ("public", 64), ("seed", 64)))]
        if len(lines) != 4 or not all(fields):
            raise Error("damaged key file: want the lines id, public and seed, in lower-case hex")
        stated, public, seed = (field[1] for field in fields if field)
        key = cls(bytes.fromhex(seed))
        if key.public.hex() != public or key.id != stated:
            raise Error("damaged key file: its id, public key and seed do not belong together")
        return key

    @classmethod
    def load(cls, path: str) -> "Key":
        """Reads a key file that nobody else can read."""
        with open(path, encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise Error(f"{path} can be read or changed by others: chmod 600 {path}")
            return cls.parse(file.read(16 << 10))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _json(data: bytes | str) -> Any:
    """JSON as the cluster reads it: UTF-8, no member twice, no NaN."""
    text = data.decode("utf-8") if isinstance(data, bytes) else data
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _base64_any(text: Any) -> bytes:
    """Both alphabets of base64, padded or not, as DSSE asks of a reader."""
    if not isinstance(text, str):
        raise ValueError("want base64 text")
    bare = text.rstrip("=")
    if "-" in bare or "_" in bare:
        if "+" in bare or "/" in bare:
            raise ValueError("two alphabets of base64 in one")
        bare = bare.replace("-", "+").replace("_", "/")
    data = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    if base64.b64encode(data).decode().rstrip("=") != bare:
        raise ValueError("base64 that does not end where its bytes do")
    return data


@dataclasses.dataclass(frozen=True)
class Envelope:
    """A signed payload: DSSE v1. The payload's bytes are never written anew."""

    payload_type: str
    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]  # key id in hex, signature

    @classmethod
    def parse(cls, text: bytes | str) -> "Envelope":
        try:
            if len(text) > MAX_ENVELOPE:
                raise ValueError("envelope is too long")
            members = _json(text)
            kind, payload = members["payloadType"], _base64_any(members["payload"])
            if not isinstance(kind, str) or not kind or len(payload) > MAX_PAYLOAD:
                raise ValueError("payload type or payload")
            signatures = tuple((_hex(s["keyid"], 16), _base64_any(s["sig"])) for s in members["signatures"])
            if any(len(signature) != 64 for _, signature in signatures):
                raise ValueError("a signature has 64 bytes")
        except (ValueError, KeyError, TypeError, AttributeError) as wrong:
            raise Refused("MalformedPayload", f"envelope: {wrong}") from wrong
        return cls(kind, payload, signatures)

    @classmethod
    def sign(cls, payload_type: str, payload: bytes, *keys: Key) -> "Envelope":
        message = pae(payload_type, payload)
        return cls(payload_type, payload, tuple((key.id, key.sign(message)) for key in keys))

    def json(self) -> str:
        """One line, as the cluster writes it too."""
        return _compact({
            "payloadType": self.payload_type, "payload": base64.b64encode(self.payload).decode(),
            "signatures": [{"keyid": k, "sig": base64.b64encode(s).decode()} for k, s in self.signatures],
        })

    @property
    def identity(self) -> str:
        return identity(self.payload_type, self.payload)

    def signed_by(self, public: bytes) -> bool:
        """Whether the envelope has a good signature by a key."""
        wanted, message = key_id(public), pae(self.payload_type, self.payload)
        return any(k == wanted and verifies(public, message, s) for k, s in self.signatures)


def _hex(text: Any, size: int) -> str:
    if not isinstance(text, str) or not re.fullmatch(f"[0-9a-f]{{{2 * size}}}", text):
        raise ValueError(f"want {size} bytes in lower-case hex")
    return text


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def reading_payload(*, cluster: str, era: str, lane: str, nonce: int, issued_at: int, expires_at: int, signer: str,
                    market: str, meter: str, register: int, measured_at: int,
                    clock_sync: str = "ntp", meter_status: str = "ok", supersedes: str | None = None) -> bytes:
    """The payload of a submit_reading command. Times are unix milliseconds; 64-bit numbers become strings."""
    members: dict[str, Any] = {
        "cluster": cluster, "era": era, "lane": lane, "nonce": str(nonce), "issued_at": issued_at, "expires_at": expires_at,
        "signer": signer, "market": market, "meter": meter, "register": str(register), "measured_at": measured_at,
        "quality": {"clock_sync": clock_sync, "meter_status": meter_status},
    }
    if supersedes is not None:
        members["supersedes"] = supersedes
    return _compact(members).encode("utf-8")


def _decimal(text: Any) -> int:
    if not isinstance(text, str) or not re.fullmatch(r"0|[1-9][0-9]{0,19}", text) or int(text) >= 1 << 64:
        raise ValueError("want a 64-bit decimal in a string")
    return int(text)


def _integer(value: Any) -> int:
    if type(value) is not int or not -(1 << 63) <= value < 1 << 63:
        raise ValueError("want a whole number")
    return value


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("want a string")
    return value


def _quality(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or set(value) != {"clock_sync", "meter_status"}:
        raise ValueError("quality has clock_sync and meter_status")
    return {name: _string(word) for name, word in value.items()}


_READING_MEMBERS: dict[str, Callable[[Any], Any]] = {
    "cluster": lambda v: _hex(v, 16), "era": _string, "lane": _string, "nonce": _decimal, "issued_at": _integer,
    "expires_at": _integer, "signer": lambda v: _hex(v, 16), "market": _string, "meter": _string, "register": _decimal,
    "measured_at": _integer, "quality": _quality, "supersedes": lambda v: _hex(v, 32),
}


def open_reading(text: bytes | str, keys: Mapping[str, bytes]) -> dict[str, Any]:
    """Reads a signed reading as the cluster would, as far as that needs no state: form and signature.

    keys are the public keys by id. A Refused has the code that the cluster would give.
    """
    envelope = Envelope.parse(text)
    if envelope.payload_type != READING_TYPE or len(envelope.signatures) != 1:
        raise Refused("MalformedPayload", "not a reading with exactly one signature")
    try:
        members = _json(envelope.payload)
        if not isinstance(members, dict):
            raise ValueError("want an object")
        if missing := set(_READING_MEMBERS) - set(members) - {"signer", "supersedes"}:
            raise ValueError(f"{min(missing)} is missing")
        reading = {name: _READING_MEMBERS[name](value) for name, value in members.items()}
    except KeyError as wrong:
        raise Refused("MalformedPayload", f"unknown member {wrong}") from wrong
    except ValueError as wrong:
        raise Refused("MalformedPayload", str(wrong)) from wrong
    (signer, _), = envelope.signatures
    if signer not in keys:
        raise Refused("UnknownKey", signer, fields={"key": signer})
    if reading.get("signer", signer) != signer or not envelope.signed_by(keys[signer]):
        raise Refused("SignatureInvalid", signer, fields={"key": signer})
    return reading


def token(key: Key, cluster: str, now_s: float, life_s: int = MAX_TOKEN_LIFE_S) -> str:
    """A token (JWT) with which its bearer reads as the owner of the key, for at most five minutes."""
    if not 0 < life_s <= MAX_TOKEN_LIFE_S:
        raise Error(f"a token lives at most {MAX_TOKEN_LIFE_S} s")
    issued = int(now_s)
    parts = [{"alg": "EdDSA", "kid": key.id, "typ": "JWT"}, {"aud": [cluster], "exp": issued + life_s, "iat": issued}]
    text = ".".join(_base64url(_compact(part).encode()) for part in parts)
    return text + "." + _base64url(key.sign(text.encode()))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


# --------------------------------------------------------------------------
# Evidence: genesis, policies, checkpoints, receipts. Nothing here asks a network.


class EvidenceError(Error):
    """Some evidence was refused; part names what about it."""

    def __init__(self, part: str, why: str):
        super().__init__(f"{part}: {why}")
        self.part = part


HEADER, LEAF, INDEX, PATH = "header", "leaf", "index", "proof path"
CHECKPOINT, SIGNATURE, POLICY = "checkpoint", "checkpoint signature", "policy"
INCLUSION = "inclusion (leaf, index or proof path)"

_LOG, _COSIGNER = 1, 4  # algorithms of signed notes
_MAX_TREE = 1 << 48
_NAME = re.compile(r"[!-~]{1,255}")


def _decode64(text: str) -> bytes:
    """The one canonical base64 text of some bytes."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        data = b""
    if base64.b64encode(data).decode() != text:
        raise ValueError(f"{text[:64]!r} is not canonical base64")
    return data


def _count(text: str) -> int:
    if not re.fullmatch(r"0|[1-9][0-9]{0,15}", text) or int(text) > _MAX_TREE:
        raise ValueError(f"{text[:64]!r} is not a plain decimal number of a tree")
    return int(text)


def _name(text: str) -> str:
    if not _NAME.fullmatch(text) or "+" in text or "#" in text:
        raise ValueError(f"{text[:64]!r} is not a name")
    return text


def _hash(text: str) -> bytes:
    data = _decode64(text)
    if len(data) != 32:
        raise ValueError("a hash has 32 bytes")
    return data


def _key_hash(name: str, algorithm: int, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + bytes([10, algorithm]) + public).digest()[:4]


def _vkey(name: str, algorithm: int, public: bytes) -> str:
    return f"{name}+{_key_hash(name, algorithm, public).hex()}+{base64.b64encode(bytes([algorithm]) + public).decode()}"


def _parse_vkey(text: str, algorithm: int) -> tuple[str, bytes]:
    name, _, rest = text.partition("+")
    data = _decode64(rest.partition("+")[2])
    if len(data) != 33 or data[0] != algorithm or _vkey(_name(name), algorithm, data[1:]) != text:
        raise ValueError(f"{text[:64]!r} is not a key of this kind")
    return name, data[1:]


@dataclasses.dataclass(frozen=True)
class Witness:
    name: str
    key_name: str  # in signature lines
    key: bytes
    url: str


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def read(cls, note: bytes) -> "Checkpoint":
        """Reads the text of a signed note and looks at no signature."""
        try:
            end = note.rindex(b"\n\n")
            if len(note) > 64 << 10:
                raise ValueError("the note is too long")
            origin, size, root, rest = note[:end + 1].decode("utf-8").split("\n")
            if rest:
                raise ValueError("something follows the root line")
            return cls(_name(origin), _count(size), _hash(root))
        except ValueError as wrong:
            raise EvidenceError(CHECKPOINT, str(wrong)) from wrong


@dataclasses.dataclass(frozen=True)
class Policy:
    """Whose signatures make a checkpoint count: the log's, and those of k witnesses."""

    origin: str
    log_key: bytes
    witnesses: tuple[Witness, ...]
    k: int

    def lines(self) -> list[str]:
        return [
            f"log {_vkey(self.origin, _LOG, self.log_key)}",
            *(f"witness {w.name} {_vkey(w.key_name, _COSIGNER, w.key)} {w.url}" for w in self.witnesses),
            " ".join(["group committee", str(self.k), *(w.name for w in self.witnesses)]),
            "quorum committee",
        ]

    def text(self) -> str:
        head = f"# A checkpoint counts when the log and {self.k} of these {len(self.witnesses)} witnesses have signed it."
        return "\n".join([head, *self.lines(), ""])

    @property
    def hash(self) -> bytes:
        """SHA-256 of the text, by which receipts of changes name a policy."""
        return hashlib.sha256(self.text().encode()).digest()

    @classmethod
    def parse(cls, text: str) -> "Policy":
        """Reads a policy. Comments stand at its head; for the rest one policy has one text."""
        lines = text.split("\n")
        while lines and lines[0].startswith("#"):
            lines.pop(0)
        try:
            log, *witnesses, group, quorum, end = [line.split(" ") for line in lines]
            origin, key = _parse_vkey(log[1], _LOG)
            named = []
            for _, name, vkey, url in witnesses:
                named.append(Witness(name, *_parse_vkey(vkey, _COSIGNER), url))
            policy = cls(origin, key, tuple(named), int(group[2]))
            policy.check()
        except (ValueError, IndexError) as wrong:
            raise EvidenceError(POLICY, f"not a policy: {wrong}") from wrong
        if policy.lines() + [""] != lines:
            raise EvidenceError(POLICY, "a line is not what this policy has there")
        return policy

    def check(self) -> None:
        """Refuses what could not be written, or would count a key twice."""
        if not 1 <= self.k <= len(self.witnesses) <= 32:
            raise ValueError(f"threshold {self.k} of {len(self.witnesses)} witnesses")
        for w in self.witnesses:
            _name(w.name), _name(w.key_name)
            if w.name in ("none", "committee") or not re.fullmatch(r"https?://[!-\"$-~]*", w.url):
                raise ValueError(f"witness {w.name}")
        for values in zip(*((w.name, w.key_name, w.key) for w in self.witnesses)):
            if len(set(values)) != len(values):
                raise ValueError("two witnesses share a name or a key")

    def verify(self, note: bytes) -> tuple[Checkpoint, list[str]]:
        """Checks a signed note; returns its checkpoint and who cosigned it, in the policy's order.

        Signatures by unknown keys are ignored. A wrong one by a known key is refused
        even where enough others are right: somebody altered this note.
        """
        checkpoint = Checkpoint.read(note)
        if checkpoint.origin != self.origin:
            raise EvidenceError(POLICY, f"the checkpoint's origin is {checkpoint.origin!r}, the policy's {self.origin!r}")
        known = {(self.origin, _key_hash(self.origin, _LOG, self.log_key)): None}
        known.update({(w.key_name, _key_hash(w.key_name, _COSIGNER, w.key)): w for w in self.witnesses})
        signed = set()
        for name, key_hash, signature in _signature_lines(note):
            place = (name, key_hash)
            if place not in known or place in signed:
                continue
            witness = known[place]
            if not (self._log_signed(checkpoint, signature) if witness is None else _cosigned(witness, checkpoint, signature)):
                raise EvidenceError(SIGNATURE, f"the signature of {name} is not one over this checkpoint")
            signed.add(place)
        if next(iter(known)) not in signed:
            raise EvidenceError(SIGNATURE, "the log has not signed")
        cosigners = [w.name for place, w in known.items() if w and place in signed]
        if len(cosigners) < self.k:
            raise EvidenceError(POLICY, f"{self.k} of {len(self.witnesses)} needed, valid are: {', '.join(cosigners) or 'none'}")
        return checkpoint, cosigners

    def _log_signed(self, checkpoint: Checkpoint, signature: bytes) -> bool:
        return verifies(self.log_key, checkpoint.text.encode(), signature)


def _signature_lines(note: bytes) -> list[tuple[str, bytes, bytes]]:
    """The signature lines of a signed note: name, key hash, signature."""
    try:
        block = note[note.rindex(b"\n\n") + 2:].decode("utf-8")
        if not block.endswith("\n") or block.count("\n") > 100:
            raise ValueError("signature lines are missing, cut off or too many")
        found = []
        for line in block[:-1].split("\n"):
            mark, name, text = line.split(" ")
            data = _decode64(text)
            if mark != "\u2014" or len(data) < 5:
                raise ValueError(f"{line[:64]!r} is not a signature line")
            found.append((name, data[:4], data[4:]))
        return found
    except ValueError as wrong:
        raise EvidenceError(SIGNATURE, str(wrong)) from wrong


def _cosigned(witness: Witness, checkpoint: Checkpoint, signature: bytes) -> bool:
    """cosignature/v1: eight bytes of time, then the signature over time and checkpoint."""
    stated = int.from_bytes(signature[:8], "big")
    message = f"cosignature/v1\ntime {stated}\n{checkpoint.text}".encode()
    return len(signature) == 72 and verifies(witness.key, message, signature[8:])


def leaf_hash(leaf: bytes) -> bytes:
    """RFC 6962: the hash of a leaf."""
    return hashlib.sha256(b"\0" + leaf).digest()


def _path_length(index: int, size: int) -> int:
    steps = 0
    while size > 1:
        split = 1 << ((size - 1).bit_length() - 1)
        index, size = (index, split) if index < split else (index - split, size - split)
        steps += 1
    return steps


def _root(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes:
    """The root that a leaf's hash and its path, from the leaf upwards, lead to."""
    if size == 1:
        return leaf
    split = 1 << ((size - 1).bit_length() - 1)
    if index < split:
        left, right = _root(index, split, leaf, path[:-1]), path[-1]
    else:
        left, right = path[-1], _root(index - split, size - split, leaf, path[:-1])
    return hashlib.sha256(b"\1" + left + right).digest()


@dataclasses.dataclass(frozen=True)
class Receipt:
    """What a receipt file proved."""

    leaf: bytes
    index: int
    checkpoint: Checkpoint
    cosigners: list[str]

    @property
    def body(self) -> dict[str, Any] | None:
        """The receipt's members, or None if the leaf is a command or an entry's header."""
        return _json(self.leaf) if self.leaf.startswith(b"{") else None

    def is_about(self, reading_identity: str) -> bool:
        """Whether this receipt says how the reading of an identity closed, and cites it alone."""
        body = self.body or {}
        if body.get("kind") == "reading":
            return body["identity"] == reading_identity
        if body.get("kind") != "settlement" or body["readings"]["count"] != "1":
            return False
        return body["readings"]["root"] == leaf_hash(bytes.fromhex(reading_identity)).hex()


def _parse_proof(data: bytes) -> tuple[bytes, int, list[bytes], bytes]:
    """Takes a receipt file apart: leaf, index, path, signed note."""
    def line(prefix: bytes, rest: bytes) -> tuple[str, bytes]:
        text, end, rest = rest.partition(b"\n")
        if not end or not text.startswith(prefix):
            raise ValueError(f"no line {prefix.decode()!r}")
        return text[len(prefix):].decode("ascii"), rest

    part = HEADER
    try:
        head, rest = line(b"c2sp.org/tlog-proof@v1", data)
        if head or len(data) > 200_000:
            raise ValueError("not a receipt file of this version")
        part = LEAF
        text, rest = line(b"extra ", rest)
        leaf = _decode64(text)
        if not 1 <= len(leaf) <= 65_535:
            raise ValueError(f"{len(leaf)} bytes")
        part = INDEX
        text, rest = line(b"index ", rest)
        index = _count(text)
        part, path = PATH, []
        text, rest = line(b"", rest)
        while text:
            if len(path) == 48:
                raise ValueError("more than 48 hashes")
            path.append(_hash(text))
            text, rest = line(b"", rest)
        return leaf, index, path, rest
    except ValueError as wrong:
        raise EvidenceError(part, str(wrong)) from wrong


def verify_proof(judge: Callable[[bytes], tuple[Checkpoint, list[str]]], data: bytes) -> Receipt:
    """Verifies a receipt file offline. judge is Policy.verify or History.verify."""
    leaf, index, path, note = _parse_proof(data)
    checkpoint, cosigners = judge(note)
    if index >= checkpoint.size:
        raise EvidenceError(INDEX, f"{index} is not below the checkpoint's size {checkpoint.size}")
    if len(path) != _path_length(index, checkpoint.size):
        raise EvidenceError(PATH, f"{len(path)} hashes, want {_path_length(index, checkpoint.size)}")
    if _root(index, checkpoint.size, leaf_hash(leaf), path) != checkpoint.root:
        raise EvidenceError(INCLUSION, "does not lead to the root of the checkpoint")
    return Receipt(leaf, index, checkpoint, cosigners)


class Genesis:
    """What a cluster started from, signed by each of its nodes. Whoever has it needs no other trust."""

    def __init__(self, file: bytes | str):
        self.envelope = Envelope.parse(file)
        if self.envelope.payload_type != GENESIS_TYPE:
            raise Error(f"payload type {self.envelope.payload_type!r} is not a genesis")
        self.hash = hashlib.sha256(self.envelope.payload).hexdigest()
        self.cluster = self.hash[:32]
        self.origin = self.cluster + "/0"
        try:
            self.content = _json(self.envelope.payload)
            self.nodes = {n["name"]: n for n in self.content["nodes"]}
            self.node_keys = {name: bytes.fromhex(n["node_key"]) for name, n in self.nodes.items()}
            self.policy = self._policy()
        except (ValueError, KeyError, TypeError) as wrong:
            raise Error(f"genesis: {wrong}") from wrong
        for name, public in self.node_keys.items():
            if not self.envelope.signed_by(public):
                raise Error(f"genesis is not signed by node {name}")
        if len(self.envelope.signatures) != len(self.nodes):
            raise Error("genesis carries signatures beyond those of its nodes")

    @classmethod
    def load(cls, path: str, hash: str | None = None) -> "Genesis":
        """Reads a genesis file; hash is its SHA-256 in hex, if you had it by another way."""
        with open(path, "rb") as file:
            genesis = cls(file.read())
        if hash is not None and genesis.hash != hash:
            raise Error(f"{path} is the genesis {genesis.hash}, not {hash}")
        return genesis

    def _policy(self) -> Policy:
        policy = Policy(
            self.origin, bytes.fromhex(self.content["log_key"]),
            tuple(Witness(n["name"], f"{self.cluster}/{n['name']}", bytes.fromhex(n["cosigner_key"]), n["api_address"])
                  for n in self.content["nodes"]),
            self.content["cosigners"])
        policy.check()
        return policy


_CHAIN_HEADER = b"tallyvault-policy-chain v1\n"


class History:
    """The committee's policies from genesis on, each change proven: by which one a checkpoint is judged.

    A step of a chain has two receipt files: the decision under a note that the committee before
    it, the one after it and the new node cosigned; and the receipt of the effect under a later
    note of the committee after it.
    """

    def __init__(self, genesis: Genesis, chain: bytes = _CHAIN_HEADER):
        self.terms: list[tuple[int, Policy]] = [(0, genesis.policy)]
        self.node_keys = dict(genesis.node_keys)
        change = 0
        for number, (decided, effective) in enumerate(_steps(chain), 1):
            try:
                change = self._follow(change, decided, effective)
            except (EvidenceError, ValueError, KeyError, TypeError) as wrong:
                raise EvidenceError(POLICY, f"chain: step {number}: {wrong}") from wrong

    def _follow(self, last: int, decided: bytes, effective: bytes) -> int:
        since, before = self.terms[-1]
        decision = verify_proof(before.verify, decided)
        pending = _policy_receipt(decision, "pending")
        if decision.index < since or _decimal(pending["decided"]) != decision.index or pending["previous"] != before.hash.hex():
            raise ValueError("the decision is not about the policy before it")
        after = Policy(before.origin, before.log_key, tuple(
            Witness(n["node"], f"{before.origin.partition('/')[0]}/{n['node']}", bytes.fromhex(n["cosigner_key"]), n["api_address"])
            for n in pending["nodes"]), pending["cosigners"])
        after.check()
        if after.hash.hex() != pending["policy"]:
            raise ValueError("the policy has another hash than its receipt says")
        _, cosigners = after.verify(_parse_proof(decided)[3])
        if pending["new"] not in cosigners:
            raise ValueError(f"the transition is not cosigned by the new node {pending['new']}")
        effect = verify_proof(after.verify, effective)
        said, transition = _policy_receipt(effect, "effective"), decision.checkpoint
        same = all(said[name] == pending[name] for name in ("change", "decided", "previous", "policy"))
        stated = said.get("transition") or {}
        if (not same or stated.get("size") != str(transition.size) or stated.get("root") != transition.root.hex()
                or effect.index < transition.size or _decimal(pending["change"]) <= last):
            raise ValueError("the effect is not that of the decision and the transition")
        self.terms.append((effect.index + 1, after))
        self.node_keys = {n["node"]: bytes.fromhex(n["node_key"]) for n in pending["nodes"]}
        return _decimal(pending["change"])

    def verify(self, note: bytes) -> tuple[Checkpoint, list[str]]:
        """Checks a signed note by the policy of its size."""
        size = Checkpoint.read(note).size
        policy = next(policy for since, policy in reversed(self.terms) if since <= size)
        return policy.verify(note)


def _steps(chain: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not chain.startswith(_CHAIN_HEADER):
        raise EvidenceError(POLICY, "chain: not a policy chain of this version")
    rest = chain[len(_CHAIN_HEADER):]
    while rest:
        line, _, rest = rest.partition(b"\n")
        fields = re.fullmatch(rb"step (\d{1,7}) (\d{1,7})", line)
        if not fields:
            raise EvidenceError(POLICY, f"chain: {line[:64]!r} is not a step line")
        first, second = int(fields[1]), int(fields[2])
        if first + second > len(rest):
            raise EvidenceError(POLICY, "chain: cut short")
        yield rest[:first], rest[first:first + second]
        rest = rest[first + second:]


def _policy_receipt(receipt: Receipt, standing: str) -> dict[str, Any]:
    body = receipt.body or {}
    if body.get("kind") != "policy" or body.get("standing") != standing:
        raise ValueError(f"leaf {receipt.index} is no policy receipt with standing {standing}")
    return body


def verify_pins(text: bytes | str, cluster: str, node_keys: Mapping[str, bytes], now_ms: int) -> dict[str, Any]:
    """Checks a node's signed statement of the TLS keys that it uses.

    A statement from the future means that our clock is behind, and is no reason to refuse it;
    only its end is.
    """
    try:
        envelope = Envelope.parse(text)
        pins = _json(envelope.payload)
        if envelope.payload_type != PINS_TYPE or set(pins) != {"cluster", "node", "pins", "issued_at", "expires_at"}:
            raise ValueError("not a statement of pins")
        if not 1 <= len(pins["pins"]) <= 4:
            raise ValueError("want 1 to 4 pins")
        for pin in pins["pins"]:
            _hex(pin, 32)
        expires = _integer(pins["expires_at"])
    except (Refused, ValueError, TypeError) as wrong:
        raise Error(f"pins: {wrong}") from wrong
    if pins["cluster"] != cluster:
        raise Error(f"pins are for cluster {pins['cluster']}, not {cluster}")
    public = node_keys.get(pins["node"])
    if public is None:
        raise UnknownNode(f"pins are for node {pins['node']!r}, which is not known to be of the committee")
    if len(envelope.signatures) != 1 or not envelope.signed_by(public):
        raise Error(f"pins of node {pins['node']} are not signed by its key alone")
    if now_ms > expires + 600_000:
        raise Error(f"pins of node {pins['node']} ended {_utc(expires)}; this machine's clock says {_utc(now_ms)}")
    return pins


class UnknownNode(Error):
    """A node that genesis does not name: perhaps the committee has changed since."""


def _utc(ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ms / 1000))


# --------------------------------------------------------------------------
# Network: nodes that prove who they are, retries with a bound


class Clock:
    """This machine's clock, corrected by what the cluster says of it."""

    def __init__(self, read: Callable[[], float] = time.time, correction_ms: int = 0):
        self._read = read
        self.correction_ms = correction_ms

    def now_ms(self) -> int:
        return int(self._read() * 1000) + self.correction_ms

    def correct(self, cluster_now_ms: int) -> None:
        self.correction_ms += cluster_now_ms - self.now_ms()


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    retry_after: float  # seconds; 0 if the node asked for nothing
    date_ms: int | None  # the node's clock

    def problem(self) -> Refused:
        try:
            return Refused.of_problem(_json(self.body), self.status)
        except (ValueError, KeyError, TypeError):
            return Refused("Unavailable", f"status {self.status} without a problem document", status=self.status)


class Node:
    """One node's API over one connection, whose TLS key its node key has signed."""

    def __init__(self, url: str, genesis: Genesis, clock: Clock, timeout: float):
        place = urllib.parse.urlsplit(url)
        if place.scheme != "https" or not place.hostname or place.query:
            raise Error(f"{url!r} is not the https URL of a node")
        self.url, self._host, self._port = url, place.hostname, place.port or 443
        self._genesis, self._clock, self._timeout = genesis, clock, timeout
        self._pins: dict[str, int] = {}  # pin: end of its statement
        self._connection: http.client.HTTPSConnection | None = None

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Makes one request. Whatever goes wrong on the way is an Unavailable."""
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._connection.request(method, path, body, dict(headers or {}))
            return _answer(self._connection.getresponse())
        except (OSError, http.client.HTTPException) as wrong:
            self.close()
            raise Unavailable(f"{self.url}: {wrong or type(wrong).__name__}") from wrong
        except Error as wrong:
            self.close()
            raise Untrusted(f"{self.url} {wrong}") from wrong

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> http.client.HTTPSConnection:
        """Connects, and lets the server prove its key before anything of ours is sent."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the pin says more than a chain would
        connection = http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=context)
        try:
            connection.connect()
            shown = _pin(connection.sock.getpeercert(binary_form=True))
            if self._pins.get(shown, 0) < self._clock.now_ms():
                self._learn(connection, shown)
        except BaseException:
            connection.close()
            raise
        return connection

    def _learn(self, connection: http.client.HTTPSConnection, shown: str) -> None:
        """Asks the server for its signed pins, over the very connection whose key they must name."""
        text = next((json.dumps(n["pins"]) for n in _fetch(connection, "/v1/nodes")["nodes"] if n.get("pins")), None)
        if text is None:
            raise Error("states no pins of its TLS key")
        try:
            pins = verify_pins(text, self._genesis.cluster, self._genesis.node_keys, self._clock.now_ms())
        except UnknownNode:
            # One that joined later: its place in the committee follows from genesis by a proven chain.
            chain = _fetch(connection, "/v1/policy?format=json")["chain"].encode()
            pins = verify_pins(text, self._genesis.cluster, History(self._genesis, chain).node_keys, self._clock.now_ms())
        if shown not in pins["pins"]:
            raise Error(f"shows a TLS key that node {pins['node']} has not signed")
        self._pins = {pin: pins["expires_at"] for pin in pins["pins"]}


def _pin(certificate: bytes | None) -> str:
    """SHA-256 of a certificate's SubjectPublicKeyInfo."""
    public = x509.load_der_x509_certificate(certificate or b"").public_key()
    info = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(info).hexdigest()


_MAX_ANSWER = 64 << 20


def _fetch(connection: http.client.HTTPSConnection, path: str) -> dict[str, Any]:
    connection.request("GET", path)
    answer = _answer(connection.getresponse())
    if answer.status != 200:
        raise answer.problem()
    try:
        return _json(answer.body)
    except ValueError as wrong:
        raise Error(f"{path}: {wrong}") from wrong


def _answer(response: http.client.HTTPResponse) -> Answer:
    body = response.read(_MAX_ANSWER + 1)
    if len(body) > _MAX_ANSWER:
        raise http.client.HTTPException("an answer is too long")
    wait, date = response.headers.get("Retry-After", ""), response.headers.get("Date")
    with contextlib.suppress(TypeError, ValueError):
        stated = int(email.utils.parsedate_to_datetime(date).timestamp() * 1000) if date else None
        return Answer(response.status, body, float(wait) if wait.isdigit() else 0.0, stated)
    return Answer(response.status, body, 0.0, None)


FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0


def pause_s(round_number: int, asked: float = 0.0) -> float:
    """How long to wait before another round: longer each time, by chance, and as long as a node asked for."""
    return max(asked, min(FIRST_PAUSE_S * 2 ** min(round_number, 16), LONGEST_PAUSE_S) * random.uniform(0.5, 1.0))


class Client:
    """Asks one node after the other until one can answer, with a bound of time."""

    def __init__(self, genesis: Genesis, key: Key | None = None, urls: Sequence[str] | None = None, *,
                 clock: Clock | None = None, timeout: float = 10.0):
        self.genesis, self._key, self.clock = genesis, key, clock or Clock()
        urls = urls or [n["api_address"] for n in genesis.nodes.values()]
        self._nodes = [Node(url, genesis, self.clock, timeout) for url in urls]
        self._token, self._token_ends = "", 0

    def close(self) -> None:
        for node in self._nodes:
            node.close()

    def get(self, path: str, timeout: float = 30.0, **query: Any) -> dict[str, Any]:
        """Reads a document. A node's no is a Refused, no answer in time an Unavailable."""
        return _json(self.get_bytes(path, timeout, **query))

    def get_bytes(self, path: str, timeout: float = 30.0, **query: Any) -> bytes:
        if query:
            path += "?" + urllib.parse.urlencode(query)
        ends = time.monotonic() + timeout
        for round_number in range(1 << 30):
            last, untrusted = Unavailable("no node was asked"), 0
            for _ in self._nodes:
                try:
                    answer = self._authorised(path)
                except Unavailable as wrong:
                    last, untrusted = wrong, untrusted + isinstance(wrong, Untrusted)
                    self._next_node()
                    continue
                if answer.status == 200:
                    return answer.body
                problem = answer.problem()
                if answer.status != 429 and answer.status < 500:
                    raise problem
                last = Unavailable(str(problem), max(last.retry_after, answer.retry_after))
                self._next_node()
            wait = pause_s(round_number, last.retry_after)
            if time.monotonic() + wait > ends or untrusted == len(self._nodes):
                raise last
            time.sleep(wait)
        raise AssertionError("unreachable")

    def _authorised(self, path: str) -> Answer:
        answer = self._nodes[0].ask("GET", path, headers=self._headers())
        if answer.status == 401 and answer.date_ms is not None and abs(answer.date_ms - self.clock.now_ms()) > 20_000:
            # A token of another time: until the cluster says what it is, by the clock of the node that answers.
            self.clock.correct(answer.date_ms)
            self._token_ends = 0
            answer = self._nodes[0].ask("GET", path, headers=self._headers())
        return answer

    def _headers(self) -> dict[str, str]:
        if self._key is None:
            return {}
        now_s = self.clock.now_ms() / 1000
        if not now_s + 60 < self._token_ends < now_s + 2 * MAX_TOKEN_LIFE_S:  # the clock may have been set back
            self._token, self._token_ends = token(self._key, self.genesis.cluster, now_s), int(now_s) + MAX_TOKEN_LIFE_S
        return {"Authorization": "Bearer " + self._token}

    def _next_node(self) -> None:
        self._nodes.append(self._nodes.pop(0))

    def post_batch(self, envelopes: Sequence[str]) -> list[dict[str, Any]]:
        """Sends commands to one node, once; returns a line for each: an outcome or a problem.

        Unavailable means that it is not known what became of them: send the same bytes again.
        A line that is missing from the answer stands there as such a problem.
        """
        body = "".join(e + "\n" for e in envelopes).encode()
        try:
            answer = self._nodes[0].ask("POST", "/v1/commands:batch", body, {"Content-Type": "application/x-ndjson"})
        except Unavailable:
            self._next_node()
            raise
        if answer.status != 200:
            self._next_node()
            problem = answer.problem()
            if answer.status == 429 or answer.status >= 500:
                raise Unavailable(str(problem), answer.retry_after)
            raise problem
        lines: list[dict[str, Any]] = []
        for text in answer.body.splitlines():
            with contextlib.suppress(ValueError):
                lines.append(_json(text))
        missing = {"problem": {"code": "Unavailable", "detail": "the answer was cut off"}}
        return [line if line.get("line") == n else missing for n, line in
                enumerate(lines[:len(envelopes)] + [{}] * (len(envelopes) - len(lines)), 1)]

    def outcome(self, command: str) -> dict[str, Any] | None:
        """What became of a command, or None if it was never logged."""
        try:
            return self.get(f"/v1/commands/{command}")
        except Refused as refused:
            if refused.code == "NotFound":
                return None
            raise

    def last_nonces(self, timeout: float = 30.0) -> dict[str, int]:
        """The last nonce of each lane that the key has used, as the leader knows them."""
        found, query = {}, {"key": self._key.id if self._key else "", "limit": 1000, "consistency": "linearizable"}
        while True:
            page = self.get("/v1/lanes", timeout, **query)
            found.update({row["lane"]: int(row["last_nonce"]) for row in page["lanes"]})
            if not page.get("next"):
                return found
            query["after"] = page["next"]

    def history(self) -> History:
        """The committee's policies, proven from genesis on."""
        return History(self.genesis, self.get("/v1/policy", format="json")["chain"].encode())


# --------------------------------------------------------------------------
# Outbox: what was measured, on this disk, and how far each of it has come

STORED, SENT, ACCEPTED, REFUSED, CLOSED, SETTLED, RELEASED = (
    "stored", "sent", "accepted", "refused", "closed", "settled", "released")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS readings (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    market TEXT NOT NULL, meter TEXT NOT NULL, register TEXT NOT NULL, measured_at INTEGER NOT NULL,
    clock_sync TEXT NOT NULL, meter_status TEXT NOT NULL,
    correction INTEGER,          -- of our clock when it stamped the reading; NULL if the meter gave the time
    fate TEXT NOT NULL DEFAULT 'stored',
    nonce INTEGER, identity TEXT, envelope TEXT,   -- while under way: what is sent, and sent again
    number TEXT, detail TEXT NOT NULL DEFAULT '', recovery TEXT NOT NULL DEFAULT '', code TEXT NOT NULL DEFAULT '',
    skewed INTEGER NOT NULL DEFAULT 0,             -- how often it was refused for its time
    leaf TEXT, settlement TEXT, net TEXT, final INTEGER NOT NULL DEFAULT 0,
    UNIQUE (meter, measured_at));
CREATE INDEX IF NOT EXISTS open_readings ON readings (meter, measured_at) WHERE fate IN ('stored', 'sent');
CREATE INDEX IF NOT EXISTS followed_readings ON readings (seq) WHERE fate IN ('accepted', 'settled') OR fate IN ('closed', 'released') AND NOT final;
CREATE TABLE IF NOT EXISTS lanes (lane TEXT PRIMARY KEY, nonce INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclasses.dataclass(frozen=True)
class Reading:
    """A row of the outbox; fate says how far it has come."""

    seq: int
    market: str
    meter: str
    register: str
    measured_at: int
    clock_sync: str
    meter_status: str
    correction: int | None
    fate: str
    nonce: int | None
    identity: str | None
    envelope: str | None
    number: str | None
    detail: str
    recovery: str
    code: str
    skewed: int
    leaf: str | None
    settlement: str | None
    net: str | None
    final: int

    @property
    def done(self) -> bool:
        """Whether nothing more will come of it."""
        return self.fate == REFUSED or bool(self.final and self.fate in (CLOSED, RELEASED))


class Outbox:
    """Measurements on disk (sqlite, synchronous). Any process may add; one sends."""

    def __init__(self, path: str, clock: Clock | None = None):
        self.clock = clock or Clock()
        self._db = sqlite3.connect(path, timeout=30.0, isolation_level=None)
        self._db.row_factory = lambda _, row: row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")  # on disk when a transaction ends
        self._db.executescript(_SCHEMA)
        self.clock.correction_ms = int(self.fact("correction_ms") or self.clock.correction_ms)

    def close(self) -> None:
        self._db.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def add(self, market: str, meter: str, register: int, measured_at: int | None = None, *,
            clock_sync: str = "ntp", meter_status: str = "ok") -> int:
        """Stores a measurement and returns its number here; it is on disk then.

        register counts the meter's smallest unit. measured_at is unix milliseconds, by the meter;
        without it our clock stamps it, and the stamp moves with the clock's correction until it is sent.
        The same meter and time again is the same measurement.
        """
        return self.add_all([(market, meter, register, measured_at, clock_sync, meter_status)])[0]

    def add_all(self, rows: Iterable[tuple[str, str, int, int | None, str, str]]) -> list[int]:
        """Stores many measurements in one transaction, all or none."""
        with self._transaction() as db:
            return [self._add(db, *row) for row in rows]

    def _add(self, db: sqlite3.Connection, market: str, meter: str, register: int, measured_at: int | None,
             clock_sync: str, meter_status: str) -> int:
        if not 0 <= register < 1 << 64:
            raise Error(f"register {register} does not fit into 64 bits")
        correction = None
        if measured_at is None:
            measured_at, correction = self.clock.now_ms(), self.clock.correction_ms
        values = (market, meter, str(register), measured_at, clock_sync, meter_status, correction)
        added = db.execute("INSERT INTO readings (market, meter, register, measured_at, clock_sync, meter_status, correction) "
                           "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", values)
        if added.rowcount:
            return added.lastrowid or 0
        seq, known = db.execute("SELECT seq, register FROM readings WHERE meter = ? AND measured_at = ?", (meter, measured_at)).fetchone()
        if known != str(register):
            raise Error(f"meter {meter} had register {known} at {measured_at} before, now {register}")
        return seq

    def readings(self, where: str = "TRUE", *values: Any) -> list[Reading]:
        columns = ", ".join(field.name for field in dataclasses.fields(Reading))
        return [Reading(*row) for row in self._db.execute(f"SELECT {columns} FROM readings WHERE {where} ORDER BY seq", values)]

    def reading(self, seq: int) -> Reading:
        for row in self.readings("seq = ?", seq):
            return row
        raise Error(f"there is no reading {seq} in this outbox")

    def due(self, but: Iterable[str], limit: int) -> list[Reading]:
        """The next reading of each meter: the one that is under way, or else the oldest."""
        paused = list(but)
        rows = self.readings(
            "seq IN (SELECT seq FROM (SELECT seq, meter, ROW_NUMBER() OVER (PARTITION BY meter ORDER BY fate = 'stored', measured_at) AS place "
            f"FROM readings WHERE fate IN ('stored', 'sent')) WHERE place = 1 AND meter NOT IN ({', '.join('?' * len(paused))}))", *paused)
        return rows[:limit]

    def count_open(self) -> int:
        return self._db.execute("SELECT COUNT(*) FROM readings WHERE fate IN ('stored', 'sent')").fetchone()[0]

    def update(self, seq: int, **members: Any) -> None:
        self.update_all([(seq, members)])

    def update_all(self, updates: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
        """Changes many readings in one transaction: a disk may take long over each."""
        with self._transaction() as db:
            for seq, members in updates:
                self._set(db, seq, members)

    @staticmethod
    def _set(db: sqlite3.Connection, seq: int, members: Mapping[str, Any]) -> None:
        db.execute(f"UPDATE readings SET {', '.join(name + ' = ?' for name in members)} WHERE seq = ?", (*members.values(), seq))

    def sign(self, rows: Sequence[Reading], make: Callable[[Reading, int], Envelope]) -> list[Reading]:
        """Gives readings their nonces and signs them; both are on disk when this returns."""
        with self._transaction() as db:
            for row in rows:
                lane = "m/" + row.meter
                db.execute("INSERT INTO lanes VALUES (?, 1) ON CONFLICT DO UPDATE SET nonce = nonce + 1", (lane,))
                nonce = db.execute("SELECT nonce FROM lanes WHERE lane = ?", (lane,)).fetchone()[0]
                envelope = make(row, nonce)
                self._set(db, row.seq, {"fate": SENT, "nonce": nonce, "identity": envelope.identity, "envelope": envelope.json()})
        return [self.reading(row.seq) for row in rows]

    def unsign(self, seq: int, **members: Any) -> None:
        """A reading whose bytes can take no effect any more waits to be signed anew."""
        self.update(seq, fate=STORED, envelope=None, **members)

    def knows_lane(self, lane: str) -> bool:
        return self._db.execute("SELECT 1 FROM lanes WHERE lane = ?", (lane,)).fetchone() is not None

    def set_nonce(self, lane: str, last: int) -> None:
        """Goes on counting behind the last nonce that the cluster has named."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO lanes VALUES (?, ?)", (lane, last))

    def raise_nonces(self, last: Mapping[str, int]) -> None:
        """Takes note of the last nonces that the cluster has seen."""
        with self._transaction() as db:
            db.executemany("INSERT INTO lanes VALUES (?, ?) ON CONFLICT DO UPDATE SET nonce = MAX(nonce, excluded.nonce)", list(last.items()))

    def correct_clock(self, cluster_now_ms: int) -> None:
        """Sets the clock, and moves the times that it stamped wrongly and nobody has seen yet."""
        self.clock.correct(cluster_now_ms)
        with self._transaction() as db:
            now = self.clock.correction_ms
            db.execute("UPDATE OR IGNORE readings SET measured_at = measured_at + ? - correction, correction = ? "
                       "WHERE fate = 'stored' AND correction IS NOT NULL", (now, now))
            db.execute("INSERT OR REPLACE INTO facts VALUES ('correction_ms', ?)", (str(now),))

    def fact(self, name: str) -> str | None:
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return row and row[0]

    def belong(self, cluster: str, key: str) -> None:
        """Ties the outbox to one cluster at first use. Another key of the provider begins with lanes of its own."""
        with self._transaction() as db:
            db.executemany("INSERT OR IGNORE INTO facts VALUES (?, ?)", [("cluster", cluster), ("key", key)])
            if self.fact("key") != key:
                db.execute("DELETE FROM lanes")
                db.execute("UPDATE facts SET value = ? WHERE name = 'key'", (key,))
        if self.fact("cluster") != cluster:
            raise Error(f"this outbox belongs to cluster {self.fact('cluster')}, not {cluster}")

    def prune(self, before_ms: int) -> int:
        """Forgets readings of which nothing more will come, measured before a time."""
        with self._transaction() as db:
            return db.execute("DELETE FROM readings WHERE measured_at < ? AND "
                              "(fate = 'refused' OR final AND fate IN ('closed', 'released'))", (before_ms,)).rowcount


# --------------------------------------------------------------------------
# Gateway: brings what is in the outbox to the cluster, and its fate back

# Refusals that time or others can lift: room for the meter, its registration or the key's, a pause. The reading waits.
_WAITS = {"LimitExceeded", "NotFound", "UnknownKey", "KeyRevoked", "Unauthorized", "Paused", "ProviderInactive",
          "InvalidTransition", "InsufficientFunds", "WrongEra", "WrongCluster", "Expired"}
_FOLLOWED = "fate IN ('accepted', 'settled') OR fate IN ('closed', 'released') AND NOT final"
LONGEST_METER_PAUSE_S = 60.0
MAX_SKEWED = 5


class Gateway:
    """One key's outbox and its way to the cluster."""

    def __init__(self, outbox: str, genesis: Genesis, key: Key, urls: Sequence[str] | None = None, *,
                 era: str = ERA_ZERO, clock: Clock | None = None, timeout: float = 10.0):
        self._lock = open(outbox + ".lock", "w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as wrong:
            self._lock.close()
            raise Error(f"another program sends from {outbox} already") from wrong
        self._key, self._era, self._genesis = key, era, genesis
        self.outbox = Outbox(outbox, clock)
        self.client = Client(genesis, key, urls, clock=self.outbox.clock, timeout=timeout)
        self.outbox.belong(genesis.cluster, key.id)
        self._resumed = False
        self._pauses: dict[str, tuple[float, float]] = {}  # meter: until when (monotonic), how long

    def __enter__(self) -> "Gateway":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.client.close()
        self.outbox.close()
        self._lock.close()

    def send(self, timeout: float = 60.0) -> int:
        """Sends until everything is decided or time is over; returns how much is still open.

        What is open is safe: it is sent, the same bytes or signed anew, by the next call.
        """
        ends, round_number = time.monotonic() + timeout, 0
        while self.outbox.count_open() and time.monotonic() < ends:
            asked = 0.0
            try:
                rows = self._next(ends - time.monotonic())
                if rows and self._post(rows):
                    round_number = 0
                    continue
            except Unavailable as wrong:
                asked = wrong.retry_after
            wait = min(pause_s(round_number, asked), max(0.0, ends - time.monotonic()))
            time.sleep(wait)
            round_number += 1
        return self.outbox.count_open()

    def _next(self, timeout: float) -> list[Reading]:
        """What goes into the next request, signed: one reading of each meter that is not paused."""
        now = time.monotonic()
        rows = self.outbox.due([meter for meter, (until, _) in self._pauses.items() if until > now], MAX_BATCH)
        ready = [row for row in rows if row.envelope is not None and self._is_signed(row.envelope)]
        unsigned = [row for row in rows if row not in ready]
        if not self._resumed and not all(self.outbox.knows_lane("m/" + row.meter) for row in unsigned):
            # A new disk does not know how far the cluster has counted. An old one learns it from a refusal.
            self.outbox.raise_nonces(self.client.last_nonces(timeout))
            self._resumed = True
        return ready + self.outbox.sign(unsigned, self._envelope)

    def _is_signed(self, envelope: str) -> bool:
        """Whether a stored envelope is still what was written."""
        with contextlib.suppress(Refused):
            open_reading(envelope, {self._key.id: self._key.public})
            return True
        return False

    def _envelope(self, row: Reading, nonce: int) -> Envelope:
        now = self.outbox.clock.now_ms()
        return Envelope.sign(READING_TYPE, reading_payload(
            cluster=self._genesis.cluster, era=self._era, lane="m/" + row.meter, nonce=nonce, issued_at=now,
            expires_at=now + READING_TTL_MS, signer=self._key.id, market=row.market, meter=row.meter, register=int(row.register),
            measured_at=row.measured_at, clock_sync=row.clock_sync, meter_status=row.meter_status), self._key)

    def _post(self, rows: Sequence[Reading]) -> bool:
        """Sends readings and takes in what is said of them. True if something came of it."""
        lines = self.client.post_batch([row.envelope or "" for row in rows])
        accepted, others = [], []
        for row, line in zip(rows, lines):
            outcome = line.get("outcome") or {}
            if outcome.get("accepted"):
                accepted.append(self._accepted(row, outcome["result"]["number"]))
            else:
                others.append((row, line))
        self.outbox.update_all(accepted)
        return any([self._judge(row, line) for row, line in others]) or bool(accepted)

    def _judge(self, row: Reading, line: Mapping[str, Any]) -> bool:
        outcome = line.get("outcome")
        if outcome is None:
            refused = Refused.of_problem(line.get("problem") or {"code": "Unavailable"})
            if refused.code in ("NonceReplay", "Expired"):
                # These bytes can take no effect any more. Did they, when we did not hear the answer?
                outcome = self.client.outcome(row.identity or "")
        if outcome is not None:
            if outcome["accepted"]:
                self.outbox.update_all([self._accepted(row, outcome["result"]["number"])])
                return True
            refused = Refused.of_problem({**outcome, "logged": True})
        return self._refused(row, refused)

    def _accepted(self, row: Reading, number: str, identity: str | None = None) -> tuple[int, dict[str, Any]]:
        self._pauses.pop(row.meter, None)
        return row.seq, {"fate": ACCEPTED, "number": number, "identity": identity or row.identity, "envelope": None,
                         "detail": "", "recovery": "", "code": ""}

    def _refused(self, row: Reading, refused: Refused) -> bool:
        said = {"code": refused.code, "detail": _words(refused), "recovery": refused.recovery}
        if refused.code in ("TimestampSkew", "Expired") and "now" in refused.fields:
            return self._skewed(row, refused, said)
        if "last_nonce" in refused.fields:  # NonceReplay, or a nonce too far ahead
            self.outbox.set_nonce("m/" + row.meter, int(refused.fields["last_nonce"]))
            self.outbox.unsign(row.seq, **said)
            return True
        if refused.code in ("Unavailable", "RateLimited"):
            return False  # not known, or not now: the same bytes again
        if refused.code == "SettlementConflict" and refused.fields.get("reason") == "duplicate":
            same = self._same_reading(row, refused.fields["number"])
            if same is not None:
                self.outbox.update_all([self._accepted(row, same["number"], same["identity"])])
                return True
        if refused.code in _WAITS:
            self._pause(row.meter)
            self.outbox.unsign(row.seq, **said)
            return False
        self.outbox.update(row.seq, fate=REFUSED, envelope=None, **said)
        return True

    def _skewed(self, row: Reading, refused: Refused, said: Mapping[str, str]) -> bool:
        """Sets our clock by the cluster's and signs again; a time that still is wrong then is the meter's."""
        self.outbox.unsign(row.seq, skewed=row.skewed + 1, **said)
        self.outbox.correct_clock(int(refused.fields["now"]))
        measured_at = self.outbox.reading(row.seq).measured_at  # moved, if our clock had stamped it
        ahead = "measured_at" in refused.fields and measured_at > self.outbox.clock.now_ms() + int(refused.fields["skew_ms"])
        if ahead or row.skewed >= MAX_SKEWED:
            self.outbox.update(row.seq, fate=REFUSED)
        return True

    def _pause(self, meter: str) -> None:
        _, before = self._pauses.get(meter, (0.0, 0.25))
        length = min(before * 2, LONGEST_METER_PAUSE_S)
        self._pauses[meter] = (time.monotonic() + length * random.uniform(0.5, 1.0), length)

    def _same_reading(self, row: Reading, number: str) -> dict[str, Any] | None:
        """The reading that the cluster has for this meter and time, if it is this very measurement: as after a lost disk."""
        try:
            known = self.client.get(f"/v1/readings/{row.market}/{number}")
        except Refused:
            return None
        same = (known.get("meter"), known.get("measured_at"), known.get("register")) == (row.meter, row.measured_at, row.register)
        return known if same else None

    def follow(self, timeout: float = 30.0) -> int:
        """Asks what became of accepted readings; returns of how many more is to come."""
        ends, updates = time.monotonic() + timeout, []
        try:
            for row in self.outbox.readings(_FOLLOWED):
                if time.monotonic() > ends:
                    break
                updates.append((row.seq, self._fate(row, max(1.0, ends - time.monotonic()))))
        except Unavailable:
            pass  # the next call goes on
        finally:
            self.outbox.update_all(updates)
        return len(self.outbox.readings(_FOLLOWED))

    def _fate(self, row: Reading, timeout: float) -> dict[str, Any]:
        known: dict[str, Any] = {}
        settlement = row.settlement
        if settlement is None:
            said = self.client.get(f"/v1/readings/{row.market}/{row.number}", timeout)
            receipt = said.get("receipt")
            if receipt is None:  # pending, or accepted and waiting for an earlier one
                return {"detail": said["status"]}
            if said["status"] != "settled":
                detail = said["status"] + (f": {said['reason']}" if said.get("reason") else "")
                return {"fate": CLOSED, "leaf": receipt["leaf"], "detail": detail, "final": int(receipt["final"])}
            settlement = receipt["body"]["settlement"]
            known = {"leaf": receipt["leaf"], "settlement": settlement, "net": receipt["body"]["net"]}
        said = self.client.get(f"/v1/settlements/{row.market}/{settlement}", timeout)
        fate = {"released": RELEASED, "rehearsal": CLOSED}.get(said["status"], SETTLED)
        return {**known, "fate": fate, "detail": said["status"], "final": int(said["receipts"][-1]["final"])}

    def receipt(self, seq: int, timeout: float = 40.0) -> tuple[bytes, Receipt]:
        """Fetches the receipt of how a reading closed, and verifies that it is about this reading."""
        row = self.outbox.reading(seq)
        if row.leaf is None:
            raise Error(f"reading {seq} is {row.fate}: there is a receipt once it is closed or settled")
        file = self.client.get_bytes(f"/v1/receipts/{row.leaf}.tlog-proof", timeout, wait="final")
        receipt = verify_proof(self.client.history().verify, file)
        if not receipt.is_about(row.identity or ""):
            raise EvidenceError(LEAF, f"the receipt at leaf {row.leaf} is not about reading {row.number} of {row.meter}")
        return file, receipt


    def statement(self) -> dict[str, Any]:
        """The provider's statement by the cluster, beside what this outbox knows: settled readings and their net.

        unknown are settlements of the statement, not released yet, that no reading here has led to.
        """
        provider = self.client.get("/v1/keys", key=self._key.id)["keys"][0]["principal"]
        lines, query = [], {"limit": 1000}
        while True:
            page = self.client.get(f"/v1/providers/{provider}/statement", **query)
            lines += page["lines"]
            if not page.get("next"):
                break
            query["after"] = page["next"]
        known = {(row.market, row.settlement): row for row in self.outbox.readings("settlement IS NOT NULL")}
        paid = [row for row in known.values() if row.detail in ("held", "released")]
        return {
            "provider": provider, "totals": page["totals"], "readings": len(paid), "net": str(sum(int(row.net or 0) for row in paid)),
            "unknown": [f"{line['market']}/{line['number']}" for line in lines if (line["market"], line["number"]) not in known],
        }


def _words(refused: Refused) -> str:
    values = ", ".join(f"{name} {value}" for name, value in refused.fields.items())
    return (refused.cause or refused.detail) + (f" ({values})" if values else "")


# --------------------------------------------------------------------------
# Commands


def _time(text: str) -> int:
    """Unix milliseconds, or RFC 3339 with an offset."""
    if re.fullmatch(r"[0-9]{1,15}", text):
        return int(text)
    import datetime
    stated = datetime.datetime.fromisoformat(re.sub("[Zz]$", "+00:00", text))
    if stated.tzinfo is None:
        raise Error(f"{text} has no offset: write Z or +10:00 behind it")
    return int(stated.timestamp() * 1000)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tallyvault.py", description="Meter readings for a Tallyvault committee.",
                                     epilog="Exit status: 0 done, 1 refused, 2 usage, 3 something is still open.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, help: str, *, outbox: bool = False, cluster: bool = False) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=help, description=help)
        if outbox:
            added.add_argument("--outbox", default="outbox.db", metavar="FILE", help="the sqlite outbox (default: outbox.db)")
        if cluster:
            _cluster_flags(added)
        return added

    add = verb("add", "store measurements; without --meter, JSON lines from standard input", outbox=True)
    add.add_argument("--market", default="energy")
    add.add_argument("--meter")
    add.add_argument("--register", type=int, help="what it shows, in its smallest unit")
    add.add_argument("--measured-at", type=_time, metavar="TIME", help="unix ms or RFC 3339 (default: now)")
    send = verb("send", "send what is stored until all of it is decided", outbox=True, cluster=True)
    send.add_argument("--for", dest="seconds", type=float, default=60.0, metavar="SECONDS", help="at most that long (default: 60)")
    follow = verb("follow", "ask what became of what was sent", outbox=True, cluster=True)
    follow.add_argument("--for", dest="seconds", type=float, default=30.0, metavar="SECONDS", help="at most that long (default: 30)")
    follow.add_argument("--until-done", action="store_true", help="wait until everything is released or closed, and final")
    run = verb("run", "send and follow until it is told to stop", outbox=True, cluster=True)
    run.add_argument("--every", type=float, default=10.0, metavar="SECONDS", help="pause between two rounds (default: 10)")
    show = verb("show", "the fate of each reading", outbox=True)
    show.add_argument("--json", action="store_true", help="JSON lines")
    retry = verb("retry", "send a refused reading again, once its cause is gone", outbox=True)
    retry.add_argument("seq", type=int)
    prune = verb("prune", "forget readings of which nothing more will come", outbox=True)
    prune.add_argument("--before", type=_time, required=True, metavar="TIME", help="measured before this")
    receipt = verb("receipt", "fetch and verify the receipt of a reading", outbox=True, cluster=True)
    receipt.add_argument("seq", type=int)
    receipt.add_argument("--out", required=True, metavar="FILE", help="where the receipt file goes")
    receipt.add_argument("--chain", metavar="FILE", help="where the policy chain goes, for verifying offline after a change of the committee")
    statement = verb("statement", "what the provider earned, beside what this outbox knows of it", outbox=True, cluster=True)
    statement.add_argument("--json", action="store_true")
    verify = verb("verify", "verify receipt files; asks no network")
    verify.add_argument("--genesis", metavar="FILE")
    verify.add_argument("--genesis-hash", metavar="HEX", help="its SHA-256, if you have it by another way")
    verify.add_argument("--chain", metavar="FILE", help="the policy chain, if the committee has changed")
    verify.add_argument("--policy", metavar="FILE", help="a policy to believe, instead of a genesis")
    verify.add_argument("files", nargs="+", metavar="FILE")
    tokens = verb("token", "print a token for reading the API, for five minutes")
    tokens.add_argument("--genesis", required=True, metavar="FILE")
    tokens.add_argument("--key", required=True, metavar="FILE")
    get = verb("get", "read the API as the owner of a key, e.g. get /v1/meters", cluster=True)
    get.add_argument("path")
    return parser


def _cluster_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--genesis", required=True, metavar="FILE", help="the cluster's signed genesis")
    parser.add_argument("--genesis-hash", metavar="HEX", help="its SHA-256, if you have it by another way")
    parser.add_argument("--key", required=True, metavar="FILE", help="the provider's key file")
    parser.add_argument("--node", action="append", metavar="URL", help="https URL of a node; may be repeated (default: those in the genesis)")


def _gateway(args: argparse.Namespace, clock: Clock) -> Gateway:
    return Gateway(args.outbox, Genesis.load(args.genesis, args.genesis_hash), Key.load(args.key), args.node, clock=clock)


def _add(args: argparse.Namespace, clock: Clock) -> int:
    rows: list[tuple[str, str, int, int | None, str, str]] = []
    if args.meter is not None:
        if args.register is None:
            raise Error("--register is missing")
        rows.append((args.market, args.meter, args.register, args.measured_at, "ntp", "ok"))
    else:
        for number, line in enumerate(sys.stdin, 1):
            if not line.strip():
                continue
            try:
                m = _json(line)
                at = m.get("measured_at")
                rows.append((m.get("market", args.market), _string(m["meter"]), int(m["register"]), at if at is None else _time(str(at)),
                             m.get("clock_sync", "ntp"), m.get("meter_status", "ok")))
            except KeyError as wrong:
                raise Error(f"line {number}: {wrong} is missing") from wrong
            except (ValueError, TypeError, AttributeError) as wrong:
                raise Error(f'line {number}: want {{"meter": ..., "register": ..., "measured_at": ...}}: {wrong}') from wrong
    outbox = Outbox(args.outbox, clock)
    seqs = outbox.add_all(rows)
    outbox.close()
    _say(f"stored {len(seqs)}" + (f": reading {seqs[0]}" if len(seqs) == 1 else ""))
    return 0


def _send(args: argparse.Namespace, clock: Clock) -> int:
    with _gateway(args, clock) as gateway:
        left = gateway.send(args.seconds)
        _say(f"{left} still open")
        return 3 if left else 0


def _follow(args: argparse.Namespace, clock: Clock) -> int:
    ends = time.monotonic() + args.seconds
    with _gateway(args, clock) as gateway:
        left = gateway.follow(args.seconds)
        while args.until_done and left and time.monotonic() < ends:
            time.sleep(1)
            left = gateway.follow(max(1.0, ends - time.monotonic()))
        _say(f"of {left} more is to come")
        return 3 if left and args.until_done else 0


def _run(args: argparse.Namespace, clock: Clock) -> int:
    with _gateway(args, clock) as gateway:
        while True:
            try:
                gateway.send(args.every)
                gateway.follow(args.every)
            except Refused as refused:
                _say(f"{refused} {refused.recovery}")
            time.sleep(args.every)


def _show(args: argparse.Namespace, clock: Clock) -> int:
    outbox = Outbox(args.outbox, clock)
    rows = outbox.readings()
    outbox.close()
    for row in rows:
        if args.json:
            members = dataclasses.asdict(row)
            members.update(final=bool(row.final), done=row.done)
            print(_compact({name: value for name, value in members.items() if name not in ("envelope", "correction", "skewed")}))
            continue
        fate = row.fate + (", final" if row.final else "")
        words = [row.detail, row.recovery, f"net {row.net}" if row.net else ""]
        number = f"number {row.number}" if row.number else ""
        print("  ".join([f"{row.seq:>6}", f"{row.meter:<20}", f"{row.register:>14}", _utc(row.measured_at), f"{fate:<16}",
                         f"{number:<14}", " ".join(filter(None, words))]).rstrip())
    return 0


def _retry(args: argparse.Namespace, clock: Clock) -> int:
    outbox = Outbox(args.outbox, clock)
    row = outbox.reading(args.seq)
    if row.fate != REFUSED:
        raise Error(f"reading {row.seq} is {row.fate}, not refused")
    outbox.unsign(row.seq, skewed=0, detail="", recovery="", code="")
    outbox.close()
    return 0


def _prune(args: argparse.Namespace, clock: Clock) -> int:
    outbox = Outbox(args.outbox, clock)
    _say(f"forgot {outbox.prune(args.before)}")
    outbox.close()
    return 0


def _receipt(args: argparse.Namespace, clock: Clock) -> int:
    with _gateway(args, clock) as gateway:
        file, receipt = gateway.receipt(args.seq)
        chain = gateway.client.get("/v1/policy", format="json")["chain"] if args.chain else ""
    with open(args.out, "wb") as out:
        out.write(file)
    if args.chain:
        with open(args.chain, "w", encoding="utf-8") as out:
            out.write(chain)
    _say_receipt(args.out, receipt)
    return 0


def _statement(args: argparse.Namespace, clock: Clock) -> int:
    with _gateway(args, clock) as gateway:
        said = gateway.statement()
    if args.json:
        print(_compact(said))
        return 0
    print(said["provider"] + ": " + ", ".join(f"{name.replace('_', ' ')} {amount}" for name, amount in said["totals"].items()))
    print(f"this outbox: {said['readings']} readings paid for, net {said['net']}, which " + (
        "agrees" if said["net"] == said["totals"]["credited"] else
        "differs: follow first; readings of another outbox and pruned ones are not known here"))
    if said["unknown"]:
        print("settlements that this outbox does not know: " + ", ".join(said["unknown"]))
    return 0


def _verify(args: argparse.Namespace, clock: Clock) -> int:
    if (args.genesis is None) == (args.policy is None):
        raise Error("give --genesis, or --policy")
    if args.policy:
        with open(args.policy, encoding="utf-8") as file:
            judge = Policy.parse(file.read()).verify
    else:
        chain = _CHAIN_HEADER
        if args.chain:
            with open(args.chain, "rb") as file:
                chain = file.read()
        judge = History(Genesis.load(args.genesis, args.genesis_hash), chain).verify
    refused = 0
    for name in args.files:
        try:
            with open(name, "rb") as file:
                _say_receipt(name, verify_proof(judge, file.read()))
        except EvidenceError as wrong:
            refused += 1
            print(f"{name}: REFUSED: {wrong}")
    return 1 if refused else 0


def _say_receipt(name: str, receipt: Receipt) -> None:
    print(f"{name}: verified, leaf {receipt.index} of {receipt.checkpoint.size}, cosigned by {', '.join(receipt.cosigners)}")
    if receipt.body is not None:
        print("  " + receipt.leaf.decode())


def _token(args: argparse.Namespace, clock: Clock) -> int:
    print(token(Key.load(args.key), Genesis.load(args.genesis).cluster, clock.now_ms() / 1000))
    return 0


def _get(args: argparse.Namespace, clock: Clock) -> int:
    client = Client(Genesis.load(args.genesis, args.genesis_hash), Key.load(args.key), args.node, clock=clock)
    sys.stdout.write(client.get_bytes(args.path).decode())
    client.close()
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr)


_VERBS = {"add": _add, "send": _send, "follow": _follow, "run": _run, "show": _show, "retry": _retry, "prune": _prune,
          "receipt": _receipt, "statement": _statement, "verify": _verify, "token": _token, "get": _get}


def main(arguments: Sequence[str] | None = None, clock: Clock | None = None) -> int:
    """Runs one command. A clock other than the machine's is for trying out what happens when it is wrong."""
    args = _parser().parse_args(arguments)
    try:
        return _VERBS[args.verb](args, clock or Clock())
    except Refused as refused:
        _say(f"refused: {refused}" + (f"\n{refused.recovery}" if refused.recovery else ""))
        return 1
    except Unavailable as wrong:
        _say(f"no answer: {wrong}")
        return 3
    except (Error, OSError, sqlite3.Error) as wrong:
        _say(f"error: {wrong}")
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
