// Tests of tallyvault.mjs: node --test, in this folder. They use no network.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";

import * as tv from "./tallyvault.mjs";

const here = path.dirname(new URL(import.meta.url).pathname);
const file = (name) => fs.readFileSync(path.join(here, "..", "vectors", name));
const vectors = (name) => JSON.parse(file(name));

const keys = new Map(vectors("keys.json").good.map((k) => [k.name, new tv.Key(Buffer.from(k.seed, "hex"))]));
const people = new Map(["ann", "ben", "olga", "omar", "sunny", "windy", "city"].map((name) => [keys.get(name).id, keys.get(name).public]));
const genesis = new tv.Genesis(file("genesis.json"));
const sunny = keys.get("sunny");

describe("signing", () => {
  it("keys", () => {
    for (const k of vectors("keys.json").good) {
      const key = tv.Key.parse(k.key_file);
      assert.deepEqual([key.public.toString("hex"), key.id], [k.public_key, k.key_id]);
      if (k.possession) {
        const message = tv.pae(k.possession.payload_type, Buffer.from(k.possession.payload));
        assert.equal(key.sign(message).toString("hex"), k.possession.signature);
      }
    }
    for (const bad of vectors("keys.json").bad_key_files) {
      assert.throws(() => tv.Key.parse(bad.text), (wrong) => wrong instanceof tv.TallyvaultError && !/[0-9a-f]{32}/.test(wrong.message), bad.name);
    }
  });

  it("good commands", () => {
    for (const c of vectors("commands.json").good) {
      const payload = Buffer.from(c.payload);
      assert.equal(tv.pae(c.payload_type, payload).toString("hex"), c.pae_hex, c.name);
      assert.equal(tv.identity(c.payload_type, payload), c.identity, c.name);
      const envelope = tv.Envelope.sign(c.payload_type, payload, ...c.signers.map((who) => keys.get(who)));
      assert.equal(envelope.json(), c.envelope, c.name);
      for (const spelling of [c.envelope, ...(c.other_spellings ?? [])]) assert.deepEqual(tv.Envelope.parse(spelling), envelope, c.name);
      if (c.payload_type === tv.READING_TYPE) tv.openReading(c.envelope, people);
      if (c.range_identities) {
        const hash = crypto.createHash("sha256").update(Buffer.from(c.range_identities.join(""), "hex")).digest("hex");
        assert.equal(JSON.parse(c.payload).ranges[0].hash, hash);
      }
    }
  });

  it("readings are written as documented", () => {
    for (const c of vectors("commands.json").good) {
      if (c.payload_type !== tv.READING_TYPE || c.name.startsWith("another")) continue;
      const m = JSON.parse(c.payload);
      const payload = tv.readingPayload({
        ...m, issuedAt: m.issued_at, expiresAt: m.expires_at, measuredAt: m.measured_at,
        clockSync: m.quality.clock_sync, meterStatus: m.quality.meter_status,
      });
      assert.equal(payload.toString(), c.payload, c.name);
    }
  });

  it("bad commands", () => {
    let seen = 0;
    for (const c of vectors("commands.json").bad) {
      if (c.seen_in !== "state") {
        assert.throws(() => tv.openReading(c.envelope, people), { code: c.code }, c.name);
        seen++;
      } else if (tv.Envelope.parse(c.envelope).payload.includes('"meter"')) {
        tv.openReading(c.envelope, people); // only the cluster can know
      }
    }
    assert.ok(seen > 20);
  });

  it("tokens", () => {
    for (const t of vectors("tokens.json")) assert.equal(tv.token(keys.get(t.signer), t.cluster, t.issued_at_s, t.life_s), t.token);
    assert.throws(() => tv.token(sunny, genesis.cluster, 0, 301), tv.TallyvaultError);
  });
});

