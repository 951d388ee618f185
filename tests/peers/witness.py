#!/usr/bin/env python3
"""Has a generated corpus of messages read and written by three programs that know nothing of each other.

    witness.py BINARY [--messages N]

Values are drawn from a seed; `BINARY encode` makes messages of them, in each dialect of ISO 8583:1987 that comes with it.
pyiso8583 must make the same bytes of the values, and the values of the bytes; so must `BINARY decode`. tshark reads a capture
of the messages and must show the same values, element by element, and nothing else; `BINARY decode` reads that capture, too.

Nothing is passed over in silence: what tshark cannot agree on is in UNLIKE below. Those elements are left out of the messages
that it is given, and one of each kind is given to it apart: where it does agree, the entry has to go. A value that was changed
on purpose must be found, for each witness and dialect.

Prints how many elements were compared. Exit 0, or 1 with the differences; also 1 when a witness is missing, when it compared
nothing in a dialect, or read fewer than 5,000 messages. Needs: pyiso8583 4.0.1, cardutil 0.7.3 (PyPI), tshark (4.0.17 is what
the list was made with).
"""

import argparse
import collections
import copy
import importlib.metadata
import json
import os
import pathlib
import shutil
import string
import struct
import subprocess
import sys
import tempfile

import iso8583
from vectors import ISO87, MTIS, PyisoSet

LEAST, PORT = 5000, 8583
EVERY = "2-128"


