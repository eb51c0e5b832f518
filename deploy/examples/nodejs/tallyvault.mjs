#!/usr/bin/env node
/**
 * Meter readings for a Tallyvault committee, from Node.js.
 *
 * One file, to import or to run. It needs Node.js 18 or newer and nothing else.
 *
 * A gateway stores what it measures, whether or not anybody can be reached, and
 * sends it when it can:
 *
 *     import { Gateway, Genesis, Key } from "./tallyvault.mjs";
 *     const genesis = Genesis.load("genesis.json");
 *     const gateway = new Gateway("outbox.log", genesis, Key.load("sunny.key"));
 *     gateway.outbox.add({ market: "energy", meter: "roof-1", register: 1_003_000n });
 *     await gateway.send(60_000);
 *     await gateway.follow(10_000);
 *     for (const r of gateway.outbox.readings()) console.log(r.seq, r.meter, r.fate, r.detail);
 *     gateway.close();
 *
 * What it holds itself to:
 *
 * - A measurement is on disk before `add` returns. It is signed when it is sent,
 *   and the signed bytes are on disk before they leave: after a kill, or an answer
 *   that did not come, the same bytes are sent again, which is always safe.
 * - One reading of a meter is under way at a time, so they come in order, each on
 *   its meter's own lane "m/<meter>".
 * - A lost disk costs no nonce: the last one of each lane is asked for (/v1/lanes).
 *   A measurement that comes again is not credited twice: the cluster takes one
 *   reading for one meter and time.
 * - The cluster says when our clock is wrong (TimestampSkew); it is corrected by
 *   what the cluster says, and the reading signed anew.
 * - A node is believed who it is when its TLS key is the one that the node's own
 *   key, named in genesis or by a proven change of it, has signed.
 * - A receipt is verified without any network: signed note, k of n cosignatures,
 *   RFC 6962 inclusion.
 *
 * `node tallyvault.mjs help` has the same as commands.
 *
 * @module tallyvault
 */

import crypto from "node:crypto";
import fs from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import path from "node:path";
import readline from "node:readline";
import tls from "node:tls";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

export const READING_TYPE = "application/vnd.tallyvault.submit_reading.v1+json";
export const GENESIS_TYPE = "application/vnd.tallyvault.genesis.v1+json";
export const PINS_TYPE = "application/vnd.tallyvault.pins.v1+json";

/** The era of a cluster that was never restored. */
export const ERA_ZERO = "0-" + "0".repeat(64);

export const MAX_TOKEN_LIFE_S = 300;
const MAX_ENVELOPE = 96 << 10;
const MAX_PAYLOAD = 60 << 10;
const MAX_BATCH = 256; // readings in one request, each of another meter
const READING_TTL_MS = 3_600_000;

/** Something that this program says no to, in words for people. */
export class TallyvaultError extends Error {}

/** A "no" with a stable code, by the cluster or by the same rules here. */
export class Refused extends TallyvaultError {
  /**
   * @param {{code: string, detail?: string, cause?: string, recovery?: string, fields?: Record<string, string>, logged?: boolean}} problem
   *   a problem document (RFC 9457) of a node, or the refusal in an outcome
   * @param {number} status the HTTP status, if there was one
   */
  constructor(problem, status = 0) {
    super(`${problem.code}: ${problem.detail || problem.cause || ""}`);
    this.code = problem.code;
    this.detail = problem.detail || problem.cause || "";
    this.why = problem.cause || "";
    this.recovery = problem.recovery || "";
    this.fields = problem.fields || {};
    this.logged = Boolean(problem.logged);
    this.status = status;
  }
}

/** No node gave an answer in time. What was sent may have been taken. */
export class Unavailable extends TallyvaultError {
  constructor(message, retryAfterMs = 0) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

/** A server that could not prove that it is a node of the cluster. Nothing was sent to it. */
export class Untrusted extends Unavailable {}

// ---------------------------------------------------------------------------
// Signing: keys, envelopes, tokens

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), crypto.createHash("sha256")).digest();

/**
 * The bytes that are signed: DSSE's pre-authentication encoding.
 * @param {string} payloadType
 * @param {Buffer} payload
 */
export function pae(payloadType, payload) {
  return Buffer.concat([Buffer.from(`DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.length} `), payload]);
}

/** The name of a command, in hex: SHA-256 of what is signed. */
export const identity = (payloadType, payload) => sha256(pae(payloadType, payload)).toString("hex");

/** The name of a public key, in hex: the first 16 bytes of its SHA-256. */
export const keyId = (publicKey) => sha256(publicKey).subarray(0, 16).toString("hex");

const SPKI = Buffer.from("302a300506032b6570032100", "hex"); // an Ed25519 key's head in DER
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");

/** Whether an Ed25519 signature is one by a raw public key over a message. */
export function verifies(publicKey, message, signature) {
  try {
    const key = crypto.createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: "der", type: "spki" });
    return crypto.verify(null, message, key, signature);
  } catch {
    return false; // no point of the curve
  }
}

/** An Ed25519 key in the form of tallyvault's key files. */
export class Key {
  static FORMAT = "tallyvault-key v1 ed25519";
  #private;

  /** @param {Buffer} seed 32 bytes */
  constructor(seed) {
    this.#private = crypto.createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: "der", type: "pkcs8" });
    this.public = crypto.createPublicKey(this.#private).export({ format: "der", type: "spki" }).subarray(SPKI.length);
    this.id = keyId(this.public);
  }

  /** @param {Buffer} message */
  sign(message) {
    return crypto.sign(null, message, this.#private);
  }

  /** Reads a key file. Errors never quote it: it may be most of a seed. */
  static parse(text) {
    if (text.startsWith("-----BEGIN AGE")) {
      throw new TallyvaultError("the key file is under a passphrase: open it first, with: age -d FILE");
    }
    if (!text.endsWith("\n")) throw new TallyvaultError("damaged key file: it is cut off in its last line");
    const lines = text.slice(0, -1).split("\n").filter((line) => !line.startsWith("#"));
    if (lines[0] !== Key.FORMAT) throw new TallyvaultError(`damaged key file: its first line is not "${Key.FORMAT}"`);
    const [id, publicKey, seed] = [["id", 32], ["public", 64], ["seed", 64]].map(([name, digits], i) =>
      new RegExp(`^${name} ([0-9a-f]{${digits}})$`).exec(lines[i + 1] ?? "")?.[1]);
    if (lines.length !== 4 || !id || !publicKey || !seed) {
      throw new TallyvaultError("damaged key file: want the lines id, public and seed, in lower-case hex");
    }
    const key = new Key(Buffer.from(seed, "hex"));
    if (key.public.toString("hex") !== publicKey || key.id !== id) {
      throw new TallyvaultError("damaged key file: its id, public key and seed do not belong together");
    }
    return key;
  }

  /** Reads a key file that nobody else can read. */
  static load(file) {
    const descriptor = fs.openSync(file, "r");
    try {
      if (fs.fstatSync(descriptor).mode & 0o077) throw new TallyvaultError(`${file} can be read or changed by others: chmod 600 ${file}`);
      return Key.parse(fs.readFileSync(descriptor, "utf8"));
    } finally {
      fs.closeSync(descriptor);
    }
  }
}

const utf8 = (bytes) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);

/**
 * JSON as the cluster reads it: UTF-8, no member twice and, where whole is true,
 * no number with a fraction or an exponent. JSON.parse alone would not notice.
 * @param {Buffer | string} data
 */
function strictJSON(data, whole = true) {
  const text = typeof data === "string" ? data : utf8(data);
  const value = JSON.parse(text);
  const objects = [];
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?|[{}]|-?\d[\d.eE+-]*/g)) {
    if (token === "{") {
      objects.push(new Set());
    } else if (token === "}") {
      objects.pop();
    } else if (token.endsWith(":") && token[0] === '"') {
      const name = JSON.parse(token.slice(0, -1));
      if (objects.at(-1).has(name)) throw new SyntaxError(`member ${JSON.stringify(name)} stands twice`);
      objects.at(-1).add(name);
    } else if (whole && token[0] !== '"' && /[.eE]/.test(token)) {
      throw new SyntaxError(`${token} is not a whole number`);
    }
  }
  return value;
}

/** Both alphabets of base64, padded or not, as DSSE asks of a reader. */
function base64Any(text) {
  const bare = want(typeof text === "string", text, "want base64 text").replace(/=+$/, "");
  const alphabet = /[-_]/.test(bare) ? "base64url" : "base64";
  const data = Buffer.from(bare, alphabet);
  return want(data.toString(alphabet).replace(/=+$/, "") === bare, data, "not base64");
}

