#!/usr/bin/env python3
"""Starts the real switch between peers that speak through pyiso8583, and checks what it says element by element.

    live.py BINARY

Two askers and two issuers in two dialects, with framing of our own: purchases each way across, repeats,
reversals, echoes, an issuer that answers too late; and an issuer of ISO 8583:1993. Then a day of more than 500 payments is reconciled by
one of the askers and cut, and cardutil (cardutil_check.py beside this file) reads the files; their sums are those of our own ledgers.

Exit 0 with a summary line, or 1 with every difference. Needs: pyiso8583 4.x, cardutil 0.7.3 (PyPI).
"""

import collections
import copy
import datetime
import hashlib
import json
import pathlib
import queue
import secrets
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import iso8583
from iso8583.specs import default_ascii

TIMEOUT_MS = 600
HERE = pathlib.Path(__file__).resolve().parent

# What an answer repeats of its request, by the shipped dialects.
ECHO = "2 3 4 7 11 12 13 24 32 33 37 41 42 49 70 90".split()


def bcd_spec():
    """iso87-bcd: packed digits, lengths in packed digits, binary bitmaps; the layout of jPOS's iso87binary."""
    spec = copy.deepcopy(default_ascii)
    for key in ("t", "p", "1"):
        spec[key].update(data_enc="b")
    spec["p"]["max_len"] = spec["1"]["max_len"] = 8
    spec["t"]["max_len"] = 2
    text = "34 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 54 91 92 93 94 95 98".split()
    for number in range(2, 129):
        field = spec[str(number)]
        # Two digits of length fit a byte, three need two.
        field.update(len_enc="bcd", len_type={0: 0, 2: 1, 3: 2}[field["len_type"]])
        if str(number) in text or number >= 101 or 56 <= number <= 63:
            continue
        if number in (52, 55, 64, 65, 96, 128):
            field.update(data_enc="b")
            continue
        pad = {"right_pad": "0"} if field["len_type"] else {"left_pad": "0"}
        field.update(data_enc="b", len_count="nibbles", **pad)
    return spec


def later_spec():
    """iso93-ascii: what ISO 8583:1993 has otherwise than 1987, of the elements that are used here."""
    spec = copy.deepcopy(default_ascii)
    fixed = {"12": 12, "15": 6, "22": 12, "24": 3, "25": 4, "26": 4, "28": 6, "30": 24, "39": 3}
    for number, length in fixed.items():
        spec[number].update(len_type=0, max_len=length)
    for number, longest in {"31": 99, "43": 99, "44": 99, "56": 35, "58": 11}.items():
        spec[number].update(len_type=2, max_len=longest)
    return spec


SPECS = {"iso87-ascii": default_ascii, "iso87-bcd": bcd_spec(), "iso93-ascii": later_spec()}

# What an answer repeats of its request in iso93-ascii.
LATER_ECHO = "2 3 4 7 11 12 32 33 37 41 42 49 59".split()


class Checks:
    """Counts what was compared; keeps what differs."""

    def __init__(self):
        self.values, self.messages, self.faults = 0, collections.Counter(), []

    def equal(self, what, got, expected):
        self.values += 1
        if got != expected:
            self.faults.append(f"{what}: {got!r}, expected {expected!r}")

    def true(self, what, condition):
        self.equal(what, bool(condition), True)

    def message(self, what, got, expected):
        """Every element of a message, and that there is no other."""
        self.messages[expected["t"]] += 1
        keys = lambda doc: {key for key in doc if key.isdigit() and key != "1"} | {"t"}
        self.equal(f"{what}: elements", sorted(keys(got), key=str), sorted(keys(expected), key=str))
        for key in keys(expected) & keys(got):
            self.equal(f"{what}: element {key}", got[key], expected[key])