describe("evidence", () => {
  it("genesis", () => {
    const cases = vectors("genesis_cases.json");
    assert.deepEqual([genesis.cluster, genesis.hash, genesis.origin, tv.ERA_ZERO], [cases.cluster, cases.hash, cases.origin, cases.era]);
    assert.equal(genesis.policy.text(), cases.policy);
    assert.deepEqual([...genesis.nodeKeys].map(([n, k]) => [n, k.toString("hex")]), cases.nodes.map((n) => [n.node, n.node_key]));
    for (const bad of cases.bad) assert.throws(() => new tv.Genesis(bad.text), tv.TallyvaultError, bad.name);
    const name = path.join(here, "..", "vectors", "genesis.json");
    assert.equal(tv.Genesis.load(name, genesis.hash).hash, genesis.hash);
    assert.throws(() => tv.Genesis.load(name, "00".repeat(32)), tv.TallyvaultError);
  });

  it("pins", () => {
    const cases = vectors("pins.json");
    for (const good of cases.good) {
      const pins = tv.verifyPins(good.envelope, genesis.cluster, genesis.nodeKeys, cases.now);
      assert.deepEqual([pins.node, pins.pins], [good.node, good.pins]);
      tv.verifyPins(good.envelope, genesis.cluster, genesis.nodeKeys, 1000); // a clock that has just begun
    }
    for (const bad of cases.bad) {
      assert.throws(() => tv.verifyPins(bad.text, genesis.cluster, genesis.nodeKeys, cases.now), tv.TallyvaultError, bad.name);
    }
  });

  it("policies", () => {
    for (const good of vectors("policies.json").good) assert.deepEqual(tv.Policy.parse(good), genesis.policy);
    for (const bad of vectors("policies.json").bad) assert.throws(() => tv.Policy.parse(bad.text), { part: tv.PART.policy }, bad.name);
  });

  it("receipts", () => {
    const cases = vectors("receipts.json");
    for (const judge of [tv.Policy.parse(cases.policy), new tv.History(genesis)]) {
      for (const good of cases.good) {
        const receipt = tv.verifyProof(judge, Buffer.from(good.file));
        assert.deepEqual(
          [receipt.leaf.toString("hex"), receipt.index, receipt.checkpoint.size, receipt.checkpoint.root.toString("hex"), receipt.cosigners],
          [good.leaf_hex, good.index, good.size, good.root_hex, good.cosigners]);
        if (good.cited_reading) {
          assert.ok(receipt.isAbout(good.cited_reading));
          assert.ok(!receipt.isAbout("00".repeat(32)));
        }
      }
      for (const bad of cases.bad) assert.throws(() => tv.verifyProof(judge, Buffer.from(bad.file)), { part: bad.part }, bad.name);
    }
  });

  it("chain", () => {
    const cases = vectors("chain.json");
    const history = new tv.History(genesis, Buffer.from(cases.chain));
    assert.deepEqual(history.terms.map((t) => ({ from: t.from, policy: t.policy.text() })), cases.terms);
    assert.deepEqual(Object.fromEntries([...history.nodeKeys].map(([n, k]) => [n, k.toString("hex")])), cases.node_keys);
    for (const good of cases.receipts) {
      const receipt = tv.verifyProof(history, Buffer.from(good.file));
      assert.deepEqual([receipt.checkpoint.size, receipt.cosigners], [good.size, good.cosigners], good.name);
    }
    for (const bad of cases.bad_chains) assert.throws(() => new tv.History(genesis, Buffer.from(bad.text)), { part: tv.PART.policy }, bad.name);
    for (const bad of cases.bad_receipts) assert.throws(() => tv.verifyProof(history, Buffer.from(bad.file)), { part: bad.part }, bad.name);
  });

  it("every byte of a receipt counts", () => {
    const good = file("receipt.tlog-proof");
    for (let at = 0; at < good.length; at++) {
      const mangled = Buffer.from(good);
      mangled[at] ^= 1;
      assert.throws(() => tv.verifyProof(genesis.policy, mangled), tv.EvidenceError, `byte ${at}`);
    }
  });
});

let directory;
let outboxFile;
let now;
const clock = () => new tv.Clock(() => now);

function onDisk() {
  beforeEach(() => {
    directory = fs.mkdtempSync(path.join(os.tmpdir(), "tallyvault-"));
    outboxFile = path.join(directory, "outbox.log");
    now = 1_764_000_000_000;
  });
  afterEach(() => fs.rmSync(directory, { recursive: true }));
}

const m = (meter, register, measuredAt) => ({ market: "energy", meter, register, measuredAt });

