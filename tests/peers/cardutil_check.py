#!/usr/bin/env python3
"""Reads a day's clearing files with cardutil and compares everything that can be compared.

    cardutil_check.py DIRECTORY... [--charset latin-1|cp500] [--least N] [--prove]

Each record is read and written again by cardutil and must come out byte for byte. Framing, headers,
trailers, message numbers, reference numbers and sums are checked by our own walk besides. The positions
are computed anew from the files and compared with the CSV and the JSON of the day.

Exit 0 with a summary line, or 1 with every difference. Needs: cardutil 0.7.3 (PyPI).
"""

import argparse
import collections
import csv
import datetime
import io
import json
import logging
import pathlib
import re
import shutil
import sys
import tempfile

import cardutil.iso8583
from cardutil import mciipm

# It draws every message for a debug log that nobody reads, which takes most of its time.
cardutil.iso8583.hexdump = lambda *_args, **_kwargs: ""
logging.disable()

BLOCK, DATA, RECORD_MAX = 1014, 1012, 6000
SUMS = ("purchases", "refunds", "purchases_reversed", "refunds_reversed")
CSV_HEAD = ["date", "party", "name", "currency", "exponent"] + [
    column for name in SUMS for column in (name, name + "_amount")
] + ["net"]
MUST_HAVE = (
    "DE2 DE3 DE4 DE12 DE24 DE26 DE31 DE42 DE43_NAME DE43_ADDRESS DE43_SUBURB DE43_COUNTRY DE49 DE71 DE94 PDS0148"
).split()


class Faults(list):
    def __init__(self):
        super().__init__()
        self.where = ""

    def unless(self, condition, *what):
        if not condition:
            self.append(" ".join(str(word) for word in (self.where + ":", *what)))