class Wire:
    """A connection that cuts its own frames: a length of two bytes or four digits, maybe a TPDU."""

    def __init__(self, sock, dialect, length, tpdu=None):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock, self.spec, self.length, self.tpdu = sock, SPECS[dialect], length, tpdu
        self.dialect, self.buffer, self.lock = dialect, b"", threading.Lock()

    def send(self, doc, tpdu=None):
        doc = {key: value for key, value in doc.items() if key != "tpdu"}
        if self.dialect == "iso87-bcd" and "35" in doc:
            doc["35"] = doc["35"].replace("=", "D")
        body, _ = iso8583.encode(doc, self.spec)
        body = (tpdu or self.tpdu or b"") + bytes(body)
        head = struct.pack(">H", len(body)) if self.length == "binary-2" else b"%04d" % len(body)
        with self.lock:
            self.sock.sendall(head + body)

    def receive(self, seconds=5.0):
        """The next message, or None at the end of the stream or of our patience."""
        self.sock.settimeout(seconds)
        width = 2 if self.length == "binary-2" else 4
        try:
            head = self.take(width)
            size = struct.unpack(">H", head)[0] if width == 2 else int(head)
            body = self.take(size)
        except (TimeoutError, ConnectionError, EOFError):
            return None
        tpdu = b""
        if self.tpdu:
            tpdu, body = body[:5], body[5:]
        doc, _ = iso8583.decode(body, self.spec)
        for key in ("p", "1", "h"):
            doc.pop(key, None)
        if "35" in doc:
            doc["35"] = doc["35"].replace("D", "=")
        if self.tpdu:
            doc["tpdu"] = tpdu
        return doc

    def take(self, count):
        while len(self.buffer) < count:
            more = self.sock.recv(65536)
            if not more:
                raise EOFError
            self.buffer += more
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken


class Issuer(threading.Thread):
    """Approves, but for amounts that end in 51 (declined) and 68 (approved too late). Keeps a ledger."""

    def __init__(self, name, dialect, length, checks):
        super().__init__(daemon=True)
        self.name_, self.dialect, self.length, self.checks = name, dialect, length, checks
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.seen, self.ledger, self.signed_on = queue.Queue(), {}, threading.Event()
        self.pairs, self.approvals = set(), 0

    def run(self):
        while True:
            sock, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(Wire(sock, self.dialect, self.length),), daemon=True).start()

    def serve(self, wire):
        while (doc := wire.receive(3600)) is not None:
            pair = (doc["t"][1], doc["7"], doc["11"])
            if doc["t"][3] == "0":
                self.checks.true(f"{self.name_}: the pair {pair} is fresh", pair not in self.pairs)
            self.pairs.add(pair)
            answer = {key: doc[key] for key in ECHO if key in doc}
            answer["t"] = doc["t"][:2] + str(int(doc["t"][2]) + 1) + "0"
            answer["39"] = "00"
            if doc["t"] == "0800":
                self.checks.message(f"{self.name_}: sign-on", doc, {"t": "0800", "7": doc["7"], "11": doc["11"], "70": doc["70"]})
                self.signed_on.set()
            elif doc["t"] in ("0420", "0421"):
                entry = self.ledger.get(doc["90"][:20])
                answer["39"] = "00" if entry else "25"
                if entry:
                    entry["reversed"] = True
                self.seen.put(doc)
            else:
                self.decide(doc, answer)
                self.seen.put(doc)
                if doc["4"].endswith("68"):
                    threading.Timer(2.5 * TIMEOUT_MS / 1000, wire.send, (answer,)).start()
                    continue
            wire.send(answer)

    def decide(self, doc, answer):
        if doc["4"].endswith("51"):
            answer["39"] = "51"
            return
        self.approvals += 1
        answer["38"] = "%06d" % self.approvals
        amount = int(doc["4"]) * (-1 if doc["3"].startswith("2") else 1)
        name = doc["t"] + doc["11"] + doc["7"]
        self.ledger[name] = {"amount": amount, "currency": doc["49"], "reversed": False, "approval": answer["38"]}

    def sums(self):
        sums = collections.Counter()
        for entry in self.ledger.values():
            if not entry["reversed"]:
                sums[entry["currency"]] += entry["amount"]
        return dict(sums)

    def next(self, what, seconds=5.0):
        try:
            return self.seen.get(timeout=seconds)
        except queue.Empty:
            self.checks.faults.append(f"{what}: nothing reached the {self.name_} issuer")
            return None