def binary_bitmap(made):
    """The bitmaps and binary elements of a set in ASCII as bytes."""
    spec = copy.deepcopy(made.spec)
    binary = [str(number) for number, (content, _, _) in made.rows.items() if content == "b"]
    for key in ("p", "1", *binary):
        spec[key].update(data_enc="b", max_len=spec[key]["max_len"] // 2)
    made.spec = spec
    return made


def dialects():
    """How pyiso8583 writes each dialect."""
    signs = (28, 29, 30, 31, 35, 97)
    made = [
        PyisoSet("iso87-ascii", ISO87, "0", "ascii"),
        binary_bitmap(PyisoSet("iso87-ascii-binary-bitmap", ISO87, "0", "ascii")),
        PyisoSet("iso87-bcd", ISO87 + "| 93 an6 | 96 b16", "0", "bcd", characters=(36, 49, 50, 51)),
        PyisoSet("iso87-bcd-left", ISO87 + "| 36 n..104 | 40 n3", "0", "bcd", filler="left_pad", characters=signs),
        PyisoSet("iso87-ebcdic", ISO87, "0", "ebcdic"),
    ]
    return {each.name: each for each in made}


# How tshark is told to read each dialect: its digits, its bytes.
TSHARK = {
    "iso87-ascii": ("ascii", "ascii"),
    "iso87-ascii-binary-bitmap": ("ascii", "bin"),
    "iso87-bcd": ("bcd", "bin"),
    "iso87-bcd-left": ("bcd", "bin"),
}
# It has no setting for EBCDIC: that dialect has one witness.
ALONE = {"iso87-ebcdic"}


ASCII = ["iso87-ascii", "iso87-ascii-binary-bitmap"]
PACKED = ["iso87-bcd", "iso87-bcd-left"]


def always(_value):
    return True


def no_letters_or_digits(value):
    return not (value.isascii() and value.isalnum())


# Nothing is proved by showing it this: what comes of it is anything.
OVERRUN = "takes track 2 for bytes, and writes their digits beyond the room that it reserved for half of them"

# What tshark's dissector does otherwise: in which dialects, with which elements, of which values, and how.
UNLIKE = [
    (["iso87-ascii-binary-bitmap", *PACKED], "35", always, OVERRUN),
    (ASCII + PACKED, EVERY, lambda value: not value, "takes an empty value for a malformed one"),
    (ASCII + PACKED, EVERY, lambda value: not value.isascii(), "takes a character beyond ASCII for malformed"),
    (ASCII + PACKED, "53", always, "has 8 digits where the standard has 16"),
    (ASCII + PACKED, "86-89", always, "has 15 digits where the standard has 16"),
    (ASCII + PACKED, "54", no_letters_or_digits, "takes letters and digits only where the standard has ans"),
    ([*ASCII, "iso87-bcd"], "36", no_letters_or_digits, "takes no separator in track 3"),
    (ASCII, "92-93", lambda value: not value.isdigit(), "takes digits only where the standard has an"),
    (["iso87-ascii-binary-bitmap", *PACKED], "55", always, "has text where live networks have ICC data"),
    (PACKED, "92-93", always, "has packed digits where the standard has an"),
    (["iso87-bcd"], "2 32-33 99-100", lambda value: len(value) % 2, "looks for the filler of an odd number on the left"),
    (PACKED, "28-31 97", always, "takes the sign for a nibble"),
    (["iso87-bcd"], "96", always, "has 8 bytes as the standard, where jPOS's layout has 16"),
    (["iso87-bcd-left"], "36 40 49-51", always, "has characters where this dialect packs digits"),
    (PACKED, "36 46-48 54 56-63 104-127", lambda value: len(value) == 1, "reads 4 bytes for a length of 2, beyond the end"),
]  # fmt: skip


def in_ranges(ranges, number):
    for part in ranges.split():
        first, _, last = part.partition("-")
        if int(first) <= number <= int(last or first):
            return True
    return False


def unlike(dialect, number, value):
    """The place in UNLIKE that says why tshark is not asked about this element; or none."""
    for at, (names, ranges, of, _why) in enumerate(UNLIKE):
        if dialect in names and in_ranges(ranges, number) and of(value):
            return at
    return None


def unlike_whatever(dialect, number):
    """Whether tshark is never asked about this element."""
    return any(dialect in names and in_ranges(ranges, number) and of is always for names, ranges, of, _why in UNLIKE)


def unseen(dialect, raw):
    """Why tshark does not take this for a message at all; or none."""
    frame = struct.pack(">H", len(raw)) + raw
    if len(frame) < 22:
        return "shorter than a bitmap in hexadecimal digits would be"
    # Where hexadecimal digits would be it looks for others, though it is told that there are none: at 16 bytes of text up to a
    # zero byte, where a byte beyond ASCII makes three.
    text = b"".join(bytes([byte]) if byte < 128 else b"\xef\xbf\xbd" for byte in frame[6:22]).partition(b"\0")[0]
    if TSHARK[dialect][1] == "bin" and len(text) == 16 and not set(text) <= set(string.hexdigits.encode()):
        return "what is in its bitmap happens to be as long as hexadecimal digits would be"
    return None


class Ours:
    """The program that is looked at."""

    def __init__(self, binary):
        self.binary = binary

    def run(self, *words, lines=None):
        done = subprocess.run([self.binary, *words], input=lines, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(map(str, words))}: exit code {done.returncode}: {done.stderr}{done.stdout[:2000]}")
        return done.stdout.splitlines()

    def encode(self, dialect, messages):
        text = "".join(json.dumps({"mti": mti, "fields": values}) + "\n" for mti, values in messages)
        lines = self.run("encode", "--dialect", dialect, lines=text)
        if len(lines) != len(messages):
            sys.exit(f"{dialect}: encode made {len(lines)} lines of {len(messages)} messages")
        return [bytes.fromhex(line) for line in lines]

    def decode(self, dialect, raws):
        lines = "".join(raw.hex() + "\n" for raw in raws)
        return self.read(self.run("decode", "--unmask", "--dialect", dialect, lines=lines))

    def decode_capture(self, dialect, path):
        return self.read(self.run("decode", "--unmask", "--dialect", dialect, "--port", str(PORT), path))

    @staticmethod
    def read(lines):
        rows = [json.loads(line) for line in lines]
        return [(row["mti"], {int(key): value for key, value in row["fields"].items()}) for row in rows]


class Checks:
    """What was compared, by witness and dialect; and what differs."""

    def __init__(self):
        self.messages, self.elements, self.faults = collections.Counter(), collections.Counter(), []
        self.met = collections.defaultdict(set)

    def same(self, witness, dialect, at, expected, got):
        """An MTI and its elements. The values themselves are made up, so a fault may show them."""
        self.messages[witness, dialect] += 1
        self.elements[witness, dialect] += len(expected[1])
        self.met[witness, dialect].update(expected[1])
        self.faults += [f"{dialect}, message {at}, {witness}: {fault}" for fault in differences(expected, got)]

    def all_same(self, witness, dialect, expected, got):
        if len(got) != len(expected):
            self.faults.append(f"{dialect}, {witness}: {len(got)} messages, not {len(expected)}")
        for at, pair in enumerate(zip(expected, got)):
            self.same(witness, dialect, at, *pair)

    def unless(self, condition, fault):
        if not condition:
            self.faults.append(fault)


def differences(expected, got):
    if got is None:
        return ["not read"]
    faults = [] if got[0] == expected[0] else [f"MTI {got[0]}, not {expected[0]}"]
    for number in sorted(expected[1].keys() | got[1].keys()):
        has, had = expected[1].get(number), got[1].get(number)
        if has != had:
            faults.append(f"element {number} is {had!r}, not {has!r}")
    return faults


def corpus(made, count):
    """Messages as an MTI and values: all elements at once, neighbours, any few; in every fifth message one is at its longest."""
    chance = made.chance
    for at in range(count):
        values = made.values(made.numbers(at))
        if at % 5 == 1:
            number = chance.one([number for number, row in made.rows.items() if row[1] and number != 2])
            content, _, longest = made.rows[number]
            values[number] = chance.value(content, longest)
        if at % 2:
            # What tshark, too, can read of these.
            narrow = {number: content for number, content in ((54, "an"), (92, "n"), (93, "n")) if number in values}
            values.update((number, chance.value(content, len(values[number]))) for number, content in narrow.items())
        yield made.version + chance.one(MTIS), dict(sorted(values.items()))


def changed(message):
    """The same but for one digit or letter; what a witness must notice."""
    mti, values = message
    number = next(number for number in values if len(values[number]) and values[number][-1] in "0123456789")
    value = values[number]
    return mti, values | {number: value[:-1] + str((int(value[-1]) + 1) % 10)}


def by_pyiso(made, raw):
    """The values of these bytes, in the terms in which they were drawn."""
    document, _ = iso8583.decode(raw, made.spec)
    values = {int(key): value for key, value in document.items() if key.isdigit() and key != "1"}
    for number, value in values.items():
        if made.spec[str(number)]["data_enc"] != "b":
            continue
        if made.rows[number][0] == "x":
            values[number] = chr(int(value[:2], 16)) + value[2:]
        elif made.rows[number][0] == "z":
            values[number] = value.replace("D", "=")
    return document["t"], values


def pyiso(made, messages, raws, checks):
    for at, (message, raw) in enumerate(zip(messages, raws)):
        theirs, _ = made.message(*message)
        checks.unless(theirs == raw, f"{made.name}, message {at}: pyiso8583 writes {theirs.hex()}, not {raw.hex()}")
        checks.same("pyiso8583", made.name, at, message, by_pyiso(made, raw))
    other, _ = made.message(*changed(messages[-1]))
    noticed = other != raws[-1] and differences(messages[-1], by_pyiso(made, other))
    checks.unless(noticed, f"{made.name}: pyiso8583 does not notice another value")


def capture(path, raws):
    """One TCP stream on loopback addresses, a segment a message, two bytes of length before each."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 18, 101))
        sequence = 1
        for raw in raws:
            data = struct.pack(">H", len(raw)) + raw
            tcp = struct.pack(">HHIIBBHHH", 40000, PORT, sequence, 1, 5 << 4, 0x18, 65535, 0, 0)
            size = 20 + len(tcp) + len(data)
            ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, size, 0, 0, 64, 6, 0, b"\x7f\0\0\1", b"\x7f\0\0\1")
            file.write(struct.pack("<IIII", 0, 0, size, size) + ip + tcp + data)
            sequence += len(data)


def dissect(program, dialect, path):
    """What tshark shows of each packet: what it has beneath its dissector's name, or none."""
    digits, binary = TSHARK[dialect]
    settings = ("iso8583.len_endian:bigendian", f"iso8583.charset:{digits}", f"iso8583.binencode:{binary}")
    words = [program, "-n", "-r", path, "-d", f"tcp.port=={PORT},iso8583", "-T", "json", "-J", "iso8583"]
    words += [word for setting in settings for word in ("-o", setting)]
    # Whatever the caller has set up for himself is not for this.
    surroundings = os.environ | {"WIRESHARK_CONFIG_DIR": str(path.parent), "HOME": str(path.parent)}
    # It reserves half of the room that the digits of bytes need. What an allocation of malloc has to spare is enough for 8 bytes.
    surroundings["WIRESHARK_DEBUG_WMEM_OVERRIDE"] = "simple"

    done = subprocess.run(words, capture_output=True, text=True, check=False, env=surroundings)
    if done.returncode:
        sys.exit(f"tshark: exit code {done.returncode}: {done.stderr}")
    return [packet["_source"]["layers"].get("iso8583") for packet in json.loads(done.stdout)]


def by_tshark(made, shown):
    """The values that it shows, in the terms in which they were drawn; none where it finds the message malformed."""
    if shown is None or '"iso8583.MALFORMED"' in json.dumps(shown):
        return None
    values = {}
    for key, value in shown.items():
        number = key.removeprefix("iso8583.bit")
        if not number.isdigit():
            continue
        values[int(number)] = value
    return shown["iso8583.mti"], values


def wanted(made, messages):
    """The messages without what tshark cannot agree on; and for each reason and element the first message that is that alone."""
    kept, alone = [], {}
    # Beside these a message is long enough for tshark, and the element comes last.
    beside = {3: "000000", 4: "000000001250", 7: "1125104300"}
    for mti, values in messages:
        rest = {}
        for number, value in values.items():
            at = unlike(made.name, number, value)
            if at is None:
                rest[number] = value
            elif UNLIKE[at][3] != OVERRUN:
                alone.setdefault((at, number), (mti, dict(sorted({**beside, number: value}.items()))))
        if rest:
            kept.append((mti, rest))
    return kept, alone


def tshark(program, ours, made, messages, place, checks):
    name = made.name
    kept, alone = wanted(made, messages)
    path = place / f"{name}.pcap"
    encoded = ours.encode(name, kept)
    reasons = collections.Counter(unseen(name, raw) for raw in encoded)
    odd = ours.encode(name, list(alone.values()))
    spoiled = ours.encode(name, [changed(kept[0])])
    capture(path, encoded + odd + spoiled)
    shown = [by_tshark(made, layer) for layer in dissect(program, name, path)]
    everything = kept + list(alone.values()) + [changed(kept[0])]
    if len(shown) != len(everything):
        checks.faults.append(f"{name}: tshark shows {len(shown)} packets of {len(everything)}")
        return reasons
    for at, (message, raw, got) in enumerate(zip(kept, encoded, shown)):
        if unseen(name, raw):
            checks.unless(got is None, f"{name}, message {at}: tshark reads it, though it is {unseen(name, raw)}")
        else:
            checks.same("tshark", name, at, message, got)
    for (at, number), message, got in zip(alone, alone.values(), shown[len(kept) :]):
        why = f"{name}: tshark agrees on element {number}; take it off the list, where it {UNLIKE[at][3]}"
        checks.unless(differences(message, got), why)
    told = [unseen(name, raw) for raw in odd]
    checks.unless(not any(told), f"{name}: tshark was shown what it does not read at all")
    for at, (names, _, _, why) in enumerate(UNLIKE):
        met = why == OVERRUN or name not in names or any(at == entry for entry, _ in alone)
        checks.unless(met, f"{name}: no message shows that tshark {why}")
    checks.unless(differences(kept[0], shown[-1]), f"{name}: tshark does not notice another value")
    checks.all_same("our decode, of the capture", name, everything, ours.decode_capture(name, path))
    return reasons


def report(checks, reasons):
    for (witness, dialect), elements in checks.elements.items():
        print(f"{witness}, {dialect}: {elements:,} elements compared in {checks.messages[witness, dialect]:,} messages")
    for dialect, counted in reasons.items():
        for why, count in counted.items():
            if why:
                print(f"tshark, {dialect}: {count:,} messages not read, as foreseen: {why}")
    for witness, names in (("pyiso8583", dialects()), ("tshark", TSHARK)):
        messages = sum(checks.messages[witness, name] for name in names)
        elements = sum(checks.elements[witness, name] for name in names)
        print(f"{witness}: {elements:,} elements compared in {messages:,} messages of {len(names)} dialects")
        checks.unless(messages >= LEAST, f"{witness}: {messages:,} messages, fewer than {LEAST:,}")
        for name in names:
            checks.unless(checks.elements[witness, name], f"{witness}, {name}: nothing was compared")
            missed = set(dialects()[name].rows) - checks.met[witness, name]
            missed -= {number for number in missed if witness == "tshark" and unlike_whatever(name, number)}
            checks.unless(not missed, f"{witness}, {name}: elements never compared: {sorted(missed)}")
    for fault in checks.faults[:40]:
        print(fault[:2000])
    print(f"witnesses: {len(checks.faults)} differences")
    return 1 if checks.faults else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--messages", type=int, default=1500, help="how many of each dialect")
    asked = parser.parse_args()
    program = shutil.which("tshark")
    if program is None:
        sys.exit("tshark is missing: apt-get install tshark")
    version = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    print(f"pyiso8583 {importlib.metadata.version('pyiso8583')}; {version}")
    ours, checks, reasons = Ours(asked.binary), Checks(), {}
    with tempfile.TemporaryDirectory(prefix="iso8583d-witness-") as place:
        for name, made in dialects().items():
            messages = list(corpus(made, asked.messages))
            raws = ours.encode(name, messages)
            checks.all_same("our decode", name, messages, ours.decode(name, raws))
            pyiso(made, messages, raws, checks)
            if name not in ALONE:
                reasons[name] = tshark(program, ours, made, messages, pathlib.Path(place), checks)
    return report(checks, reasons)


if __name__ == "__main__":
    sys.exit(main())
