"""Tests of tallyvault.py: python3 -m unittest, in this folder. They use no network."""

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

import tallyvault as tv

VECTORS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors")


def vectors(name):
    with open(os.path.join(VECTORS, name), encoding="utf-8") as file:
        return json.load(file)


def text(name):
    with open(os.path.join(VECTORS, name), encoding="utf-8") as file:
        return file.read()


KEYS = {k["name"]: tv.Key(bytes.fromhex(k["seed"])) for k in vectors("keys.json")["good"]}
PUBLIC = {key.id: key.public for key in KEYS.values()}
GENESIS = tv.Genesis(text("genesis.json"))


class Signing(unittest.TestCase):
    def test_keys(self):
        for case in vectors("keys.json")["good"]:
            with self.subTest(case["name"]):
                key = tv.Key.parse(case["key_file"])
                self.assertEqual((case["public_key"], case["key_id"]), (key.public.hex(), key.id))
                self.assertNotIn(case["seed"], repr(key))
                if proof := case.get("possession"):
                    message = tv.pae(proof["payload_type"], proof["payload"].encode())
                    self.assertEqual(proof["signature"], key.sign(message).hex())
        for case in vectors("keys.json")["bad_key_files"]:
            with self.subTest(case["name"]), self.assertRaises(tv.Error) as refused:
                tv.Key.parse(case["text"])
            self.assertNotRegex(str(refused.exception), "[0-9a-f]{32}")  # no part of a seed

    def test_key_file_of_others(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "sunny.key")
            with open(path, "w") as file:
                file.write(vectors("keys.json")["good"][0]["key_file"])
            os.chmod(path, 0o640)
            self.assertRaisesRegex(tv.Error, "chmod 600", tv.Key.load, path)
            os.chmod(path, 0o600)
            self.assertEqual(tv.Key.load(path).id, vectors("keys.json")["good"][0]["key_id"])

    def test_good_commands(self):
        for case in vectors("commands.json")["good"]:
            with self.subTest(case["name"]):
                payload = case["payload"].encode()
                self.assertEqual(case["pae_hex"], tv.pae(case["payload_type"], payload).hex())
                self.assertEqual(case["identity"], tv.identity(case["payload_type"], payload))
                envelope = tv.Envelope.sign(case["payload_type"], payload, *(KEYS[who] for who in case["signers"]))
                self.assertEqual(case["envelope"], envelope.json())
                for spelling in [case["envelope"], *case.get("other_spellings", [])]:
                    self.assertEqual(envelope, tv.Envelope.parse(spelling))
                if case["payload_type"] == tv.READING_TYPE:
                    tv.open_reading(case["envelope"], PUBLIC)
                if ids := case.get("range_identities"):
                    stated = json.loads(case["payload"])["ranges"][0]["hash"]
                    self.assertEqual(stated, hashlib.sha256(bytes.fromhex("".join(ids))).hexdigest())

    def test_readings_are_written_as_documented(self):
        for case in vectors("commands.json")["good"]:
            members = json.loads(case["payload"])
            if case["payload_type"] != tv.READING_TYPE or case["name"].startswith("another"):
                continue
            with self.subTest(case["name"]):
                quality = members.pop("quality")
                members.update(nonce=int(members["nonce"]), register=int(members["register"]), **quality)
                self.assertEqual(case["payload"].encode(), tv.reading_payload(**members))

    def test_bad_commands(self):
        seen = 0
        for case in vectors("commands.json")["bad"]:
            with self.subTest(case["name"]):
                if case["seen_in"] != "state":
                    with self.assertRaises(tv.Refused) as refused:
                        tv.open_reading(case["envelope"], PUBLIC_OF_PEOPLE)
                    self.assertEqual(case["code"], refused.exception.code)
                    seen += 1
                elif '"meter"' in tv.Envelope.parse(case["envelope"]).payload.decode():
                    tv.open_reading(case["envelope"], PUBLIC_OF_PEOPLE)  # only the cluster can know
        self.assertGreater(seen, 20)

    def test_tokens(self):
        for case in vectors("tokens.json"):
            with self.subTest(case["signer"]):
                key = KEYS[case["signer"]]
                self.assertEqual(case["token"], tv.token(key, case["cluster"], case["issued_at_s"], case["life_s"]))
        self.assertRaises(tv.Error, tv.token, KEYS["sunny"], GENESIS.cluster, 0, 301)