class LaterIssuer(Issuer):
    """The same of ISO 8583:1993: other types, codes and original data elements. Kept out of the day that is cut."""

    def serve(self, wire):
        while (doc := wire.receive(3600)) is not None:
            answer = {key: doc[key] for key in LATER_ECHO if key in doc}
            answer["t"] = doc["t"][:2] + str(int(doc["t"][2]) + 1) + doc["t"][3].replace("1", "0")
            if doc["t"] == "1804":
                # As the switch stops it signs off.
                expected = "802" if self.signed_on.is_set() else "801"
                self.checks.equal(f"{self.name_}: sign-on, and then sign-off", doc["24"], expected)
                wire.send(answer | {"24": expected, "39": "800"})
                self.signed_on.set()
                continue
            self.seen.put(doc)
            if doc["t"] in ("1420", "1421"):
                entry = self.ledger.get(doc["56"][4:22])
                if entry:
                    entry["reversed"] = True
                wire.send(answer | {"39": "400" if entry else "914"})
            elif doc["4"].endswith("51"):
                wire.send(answer | {"39": "116"})
            elif not doc["4"].endswith("91"):
                self.ledger[doc["11"] + doc["12"]] = {"reversed": False}
                wire.send(answer | {"38": "A1B2C3", "39": "000"})


class Asker:
    """Terminals on one connection."""

    def __init__(self, name, port, dialect, length, checks, tpdu=None):
        sock = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.wire, self.name, self.checks = Wire(sock, dialect, length, tpdu), name, checks
        self.stan, self.number = 0, 1 + ord(name[0]) % 9
        # What this side knows that it was told: kind, amount, by what names it.
        self.told = {}

    def clock(self):
        return datetime.datetime.now(datetime.timezone.utc)

    def next_stan(self):
        self.stan += 1
        return "%06d" % self.stan

    def sale(self, pan, amount, currency="978", code="000000"):
        now, stan = self.clock(), self.next_stan()
        return {
            "t": "0200", "2": pan, "3": code, "4": "%012d" % amount, "7": now.strftime("%m%d%H%M%S"), "11": stan,
            "12": now.strftime("%H%M%S"), "13": now.strftime("%m%d"), "14": "2912", "18": "5411", "22": "021",
            "24": "200", "25": "00", "32": "999999", "35": pan + "=29122010000000000",
            "37": "%d%05d%s" % (self.number, 0, stan), "41": "TERM000%d" % self.number,
            "42": "MERCHANT%07d" % self.number, "43": "%-25s%-13sDE" % ("CAFE 1, HIGH STREET 2", "BERLIN"), "49": currency,
        }  # fmt: skip

    def reversal(self, sale):
        doc = {key: value for key, value in sale.items() if key != "35"}
        original = sale["t"] + sale["11"] + sale["7"] + sale["32"].rjust(11, "0") + "0" * 11
        return doc | {"t": "0420", "7": self.clock().strftime("%m%d%H%M%S"), "11": self.next_stan(), "90": original}

    def ask(self, doc, seconds=5.0):
        self.wire.send(doc)
        answer = self.wire.receive(seconds)
        if answer is None:
            self.checks.faults.append(f"{self.name}: no answer to {doc['t']} {doc['11']}")
            return {"t": "none"}
        if self.wire.tpdu:
            sent = self.wire.tpdu
            self.checks.equal(f"{self.name}: TPDU swapped", answer.pop("tpdu"), sent[:1] + sent[3:5] + sent[1:3])
        self.note(doc, answer)
        return answer

    def note(self, doc, answer):
        """Counts what was approved, and what was taken back of that, in euros, each once."""
        if answer.get("39") != "00" or doc.get("49") != "978":
            return
        kind = "credit" if doc["3"].startswith("2") else "debit"
        if doc["t"] in ("0200", "0201"):
            self.told[doc["11"]] = (kind, int(doc["4"]))
        elif doc["t"] in ("0420", "0421") and doc["90"][4:10] in self.told:
            self.told["90" + doc["90"][4:10]] = (kind + " reversal", int(doc["4"]))

    def totals(self):
        """What its day comes to, by what it was told alone."""
        elements, net = {}, 0
        signs = {"credit": 1, "credit reversal": -1, "debit": -1, "debit reversal": 1}
        for place, (kind, sign) in enumerate(signs.items()):
            amounts = [amount for one, amount in self.told.values() if one == kind]
            elements[str(74 + place)], elements[str(86 + place)] = "%010d" % len(amounts), "%016d" % sum(amounts)
            net += sign * sum(amounts)
        now = self.clock()
        elements |= {"7": now.strftime("%m%d%H%M%S"), "11": self.next_stan(), "15": now.strftime("%m%d"), "50": "978"}
        return elements | {"t": "0500", "97": "%s%016d" % ("D" if net < 0 else "C", abs(net)), "99": "999999"}

    def expect(self, doc, **more):
        """The answer that belongs to a request: what it repeats, and what is added."""
        answer = {key: doc[key] for key in ECHO if key in doc}
        answer["t"] = doc["t"][:2] + str(int(doc["t"][2]) + 1) + "0"
        return answer | {key.removeprefix("de"): value for key, value in more.items()}