def luhn(number):
    total = 0
    for place, digit in enumerate(int(character) for character in reversed(number)):
        doubled = digit * (1 + place % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def charset_of(raw):
    """The set in which the first record says that it is a header."""
    return "cp500" if raw[4:8] == "1644".encode("cp500") else "latin-1"


def unframed(raw, blocked, faults):
    """The records of a file, by our own walk: cardutil forgives fills and terminators."""
    if blocked:
        faults.unless(raw and len(raw) % BLOCK == 0, "its length is not a multiple of 1014:", len(raw))
        blocks = [raw[at : at + BLOCK] for at in range(0, len(raw), BLOCK)]
        for number, block in enumerate(blocks):
            faults.unless(block[DATA:] == b"@@", "block", number, "does not end in its fill")
        data = b"".join(block[:DATA] for block in blocks)
    else:
        data = raw
    records, at = [], 0
    while True:
        length = int.from_bytes(data[at : at + 4], "big")
        at += 4
        if at > len(data) or length > RECORD_MAX or at + length > len(data):
            faults.unless(False, "the record at byte", at - 4, "does not end in the file")
            return records
        if length == 0:
            break
        records.append(data[at : at + length])
        at += length
    fill = data[at:]
    faults.unless(not fill.strip(b"@") and len(fill) < (DATA if blocked else 1), "it has bytes after its end")
    return records


class Day:
    """What the files of a day say, added up."""

    def __init__(self, date, cycle):
        self.date, self.cycle = date, cycle
        self.short = date.replace("-", "")[2:]
        self.julian = datetime.date.fromisoformat(date).strftime("%Y%j")[3:]
        self.lines = collections.defaultdict(collections.Counter)
        self.references, self.ids, self.files = set(), set(), []
        self.presentments, self.refunds, self.opposites, self.currencies = 0, 0, 0, set()

    def presentment(self, issuer, record, faults):
        for name in MUST_HAVE:
            faults.unless(name in record, "a presentment without", name)
        reference = record.get("DE31", "")
        faults.unless(re.fullmatch(r"\d{23}", reference) and luhn(reference), "DE31 is no reference number")
        faults.unless(reference[1:7] == record.get("DE94"), "DE31 and DE94 name different acquirers")
        faults.unless(reference not in self.references, "DE31 was used before")
        self.references.add(reference)
        currency = record["DE49"]
        exponents = {record["PDS0148"][at : at + 3]: record["PDS0148"][at + 3] for at in range(0, len(record["PDS0148"]), 4)}
        faults.unless(currency in exponents, "PDS0148 does not list the currency", currency)
        faults.unless(record["DE24"] == "200", "function code", record["DE24"])
        reversed_day = record.get("PDS0025")
        if reversed_day is None:
            faults.unless(reference[7:11] == self.julian, "DE31 is not of the day of its file")
        else:
            faults.unless(re.fullmatch(r"R\d{6}", reversed_day), "PDS0025 is no reversal")
        refund = record["DE3"].startswith("2")
        bucket = ("refunds" if refund else "purchases") + ("_reversed" if reversed_day else "")
        for party, name in (("issuer", issuer), ("merchant", record["DE42"].rstrip(" ")), ("total", "")):
            line = self.lines[party, name, currency]
            line["exponent"] = int(exponents.get(currency, "0"))
            line[bucket] += 1
            line[bucket + "_amount"] += record["DE4"]
        self.presentments += 1
        self.refunds += refund
        self.opposites += reversed_day is not None
        self.currencies.add(currency)

    def header(self, record, faults):
        file_id = record["PDS0105"]
        faults.unless(re.fullmatch(r"\d{25}", file_id), "the file id is not of 25 digits")
        faults.unless(file_id[3:9] == self.short, "the file id is of another day")
        faults.unless(file_id not in self.ids, "the file id was used before")
        faults.unless(record["PDS0122"] in ("T", "P"), "neither test nor production")
        self.ids.add(file_id)

    def file(self, path, party, charset, faults):
        issuer, only = party
        raw = path.read_bytes()
        encoding = charset or charset_of(raw)
        blocked = len(raw) % BLOCK == 0 and raw[DATA:BLOCK] == b"@@"
        records = unframed(raw, blocked, faults)
        try:
            theirs = list(mciipm.VbsReader(io.BytesIO(raw), blocked=blocked))
            faults.unless(theirs == records, "cardutil finds other records")
        except mciipm.MciIpmDataError as fault:
            faults.unless(False, "cardutil:", fault)
        header, amounts = {}, 0
        for number, written in enumerate(records, 1):
            faults.where = f"{path.name} record {number}"
            try:
                record = cardutil.iso8583.loads(written, encoding=encoding)
                again = cardutil.iso8583.dumps(dict(record), encoding=encoding)
                faults.unless(again == written, "cardutil writes it differently")
                faults.unless(record["DE71"] == number, "message number", record["DE71"])
                kind = (record["MTI"], record["DE24"])
                expected = {1: ("1644", "697"), len(records): ("1644", "695")}.get(number, ("1240", "200"))
                faults.unless(kind == expected, "it is a", *kind)
                if kind == ("1644", "697"):
                    header = record
                    self.header(record, faults)
                elif kind == ("1644", "695"):
                    faults.unless(record["PDS0105"] == header.get("PDS0105"), "the trailer names another file")
                    faults.unless(record["PDS0301"] == f"{amounts:016}", "the amounts add up to", amounts)
                    faults.unless(record["PDS0306"] == f"{number:08}", "the trailer counts", record["PDS0306"])
                elif kind[0] == "1240":
                    amounts += record["DE4"]
                    faults.unless(record["DE49"] == only, "currency", record["DE49"], "in a file of", only)
                    self.presentment(issuer, record, faults)
            except Exception as fault:  # whatever it is, a record that cannot be read is at fault
                faults.unless(False, "cannot be read:", type(fault).__name__, fault)
        self.files.append(
            {
                "name": path.name,
                "issuer": issuer,
                "file_id": header.get("PDS0105"),
                "records": len(records),
                "amount_checksum": amounts,
            }
        )

    def positions(self):
        """The lines that the day's report must have."""
        order = {"issuer": 0, "merchant": 1, "total": 2}
        for (party, name, currency), line in sorted(
            self.lines.items(), key=lambda item: (order[item[0][0]], item[0][1].encode(), item[0][2])
        ):
            gets = line["purchases_amount"] - line["refunds_amount"]
            gets += line["refunds_reversed_amount"] - line["purchases_reversed_amount"]
            sums = {column: line[column] for name in SUMS for column in (name, name + "_amount")}
            net = {"issuer": -gets, "merchant": gets, "total": 0}[party]
            yield {"party": party, "name": name, "currency": currency, "exponent": line["exponent"], **sums, "net": net}


def compare_positions(day, directory, faults):
    computed = list(day.positions())
    faults.where = f"positions-{day.date}{day.cycle}.csv"
    with open(directory / faults.where, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    faults.unless(rows and rows[0] == CSV_HEAD, "its head line is another")
    # What a spreadsheet would compute is kept a text by an apostrophe; amounts are numbers, and stay them.
    text = lambda cell: "'" + cell if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@")) else str(cell)
    expected = [[day.date] + [text(line[column]) for column in CSV_HEAD[1:]] for line in computed]
    for number, (row, line) in enumerate(zip(rows[1:], expected), 2):
        faults.unless(row == line, "line", number, "is", row, "and the files say", line)
    faults.unless(len(rows) - 1 == len(expected), "it has", len(rows) - 1, "lines, the files make", len(expected))
    faults.where = f"positions-{day.date}{day.cycle}.json"
    try:
        report = json.loads((directory / faults.where).read_text(encoding="utf-8"))
    except ValueError as fault:
        faults.unless(False, "cannot be read:", fault)
        return 0
    faults.unless(report["date"] == day.date, "date", report["date"])
    faults.unless(report["positions"] == computed, "its positions are not what the files say")
    by_name = lambda files: sorted(files, key=lambda file: file["name"])
    faults.unless(by_name(report["files"]) == by_name(day.files), "its files are not those of the day")
    for currency in day.currencies:
        net = sum(line["net"] for line in report["positions"] if line["currency"] == currency)
        faults.unless(net == 0, "currency", currency, "adds up to", net)
    return len(report["held"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directories", type=pathlib.Path, nargs="+")
    parser.add_argument("--charset", choices=["latin-1", "cp500"], help="as the first record says, unless given")
    parser.add_argument("--least", type=int, default=1, help="how many presentments there must be, a refund and a second currency among them")
    parser.add_argument("--prove", action="store_true", help="spoil copies of the files in many ways and find each")
    asked = parser.parse_args()
    failed = False
    for directory in asked.directories:
        faults, summary = check(directory, asked)
        if asked.prove and not faults:
            faults, summary = prove(directory, asked), summary + f"; {len(SPOILERS)} ways to spoil them found"
        for fault in faults[:50]:
            print(fault)
        print(f"{directory}: {f'{len(faults)} faults' if faults else 'ok'}: {summary}")
        failed = failed or bool(faults)
    return 1 if failed else 0


def check(directory, asked):
    faults, days = Faults(), {}
    faults.where = str(directory)
    hidden = [path.name for path in directory.iterdir() if path.name.startswith(".")]
    faults.unless(not hidden, "half-written files are left:", *hidden)
    for path in sorted(directory.glob("clearing-*.ipm")):
        faults.where = path.name
        faults.unless(path.stat().st_mode & 0o777 == 0o600, "others may read it")
        issuer, currency, date, cycle = re.fullmatch(
            r"clearing-(.+)-(\d{3})-(\d{4}-\d\d-\d\d)(-\d+)?\.ipm", path.name
        ).groups()
        day = days.setdefault((date, cycle), Day(date, cycle or ""))
        day.file(path, (issuer, currency), asked.charset, faults)
    held = sum(compare_positions(day, directory, faults) for day in days.values())
    totals = days.values()
    presentments = sum(day.presentments for day in totals)
    refunds = sum(day.refunds for day in totals)
    opposites = sum(day.opposites for day in totals)
    currencies = set().union(*(day.currencies for day in totals))
    faults.where = str(directory)
    faults.unless(presentments >= asked.least, "only", presentments, "presentments")
    faults.unless(asked.least <= 1 or refunds, "no refund")
    faults.unless(asked.least <= 1 or len(currencies) > 1, "one currency only")
    return faults, (
        f"{sum(len(day.files) for day in totals)} files, "
        f"{presentments} presentments ({refunds} refunds, {opposites} taken back), "
        f"{len(currencies)} currencies, {held} held"
    )


def prove(directory, asked):
    """A check that finds nothing proves nothing, unless it finds what is put there."""
    faults = Faults()
    for pattern, what, spoil in SPOILERS:
        with tempfile.TemporaryDirectory() as copy:
            copy = pathlib.Path(copy) / "day"
            shutil.copytree(directory, copy)
            path = sorted(copy.glob(pattern))[0]
            raw = path.read_bytes()
            charset = asked.charset or charset_of(raw)
            path.write_bytes(spoil(raw, lambda text: text.encode(charset)))
            found, _ = check(copy, asked)
            faults.where = path.name
            faults.unless(found, "not found:", what)
    return faults


def swapped(raw, old, new, last=False):
    at = raw.rindex(old) if last else raw.index(old)
    assert old != new
    return raw[:at] + new + raw[at + len(old) :]


SPOILERS = [
    ("*.ipm", "the file is cut", lambda raw, _: raw[: len(raw) // 1014 // 2 * 1014 or len(raw) // 2]),
    ("*.ipm", "its last byte is gone", lambda raw, _: raw[:-1]),
    ("*.ipm", "a byte too many", lambda raw, _: raw + b"@"),
    ("*.ipm", "a file of nothing", lambda _raw, _: b""),
    ("*.ipm", "the count of messages", lambda raw, text: swapped(raw, text("0306008"), text("0306007"), last=True)),
    ("*.ipm", "the checksum's tag", lambda raw, text: swapped(raw, text("0301016"), text("0302016"), last=True)),
    ("*.ipm", "another message number", lambda raw, text: swapped(raw, text("00000003"), text("00000004"))),
    ("*.ipm", "another function code", lambda raw, text: swapped(raw, text("697"), text("696"))),
    ("*.ipm", "a presentment of another type", lambda raw, text: swapped(raw, text("1240"), text("1442"))),
    ("*.ipm", "a bit of a bitmap", lambda raw, text: swapped(raw, text("1240") + b"\xf0", text("1240") + b"\xe0")),
    ("*.ipm", "another currency", lambda raw, text: swapped(raw, text("0148004"), text("0148003"))),
    ("*.csv", "a line is gone", lambda raw, _: b"\n".join(raw.split(b"\n")[:-2]) + b"\n"),
    ("*.csv", "another net", lambda raw, _: swapped(raw, b",0\n", b",1\n", last=True)),
    ("*.json", "another sum", lambda raw, _: swapped(raw, b'"purchases_amount": ', b'"purchases_amount": 1')),
    ("*.json", "no JSON any more", lambda raw, _: raw[:-3]),
    ("*.csv", "no line at all", lambda _raw, _: b""),
    ("*.json", "another file id", lambda raw, _: swapped(raw, b'"file_id": "0', b'"file_id": "1')),
]


if __name__ == "__main__":
    sys.exit(main())