describe("outbox", () => {
  onDisk();

  it("a measurement survives a kill", () => {
    const program = `import { Outbox } from ${JSON.stringify(path.join(here, "tallyvault.mjs"))};
      new Outbox(${JSON.stringify(outboxFile)}).add({ market: "energy", meter: "roof-1", register: 5, measuredAt: 1000 });
      process.kill(process.pid, "SIGKILL");`;
    assert.equal(spawnSync(process.execPath, ["--input-type=module", "-e", program]).signal, "SIGKILL");
    const outbox = new tv.Outbox(outboxFile); // whose lock the dead one has left
    assert.deepEqual(outbox.readings().map((r) => [r.meter, r.register, r.measuredAt, r.fate]), [["roof-1", "5", 1000, "stored"]]);
    outbox.close();
  });

  it("the same measurement is stored once", () => {
    const outbox = new tv.Outbox(outboxFile, clock());
    assert.equal(outbox.add(m("roof-1", 5, 1000)), outbox.add(m("roof-1", 5, 1000)));
    assert.throws(() => outbox.add(m("roof-1", 6, 1000)), /register 5/);
    assert.throws(() => outbox.add(m("roof-1", 1n << 64n, 2000)), tv.TallyvaultError);
    assert.throws(() => outbox.addAll([m("roof-2", 1, 1000), m("roof-1", 7, 1000)]), tv.TallyvaultError);
    assert.equal(outbox.readings().length, 1); // all or none
    outbox.close();
  });

  it("a torn last line is cut off, damage is not", () => {
    const fill = () => {
      const outbox = new tv.Outbox(outboxFile, clock());
      for (let n = 0; n < 5; n++) outbox.add(m("roof-1", n, 1000 + n));
      outbox.close();
    };
    fill();
    const whole = fs.readFileSync(outboxFile);
    const lastLine = whole.lastIndexOf("\n", whole.length - 2) + 1;
    for (let length = lastLine + 1; length < whole.length; length += 7) {
      fs.writeFileSync(outboxFile, whole.subarray(0, length));
      const outbox = new tv.Outbox(outboxFile, clock());
      assert.equal(outbox.readings().length, 4);
      outbox.add(m("roof-1", 4, 1004));
      outbox.close();
      const again = new tv.Outbox(outboxFile, clock());
      assert.equal(again.readings().length, 5);
      again.close();
    }
    for (let at = 0; at < whole.length - 1; at += 11) {
      const damaged = Buffer.from(whole);
      damaged[at] ^= 1;
      fs.writeFileSync(outboxFile, damaged);
      assert.throws(() => new tv.Outbox(outboxFile, clock()), /damaged/, `byte ${at}`);
    }
  });

  it("one reading of a meter is due", () => {
    const outbox = new tv.Outbox(outboxFile, clock());
    const due = (...paused) => outbox.due(new Set(paused), 256).map((r) => r.seq).sort();
    outbox.add(m("roof-1", 7, 2000));
    const first = outbox.add(m("roof-1", 5, 1000));
    const other = outbox.add(m("roof-2", 1, 5000));
    assert.deepEqual(due(), [first, other]);
    assert.deepEqual(due("roof-1"), [other]);
    outbox.add(m("roof-1", 4, 500)); // older, but the other one is under way
    outbox.update(first, { fate: "sent" });
    assert.deepEqual(due(), [first, other]);
    outbox.close();
  });

  it("a stamp moves with the clock and a meter's time does not", () => {
    const outbox = new tv.Outbox(outboxFile, clock());
    const stamped = outbox.add({ market: "energy", meter: "roof-1", register: 5 });
    const given = outbox.add(m("roof-2", 5, 1_764_000_000_000));
    now += 60_000;
    outbox.correctClock(1_764_003_660_000); // an hour and a minute later
    assert.equal(outbox.reading(stamped).measuredAt, 1_764_003_600_000);
    assert.equal(outbox.reading(given).measuredAt, 1_764_000_000_000);
    outbox.close();
    const again = new tv.Outbox(outboxFile, clock());
    assert.equal(again.clock.nowMs(), 1_764_003_660_000); // it is remembered
    again.close();
  });

  it("one program holds it", () => {
    const outbox = new tv.Outbox(outboxFile, clock());
    assert.throws(() => new tv.Outbox(outboxFile, clock()), /another program/);
    outbox.close();
    new tv.Outbox(outboxFile, clock()).close();
  });

  it("it is written anew when most of it is overtaken", () => {
    const outbox = new tv.Outbox(outboxFile, clock());
    outbox.addAll([...Array(4).keys()].map((n) => m("roof-1", n, 1000 + n)));
    for (let n = 0; n < 12; n++) outbox.updateAll(Array(100).fill([2, { detail: `${n}` }]));
    outbox.update(1, { fate: "refused" });
    assert.equal(outbox.prune(1002), 1);
    const before = outbox.readings();
    outbox.close();
    const size = fs.statSync(outboxFile).size;
    const again = new tv.Outbox(outboxFile, clock());
    assert.deepEqual(again.readings(), before);
    assert.ok(fs.statSync(outboxFile).size < size / 10);
    assert.equal(again.add(m("roof-1", 9, 9000)), 5); // numbers are not given twice
    again.close();
    const third = new tv.Outbox(outboxFile, clock());
    assert.equal(third.readings().length, 4);
    third.close();
  });
});