class Switch:
    def __init__(self, binary, directory, issuers):
        self.binary, self.directory, self.state = binary, directory, directory / "state"
        key = directory / "pan.key"
        key.touch(mode=0o600)
        key.write_text(secrets.token_hex(32))
        self.ports = {name: self.free_port() for name in ("shops", "web")}
        issuing = f'sign_on = "send"\ntimeout_ms = {TIMEOUT_MS}\nsettle_ms = {TIMEOUT_MS * 2}\nowed_repeat_ms = {TIMEOUT_MS}\n'
        north, south, east = issuers
        self.config = directory / "iso8583d.toml"
        self.config.write_text(f"""
[daemon]
state = "{self.state}"
key = "file:{key}"
console = "off"

[links.shops]
role = "asker"
listen = "127.0.0.1:{self.ports['shops']}"
dialect = "iso87-bcd"
length = "binary-2"
tpdu = "6000010000"

[links.web]
role = "asker"
listen = "127.0.0.1:{self.ports['web']}"
dialect = "iso87-ascii"
length = "ascii-4"

[links.web.reconciliation]
currency = "978"

[links.north]
role = "issuer"
dial = ["127.0.0.1:{north.port}"]
dialect = "{north.dialect}"
length = "{north.length}"
{issuing}
[links.south]
role = "issuer"
dial = ["127.0.0.1:{south.port}"]
dialect = "{south.dialect}"
length = "{south.length}"
{issuing}
[links.east]
role = "issuer"
dial = ["127.0.0.1:{east.port}"]
dialect = "{east.dialect}"
length = "{east.length}"
{issuing}
[[routes]]
bin = "222100"
to = ["east"]

[[routes]]
bin = "541333"
to = ["north"]

[[routes]]
bin = "400000-400009"
to = ["south"]
""")
        self.log = open(directory / "switch.log", "wb")
        self.process = subprocess.Popen([binary, "run", self.config], stderr=self.log, stdin=subprocess.DEVNULL)

    @staticmethod
    def free_port():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            return listener.getsockname()[1]

    def ready(self):
        until = time.monotonic() + 20
        while time.monotonic() < until and self.process.poll() is None:
            try:
                for port in self.ports.values():
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        sys.exit("the switch is not ready:\n" + (self.directory / "switch.log").read_text())

    def command(self, *words):
        done = subprocess.run([self.binary, *words, "--state", self.state], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(words)}: {done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def owed(self):
        lists = [line["list"] for line in self.command("ctl", "owed") if "list" in line]
        return [name for name in lists if name != "delivery-unknown"]

    def settled(self, seconds=10):
        until = time.monotonic() + seconds
        while self.owed() and time.monotonic() < until:
            time.sleep(0.1)
        return self.owed()


def echo_and_sign_on(asker, checks):
    for code in ("001", "301"):
        doc = {"t": "0800", "7": asker.clock().strftime("%m%d%H%M%S"), "11": asker.next_stan(), "70": code}
        checks.message(f"{asker.name}: network management {code}", asker.ask(doc), asker.expect(doc, de39="00"))


def purchase_and_repeat(asker, issuer, pan, checks):
    what = f"{asker.name} to {issuer.name_}"
    sale = asker.sale(pan, 1250)
    answer = asker.ask(sale)
    forwarded = issuer.next(what)
    if forwarded is None:
        return None
    expected = {key: value for key, value in sale.items()} | {"7": forwarded["7"], "11": forwarded["11"]}
    checks.message(f"{what}: forwarded", forwarded, expected)
    approval = issuer.ledger["0200" + forwarded["11"] + forwarded["7"]]["approval"]
    checks.message(f"{what}: answered", answer, asker.expect(sale, de39="00", de38=approval))
    for again in ("0201", "0200"):
        checks.equal(f"{what}: the same answer to {again}", asker.ask(sale | {"t": again}), answer)
    other = sale | {"4": "000000009900"}
    checks.equal(f"{what}: the same key with another amount", asker.ask(other)["39"], "94")
    checks.true(f"{what}: the issuer was asked once", issuer.seen.empty())
    declined = asker.sale(pan, 1351)
    checks.message(f"{what}: declined", asker.ask(declined), asker.expect(declined, de39="51"))
    issuer.next(what)
    return sale, forwarded


def reversal(asker, issuer, sale, forwarded, checks):
    what = f"{asker.name} to {issuer.name_}: reversal"
    undo = asker.reversal(sale)
    checks.message(f"{what} answered", asker.ask(undo), asker.expect(undo, de39="00"))
    seen = issuer.next(what)
    if seen is None:
        return
    original = "0200" + forwarded["11"] + forwarded["7"] + "99999900000000000".rjust(22, "0")
    checks.equal(f"{what} names the original as its issuer knows it", seen.get("90"), original)
    checks.equal(f"{what} type", seen["t"], "0420")
    for key in "2 3 4 32 37 41 42 49".split():
        checks.equal(f"{what}: element {key}", seen.get(key), sale[key])
    again = asker.ask(undo | {"t": "0421"})
    checks.message(f"{what} repeated", again, asker.expect(undo | {"t": "0421"}, de39="00"))
    checks.true(f"{what}: a repeat of the sale is declined for ever", asker.ask(sale | {"t": "0201"})["39"] != "00")
    checks.true(f"{what}: one reversal reached the issuer", issuer.seen.empty())


def too_late(asker, issuer, pan, switch, checks):
    what = f"{asker.name} to {issuer.name_}: too late"
    sale = asker.sale(pan, 2068)
    begun = time.monotonic()
    answer = asker.ask(sale)
    checks.message(f"{what}: the asker hears 91", answer, asker.expect(sale, de39="91"))
    checks.true(f"{what}: not before the time-out", time.monotonic() - begun >= TIMEOUT_MS / 1000)
    forwarded = issuer.next(what)
    first = issuer.next(what)
    if forwarded is None or first is None:
        return
    original = "0200" + forwarded["11"] + forwarded["7"]
    checks.equal(f"{what}: a reversal follows", (first["t"], first["90"][:20]), ("0420", original))
    # The approval comes now; its reversal goes once more under a fresh pair, to be sure.
    second = issuer.next(what)
    if second is not None:
        checks.equal(f"{what}: reversed again after the approval", (second["t"], second["90"][:20]), ("0420", original))
        checks.true(f"{what}: under a fresh pair", (second["7"], second["11"]) != (first["7"], first["11"]))
    checks.equal(f"{what}: nothing stays owed", switch.settled(), [])
    checks.true(f"{what}: reversed in the ledger", issuer.ledger[original]["reversed"])
    checks.true(f"{what}: the asker hears nothing more", asker.wire.receive(0.2) is None)
    checks.true(f"{what}: declined for ever", asker.ask(sale | {"t": "0201"})["39"] != "00")


def another_edition(asker, issuer, switch, checks):
    """A terminal of 1987 pays at an issuer of 1993, is declined there, and takes it back there; and one that is not answered."""
    what = f"{asker.name} to {issuer.name_}, of 1993"
    pan = "2221000000000009"
    year = asker.clock().strftime("%y")

    def forwarded_of(sale):
        seen = issuer.next(what)
        if seen is None:
            return None
        same = {key: sale[key] for key in "2 3 4 14 32 35 37 41 42 49".split()}
        changed = {"t": "1200", "7": seen["7"], "11": seen["11"], "12": year + sale["13"] + sale["12"]}
        changed = changed | {"22": seen["22"], "24": "200", "26": sale["18"], "43": seen["43"]}
        checks.message(f"{what}: forwarded", seen, same | changed)
        checks.equal(f"{what}: where", seen["43"].split("\\")[0].strip(), sale["43"][:23].strip())
        checks.equal(f"{what}: how the card was read", seen["22"][6], "2")
        return seen

    def undone(seen, reason):
        undo = issuer.next(what)
        if undo is None or seen is None:
            return
        original = "1200" + seen["11"] + seen["12"] + "06999999"
        checks.equal(f"{what}: what is reversed, and why", (undo["t"], undo["24"], undo["25"], undo["56"]), ("1420", "400", reason, original))
        for key in "2 3 4 12 22 26 32 37 41 42 49".split():
            checks.equal(f"{what}: element {key} of the reversal", undo.get(key), seen.get(key))

    sale = asker.sale(pan, 1250)
    answer = asker.ask(sale)
    seen = forwarded_of(sale)
    checks.message(f"{what}: answered", answer, asker.expect(sale, de39="00", de38="A1B2C3"))
    checks.equal(f"{what}: the same to a repeat", asker.ask(sale | {"t": "0201"}), answer)
    undo = asker.reversal(sale)
    checks.message(f"{what}: taken back", asker.ask(undo), asker.expect(undo, de39="00"))
    undone(seen, "4000")
    declined = asker.sale(pan, 1351)
    checks.message(f"{what}: declined", asker.ask(declined), asker.expect(declined, de39="51"))
    forwarded_of(declined)
    silent = asker.sale(pan, 1391)
    checks.message(f"{what}: not answered", asker.ask(silent), asker.expect(silent, de39="91"))
    seen = forwarded_of(silent)
    undone(seen, "4021")
    # The first acknowledgement may have overtaken the request: once more when that cannot be any longer.
    undone(seen, "4021")
    checks.equal(f"{what}: nothing stays owed", switch.settled(), [])


def day(askers, issuers, checks, count=160, window=20):
    """Payments of each asker with each issuer's cards, pipelined: refunds and two currencies among them."""
    answered = 0
    for asker in askers:
        sales = []
        for number in range(count):
            pan = ("5413330000004110", "4000000000000002")[number % 2]
            currency = "840" if number % 5 == 0 else "978"
            code = "200000" if number % 16 == 3 else "000000"
            sales.append(asker.sale(pan, 100 * (1 + number), currency, code))
        waiting, rest = {}, collections.deque(sales)
        while waiting or rest:
            while rest and len(waiting) < window:
                sale = rest.popleft()
                waiting[sale["11"]] = sale
                asker.wire.send(sale)
            answer = asker.wire.receive()
            sale = waiting.pop(answer["11"], None) if answer else None
            if sale is None:
                checks.faults.append(f"{asker.name}: an answer is missing, or to nothing that was asked")
                return answered
            answer.pop("tpdu", None)
            asker.note(sale, answer)
            checks.message(f"{asker.name}: payment", answer, asker.expect(sale, de39="00", de38=answer.get("38")))
            answered += 1
    for issuer in issuers:
        while not issuer.seen.empty():
            issuer.seen.get()
    return answered


def reconcile(asker, switch, checks):
    """The asker says what its day comes to: first with a reversal too many, then as it was told, and once more as a repeat."""
    what = f"{asker.name}: reconciliation"
    checks.true(f"{what} of something", len(asker.told) > 100 and any(kind == "debit reversal" for kind, _ in asker.told.values()))
    wrong = asker.totals()
    wrong["77"] = "%010d" % (int(wrong["77"]) + 1)
    right = asker.totals()
    for doc, code, settled in ((wrong, "95", "2"), (right, "00", "1"), (right | {"t": "0501"}, "00", "1"), (wrong, "95", "2")):
        same = {key: doc[key] for key in ("15", "50", "97", "99")}
        checks.message(f"{what} {code}", asker.ask(doc), asker.expect(doc, de39=code, de66=settled) | same)
    kept = [line for line in switch.command("clearing", "reconciliations") if "reconciliation" in line]
    checks.equal(f"{what}: kept once each", [line["settled"] for line in kept], ["in_balance", "out_of_balance"])
    checks.equal(f"{what}: what differed", [one["class"] for one in kept[1]["differs"]], ["debit_reversals"])


def clear(switch, issuers, checks):
    checks.equal("nothing is owed before the cut", switch.settled(), [])
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    cut = lambda: switch.command("clearing", "cut", "--date", date)
    cut()
    directory = switch.state / "clearing"
    digest = lambda: {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(directory.iterdir())}
    before = digest()
    cut()
    checks.equal("cut again: the same bytes", digest(), before)
    checks.true("clearing files", any(name.endswith(".ipm") for name in before))
    positions = json.loads((directory / f"positions-{date}.json").read_text())
    for issuer in issuers:
        lines = [line for line in positions["positions"] if (line["party"], line["name"]) == ("issuer", issuer.name_)]
        nets = {line["currency"]: -line["net"] for line in lines}
        checks.equal(f"{issuer.name_}: its ledger and its position", nets, issuer.sums())
    judge = [sys.executable, HERE / "cardutil_check.py", "--least", "500", "--prove", directory]
    done = subprocess.run(judge, capture_output=True, text=True, check=False)
    checks.equal("cardutil " + done.stdout.strip() + done.stderr.strip(), done.returncode, 0)
    return done.stdout.strip()


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    checks = Checks()
    with tempfile.TemporaryDirectory(prefix="iso8583d-live-") as place:
        issuers = [Issuer("north", "iso87-ascii", "ascii-4", checks), Issuer("south", "iso87-bcd", "binary-2", checks)]
        east = LaterIssuer("east", "iso93-ascii", "ascii-4", checks)
        for issuer in [*issuers, east]:
            issuer.start()
        switch = Switch(binary, pathlib.Path(place), [*issuers, east])
        try:
            switch.ready()
            for issuer in [*issuers, east]:
                checks.true(f"{issuer.name_}: the switch signs on", issuer.signed_on.wait(10))
            askers = [
                Asker("shops", switch.ports["shops"], "iso87-bcd", "binary-2", checks, bytes.fromhex("6000010000")),
                Asker("web", switch.ports["web"], "iso87-ascii", "ascii-4", checks),
            ]
            time.sleep(0.2)
            for asker in askers:
                echo_and_sign_on(asker, checks)
                for issuer, pan in zip(issuers, ("5413330000004110", "4000000000000002")):
                    known = purchase_and_repeat(asker, issuer, pan, checks)
                    if known:
                        reversal(asker, issuer, *known, checks)
                    too_late(asker, issuer, pan, switch, checks)
                another_edition(asker, east, switch, checks)
            paid = day(askers, issuers, checks, count=320)
            reconcile(askers[1], switch, checks)
            summary = clear(switch, issuers, checks)
            switch.process.send_signal(signal.SIGTERM)
            checks.equal("exit code after SIGTERM", switch.process.wait(30), 0)
        finally:
            switch.process.kill()
            if checks.faults:
                print((pathlib.Path(place) / "switch.log").read_text()[-6000:], file=sys.stderr)
    for fault in checks.faults[:40]:
        print(fault)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(checks.messages.items()))
    needed = {"0200", "0210", "0430", "0800", "0810", "1200"}
    enough = checks.values > 1000 and paid >= 500 and needed <= set(checks.messages)
    print(f"live peers: {checks.values} values compared in messages of {kinds}; {len(checks.faults)} differ; a day of {paid} payments")
    print(summary)
    sys.exit(0 if enough and not checks.faults else 1)


if __name__ == "__main__":
    main()