function want(condition, value, why) {
  if (!condition) throw new SyntaxError(why);
  return value;
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const hexOf = (size) => (v) => want(typeof v === "string" && new RegExp(`^[0-9a-f]{${2 * size}}$`).test(v), v, `want ${size} bytes in lower-case hex`);
const string = (v) => want(typeof v === "string", v, "want a string");
const integer = (v) => want(Number.isSafeInteger(v), v, "want a whole number");
const decimal = (v) => {
  want(typeof v === "string" && /^(0|[1-9][0-9]{0,19})$/.test(v), v, "want a 64-bit decimal in a string");
  return want(BigInt(v) < 1n << 64n, BigInt(v), "want a 64-bit decimal in a string");
};

/** A signed payload: DSSE v1. The payload's bytes are never written anew. */
export class Envelope {
  /**
   * @param {string} payloadType
   * @param {Buffer} payload
   * @param {{keyid: string, sig: Buffer}[]} signatures
   */
  constructor(payloadType, payload, signatures) {
    this.payloadType = payloadType;
    this.payload = payload;
    this.signatures = signatures;
  }

  /** @param {Buffer | string} text */
  static parse(text) {
    try {
      want(text.length <= MAX_ENVELOPE, text, "envelope is too long");
      const members = strictJSON(text, false);
      want(isObject(members) && Array.isArray(members.signatures), members, "want an object with signatures");
      const payload = base64Any(members.payload);
      want(string(members.payloadType) !== "" && payload.length <= MAX_PAYLOAD, payload, "payload type or payload");
      const signatures = members.signatures.map((s) => ({ keyid: hexOf(16)(s?.keyid), sig: base64Any(s.sig) }));
      want(signatures.every((s) => s.sig.length === 64), signatures, "a signature has 64 bytes");
      return new Envelope(members.payloadType, payload, signatures);
    } catch (wrong) {
      throw malformed(wrong, "envelope: ");
    }
  }

  /** @param {string} payloadType @param {Buffer} payload @param {...Key} keys */
  static sign(payloadType, payload, ...keys) {
    const message = pae(payloadType, payload);
    return new Envelope(payloadType, payload, keys.map((key) => ({ keyid: key.id, sig: key.sign(message) })));
  }

  /** One line, as the cluster writes it too. */
  json() {
    return JSON.stringify({
      payloadType: this.payloadType,
      payload: this.payload.toString("base64"),
      signatures: this.signatures.map((s) => ({ keyid: s.keyid, sig: s.sig.toString("base64") })),
    });
  }

  get identity() {
    return identity(this.payloadType, this.payload);
  }

  /** Whether the envelope has a good signature by a raw public key. */
  signedBy(publicKey) {
    const wanted = keyId(publicKey);
    const message = pae(this.payloadType, this.payload);
    return this.signatures.some((s) => s.keyid === wanted && verifies(publicKey, message, s.sig));
  }
}

/** A parser's complaint as a refusal; anything else is a mistake of ours. */
function malformed(wrong, where = "") {
  if (wrong instanceof SyntaxError || wrong instanceof TypeError) {
    return new Refused({ code: "MalformedPayload", detail: where + wrong.message });
  }
  return wrong;
}

/**
 * The payload of a submit_reading command. Times are unix milliseconds; 64-bit numbers become strings.
 * @param {{cluster: string, era: string, lane: string, nonce: number | bigint, issuedAt: number, expiresAt: number, signer: string,
 *   market: string, meter: string, register: number | bigint | string, measuredAt: number, clockSync?: string, meterStatus?: string,
 *   supersedes?: string}} r
 */
export function readingPayload(r) {
  return Buffer.from(JSON.stringify({
    cluster: r.cluster, era: r.era, lane: r.lane, nonce: String(r.nonce), issued_at: r.issuedAt, expires_at: r.expiresAt,
    signer: r.signer, market: r.market, meter: r.meter, register: String(r.register), measured_at: r.measuredAt,
    quality: { clock_sync: r.clockSync ?? "ntp", meter_status: r.meterStatus ?? "ok" }, supersedes: r.supersedes,
  }));
}

const readingMembers = {
  cluster: hexOf(16), era: string, lane: string, nonce: decimal, issued_at: integer, expires_at: integer, signer: hexOf(16),
  market: string, meter: string, register: decimal, measured_at: integer, supersedes: hexOf(32),
  quality: (v) => {
    want(isObject(v) && Object.keys(v).sort().join() === "clock_sync,meter_status", v, "quality has clock_sync and meter_status");
    return { clock_sync: string(v.clock_sync), meter_status: string(v.meter_status) };
  },
};

/**
 * Reads a signed reading as the cluster would, as far as that needs no state: form and signature.
 * A Refused has the code that the cluster would give.
 * @param {Buffer | string} text the envelope
 * @param {Map<string, Buffer>} keys public keys by id
 */
export function openReading(text, keys) {
  const envelope = Envelope.parse(text);
  const reading = {};
  try {
    want(envelope.payloadType === READING_TYPE && envelope.signatures.length === 1, text, "not a reading with exactly one signature");
    const members = strictJSON(envelope.payload);
    want(isObject(members), members, "want an object");
    for (const [name, value] of Object.entries(members)) {
      want(Object.hasOwn(readingMembers, name), name, `unknown member ${name}`);
      reading[name] = readingMembers[name](value);
    }
    for (const name of Object.keys(readingMembers)) {
      want(name in reading || name === "signer" || name === "supersedes", name, `${name} is missing`);
    }
  } catch (wrong) {
    throw malformed(wrong);
  }
  const signer = envelope.signatures[0].keyid;
  const fields = { key: signer };
  if (!keys.has(signer)) throw new Refused({ code: "UnknownKey", detail: signer, fields });
  if ((reading.signer ?? signer) !== signer || !envelope.signedBy(keys.get(signer))) {
    throw new Refused({ code: "SignatureInvalid", detail: signer, fields });
  }
  return reading;
}

/**
 * A token (JWT) with which its bearer reads as the owner of the key, for at most five minutes.
 * @param {Key} key
 * @param {string} cluster
 */
export function token(key, cluster, nowSeconds, lifeSeconds = MAX_TOKEN_LIFE_S) {
  if (!(lifeSeconds > 0 && lifeSeconds <= MAX_TOKEN_LIFE_S)) throw new TallyvaultError(`a token lives at most ${MAX_TOKEN_LIFE_S} s`);
  const issued = Math.floor(nowSeconds);
  const parts = [{ alg: "EdDSA", kid: key.id, typ: "JWT" }, { aud: [cluster], exp: issued + lifeSeconds, iat: issued }];
  const text = parts.map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  return text + "." + key.sign(Buffer.from(text)).toString("base64url");
}

// ---------------------------------------------------------------------------
// Evidence: genesis, policies, checkpoints, receipts. Nothing here asks a network.

/** Some evidence was refused; part names what about it. */
export class EvidenceError extends TallyvaultError {
  constructor(part, why) {
    super(`${part}: ${why}`);
    this.part = part;
  }
}

/** The parts of a receipt file, as refusals name them. */
export const PART = {
  header: "header", leaf: "leaf", index: "index", path: "proof path", checkpoint: "checkpoint", signature: "checkpoint signature",
  policy: "policy", inclusion: "inclusion (leaf, index or proof path)",
};

const LOG = 1; // algorithms of signed notes
const COSIGNER = 4;
const MAX_TREE = 2 ** 48;

/** Runs a parser; its complaint becomes one about a part of the evidence. */
function about(part, parse) {
  try {
    return parse();
  } catch (wrong) {
    if (wrong instanceof SyntaxError || wrong instanceof TypeError) throw new EvidenceError(part, wrong.message);
    throw wrong;
  }
}

const quoted = (text) => JSON.stringify(text.slice(0, 64));

/** The one canonical base64 text of some bytes. */
function decode64(text) {
  const data = Buffer.from(text, "base64");
  return want(data.toString("base64") === text, data, `${quoted(text)} is not canonical base64`);
}

const treeCount = (text) => want(/^(0|[1-9][0-9]{0,15})$/.test(text) && Number(text) <= MAX_TREE, Number(text), `${quoted(text)} is not a plain decimal number of a tree`);
const noteName = (text) => want(/^[!-~]{1,255}$/.test(text) && !/[+#]/.test(text), text, `${quoted(text)} is not a name`);
const hash32 = (text) => {
  const data = decode64(text);
  return want(data.length === 32, data, "a hash has 32 bytes");
};

const keyHash = (name, algorithm, publicKey) => sha256(name, Buffer.from([10, algorithm]), publicKey).subarray(0, 4).toString("hex");
const vkey = (name, algorithm, publicKey) =>
  `${name}+${keyHash(name, algorithm, publicKey)}+${Buffer.concat([Buffer.from([algorithm]), publicKey]).toString("base64")}`;

function parseVkey(text, algorithm) {
  const [name, , ...rest] = string(text).split("+");
  const data = decode64(rest.join("+"));
  const key = data.subarray(1);
  want(data.length === 33 && data[0] === algorithm && vkey(noteName(name), algorithm, key) === text, text, `${quoted(text)} is not a key of this kind`);
  return { name, key };
}

/**
 * @typedef {{name: string, keyName: string, key: Buffer, url: string}} Witness
 * @typedef {{origin: string, size: number, root: Buffer}} Checkpoint
 */

const checkpointText = (c) => `${c.origin}\n${c.size}\n${c.root.toString("base64")}\n`;

/**
 * Reads the text of a signed note and looks at no signature.
 * @param {Buffer} note
 * @returns {Checkpoint}
 */
export function readCheckpoint(note) {
  return about(PART.checkpoint, () => {
    const end = note.lastIndexOf("\n\n");
    want(end >= 0 && note.length <= 64 << 10, note, "no empty line parts text and signatures, or the note is too long");
    const lines = utf8(note.subarray(0, end + 1)).split("\n");
    want(lines.length === 4 && lines[3] === "", lines, "not three lines");
    return { origin: noteName(lines[0]), size: treeCount(lines[1]), root: hash32(lines[2]) };
  });
}

/** The signature lines of a signed note: name, key hash in hex, signature. */
function signatureLines(note) {
  return about(PART.signature, () => {
    const block = utf8(note.subarray(note.lastIndexOf("\n\n") + 2));
    const lines = block.slice(0, -1).split("\n");
    want(block.endsWith("\n") && lines.length <= 100, lines, "signature lines are missing, cut off or too many");
    return lines.map((line) => {
      const [mark, name, text, ...rest] = line.split(" ");
      const data = decode64(text ?? "");
      want(mark === "\u2014" && name && rest.length === 0 && data.length >= 5, line, `${quoted(line)} is not a signature line`);
      return { name, hash: data.subarray(0, 4).toString("hex"), signature: data.subarray(4) };
    });
  });
}

/** cosignature/v1: eight bytes of time, then the signature over time and checkpoint. */
function cosigned(witness, checkpoint, signature) {
  if (signature.length !== 72) return false;
  const message = `cosignature/v1\ntime ${signature.readBigUInt64BE()}\n${checkpointText(checkpoint)}`;
  return verifies(witness.key, Buffer.from(message), signature.subarray(8));
}

/** Whose signatures make a checkpoint count: the log's, and those of k witnesses. */
export class Policy {
  /** @param {string} origin @param {Buffer} logKey @param {Witness[]} witnesses @param {number} k */
  constructor(origin, logKey, witnesses, k) {
    Object.assign(this, { origin, logKey, witnesses, k });
    this.#check();
  }

  lines() {
    return [
      `log ${vkey(this.origin, LOG, this.logKey)}`,
      ...this.witnesses.map((w) => `witness ${w.name} ${vkey(w.keyName, COSIGNER, w.key)} ${w.url}`),
      `group committee ${this.k} ${this.witnesses.map((w) => w.name).join(" ")}`,
      "quorum committee",
    ];
  }

  text() {
    const head = `# A checkpoint counts when the log and ${this.k} of these ${this.witnesses.length} witnesses have signed it.`;
    return [head, ...this.lines(), ""].join("\n");
  }

  /** SHA-256 of the text, in hex, by which receipts of changes name a policy. */
  get hash() {
    return sha256(this.text()).toString("hex");
  }

  /** Reads a policy. Comments stand at its head; for the rest one policy has one text. */
  static parse(text) {
    return about(PART.policy, () => {
      const lines = text.split("\n");
      while (lines[0]?.startsWith("#")) lines.shift();
      const words = lines.map((line) => line.split(" "));
      want(lines.length >= 5, lines, "lines are missing");
      const log = parseVkey(words[0][1], LOG);
      const witnesses = words.slice(1, -3).map(([, name, key, url]) => {
        const { name: keyName, key: raw } = parseVkey(key, COSIGNER);
        return { name, keyName, key: raw, url: string(url) };
      });
      const policy = new Policy(log.name, log.key, witnesses, Number(words.at(-3)[2]));
      want([...policy.lines(), ""].join("\n") === lines.join("\n"), lines, "a line is not what this policy has there");
      return policy;
    });
  }

  /** Refuses what could not be written, or would count a key twice. */
  #check() {
    const n = this.witnesses.length;
    want(Number.isInteger(this.k) && this.k >= 1 && this.k <= n && n <= 32, this.k, `threshold ${this.k} of ${n} witnesses`);
    for (const w of this.witnesses) {
      want(noteName(w.name) && noteName(w.keyName) && !["none", "committee"].includes(w.name) && /^https?:\/\/[!-"$-~]*$/.test(w.url), w, `witness ${w.name}`);
    }
    for (const distinct of [(w) => w.name, (w) => w.keyName, (w) => w.key.toString("hex")]) {
      want(new Set(this.witnesses.map(distinct)).size === n, n, "two witnesses share a name or a key");
    }
  }

  /**
   * Checks a signed note; returns its checkpoint and who cosigned it, in the policy's order.
   *
   * Signatures by unknown keys are ignored. A wrong one by a known key is refused
   * even where enough others are right: somebody altered this note.
   * @param {Buffer} note
   * @returns {{checkpoint: Checkpoint, cosigners: string[]}}
   */
  verify(note) {
    const checkpoint = readCheckpoint(note);
    if (checkpoint.origin !== this.origin) {
      throw new EvidenceError(PART.policy, `the checkpoint's origin is ${checkpoint.origin}, the policy's ${this.origin}`);
    }
    const log = `${this.origin} ${keyHash(this.origin, LOG, this.logKey)}`;
    const known = new Map([[log, (signature) => verifies(this.logKey, Buffer.from(checkpointText(checkpoint)), signature)]]);
    const places = this.witnesses.map((w) => `${w.keyName} ${keyHash(w.keyName, COSIGNER, w.key)}`);
    this.witnesses.forEach((w, i) => known.set(places[i], (signature) => cosigned(w, checkpoint, signature)));
    const signed = new Set();
    for (const { name, hash, signature } of signatureLines(note)) {
      const place = `${name} ${hash}`;
      if (!known.has(place) || signed.has(place)) continue;
      if (!known.get(place)(signature)) throw new EvidenceError(PART.signature, `the signature of ${name} is not one over this checkpoint`);
      signed.add(place);
    }
    if (!signed.has(log)) throw new EvidenceError(PART.signature, "the log has not signed");
    const cosigners = this.witnesses.filter((_, i) => signed.has(places[i])).map((w) => w.name);
    if (cosigners.length < this.k) {
      throw new EvidenceError(PART.policy, `${this.k} of ${this.witnesses.length} needed, valid are: ${cosigners.join(", ") || "none"}`);
    }
    return { checkpoint, cosigners };
  }
}

/** RFC 6962: the hash of a leaf. */
export const leafHash = (leaf) => sha256(Buffer.from([0]), leaf);

/** The largest power of two below size. */
function splitOf(size) {
  let split = 1;
  while (split * 2 < size) split *= 2;
  return split;
}

function pathLength(index, size) {
  let steps = 0;
  for (; size > 1; steps++) {
    const split = splitOf(size);
    [index, size] = index < split ? [index, split] : [index - split, size - split];
  }
  return steps;
}

/** The root that a leaf's hash and its path, from the leaf upwards, lead to. */
function rootOf(index, size, leaf, hashes) {
  if (size === 1) return leaf;
  const split = splitOf(size);
  const [last, rest] = [hashes.at(-1), hashes.slice(0, -1)];
  const [left, right] = index < split ? [rootOf(index, split, leaf, rest), last] : [last, rootOf(index - split, size - split, leaf, rest)];
  return sha256(Buffer.from([1]), left, right);
}

/** What a receipt file proved. */
export class Receipt {
  /** @param {Buffer} leaf @param {number} index @param {Checkpoint} checkpoint @param {string[]} cosigners */
  constructor(leaf, index, checkpoint, cosigners) {
    Object.assign(this, { leaf, index, checkpoint, cosigners });
  }

  /** The receipt's members, or null if the leaf is a command or an entry's header. */
  get body() {
    return this.leaf[0] === 0x7b ? strictJSON(this.leaf) : null;
  }

  /** Whether this receipt says how the reading of an identity closed, and cites it alone. */
  isAbout(readingIdentity) {
    const body = this.body;
    if (body?.kind === "reading") return body.identity === readingIdentity;
    if (body?.kind !== "settlement" || body.readings.count !== "1") return false;
    return body.readings.root === leafHash(Buffer.from(readingIdentity, "hex")).toString("hex");
  }
}

/** Takes a receipt file apart: leaf, index, path, signed note. */
function parseProof(data) {
  let at = 0;
  const line = (prefix) => {
    const end = data.indexOf(10, at);
    const text = end < 0 ? "" : data.subarray(at, end).toString("latin1");
    want(end >= 0 && text.startsWith(prefix), text, `no line ${quoted(prefix)}`);
    at = end + 1;
    return text.slice(prefix.length);
  };
  about(PART.header, () => want(line("c2sp.org/tlog-proof@v1") === "" && data.length <= 200_000, data, "not a receipt file of this version"));
  const leaf = about(PART.leaf, () => {
    const bytes = decode64(line("extra "));
    return want(bytes.length >= 1 && bytes.length <= 65_535, bytes, `${bytes.length} bytes`);
  });
  const index = about(PART.index, () => treeCount(line("index ")));
  const hashes = about(PART.path, () => {
    const list = [];
    for (let text = line(""); text !== ""; text = line("")) {
      want(list.length < 48, list, "more than 48 hashes");
      list.push(hash32(text));
    }
    return list;
  });
  return { leaf, index, hashes, note: data.subarray(at) };
}

/**
 * Verifies a receipt file offline.
 * @param {{verify: (note: Buffer) => {checkpoint: Checkpoint, cosigners: string[]}}} judge a Policy or a History
 * @param {Buffer} data
 */
export function verifyProof(judge, data) {
  const { leaf, index, hashes, note } = parseProof(data);
  const { checkpoint, cosigners } = judge.verify(note);
  if (index >= checkpoint.size) throw new EvidenceError(PART.index, `${index} is not below the checkpoint's size ${checkpoint.size}`);
  const length = pathLength(index, checkpoint.size);
  if (hashes.length !== length) throw new EvidenceError(PART.path, `${hashes.length} hashes, want ${length}`);
  if (!rootOf(index, checkpoint.size, leafHash(leaf), hashes).equals(checkpoint.root)) {
    throw new EvidenceError(PART.inclusion, "does not lead to the root of the checkpoint");
  }
  return new Receipt(leaf, index, checkpoint, cosigners);
}

const fromHex = (text) => Buffer.from(hexOf(32)(text), "hex");

/** What a cluster started from, signed by each of its nodes. Whoever has it needs no other trust. */
export class Genesis {
  /** @param {Buffer | string} file */
  constructor(file) {
    this.envelope = Envelope.parse(file);
    if (this.envelope.payloadType !== GENESIS_TYPE) throw new TallyvaultError(`payload type ${this.envelope.payloadType} is not a genesis`);
    this.hash = sha256(this.envelope.payload).toString("hex");
    this.cluster = this.hash.slice(0, 32);
    this.origin = this.cluster + "/0";
    try {
      this.content = strictJSON(this.envelope.payload);
      this.nodeKeys = new Map(this.content.nodes.map((n) => [n.name, fromHex(n.node_key)]));
      this.urls = this.content.nodes.map((n) => n.api_address);
      this.policy = new Policy(this.origin, fromHex(this.content.log_key), this.content.nodes.map((n) =>
        ({ name: n.name, keyName: `${this.cluster}/${n.name}`, key: fromHex(n.cosigner_key), url: n.api_address })), this.content.cosigners);
    } catch (wrong) {
      throw new TallyvaultError(`genesis: ${wrong.message}`);
    }
    for (const [name, key] of this.nodeKeys) {
      if (!this.envelope.signedBy(key)) throw new TallyvaultError(`genesis is not signed by node ${name}`);
    }
    if (this.envelope.signatures.length !== this.nodeKeys.size) {
      throw new TallyvaultError("genesis carries signatures beyond those of its nodes");
    }
  }

  /** Reads a genesis file; hash is its SHA-256 in hex, if you had it by another way. */
  static load(file, hash) {
    const genesis = new Genesis(fs.readFileSync(file));
    if (hash !== undefined && genesis.hash !== hash) throw new TallyvaultError(`${file} is the genesis ${genesis.hash}, not ${hash}`);
    return genesis;
  }
}

const CHAIN_HEADER = "tallyvault-policy-chain v1\n";

/**
 * The committee's policies from genesis on, each change proven: by which one a checkpoint is judged.
 *
 * A step of a chain has two receipt files: the decision under a note that the committee before
 * it, the one after it and the new node cosigned; and the receipt of the effect under a later
 * note of the committee after it.
 */
export class History {
  /** @param {Genesis} genesis @param {Buffer} chain */
  constructor(genesis, chain = Buffer.from(CHAIN_HEADER)) {
    this.terms = [{ from: 0, policy: genesis.policy }];
    this.nodeKeys = genesis.nodeKeys;
    let change = 0n;
    steps(chain).forEach(({ decided, effective }, i) => {
      try {
        change = this.#follow(change, decided, effective);
      } catch (wrong) {
        throw new EvidenceError(PART.policy, `chain: step ${i + 1}: ${wrong.message}`);
      }
    });
  }

  #follow(last, decided, effective) {
    const { from, policy: before } = this.terms.at(-1);
    const decision = verifyProof(before, decided);
    const pending = policyReceipt(decision, "pending");
    want(decision.index >= from && pending.decided === String(decision.index) && pending.previous === before.hash, pending,
      "the decision is not about the policy before it");
    const cluster = before.origin.split("/")[0];
    const after = new Policy(before.origin, before.logKey, pending.nodes.map((n) =>
      ({ name: n.node, keyName: `${cluster}/${n.node}`, key: fromHex(n.cosigner_key), url: n.api_address })), pending.cosigners);
    want(after.hash === pending.policy, after, "the policy has another hash than its receipt says");
    const { cosigners } = after.verify(parseProof(decided).note);
    want(cosigners.includes(pending.new), cosigners, `the transition is not cosigned by the new node ${pending.new}`);
    const effect = verifyProof(after, effective);
    const said = policyReceipt(effect, "effective");
    const transition = decision.checkpoint;
    const same = ["change", "decided", "previous", "policy"].every((name) => said[name] === pending[name]);
    want(same && said.transition?.size === String(transition.size) && said.transition.root === transition.root.toString("hex")
      && effect.index >= transition.size && decimal(pending.change) > last, said, "the effect is not that of the decision and the transition");
    this.terms.push({ from: effect.index + 1, policy: after });
    this.nodeKeys = new Map(pending.nodes.map((n) => [n.node, fromHex(n.node_key)]));
    return decimal(pending.change);
  }

  /** Checks a signed note by the policy of its size. @param {Buffer} note */
  verify(note) {
    const { size } = readCheckpoint(note);
    return this.terms.filter((term) => term.from <= size).at(-1).policy.verify(note);
  }
}

function steps(chain) {
  if (!chain.subarray(0, CHAIN_HEADER.length).equals(Buffer.from(CHAIN_HEADER))) {
    throw new EvidenceError(PART.policy, "chain: not a policy chain of this version");
  }
  const found = [];
  for (let at = CHAIN_HEADER.length; at < chain.length;) {
    const end = chain.indexOf(10, at);
    const line = chain.subarray(at, end < 0 ? chain.length : end).toString("latin1");
    const [, first, second] = /^step (\d{1,7}) (\d{1,7})$/.exec(line)?.map(Number) ?? [];
    if (first === undefined) throw new EvidenceError(PART.policy, `chain: ${quoted(line)} is not a step line`);
    const middle = end + 1 + first;
    at = middle + second;
    if (at > chain.length) throw new EvidenceError(PART.policy, "chain: cut short");
    found.push({ decided: chain.subarray(end + 1, middle), effective: chain.subarray(middle, at) });
  }
  return found;
}

function policyReceipt(receipt, standing) {
  const body = receipt.body;
  return want(body?.kind === "policy" && body.standing === standing, body, `leaf ${receipt.index} is no policy receipt with standing ${standing}`);
}

/** A node that genesis does not name: perhaps the committee has changed since. */
export class UnknownNode extends TallyvaultError {}

/**
 * Checks a node's signed statement of the TLS keys that it uses.
 *
 * A statement from the future means that our clock is behind, and is no reason to refuse it;
 * only its end is.
 * @param {string} text @param {string} cluster @param {Map<string, Buffer>} nodeKeys @param {number} nowMs
 */
export function verifyPins(text, cluster, nodeKeys, nowMs) {
  const envelope = Envelope.parse(text);
  let pins;
  try {
    pins = strictJSON(envelope.payload);
    want(envelope.payloadType === PINS_TYPE && Object.keys(pins).sort().join() === "cluster,expires_at,issued_at,node,pins", pins, "not a statement of pins");
    want(pins.pins.length >= 1 && pins.pins.length <= 4 && pins.pins.every(hexOf(32)), pins, "want 1 to 4 pins");
    integer(pins.expires_at);
  } catch (wrong) {
    throw new TallyvaultError(`pins: ${wrong.message}`);
  }
  if (pins.cluster !== cluster) throw new TallyvaultError(`pins are for cluster ${pins.cluster}, not ${cluster}`);
  const key = nodeKeys.get(pins.node);
  if (!key) throw new UnknownNode(`pins are for node ${pins.node}, which is not known to be of the committee`);
  if (envelope.signatures.length !== 1 || !envelope.signedBy(key)) throw new TallyvaultError(`pins of node ${pins.node} are not signed by its key alone`);
  if (nowMs > pins.expires_at + 600_000) {
    throw new TallyvaultError(`pins of node ${pins.node} ended ${utc(pins.expires_at)}; this machine's clock says ${utc(nowMs)}`);
  }
  return pins;
}

const utc = (ms) => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");

// ---------------------------------------------------------------------------
// Network: nodes that prove who they are, retries with a bound

/** This machine's clock, corrected by what the cluster says of it. */
export class Clock {
  #read;

  /** @param {() => number} read unix milliseconds */
  constructor(read = Date.now) {
    this.#read = read;
    this.correctionMs = 0;
  }

  nowMs() {
    return Math.floor(this.#read()) + this.correctionMs;
  }

  correct(clusterNowMs) {
    this.correctionMs += clusterNowMs - this.nowMs();
  }
}

/** An HTTPS agent that lets a server prove its key before anything of ours is sent. */
class PinnedAgent extends https.Agent {
  #open;

  constructor(open) {
    super({ keepAlive: true, maxSockets: 1 });
    this.#open = open;
  }

  createConnection(_options, callback) {
    this.#open().then((socket) => callback(null, socket), callback);
  }
}

const MAX_ANSWER = 64 << 20;

/** One node's API, whose TLS key its node key has signed. */
class Node {
  #place;
  #genesis;
  #clock;
  #timeoutMs;
  #pins = new Map(); // pin: end of its statement
  #agent = new PinnedAgent(() => this.#open());

  /** @param {string} url @param {Genesis} genesis @param {Clock} clock @param {number} timeoutMs */
  constructor(url, genesis, clock, timeoutMs) {
    const place = new URL(url);
    if (place.protocol !== "https:" || place.search) throw new TallyvaultError(`${url} is not the https URL of a node`);
    const host = place.hostname.replace(/^\[|\]$/g, "");
    this.#place = { host, port: Number(place.port || 443) };
    this.url = url;
    this.#genesis = genesis;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Makes one request. Whatever goes wrong on the way is an Unavailable.
   * @returns {Promise<{status: number, body: Buffer, retryAfterMs: number, dateMs: number}>}
   */
  async ask(method, target, { body, headers } = {}) {
    try {
      const options = { ...this.#place, method, path: target, headers, agent: this.#agent, signal: AbortSignal.timeout(this.#timeoutMs) };
      return await exchange(https.request, options, body);
    } catch (wrong) {
      if (wrong instanceof TallyvaultError) throw new Untrusted(`${this.url} ${wrong.message}`);
      throw new Unavailable(`${this.url}: ${wrong.message || wrong.code}`);
    }
  }

  close() {
    this.#agent.destroy();
  }

  /** Connects, and looks whether the key that the server shows is pinned; if not, asks for its pins. */
  async #open() {
    const first = await this.#connect();
    if (this.#knows(first.pin)) return first.socket;
    await this.#learn(first); // which uses it up
    const second = await this.#connect();
    if (this.#knows(second.pin)) return second.socket;
    second.socket.destroy();
    throw new TallyvaultError("shows another TLS key each time");
  }

  #knows(pin) {
    return (this.#pins.get(pin) ?? 0) >= this.#clock.nowMs();
  }

  #connect() {
    return new Promise((resolve, reject) => {
      const servername = net.isIP(this.#place.host) ? "" : this.#place.host;
      // The pin says more than a chain of certificates would.
      const socket = tls.connect({ ...this.#place, servername, rejectUnauthorized: false, minVersion: "TLSv1.2" });
      const timer = setTimeout(() => socket.destroy(new Error("no connection in time")), this.#timeoutMs);
      socket.once("error", reject).once("close", () => clearTimeout(timer)).once("secureConnect", () => {
        clearTimeout(timer);
        resolve({ socket, pin: pinOf(socket) }); // once: a second look at the certificate finds none in Node.js 20
      });
    });
  }

  /** Asks the server for its signed pins, over the very connection whose key they must name. */
  async #learn({ socket, pin: shown }) {
    const { nodes } = await this.#fetch("/v1/nodes", socket);
    const stated = nodes.find((n) => n.pins);
    if (!stated) throw new TallyvaultError("states no pins of its TLS key");
    const text = JSON.stringify(stated.pins);
    const now = this.#clock.nowMs();
    const check = (nodeKeys) => verifyPins(text, this.#genesis.cluster, nodeKeys, now);
    let pins;
    try {
      pins = check(this.#genesis.nodeKeys);
    } catch (wrong) {
      if (!(wrong instanceof UnknownNode)) throw wrong;
      // One that joined later: its place in the committee follows from genesis by a proven chain, whoever tells it.
      const { chain } = await this.#fetch("/v1/policy?format=json", (await this.#connect()).socket);
      pins = check(new History(this.#genesis, Buffer.from(chain)).nodeKeys);
    }
    if (!pins.pins.includes(shown)) throw new TallyvaultError(`shows a TLS key that node ${pins.node} has not signed`);
    this.#pins = new Map(pins.pins.map((pin) => [pin, pins.expires_at]));
  }

  async #fetch(target, socket) {
    const { host, port } = this.#place;
    const headers = { Host: `${net.isIPv6(host) ? `[${host}]` : host}:${port}` };
    const options = { createConnection: () => socket, path: target, headers, signal: AbortSignal.timeout(this.#timeoutMs) };
    try {
      const answer = await exchange(http.request, options);
      if (answer.status !== 200) throw problemIn(answer);
      return JSON.parse(answer.body);
    } finally {
      socket.destroy();
    }
  }
}

/** SHA-256 of the SubjectPublicKeyInfo that a server has shown. */
function pinOf(socket) {
  return sha256(socket.getPeerX509Certificate().publicKey.export({ format: "der", type: "spki" })).toString("hex");
}

function exchange(request, options, body) {
  return new Promise((resolve, reject) => {
    const asked = request(options, (response) => {
      const parts = [];
      let length = 0;
      response.on("data", (part) => {
        parts.push(part);
        if ((length += part.length) > MAX_ANSWER) response.destroy(new Error("an answer is too long"));
      });
      response.on("error", reject);
      response.on("aborted", () => reject(new Error("the answer was cut off")));
      response.on("end", () => resolve({
        status: response.statusCode, body: Buffer.concat(parts),
        retryAfterMs: (Number(response.headers["retry-after"]) || 0) * 1000, dateMs: Date.parse(response.headers.date ?? ""),
      }));
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

function problemIn(answer) {
  try {
    const problem = JSON.parse(answer.body);
    if (problem.code) return new Refused(problem, answer.status);
  } catch { /* not JSON: said below */ }
  return new Refused({ code: "Unavailable", detail: `status ${answer.status} without a problem document` }, answer.status);
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
const byChance = () => 0.5 + Math.random() / 2;

/** How long to wait before another round: longer each time, by chance, and as long as a node asked for. */
export const pauseMs = (round, asked = 0) => Math.max(asked, Math.min(FIRST_PAUSE_MS * 2 ** Math.min(round, 16), LONGEST_PAUSE_MS) * byChance());

/** Asks one node after the other until one can answer, with a bound of time. */
export class Client {
  #key;
  #nodes;
  #token = "";
  #tokenEnds = 0;

  /**
   * @param {Genesis} genesis
   * @param {Key | null} key signs the tokens for reads that are not public
   * @param {{urls?: string[], clock?: Clock, timeoutMs?: number}} options
   */
  constructor(genesis, key = null, { urls, clock = new Clock(), timeoutMs = 10_000 } = {}) {
    this.genesis = genesis;
    this.clock = clock;
    this.#key = key;
    this.#nodes = (urls?.length ? urls : genesis.urls).map((url) => new Node(url, genesis, clock, timeoutMs));
  }

  close() {
    for (const node of this.#nodes) node.close();
  }

  /** Reads a document. A node's no is a Refused, no answer in time an Unavailable. */
  async get(target, query = {}, timeoutMs = 30_000) {
    return JSON.parse(await this.getBytes(target, query, timeoutMs));
  }

  /** @returns {Promise<Buffer>} */
  async getBytes(target, query = {}, timeoutMs = 30_000) {
    const full = Object.keys(query).length ? `${target}?${new URLSearchParams(query)}` : target;
    const ends = performance.now() + timeoutMs;
    for (let round = 0; ; round++) {
      let last = new Unavailable("no node was asked");
      let untrusted = 0;
      for (let n = 0; n < this.#nodes.length; n++) {
        const answer = await this.#authorised(full).catch((wrong) => wrong);
        if (answer.status === 200) return answer.body;
        if (answer instanceof Unavailable) {
          last = answer;
          if (answer instanceof Untrusted) untrusted++;
        } else if (answer instanceof Error) {
          throw answer;
        } else {
          const problem = problemIn(answer);
          if (answer.status !== 429 && answer.status < 500) throw problem;
          last = new Unavailable(problem.message, Math.max(last.retryAfterMs, answer.retryAfterMs));
        }
        this.#nextNode();
      }
      const wait = pauseMs(round, last.retryAfterMs);
      if (performance.now() + wait > ends || untrusted === this.#nodes.length) throw last;
      await sleep(wait);
    }
  }

  async #authorised(target) {
    const ask = () => this.#nodes[0].ask("GET", target, { headers: this.#headers() });
    const answer = await ask();
    if (answer.status !== 401 || !(Math.abs(answer.dateMs - this.clock.nowMs()) > 20_000)) return answer;
    // A token of another time: until the cluster says what it is, by the clock of the node that answers.
    this.clock.correct(answer.dateMs);
    this.#tokenEnds = 0;
    return ask();
  }

  #headers() {
    if (!this.#key) return {};
    const now = this.clock.nowMs() / 1000;
    if (!(now + 60 < this.#tokenEnds && this.#tokenEnds < now + 2 * MAX_TOKEN_LIFE_S)) { // the clock may have been set back
      this.#token = token(this.#key, this.genesis.cluster, now);
      this.#tokenEnds = Math.floor(now) + MAX_TOKEN_LIFE_S;
    }
    return { Authorization: `Bearer ${this.#token}` };
  }

  #nextNode() {
    this.#nodes.push(this.#nodes.shift());
  }

  /**
   * Sends commands to one node, once; returns a line for each: an outcome or a problem.
   *
   * Unavailable means that it is not known what became of them: send the same bytes again.
   * A line that is missing from the answer stands there as such a problem.
   * @param {string[]} envelopes
   */
  async postBatch(envelopes) {
    const body = envelopes.map((e) => e + "\n").join("");
    let answer;
    try {
      answer = await this.#nodes[0].ask("POST", "/v1/commands:batch", { body, headers: { "Content-Type": "application/x-ndjson" } });
    } catch (wrong) {
      this.#nextNode();
      throw wrong;
    }
    if (answer.status !== 200) {
      this.#nextNode();
      const problem = problemIn(answer);
      if (answer.status === 429 || answer.status >= 500) throw new Unavailable(problem.message, answer.retryAfterMs);
      throw problem;
    }
    const lines = answer.body.toString().split("\n").map((line) => {
      try {
        return JSON.parse(line);
      } catch {
        return {}; // cut off, or the end
      }
    });
    const missing = { problem: { code: "Unavailable", detail: "the answer was cut off" } };
    return envelopes.map((_, i) => (lines[i]?.line === i + 1 ? lines[i] : missing));
  }

  /** What became of a command, or null if it was never logged. */
  async outcome(command) {
    try {
      return await this.get(`/v1/commands/${command}`);
    } catch (wrong) {
      if (wrong instanceof Refused && wrong.code === "NotFound") return null;
      throw wrong;
    }
  }

  /** The last nonce of each lane that the key has used, as the leader knows them. */
  async lastNonces(timeoutMs = 30_000) {
    const found = new Map();
    const query = { key: this.#key?.id ?? "", limit: 1000, consistency: "linearizable" };
    for (;;) {
      const page = await this.get("/v1/lanes", query, timeoutMs);
      for (const row of page.lanes) found.set(row.lane, Number(row.last_nonce));
      if (!page.next) return found;
      query.after = page.next;
    }
  }

  /** The committee's policies, proven from genesis on. */
  async history() {
    return new History(this.genesis, Buffer.from((await this.get("/v1/policy", { format: "json" })).chain));
  }
}

// ---------------------------------------------------------------------------
// Outbox: what was measured, on this disk, and how far each of it has come

/** How far a reading has come. */
export const FATE = {
  stored: "stored", sent: "sent", accepted: "accepted", refused: "refused", closed: "closed", settled: "settled", released: "released",
};

/**
 * @typedef {{seq: number, market: string, meter: string, register: string, measuredAt: number, clockSync: string, meterStatus: string,
 *   correction: number | null, fate: string, nonce: number | null, identity: string | null, envelope: string | null,
 *   number: string | null, detail: string, recovery: string, code: string, skewed: number, leaf: string | null,
 *   settlement: string | null, net: string | null, final: boolean}} Reading
 * @typedef {{market: string, meter: string, register: number | bigint | string, measuredAt?: number, clockSync?: string, meterStatus?: string}} Measurement
 */

const isOpen = (r) => r.fate === FATE.stored || r.fate === FATE.sent;

/** Whether nothing more will come of a reading. @param {Reading} r */
export const isDone = (r) => r.fate === FATE.refused || (r.final && (r.fate === FATE.closed || r.fate === FATE.released));

const isFollowed = (r) => !isOpen(r) && !isDone(r);

/**
 * Measurements on disk: a file to which lines are appended, each synced before it counts.
 *
 * A line is a checksum (16 hex digits of SHA-256) and a list of changes in JSON, which
 * count together or not at all. What a crash left of a last line is cut off; a line that is damaged
 * elsewhere is not passed over. One process holds the file.
 */
export class Outbox {
  #file;
  #descriptor;
  #rows = new Map(); // by seq
  #places = new Map(); // "meter measuredAt": seq
  #lanes = new Map();
  #facts = new Map();
  #last = 0; // seq
  #changes = 0; // in the file

  /** @param {string} file @param {Clock} clock */
  constructor(file, clock = new Clock()) {
    this.#file = file;
    this.clock = clock;
    lock(file + ".lock");
    try {
      this.#read();
      if (this.#changes > 1000 + 4 * this.#rows.size) this.#rewrite();
    } catch (wrong) {
      this.close();
      throw wrong;
    }
    this.clock.correctionMs = Number(this.fact("correction_ms") ?? this.clock.correctionMs);
  }

  close() {
    if (this.#descriptor !== undefined) fs.closeSync(this.#descriptor);
    this.#descriptor = undefined;
    fs.rmSync(this.#file + ".lock", { force: true });
  }

  #read() {
    const isNew = !fs.existsSync(this.#file);
    this.#descriptor = fs.openSync(this.#file, "a+", 0o600);
    if (isNew) syncDirectory(this.#file);
    const data = fs.readFileSync(this.#file);
    let at = 0;
    for (let number = 1; at < data.length; number++) {
      const end = data.indexOf(10, at);
      const line = data.subarray(at, end < 0 ? data.length : end);
      if (end < 0 || line.includes(0)) break; // a crash while it was written
      if (`${checksum(line.subarray(17))} ` !== line.subarray(0, 17).toString("latin1")) {
        throw new TallyvaultError(`${this.#file} is damaged in line ${number}: move it away; what was sent is found again through the cluster`);
      }
      this.#apply(JSON.parse(line.subarray(17)));
      at = end + 1;
    }
    if (at < data.length) {
      if (data.indexOf(10, at) >= 0 && data.indexOf(10, at) < data.length - 1) throw new TallyvaultError(`${this.#file} is damaged behind byte ${at}`);
      fs.ftruncateSync(this.#descriptor, at);
      fs.fsyncSync(this.#descriptor);
    }
  }

  /** Writes the file anew without what has been overtaken. */
  #rewrite() {
    const fresh = this.#file + ".new";
    const changes = [
      ...[...this.#facts].map(([name, value]) => ({ fact: name, value })),
      ...[...this.#lanes].map(([lane, nonce]) => ({ lane, nonce })),
      ...[...this.#rows.values()].map((row) => ({ add: row })),
      { last: this.#last },
    ];
    fs.writeFileSync(fresh, changes.map((change) => lineOf([change])).join(""), { mode: 0o600, flush: true });
    const descriptor = fs.openSync(fresh, "a+");
    fs.fsyncSync(descriptor);
    fs.renameSync(fresh, this.#file);
    syncDirectory(this.#file);
    fs.closeSync(this.#descriptor);
    this.#descriptor = descriptor;
    this.#changes = changes.length;
  }

  /** Makes changes: on disk first, then here. */
  #write(changes) {
    if (changes.length === 0) return;
    fs.writeSync(this.#descriptor, lineOf(changes));
    fs.fsyncSync(this.#descriptor);
    this.#apply(changes);
  }

  #apply(changes) {
    for (const c of changes) {
      if (c.add) {
        this.#rows.set(c.add.seq, c.add);
        this.#places.set(`${c.add.meter} ${c.add.measuredAt}`, c.add.seq);
        this.#last = Math.max(this.#last, c.add.seq);
      } else if (c.seq) {
        const row = this.#rows.get(c.seq);
        this.#places.delete(`${row.meter} ${row.measuredAt}`);
        Object.assign(row, c.set);
        this.#places.set(`${row.meter} ${row.measuredAt}`, c.seq);
      } else if (c.lane) {
        this.#lanes.set(c.lane, c.nonce);
      } else if (c.fact) {
        this.#facts.set(c.fact, c.value);
      } else if (c.forget) {
        this.#places.delete(`${this.#rows.get(c.forget).meter} ${this.#rows.get(c.forget).measuredAt}`);
        this.#rows.delete(c.forget);
      } else if (c.last) {
        this.#last = Math.max(this.#last, c.last);
      } else if (c.newKey) {
        this.#lanes.clear();
      }
    }
    this.#changes += changes.length;
  }

  /**
   * Stores a measurement and returns its number here; it is on disk then.
   *
   * register counts the meter's smallest unit. measuredAt is unix milliseconds, by the meter;
   * without it our clock stamps it, and the stamp moves with the clock's correction until it is sent.
   * The same meter and time again is the same measurement.
   * @param {Measurement} measurement
   */
  add(measurement) {
    return this.addAll([measurement])[0];
  }

  /** Stores many measurements with one sync, all or none. @param {Measurement[]} measurements */
  addAll(measurements) {
    const rows = new Map(); // by place
    const seqs = measurements.map((m) => {
      const register = BigInt(m.register);
      if (register < 0n || register >= 1n << 64n) throw new TallyvaultError(`register ${register} does not fit into 64 bits`);
      const stamped = m.measuredAt === undefined;
      const measuredAt = stamped ? this.clock.nowMs() : m.measuredAt;
      if (!Number.isSafeInteger(measuredAt)) throw new TallyvaultError(`time ${measuredAt} is not one in unix milliseconds`);
      const place = `${m.meter} ${measuredAt}`;
      const known = this.#rows.get(this.#places.get(place)) ?? rows.get(place);
      if (known && known.register !== String(register)) {
        throw new TallyvaultError(`meter ${m.meter} had register ${known.register} at ${measuredAt} before, now ${register}`);
      }
      if (known) return known.seq;
      rows.set(place, {
        seq: this.#last + rows.size + 1, market: m.market, meter: m.meter, register: String(register), measuredAt,
        clockSync: m.clockSync ?? "ntp", meterStatus: m.meterStatus ?? "ok", correction: stamped ? this.clock.correctionMs : null,
        fate: FATE.stored, nonce: null, identity: null, envelope: null, number: null, detail: "", recovery: "", code: "", skewed: 0,
        leaf: null, settlement: null, net: null, final: false,
      });
      return this.#last + rows.size;
    });
    this.#write([...rows.values()].map((row) => ({ add: row })));
    return seqs;
  }

  /** @returns {Reading[]} in the order in which they were stored */
  readings() {
    return [...this.#rows.values()].map((row) => ({ ...row }));
  }

  /** @returns {Reading} */
  reading(seq) {
    const row = this.#rows.get(seq);
    if (!row) throw new TallyvaultError(`there is no reading ${seq} in this outbox`);
    return { ...row };
  }

  /** The next reading of each meter: the one that is under way, or else the oldest. */
  due(paused, limit) {
    const next = new Map();
    const before = (a, b) => (a.fate === b.fate ? a.measuredAt < b.measuredAt : a.fate === FATE.sent);
    for (const row of this.#rows.values()) {
      if (isOpen(row) && !paused.has(row.meter) && (!next.has(row.meter) || before(row, next.get(row.meter)))) next.set(row.meter, row);
    }
    return [...next.values()].slice(0, limit).map((row) => ({ ...row }));
  }

  countOpen() {
    return [...this.#rows.values()].filter(isOpen).length;
  }

  update(seq, members) {
    this.updateAll([[seq, members]]);
  }

  /** @param {[number, Partial<Reading>][]} updates with one sync */
  updateAll(updates) {
    this.#write(updates.map(([seq, set]) => ({ seq, set })));
  }

  /** Gives readings their nonces and signs them; both are on disk when this returns. */
  sign(rows, make) {
    this.#write(rows.flatMap((row) => {
      const lane = `m/${row.meter}`;
      const nonce = (this.#lanes.get(lane) ?? 0) + 1;
      const envelope = make(row, nonce);
      return [{ lane, nonce }, { seq: row.seq, set: { fate: FATE.sent, nonce, identity: envelope.identity, envelope: envelope.json() } }];
    }));
    return rows.map((row) => this.reading(row.seq));
  }

  /** A reading whose bytes can take no effect any more waits to be signed anew. */
  unsign(seq, members = {}) {
    this.update(seq, { fate: FATE.stored, envelope: null, ...members });
  }

  knowsLane(lane) {
    return this.#lanes.has(lane);
  }

  /** Goes on counting behind the last nonce that the cluster has named. */
  setNonce(lane, nonce) {
    this.#write([{ lane, nonce }]);
  }

  /** Takes note of the last nonces that the cluster has seen. @param {Map<string, number>} last */
  raiseNonces(last) {
    this.#write([...last].filter(([lane, nonce]) => nonce > (this.#lanes.get(lane) ?? 0)).map(([lane, nonce]) => ({ lane, nonce })));
  }

  /** Sets the clock, and moves the times that it stamped wrongly and nobody has seen yet. */
  correctClock(clusterNowMs) {
    this.clock.correct(clusterNowMs);
    const now = this.clock.correctionMs;
    const moved = [];
    for (const row of this.#rows.values()) {
      const measuredAt = row.measuredAt + now - row.correction;
      if (row.fate === FATE.stored && row.correction !== null && !this.#places.has(`${row.meter} ${measuredAt}`)) {
        moved.push({ seq: row.seq, set: { measuredAt, correction: now } });
      }
    }
    this.#write([{ fact: "correction_ms", value: String(now) }, ...moved]);
  }

  fact(name) {
    return this.#facts.get(name);
  }

  /** Ties the outbox to one cluster at first use. Another key of the provider begins with lanes of its own. */
  belong(cluster, key) {
    if ((this.fact("cluster") ?? cluster) !== cluster) throw new TallyvaultError(`this outbox belongs to cluster ${this.fact("cluster")}, not ${cluster}`);
    if (this.fact("key") === key) return;
    this.#write([{ newKey: true }, { fact: "cluster", value: cluster }, { fact: "key", value: key }]);
  }

  /** Forgets readings of which nothing more will come, measured before a time. */
  prune(beforeMs) {
    const old = [...this.#rows.values()].filter((row) => row.measuredAt < beforeMs && isDone(row));
    this.#write([{ last: this.#last }, ...old.map((row) => ({ forget: row.seq }))]);
    return old.length;
  }
}

const checksum = (bytes) => sha256(bytes).subarray(0, 8).toString("hex");

function lineOf(changes) {
  const text = JSON.stringify(changes);
  return `${checksum(text)} ${text}\n`;
}

function syncDirectory(file) {
  const descriptor = fs.openSync(path.dirname(path.resolve(file)), "r");
  fs.fsyncSync(descriptor);
  fs.closeSync(descriptor);
}

/** Takes a lock file, also one that a process left which is no more. */
function lock(file) {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      fs.writeFileSync(file, String(process.pid), { flag: "wx" });
      return;
    } catch (wrong) {
      if (wrong.code !== "EEXIST") throw wrong;
    }
    const holder = Number(fs.readFileSync(file, "utf8")) || 0;
    if (holder > 0 && isAlive(holder)) break;
    fs.rmSync(file, { force: true });
  }
  throw new TallyvaultError(`another program holds ${file.replace(/\.lock$/, "")} already`);
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (wrong) {
    return wrong.code === "EPERM";
  }
}

// ---------------------------------------------------------------------------
// Gateway: brings what is in the outbox to the cluster, and its fate back

/** Refusals that time or others can lift: room for the meter, its registration or the key's, a pause. The reading waits. */
const WAITS = new Set(["LimitExceeded", "NotFound", "UnknownKey", "KeyRevoked", "Unauthorized", "Paused", "ProviderInactive",
  "InvalidTransition", "InsufficientFunds", "WrongEra", "WrongCluster", "Expired"]);
const LONGEST_METER_PAUSE_MS = 60_000;
const MAX_SKEWED = 5;

/** One key's outbox and its way to the cluster. */
export class Gateway {
  #key;
  #genesis;
  #era;
  #resumed = false;
  #pauses = new Map(); // meter: {until, length}

  /**
   * @param {string} outbox the file
   * @param {Genesis} genesis
   * @param {Key} key
   * @param {{urls?: string[], era?: string, clock?: Clock, timeoutMs?: number, client?: Client}} options
   */
  constructor(outbox, genesis, key, { urls, era = ERA_ZERO, clock, timeoutMs, client } = {}) {
    this.#key = key;
    this.#genesis = genesis;
    this.#era = era;
    this.outbox = new Outbox(outbox, clock);
    this.client = client ?? new Client(genesis, key, { urls, clock: this.outbox.clock, timeoutMs });
    try {
      this.outbox.belong(genesis.cluster, key.id);
    } catch (wrong) {
      this.close();
      throw wrong;
    }
  }

  close() {
    this.client.close();
    this.outbox.close();
  }

  /**
   * Sends until everything is decided or time is over; returns how much is still open.
   *
   * What is open is safe: it is sent, the same bytes or signed anew, by the next call.
   */
  async send(timeoutMs = 60_000) {
    const ends = performance.now() + timeoutMs;
    for (let round = 0; this.outbox.countOpen() > 0 && performance.now() < ends; round++) {
      let asked = 0;
      try {
        const rows = await this.next(ends - performance.now());
        if (rows.length > 0 && await this.#post(rows)) {
          round = -1;
          continue;
        }
      } catch (wrong) {
        if (!(wrong instanceof Unavailable)) throw wrong;
        asked = wrong.retryAfterMs;
      }
      await sleep(Math.min(pauseMs(round, asked), Math.max(0, ends - performance.now())));
    }
    return this.outbox.countOpen();
  }

  /** What goes into the next request, signed: one reading of each meter that is not paused. */
  async next(timeoutMs = 30_000) {
    const now = performance.now();
    const paused = new Set([...this.#pauses].filter(([, pause]) => pause.until > now).map(([meter]) => meter));
    const keys = new Map([[this.#key.id, this.#key.public]]);
    const ready = [];
    const unsigned = [];
    for (const row of this.outbox.due(paused, MAX_BATCH)) {
      (row.envelope && isSigned(row.envelope, keys) ? ready : unsigned).push(row);
    }
    if (!this.#resumed && !unsigned.every((row) => this.outbox.knowsLane(`m/${row.meter}`))) {
      // A new disk does not know how far the cluster has counted. An old one learns it from a refusal.
      this.outbox.raiseNonces(await this.client.lastNonces(timeoutMs));
      this.#resumed = true;
    }
    return [...ready, ...this.outbox.sign(unsigned, (row, nonce) => this.#envelope(row, nonce))];
  }

  #envelope(row, nonce) {
    const issuedAt = this.outbox.clock.nowMs();
    return Envelope.sign(READING_TYPE, readingPayload({
      ...row, cluster: this.#genesis.cluster, era: this.#era, lane: `m/${row.meter}`, nonce, issuedAt,
      expiresAt: issuedAt + READING_TTL_MS, signer: this.#key.id,
    }), this.#key);
  }

  /** Sends readings and takes in what is said of them. True if something came of it. */
  async #post(rows) {
    const lines = await this.client.postBatch(rows.map((row) => row.envelope));
    const accepted = []; // written down with one sync
    let progress = false;
    for (const [i, row] of rows.entries()) {
      const line = lines[i];
      if (line.outcome?.accepted) {
        accepted.push(this.#accepted(row, line.outcome.result.number));
      } else if (await this.#judge(row, line)) {
        progress = true;
      }
    }
    this.outbox.updateAll(accepted);
    return progress || accepted.length > 0;
  }

  async #judge(row, line) {
    let outcome = line.outcome;
    let refused = null;
    if (!outcome) {
      refused = new Refused(line.problem ?? { code: "Unavailable" });
      if (refused.code === "NonceReplay" || refused.code === "Expired") {
        // These bytes can take no effect any more. Did they, when we did not hear the answer?
        outcome = await this.client.outcome(row.identity);
      }
    }
    if (outcome?.accepted) {
      this.outbox.updateAll([this.#accepted(row, outcome.result.number)]);
      return true;
    }
    return this.#refused(row, outcome ? new Refused({ ...outcome, logged: true }) : refused);
  }

  #accepted(row, number, command = row.identity) {
    this.#pauses.delete(row.meter);
    return [row.seq, { fate: FATE.accepted, number, identity: command, envelope: null, detail: "", recovery: "", code: "" }];
  }

  async #refused(row, refused) {
    const said = { code: refused.code, detail: words(refused), recovery: refused.recovery };
    if ((refused.code === "TimestampSkew" || refused.code === "Expired") && refused.fields.now) return this.#skewed(row, refused, said);
    if (refused.fields.last_nonce) { // NonceReplay, or a nonce too far ahead
      this.outbox.setNonce(`m/${row.meter}`, Number(refused.fields.last_nonce));
      this.outbox.unsign(row.seq, said);
      return true;
    }
    if (refused.code === "Unavailable" || refused.code === "RateLimited") return false; // not known, or not now: the same bytes again
    if (refused.code === "SettlementConflict" && refused.fields.reason === "duplicate") {
      const same = await this.#sameReading(row, refused.fields.number);
      if (same) {
        this.outbox.updateAll([this.#accepted(row, same.number, same.identity)]);
        return true;
      }
    }
    if (WAITS.has(refused.code)) {
      this.#pause(row.meter);
      this.outbox.unsign(row.seq, said);
      return false;
    }
    this.outbox.update(row.seq, { fate: FATE.refused, envelope: null, ...said });
    return true;
  }

  /** Sets our clock by the cluster's and signs again; a time that still is wrong then is the meter's. */
  #skewed(row, refused, said) {
    this.outbox.unsign(row.seq, { skewed: row.skewed + 1, ...said });
    this.outbox.correctClock(Number(refused.fields.now));
    const { measuredAt } = this.outbox.reading(row.seq); // moved, if our clock had stamped it
    const ahead = refused.fields.measured_at && measuredAt > this.outbox.clock.nowMs() + Number(refused.fields.skew_ms);
    if (ahead || row.skewed >= MAX_SKEWED) this.outbox.update(row.seq, { fate: FATE.refused });
    return true;
  }

  #pause(meter) {
    const length = Math.min((this.#pauses.get(meter)?.length ?? 250) * 2, LONGEST_METER_PAUSE_MS);
    this.#pauses.set(meter, { until: performance.now() + length * byChance(), length });
  }

  /** The reading that the cluster has for this meter and time, if it is this very measurement: as after a lost disk. */
  async #sameReading(row, number) {
    const known = await this.client.get(`/v1/readings/${row.market}/${number}`).catch((wrong) => {
      if (wrong instanceof Refused) return null;
      throw wrong;
    });
    return known && known.meter === row.meter && known.measured_at === row.measuredAt && known.register === row.register ? known : null;
  }

  /** Asks what became of accepted readings; returns of how many more is to come. */
  async follow(timeoutMs = 30_000) {
    const ends = performance.now() + timeoutMs;
    const updates = [];
    try {
      for (const row of this.outbox.readings().filter(isFollowed)) {
        if (performance.now() > ends) break;
        updates.push([row.seq, await this.#fate(row, Math.max(1000, ends - performance.now()))]);
      }
    } catch (wrong) {
      if (!(wrong instanceof Unavailable)) throw wrong;
    } finally {
      this.outbox.updateAll(updates);
    }
    return this.outbox.readings().filter(isFollowed).length;
  }

  async #fate(row, timeoutMs) {
    const known = {};
    if (row.settlement === null) {
      const said = await this.client.get(`/v1/readings/${row.market}/${row.number}`, {}, timeoutMs);
      if (!said.receipt) return { detail: said.status }; // pending, or accepted and waiting for an earlier one
      const { leaf, final, body } = said.receipt;
      if (said.status !== "settled") {
        return { fate: FATE.closed, leaf, final, detail: said.reason ? `${said.status}: ${said.reason}` : said.status };
      }
      Object.assign(known, { leaf, settlement: body.settlement, net: body.net });
    }
    const said = await this.client.get(`/v1/settlements/${row.market}/${known.settlement ?? row.settlement}`, {}, timeoutMs);
    const fate = { released: FATE.released, rehearsal: FATE.closed }[said.status] ?? FATE.settled;
    return { ...known, fate, detail: said.status, final: said.receipts.at(-1).final };
  }

  /**
   * Fetches the receipt of how a reading closed, and verifies that it is about this reading.
   * @returns {Promise<{file: Buffer, receipt: Receipt}>}
   */
  async receipt(seq, timeoutMs = 40_000) {
    const row = this.outbox.reading(seq);
    if (row.leaf === null) throw new TallyvaultError(`reading ${seq} is ${row.fate}: there is a receipt once it is closed or settled`);
    const file = await this.client.getBytes(`/v1/receipts/${row.leaf}.tlog-proof`, { wait: "final" }, timeoutMs);
    const receipt = verifyProof(await this.client.history(), file);
    if (!receipt.isAbout(row.identity)) {
      throw new EvidenceError(PART.leaf, `the receipt at leaf ${row.leaf} is not about reading ${row.number} of ${row.meter}`);
    }
    return { file, receipt };
  }

  /**
   * The provider's statement by the cluster, beside what this outbox knows: settled readings and their net.
   *
   * unknown are settlements of the statement, not released yet, that no reading here has led to.
   */
  async statement() {
    const { keys } = await this.client.get("/v1/keys", { key: this.#key.id });
    const provider = keys[0].principal;
    const lines = [];
    const query = { limit: 1000 };
    let page;
    do {
      page = await this.client.get(`/v1/providers/${provider}/statement`, query);
      lines.push(...page.lines);
      query.after = page.next;
    } while (page.next);
    const known = new Map(this.outbox.readings().filter((r) => r.settlement !== null).map((r) => [`${r.market}/${r.settlement}`, r]));
    const paid = [...known.values()].filter((r) => r.detail === "held" || r.detail === "released");
    return {
      provider, totals: page.totals, readings: paid.length, net: sum(paid.map((r) => r.net)),
      unknown: lines.map((line) => `${line.market}/${line.number}`).filter((name) => !known.has(name)),
    };
  }
}

/** The sum of decimal strings. */
const sum = (amounts) => String(amounts.reduce((total, amount) => total + BigInt(amount), 0n));

/** Whether a stored envelope is still what was written. */
function isSigned(envelope, keys) {
  try {
    openReading(envelope, keys);
    return true;
  } catch (wrong) {
    if (wrong instanceof Refused) return false;
    throw wrong;
  }
}

function words(refused) {
  const values = Object.entries(refused.fields).map(([name, value]) => `${name} ${value}`).join(", ");
  return (refused.why || refused.detail) + (values ? ` (${values})` : "");
}

// ---------------------------------------------------------------------------
// Commands

const HELP = `Meter readings for a Tallyvault committee.

  node tallyvault.mjs VERB [FLAGS]

  add        store measurements: --meter M --register N [--measured-at TIME]; without --meter, JSON lines from standard input
  send       send what is stored until all of it is decided: [--for SECONDS]
  follow     ask what became of what was sent: [--for SECONDS] [--until-done]
  run        store what comes as JSON lines on standard input, send and follow until it is told to stop: [--every SECONDS]
  show       the fate of each reading: [--json]
  retry      send a refused reading again, once its cause is gone: SEQ
  prune      forget readings of which nothing more will come: --before TIME
  receipt    fetch and verify the receipt of a reading: SEQ --out FILE [--chain FILE]
  statement  what the provider earned, beside what this outbox knows of it: [--json]
  verify     verify receipt files, without a network: --genesis FILE [--chain FILE] | --policy FILE, FILE...
  token      print a token for reading the API, for five minutes
  get        read the API as the owner of a key: PATH

  --outbox FILE        the outbox (default: outbox.log)
  --genesis FILE       the cluster's signed genesis
  --genesis-hash HEX   its SHA-256, if you have it by another way
  --key FILE           the provider's key file
  --node URL           https URL of a node; may be repeated (default: those in the genesis)
  --market NAME        default: energy

TIME is unix milliseconds, or RFC 3339 with an offset. A register counts the meter's smallest unit.
Exit status: 0 done, 1 refused, 2 usage, 3 something is still open.`;

const FLAGS = {
  outbox: "string", genesis: "string", "genesis-hash": "string", key: "string", market: "string", meter: "string", register: "string",
  "measured-at": "string", for: "string", every: "string", before: "string", out: "string", chain: "string", policy: "string",
  json: "boolean", "until-done": "boolean",
};

class Usage extends Error {}

function demand(flags, ...names) {
  for (const name of names) if (flags[name] === undefined) throw new Usage(`--${name} is missing`);
}

/** Unix milliseconds, or RFC 3339 with an offset. */
function timeOf(text) {
  if (/^[0-9]{1,15}$/.test(text)) return Number(text);
  const ms = /([Zz]|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(ms)) throw new Usage(`${text} is no time: want unix milliseconds, or 2026-01-31T12:30:00Z`);
  return ms;
}

function secondsOf(text, otherwise) {
  const seconds = Number(text ?? otherwise);
  if (!(seconds >= 0)) throw new Usage(`${text} is not a number of seconds`);
  return seconds * 1000;
}

const genesisOf = (flags) => {
  demand(flags, "genesis");
  return Genesis.load(flags.genesis, flags["genesis-hash"]);
};

const keyFrom = (flags) => {
  demand(flags, "key");
  return Key.load(flags.key);
};

async function withGateway(flags, clock, use) {
  const gateway = new Gateway(flags.outbox, genesisOf(flags), keyFrom(flags), { urls: flags.node, clock });
  try {
    return await use(gateway);
  } finally {
    gateway.close();
  }
}

function withOutbox(flags, clock, use) {
  const outbox = new Outbox(flags.outbox, clock);
  try {
    return use(outbox);
  } finally {
    outbox.close();
  }
}

/** A measurement from a line of JSON. */
function measurementIn(line, number, market) {
  try {
    const m = strictJSON(line, false);
    want(isObject(m) && m.meter && m.register !== undefined, m, "meter or register is missing");
    if (typeof m.register === "number") integer(m.register);
    return {
      market: m.market ?? market, meter: string(m.meter), register: BigInt(m.register), clockSync: m.clock_sync, meterStatus: m.meter_status,
      measuredAt: m.measured_at === undefined ? undefined : timeOf(String(m.measured_at)),
    };
  } catch (wrong) {
    throw new TallyvaultError(`line ${number}: want {"meter": ..., "register": ..., "measured_at": ...}: ${wrong.message}`);
  }
}

function sequenceIn(rest) {
  if (rest.length !== 1 || !/^[1-9][0-9]*$/.test(rest[0])) throw new Usage("want the number of one reading, as show prints it");
  return Number(rest[0]);
}

const say = (text) => process.stderr.write(text + "\n");
const print = (text) => process.stdout.write(text + "\n");

function sayReceipt(name, receipt) {
  print(`${name}: verified, leaf ${receipt.index} of ${receipt.checkpoint.size}, cosigned by ${receipt.cosigners.join(", ")}`);
  if (receipt.body) print("  " + receipt.leaf.toString());
}

function shown(row) {
  const fate = row.fate + (row.final ? ", final" : "");
  const rest = [row.detail, row.recovery, row.net === null ? "" : `net ${row.net}`].filter(Boolean).join(" ");
  return [String(row.seq).padStart(6), row.meter.padEnd(20), row.register.padStart(14), utc(row.measuredAt), fate.padEnd(16),
    (row.number ? `number ${row.number}` : "").padEnd(14), rest].join("  ").trimEnd();
}

/** The columns of show --json, as the example in Python names them. */
function plain(r) {
  return {
    seq: r.seq, market: r.market, meter: r.meter, register: r.register, measured_at: r.measuredAt, clock_sync: r.clockSync,
    meter_status: r.meterStatus, fate: r.fate, nonce: r.nonce, identity: r.identity, number: r.number, detail: r.detail,
    recovery: r.recovery, code: r.code, leaf: r.leaf, settlement: r.settlement, net: r.net, final: r.final, done: isDone(r),
  };
}

/** The measurements that come as lines; what is wrong with a line goes to complain. */
async function* measurementsIn(stream, market, complain) {
  let number = 0;
  for await (const line of readline.createInterface({ input: stream, crlfDelay: Infinity })) {
    number++;
    if (line.trim() === "") continue;
    try {
      yield measurementIn(line, number, market);
    } catch (wrong) {
      complain(wrong);
    }
  }
}

const VERBS = {
  async add(flags, rest, clock) {
    const measurements = [];
    if (flags.meter !== undefined) {
      demand(flags, "register");
      if (!/^[0-9]{1,20}$/.test(flags.register)) throw new Usage("--register is a whole number of the meter's smallest unit");
      const at = flags["measured-at"];
      measurements.push({ market: flags.market, meter: flags.meter, register: flags.register, measuredAt: at && timeOf(at) });
    } else {
      const complain = (wrong) => { throw wrong; };
      for await (const measurement of measurementsIn(process.stdin, flags.market, complain)) measurements.push(measurement);
    }
    const seqs = withOutbox(flags, clock, (outbox) => outbox.addAll(measurements));
    say(`stored ${seqs.length}` + (seqs.length === 1 ? `: reading ${seqs[0]}` : ""));
    return 0;
  },

  send: (flags, rest, clock) => withGateway(flags, clock, async (gateway) => {
    const left = await gateway.send(secondsOf(flags.for, 60));
    say(`${left} still open`);
    return left ? 3 : 0;
  }),

  follow: (flags, rest, clock) => withGateway(flags, clock, async (gateway) => {
    const ends = performance.now() + secondsOf(flags.for, 30);
    const remaining = () => Math.max(1000, ends - performance.now());
    let left = await gateway.follow(remaining());
    while (flags["until-done"] && left && performance.now() < ends) {
      await sleep(1000);
      left = await gateway.follow(remaining());
    }
    say(`of ${left} more is to come`);
    return left && flags["until-done"] ? 3 : 0;
  }),

  run: (flags, rest, clock) => withGateway(flags, clock, async (gateway) => {
    const every = secondsOf(flags.every, 10);
    const complain = (wrong) => {
      if (!(wrong instanceof TallyvaultError)) throw wrong;
      say(wrong.message);
    };
    (async () => {
      for await (const measurement of measurementsIn(process.stdin, flags.market, complain)) {
        try {
          gateway.outbox.add(measurement);
        } catch (wrong) {
          complain(wrong);
        }
      }
    })();
    for (;;) {
      try {
        await gateway.send(every);
        await gateway.follow(every);
      } catch (wrong) {
        if (!(wrong instanceof Refused)) throw wrong;
        say(`${wrong.message} ${wrong.recovery}`);
      }
      await sleep(every);
    }
  }),

  show(flags, rest, clock) {
    const rows = withOutbox(flags, clock, (outbox) => outbox.readings());
    for (const row of rows) print(flags.json ? JSON.stringify(plain(row)) : shown(row));
    return 0;
  },

  retry(flags, rest, clock) {
    const seq = sequenceIn(rest);
    withOutbox(flags, clock, (outbox) => {
      const { fate } = outbox.reading(seq);
      if (fate !== FATE.refused) throw new TallyvaultError(`reading ${seq} is ${fate}, not refused`);
      outbox.unsign(seq, { skewed: 0, detail: "", recovery: "", code: "" });
    });
    return 0;
  },

  prune(flags, rest, clock) {
    demand(flags, "before");
    say(`forgot ${withOutbox(flags, clock, (outbox) => outbox.prune(timeOf(flags.before)))}`);
    return 0;
  },

  receipt: (flags, rest, clock) => withGateway(flags, clock, async (gateway) => {
    demand(flags, "out");
    const { file, receipt } = await gateway.receipt(sequenceIn(rest));
    fs.writeFileSync(flags.out, file);
    if (flags.chain) fs.writeFileSync(flags.chain, (await gateway.client.get("/v1/policy", { format: "json" })).chain);
    sayReceipt(flags.out, receipt);
    return 0;
  }),

  statement: (flags, rest, clock) => withGateway(flags, clock, async (gateway) => {
    const said = await gateway.statement();
    if (flags.json) {
      print(JSON.stringify(said));
      return 0;
    }
    print(`${said.provider}: ` + Object.entries(said.totals).map(([name, amount]) => `${name.replaceAll("_", " ")} ${amount}`).join(", "));
    print(`this outbox: ${said.readings} readings paid for, net ${said.net}, which ` + (said.net === said.totals.credited
      ? "agrees" : "differs: follow first; readings of another outbox and pruned ones are not known here"));
    if (said.unknown.length) print(`settlements that this outbox does not know: ${said.unknown.join(", ")}`);
    return 0;
  }),

  verify(flags, rest) {
    if ((flags.genesis === undefined) === (flags.policy === undefined)) throw new Usage("give --genesis, or --policy");
    if (rest.length === 0) throw new Usage("name at least one receipt file");
    const judge = flags.policy
      ? Policy.parse(fs.readFileSync(flags.policy, "utf8"))
      : new History(genesisOf(flags), flags.chain ? fs.readFileSync(flags.chain) : undefined);
    let refused = 0;
    for (const name of rest) {
      try {
        sayReceipt(name, verifyProof(judge, fs.readFileSync(name)));
      } catch (wrong) {
        if (!(wrong instanceof EvidenceError)) throw wrong;
        refused++;
        print(`${name}: REFUSED: ${wrong.message}`);
      }
    }
    return refused ? 1 : 0;
  },

  token(flags, rest, clock) {
    print(token(keyFrom(flags), genesisOf(flags).cluster, clock.nowMs() / 1000));
    return 0;
  },

  async get(flags, rest, clock) {
    if (rest.length !== 1) throw new Usage("want a path, such as /v1/meters");
    const client = new Client(genesisOf(flags), keyFrom(flags), { urls: flags.node, clock });
    try {
      process.stdout.write(await client.getBytes(rest[0]));
    } finally {
      client.close();
    }
    return 0;
  },
};

/**
 * Runs one command and returns its exit status. A clock other than the machine's is for trying out what happens when it is wrong.
 * @param {string[]} words
 */
export async function main(words, clock = new Clock()) {
  try {
    const options = Object.fromEntries(Object.entries(FLAGS).map(([name, type]) => [name, { type }]));
    const { values, positionals: [verb, ...rest] } = parseArgs({
      args: words, allowPositionals: true, options: { ...options, node: { type: "string", multiple: true }, help: { type: "boolean", short: "h" } },
    });
    if (values.help || verb === "help" || verb === undefined) {
      print(HELP);
      return verb === undefined && !values.help ? 2 : 0;
    }
    if (!Object.hasOwn(VERBS, verb)) throw new Usage(`there is no verb ${verb}: see help`);
    return await VERBS[verb]({ outbox: "outbox.log", market: "energy", ...values }, rest, clock);
  } catch (wrong) {
    if (wrong instanceof Refused) {
      say(`refused: ${wrong.message}${wrong.recovery ? "\n" + wrong.recovery : ""}`);
      return 1;
    }
    if (wrong instanceof Unavailable) {
      say(`no answer: ${wrong.message}`);
      return 3;
    }
    if (wrong instanceof Usage || wrong.code?.startsWith("ERR_PARSE_ARGS")) {
      say(`usage: ${wrong.message}`);
      return 2;
    }
    if (wrong instanceof TallyvaultError || wrong.syscall) {
      say(`error: ${wrong.message}`);
      return 1;
    }
    throw wrong;
  }
}

/** Whether this file is what Node.js was told to run. */
function isProgram() {
  try {
    return import.meta.url === pathToFileURL(fs.realpathSync(process.argv[1])).href;
  } catch {
    return false; // imported, by something that is no file
  }
}

if (isProgram()) process.exitCode = await main(process.argv.slice(2));