/** Stands for the cluster: judges readings by lane, nonce, time and room, as the real one does. */
class Cluster {
  nowMs = 1_764_000_000_000;
  outcomes = new Map();
  lanes = new Map();
  readings = [];
  room = Infinity;
  fails = [];
  reachable = true;

  close() {}

  async lastNonces() {
    if (!this.reachable) throw new tv.Unavailable("cut off");
    return new Map(this.lanes);
  }

  async outcome(command) {
    return this.outcomes.get(command) ?? null;
  }

  async get(target) {
    const number = target.split("/").at(-1);
    return { number, ...this.readings[Number(number) - 1] };
  }

  async postBatch(envelopes) {
    if (!this.reachable) throw new tv.Unavailable("cut off");
    const lines = envelopes.map((e, i) => ({ line: i + 1, ...this.judge(e) }));
    if (this.fails.length) throw this.fails.pop();
    return lines;
  }

  judge(text) {
    const r = tv.openReading(text, people);
    const id = tv.Envelope.parse(text).identity;
    if (this.outcomes.has(id)) return { outcome: this.outcomes.get(id) };
    const last = BigInt(this.lanes.get(r.lane) ?? 0);
    if (this.nowMs > r.expires_at) return { problem: this.refusal("Expired", { now: this.nowMs }) };
    if (r.nonce <= last) return { problem: this.refusal("NonceReplay", { last_nonce: last }) };
    this.lanes.set(r.lane, Number(r.nonce));
    const refusal = this.rule(r);
    const outcome = { id, accepted: !refusal, ...refusal };
    if (!refusal) {
      this.readings.push({ meter: r.meter, measured_at: r.measured_at, register: String(r.register), identity: id });
      outcome.result = { number: String(this.readings.length) };
    }
    this.outcomes.set(id, outcome);
    return { outcome };
  }

  rule(r) {
    const times = { now: this.nowMs, skew_ms: 300_000 };
    if (Math.abs(r.issued_at - this.nowMs) > 300_000) return this.refusal("TimestampSkew", times);
    if (r.measured_at > this.nowMs + 300_000) return this.refusal("TimestampSkew", { ...times, measured_at: r.measured_at });
    const twin = this.readings.findIndex((known) => known.meter === r.meter && known.measured_at === r.measured_at);
    if (twin >= 0) return this.refusal("SettlementConflict", { reason: "duplicate", number: twin + 1 });
    if (this.readings.length >= this.room) return this.refusal("LimitExceeded", { limit: "pending_per_meter" });
    return null;
  }

  refusal(code, fields) {
    return { code, cause: "because", recovery: "do", fields: Object.fromEntries(Object.entries(fields).map(([n, v]) => [n, String(v)])) };
  }
}