PUBLIC_OF_PEOPLE = {KEYS[name].id: KEYS[name].public for name in ("ann", "ben", "olga", "omar", "sunny", "windy", "city")}


class Evidence(unittest.TestCase):
    def test_genesis(self):
        cases = vectors("genesis_cases.json")
        self.assertEqual((cases["cluster"], cases["hash"], cases["origin"]), (GENESIS.cluster, GENESIS.hash, GENESIS.origin))
        self.assertEqual(cases["era"], tv.ERA_ZERO)
        self.assertEqual(cases["policy"], GENESIS.policy.text())
        self.assertEqual({n["node"]: n["node_key"] for n in cases["nodes"]}, {n: k.hex() for n, k in GENESIS.node_keys.items()})
        for case in cases["bad"]:
            with self.subTest(case["name"]):
                self.assertRaises(tv.Error, tv.Genesis, case["text"])
        path = os.path.join(VECTORS, "genesis.json")
        self.assertEqual(GENESIS.hash, tv.Genesis.load(path, GENESIS.hash).hash)
        self.assertRaises(tv.Error, tv.Genesis.load, path, "00" * 32)

    def test_pins(self):
        cases = vectors("pins.json")
        for case in cases["good"]:
            pins = tv.verify_pins(case["envelope"], GENESIS.cluster, GENESIS.node_keys, cases["now"])
            self.assertEqual((case["node"], case["pins"]), (pins["node"], pins["pins"]))
            tv.verify_pins(case["envelope"], GENESIS.cluster, GENESIS.node_keys, 1000)  # a clock that has just begun
        for case in cases["bad"]:
            with self.subTest(case["name"]):
                self.assertRaises(tv.Error, tv.verify_pins, case["text"], GENESIS.cluster, GENESIS.node_keys, cases["now"])

    def test_policies(self):
        for good in vectors("policies.json")["good"]:
            self.assertEqual(GENESIS.policy, tv.Policy.parse(good))
        for case in vectors("policies.json")["bad"]:
            with self.subTest(case["name"]), self.assertRaises(tv.EvidenceError) as refused:
                tv.Policy.parse(case["text"])
            self.assertEqual(tv.POLICY, refused.exception.part)

    def test_receipts(self):
        cases = vectors("receipts.json")
        policy = tv.Policy.parse(cases["policy"])
        for judge in (policy.verify, tv.History(GENESIS).verify):
            for case in cases["good"]:
                with self.subTest(case["name"]):
                    receipt = tv.verify_proof(judge, case["file"].encode())
                    self.assertEqual(
                        (case["leaf_hex"], case["index"], case["size"], case["root_hex"], case["cosigners"]),
                        (receipt.leaf.hex(), receipt.index, receipt.checkpoint.size, receipt.checkpoint.root.hex(), receipt.cosigners))
                    if reading := case.get("cited_reading"):
                        self.assertTrue(receipt.is_about(reading))
                        self.assertFalse(receipt.is_about("00" * 32))
            for case in cases["bad"]:
                with self.subTest(case["name"]), self.assertRaises(tv.EvidenceError) as refused:
                    tv.verify_proof(judge, case["file"].encode())
                self.assertEqual(case["part"], refused.exception.part)

    def test_chain(self):
        cases = vectors("chain.json")
        history = tv.History(GENESIS, cases["chain"].encode())
        self.assertEqual([(t["from"], t["policy"]) for t in cases["terms"]], [(since, policy.text()) for since, policy in history.terms])
        self.assertEqual(cases["node_keys"], {name: key.hex() for name, key in history.node_keys.items()})
        for case in cases["receipts"]:
            with self.subTest(case["name"]):
                receipt = tv.verify_proof(history.verify, case["file"].encode())
                self.assertEqual((case["size"], case["cosigners"]), (receipt.checkpoint.size, receipt.cosigners))
        for case in cases["bad_chains"]:
            with self.subTest(case["name"]), self.assertRaises(tv.EvidenceError) as refused:
                tv.History(GENESIS, case["text"].encode())
            self.assertEqual(tv.POLICY, refused.exception.part)
        for case in cases["bad_receipts"]:
            with self.subTest(case["name"]), self.assertRaises(tv.EvidenceError) as refused:
                tv.verify_proof(history.verify, case["file"].encode())
            self.assertEqual(case["part"], refused.exception.part)

    def test_every_byte_of_a_receipt_counts(self):
        policy, good = GENESIS.policy, text("receipt.tlog-proof").encode()
        for at in range(len(good)):
            mangled = good[:at] + bytes([good[at] ^ 1]) + good[at + 1:]
            with self.assertRaises(tv.EvidenceError, msg=f"byte {at}"):
                tv.verify_proof(policy.verify, mangled)


class OnDisk(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = os.path.join(directory.name, "outbox.db")
        self.now = 1_764_000_000.0
        self.clock = tv.Clock(lambda: self.now)


class Stored(OnDisk):
    def test_a_measurement_survives_a_kill(self):
        program = ("import sys, os, tallyvault as tv\n"
                   "box = tv.Outbox(sys.argv[1])\n"
                   "box.add('energy', 'roof-1', 5, 1000)\n"
                   "os.kill(os.getpid(), 9)\n")
        ended = subprocess.run([sys.executable, "-c", program, self.path], cwd=os.path.dirname(os.path.abspath(__file__)))
        self.assertEqual(-9, ended.returncode)
        self.assertEqual([("roof-1", "5", 1000, tv.STORED)], [(r.meter, r.register, r.measured_at, r.fate) for r in tv.Outbox(self.path).readings()])

    def test_the_same_measurement_is_stored_once(self):
        box = tv.Outbox(self.path, self.clock)
        self.assertEqual(box.add("energy", "roof-1", 5, 1000), box.add("energy", "roof-1", 5, 1000))
        self.assertRaisesRegex(tv.Error, "register 5", box.add, "energy", "roof-1", 6, 1000)
        self.assertRaises(tv.Error, box.add, "energy", "roof-1", 1 << 64, 2000)
        with self.assertRaises(tv.Error):
            box.add_all([("energy", "roof-2", 1, 1000, "ntp", "ok"), ("energy", "roof-1", 7, 1000, "ntp", "ok")])
        self.assertEqual(1, len(box.readings()))  # all or none

    def test_one_reading_of_a_meter_is_due(self):
        box = tv.Outbox(self.path, self.clock)
        box.add("energy", "roof-1", 7, 2000)
        first = box.add("energy", "roof-1", 5, 1000)
        other = box.add("energy", "roof-2", 1, 5000)
        self.assertEqual([first, other], [r.seq for r in box.due([], 256)])
        self.assertEqual([other], [r.seq for r in box.due(["roof-1"], 256)])
        box.add("energy", "roof-1", 4, 500)  # older, but the other one is under way
        box.update(first, fate=tv.SENT)
        self.assertEqual([first, other], [r.seq for r in box.due([], 256)])

    def test_a_stamp_moves_with_the_clock_and_a_meters_time_does_not(self):
        box = tv.Outbox(self.path, self.clock)
        stamped, given = box.add("energy", "roof-1", 5), box.add("energy", "roof-2", 5, 1_764_000_000_000)
        self.now += 60
        box.correct_clock(1_764_003_660_000)  # an hour and a minute later
        self.assertEqual(1_764_003_600_000, box.reading(stamped).measured_at)
        self.assertEqual(1_764_000_000_000, box.reading(given).measured_at)
        again = tv.Outbox(self.path, tv.Clock(lambda: self.now))
        self.assertEqual(1_764_003_660_000, again.clock.now_ms())  # it is remembered

    def test_one_program_sends(self):
        with tv.Gateway(self.path, GENESIS, KEYS["sunny"], clock=self.clock):
            self.assertRaisesRegex(tv.Error, "another program", tv.Gateway, self.path, GENESIS, KEYS["sunny"])

    def test_another_key_counts_anew(self):
        with tv.Gateway(self.path, GENESIS, KEYS["sunny"], clock=self.clock) as gateway:
            gateway.outbox.raise_nonces({"m/roof-1": 7})
        with tv.Gateway(self.path, GENESIS, KEYS["windy"], clock=self.clock) as gateway:
            gateway.client = Cluster(0)
            gateway.outbox.add("energy", "roof-1", 1, 1000)
            self.assertEqual(1, gateway._next(5)[0].nonce)


class Cluster:
    """Stands for the cluster: judges readings by lane, nonce, time and room, as the real one does."""

    def __init__(self, now_ms):
        self.now_ms, self.outcomes, self.lanes, self.readings = now_ms, {}, {}, []
        self.room, self.fails = 1 << 30, []
        self.reachable = True

    def last_nonces(self, _):
        if not self.reachable:
            raise tv.Unavailable("cut off")
        return dict(self.lanes)

    def outcome(self, identity):
        return self.outcomes.get(identity)

    def get(self, path, *_, **__):
        number = path.rsplit("/", 1)[1]
        return {"number": number, **self.readings[int(number) - 1]}

    def close(self):
        pass

    def post_batch(self, envelopes):
        if not self.reachable:
            raise tv.Unavailable("cut off")
        lines = [{"line": n, **self.judge(e)} for n, e in enumerate(envelopes, 1)]
        if self.fails:
            raise self.fails.pop()
        return lines

    def judge(self, text):
        r = tv.open_reading(text, {KEYS["sunny"].id: KEYS["sunny"].public})
        identity, lane = tv.Envelope.parse(text).identity, r["lane"]
        if identity in self.outcomes:
            return {"outcome": self.outcomes[identity]}
        last = self.lanes.get(lane, 0)
        if self.now_ms > r["expires_at"]:
            return self.problem("Expired", now=self.now_ms)
        if r["nonce"] <= last:
            return self.problem("NonceReplay", last_nonce=last)
        self.lanes[lane] = r["nonce"]
        code = self.rule(r)
        outcome = {"id": identity, "accepted": not code, **(code or {})}
        if not code:
            self.readings.append({"meter": r["meter"], "measured_at": r["measured_at"], "register": str(r["register"]), "identity": identity})
            outcome["result"] = {"number": str(len(self.readings))}
        self.outcomes[identity] = outcome
        return {"outcome": outcome}

    def rule(self, r):
        if abs(r["issued_at"] - self.now_ms) > 300_000:
            return self.refusal("TimestampSkew", now=self.now_ms, skew_ms=300_000)
        if r["measured_at"] > self.now_ms + 300_000:
            return self.refusal("TimestampSkew", now=self.now_ms, measured_at=r["measured_at"], skew_ms=300_000)
        for n, known in enumerate(self.readings, 1):
            if (known["meter"], known["measured_at"]) == (r["meter"], r["measured_at"]):
                return self.refusal("SettlementConflict", reason="duplicate", number=n)
        if len(self.readings) >= self.room:
            return self.refusal("LimitExceeded", limit="pending_per_meter")
        return None

    @staticmethod
    def refusal(code, **fields):
        return {"code": code, "cause": "because", "recovery": "do", "fields": {k: str(v) for k, v in fields.items()}}

    def problem(self, code, **fields):
        return {"problem": {**self.refusal(code, **fields), "logged": False}}


class Sent(OnDisk):
    def setUp(self):
        super().setUp()
        self.cluster = Cluster(1_764_000_000_000)

    def gateway(self):
        gateway = tv.Gateway(self.path, GENESIS, KEYS["sunny"], clock=tv.Clock(lambda: self.now))
        gateway.client = self.cluster
        self.addCleanup(gateway.close)
        return gateway

    def registers(self, meter="roof-1"):
        return [int(r["register"]) for r in self.cluster.readings if r["meter"] == meter]

    def test_in_order_each_once(self):
        gateway = self.gateway()
        for n in range(20):
            gateway.outbox.add("energy", "roof-1", n, 1_763_990_000_000 + n)
            gateway.outbox.add("energy", "roof-2", n, 1_763_990_000_000 + n)
        self.assertEqual(0, gateway.send(5))
        self.assertEqual(list(range(20)), self.registers())
        self.assertEqual(list(range(20)), self.registers("roof-2"))
        self.assertEqual({tv.ACCEPTED}, {r.fate for r in gateway.outbox.readings()})

    def test_an_answer_that_did_not_come(self):
        gateway = self.gateway()
        gateway.outbox.add("energy", "roof-1", 1, 1000)
        self.cluster.fails = [tv.Unavailable("the line is cut")]
        self.assertEqual(0, gateway.send(5))
        self.assertEqual([1], self.registers())
        self.assertEqual(1, self.cluster.lanes["m/roof-1"])  # the same bytes again

    def test_killed_after_sending(self):
        gateway = self.gateway()
        gateway.outbox.add("energy", "roof-1", 1, 1000)
        sent = gateway._next(5)
        self.cluster.post_batch([sent[0].envelope])
        gateway.close()  # the answer was never written down
        again = self.gateway()
        self.assertEqual(0, again.send(5))
        self.assertEqual(([1], 1), (self.registers(), self.cluster.lanes["m/roof-1"]))

    def test_a_lost_disk(self):
        gateway = self.gateway()
        for n in range(3):
            gateway.outbox.add("energy", "roof-1", n, 1000 + n)
        gateway.send(5)
        gateway.close()
        os.remove(self.path)
        again = self.gateway()
        for n in range(5):  # the meter remembers more than we do
            again.outbox.add("energy", "roof-1", n, 1000 + n)
        self.assertEqual(0, again.send(5))
        self.assertEqual([0, 1, 2, 3, 4], self.registers())
        self.assertEqual(["1", "2", "3", "4", "5"], [r.number for r in again.outbox.readings()])

    def test_an_old_disk(self):
        gateway = self.gateway()
        gateway.outbox.raise_nonces({"m/roof-1": 3})
        gateway.outbox.add("energy", "roof-1", 1, 1000)
        self.cluster.lanes["m/roof-1"] = 40
        self.assertEqual(0, gateway.send(5))
        self.assertEqual(41, self.cluster.lanes["m/roof-1"])

    def test_wrong_clocks(self):
        for wrong in (-40 * 365 * 86400, -86400, -1200, 1200, 86400, 400 * 86400):
            with self.subTest(wrong):
                self.cluster = Cluster(1_764_000_000_000)
                self.now = 1_764_000_000.0 + wrong
                gateway = self.gateway()
                gateway.outbox.add("energy", "roof-1", 7)  # stamped by the wrong clock
                gateway.outbox.add("energy", "roof-2", 7, 1_763_999_000_000)
                self.assertEqual(0, gateway.send(5))
                self.assertEqual({tv.ACCEPTED}, {r.fate for r in gateway.outbox.readings()})
                self.assertEqual(1_763_999_000_000, next(r for r in self.cluster.readings if r["meter"] == "roof-2")["measured_at"])
                stamped = next(r for r in self.cluster.readings if r["meter"] == "roof-1")["measured_at"]
                self.assertLess(abs(stamped - 1_764_000_000_000), 1000)
                gateway.close()
                os.remove(self.path)

    def test_a_time_that_the_meter_has_wrong(self):
        gateway = self.gateway()
        gateway.outbox.add("energy", "roof-1", 1, 1_764_009_000_000)
        self.assertEqual(0, gateway.send(5))
        self.assertEqual([(tv.REFUSED, "TimestampSkew")], [(r.fate, r.code) for r in gateway.outbox.readings()])

    def test_long_without_a_network(self):
        gateway = self.gateway()
        gateway.outbox.add("energy", "roof-1", 1, 1_763_999_000_000)
        self.cluster.fails = [tv.Unavailable("cut")]
        self.cluster.judge = lambda _, judge=self.cluster.judge: {"outcome": None}  # never arrives
        gateway.send(0.05)
        del self.cluster.judge
        self.now += 12 * 3600
        self.cluster.now_ms += 12 * 3_600_000  # what was signed has expired
        self.assertEqual(0, gateway.send(5))
        self.assertEqual([1], self.registers())

    def test_waits_for_room(self):
        gateway = self.gateway()
        self.cluster.room = 1
        for n in range(2):
            gateway.outbox.add("energy", "roof-1", n, 1000 + n)
        self.assertEqual(1, gateway.send(0.3))
        waiting = gateway.outbox.readings()[1]
        self.assertEqual((tv.STORED, "LimitExceeded", "do"), (waiting.fate, waiting.code, waiting.recovery))
        self.cluster.room = 2
        self.assertEqual(0, gateway.send(5))
        self.assertEqual([0, 1], self.registers())

    def test_bounded(self):
        gateway = self.gateway()
        gateway.outbox.add("energy", "roof-1", 1, 1000)
        self.cluster.reachable = False
        began = time.monotonic()
        self.assertEqual(1, gateway.send(0.5))
        self.assertLess(time.monotonic() - began, 2)

    def test_a_damaged_envelope_is_not_sent(self):
        gateway = self.gateway()
        gateway.outbox.add("energy", "roof-1", 1, 1000)
        sent = gateway._next(5)[0]
        db = sqlite3.connect(self.path)
        with db:
            db.execute("UPDATE readings SET envelope = replace(envelope, 'A', 'B')")
        db.close()
        self.assertEqual(0, gateway.send(5))
        self.assertEqual([1], self.registers())
        self.assertNotEqual(sent.identity, gateway.outbox.readings()[0].identity)


if __name__ == "__main__":
    unittest.main()