describe("gateway", () => {
  onDisk();
  let cluster;
  let gateways;
  beforeEach(() => {
    cluster = new Cluster();
    gateways = [];
  });
  afterEach(() => gateways.forEach((g) => g.close()));
  const open = () => {
    gateways.forEach((g) => g.close());
    const gateway = new tv.Gateway(outboxFile, genesis, sunny, { clock: clock(), client: cluster });
    gateways = [gateway];
    return gateway;
  };
  const registers = (meter = "roof-1") => cluster.readings.filter((r) => r.meter === meter).map((r) => Number(r.register));

  it("in order, each once", async () => {
    const gateway = open();
    for (let n = 0; n < 20; n++) gateway.outbox.addAll([m("roof-1", n, 1_763_990_000_000 + n), m("roof-2", n, 1_763_990_000_000 + n)]);
    assert.equal(await gateway.send(5000), 0);
    assert.deepEqual(registers(), [...Array(20).keys()]);
    assert.deepEqual(registers("roof-2"), [...Array(20).keys()]);
    assert.ok(gateway.outbox.readings().every((r) => r.fate === "accepted"));
  });

  it("an answer that did not come", async () => {
    const gateway = open();
    gateway.outbox.add(m("roof-1", 1, 1000));
    cluster.fails = [new tv.Unavailable("the line is cut")];
    assert.equal(await gateway.send(5000), 0);
    assert.deepEqual([registers(), cluster.lanes.get("m/roof-1")], [[1], 1]); // the same bytes again
  });

  it("killed after sending", async () => {
    const gateway = open();
    gateway.outbox.add(m("roof-1", 1, 1000));
    await cluster.postBatch((await gateway.next()).map((r) => r.envelope)); // the answer was never written down
    assert.equal(await open().send(5000), 0);
    assert.deepEqual([registers(), cluster.lanes.get("m/roof-1")], [[1], 1]);
  });

  it("a lost disk", async () => {
    const gateway = open();
    for (let n = 0; n < 3; n++) gateway.outbox.add(m("roof-1", n, 1000 + n));
    await gateway.send(5000);
    fs.rmSync(outboxFile);
    const again = open();
    for (let n = 0; n < 5; n++) again.outbox.add(m("roof-1", n, 1000 + n)); // the meter remembers more than we do
    assert.equal(await again.send(5000), 0);
    assert.deepEqual(registers(), [0, 1, 2, 3, 4]);
    assert.deepEqual(again.outbox.readings().map((r) => r.number), ["1", "2", "3", "4", "5"]);
  });

  it("an old disk", async () => {
    const gateway = open();
    gateway.outbox.raiseNonces(new Map([["m/roof-1", 3]]));
    gateway.outbox.add(m("roof-1", 1, 1000));
    cluster.lanes.set("m/roof-1", 40);
    assert.equal(await gateway.send(5000), 0);
    assert.equal(cluster.lanes.get("m/roof-1"), 41);
  });

  for (const wrong of [-40 * 365 * 86400, -86400, -1200, 1200, 86400, 400 * 86400]) {
    it(`a clock that is wrong by ${wrong} s`, async () => {
      now += wrong * 1000;
      const gateway = open();
      gateway.outbox.add({ market: "energy", meter: "roof-1", register: 7 }); // stamped by the wrong clock
      gateway.outbox.add(m("roof-2", 7, 1_763_999_000_000));
      assert.equal(await gateway.send(5000), 0);
      assert.deepEqual(gateway.outbox.readings().map((r) => r.fate), ["accepted", "accepted"]);
      assert.equal(cluster.readings.find((r) => r.meter === "roof-2").measured_at, 1_763_999_000_000);
      assert.ok(Math.abs(cluster.readings.find((r) => r.meter === "roof-1").measured_at - 1_764_000_000_000) < 1000);
    });
  }

  it("a time that the meter has wrong", async () => {
    const gateway = open();
    gateway.outbox.add(m("roof-1", 1, 1_764_009_000_000));
    assert.equal(await gateway.send(5000), 0);
    assert.deepEqual(gateway.outbox.readings().map((r) => [r.fate, r.code]), [["refused", "TimestampSkew"]]);
  });

  it("long without a network", async () => {
    const gateway = open();
    gateway.outbox.add(m("roof-1", 1, 1_763_999_000_000));
    await gateway.next(); // signed, and never arrives
    now += 12 * 3_600_000;
    cluster.nowMs += 12 * 3_600_000; // what was signed has expired
    assert.equal(await gateway.send(5000), 0);
    assert.deepEqual(registers(), [1]);
  });

  it("waits for room", async () => {
    const gateway = open();
    cluster.room = 1;
    gateway.outbox.addAll([m("roof-1", 0, 1000), m("roof-1", 1, 1001)]);
    assert.equal(await gateway.send(300), 1);
    const { fate, code, recovery } = gateway.outbox.readings()[1];
    assert.deepEqual([fate, code, recovery], ["stored", "LimitExceeded", "do"]);
    cluster.room = 2;
    assert.equal(await gateway.send(5000), 0);
    assert.deepEqual(registers(), [0, 1]);
  });

  it("has a bound", async () => {
    const gateway = open();
    gateway.outbox.add(m("roof-1", 1, 1000));
    cluster.reachable = false;
    const began = performance.now();
    assert.equal(await gateway.send(500), 1);
    assert.ok(performance.now() - began < 2000);
  });

  it("another key counts anew", async () => {
    open().outbox.raiseNonces(new Map([["m/roof-1", 7]]));
    gateways.forEach((g) => g.close());
    const gateway = new tv.Gateway(outboxFile, genesis, keys.get("windy"), { clock: clock(), client: cluster });
    gateways = [gateway];
    gateway.outbox.add(m("roof-1", 1, 1000));
    assert.equal((await gateway.next())[0].nonce, 1);
  });
});
