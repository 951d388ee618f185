#!/usr/bin/env python3
"""Lets cardutil write clearing files, and the program read, check and convert them.

    ipm.py BINARY

One file in all four forms (latin-1 and cp500, with and without blocks), with private data in two containers, ICC data and
letters that the two sets place differently. `ipm check` must find it in order, `ipm cat` must show what was written, and
`ipm convert` must make each form of each other, byte for byte as cardutil wrote them. Then what is wrong must be told.

Exit 0 with a summary line, or 1 with the difference. Needs: cardutil 0.7.3 (PyPI).
"""

import datetime
import io
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile

import cardutil.iso8583
from cardutil import mciipm

cardutil.iso8583.hexdump = lambda *_args, **_kwargs: ""

FILE_ID = "0022611220000001234500001"
FORMS = list(itertools.product(("latin-1", "cp500"), ("no", "yes")))
COUNT = 40


def check_digit(digits):
    total = 0
    for place, digit in enumerate(int(character) for character in reversed(digits)):
        doubled = digit * (2 - place % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10)


def presentment(number):
    reference = f"2999999{6326:04}{number:011}"
    return {
        "MTI": "1240",
        "DE2": f"541333{number:010}",
        "DE3": "000000",
        "DE4": 1000 + number,
        "DE12": datetime.datetime(2026, 11, 22, 13, 45, 10),
        "DE14": "2912",
        "DE22": "510101511344",
        "DE24": "200",
        "DE26": 5411,
        "DE31": reference + check_digit(reference),
        "DE37": f"632718{number:06}",
        "DE38": "A1B2C3",
        "DE41": "TERM0001",
        "DE42": "MERCH0000000001",
        "DE43": "CAF\xc9 [3]!\\RUE 1\\N\xceMES\\06000     " + "   FRA",
        "PDS0023": "CT6",
        "PDS0148": "9782",
        # So long that the next container is begun.
        "PDS0158": "x" * 980,
        "DE49": "978",
        "DE55": bytes.fromhex("9F2608112233445566778800FF"),
        "DE63": " 123456789012345",
        "DE71": number + 1,
        "DE94": "999999",
    }


def written(records, charset, blocks):
    out = io.BytesIO()
    encoding = {"latin-1": "latin1"}.get(charset, charset)
    with mciipm.IpmWriter(out, encoding=encoding, blocked=blocks == "yes") as writer:
        for record in records:
            writer.write(dict(record))
    return out.getvalue()


def day():
    details = [presentment(number) for number in range(1, COUNT + 1)]
    header = {"MTI": "1644", "DE24": "697", "PDS0105": FILE_ID, "PDS0122": "T", "DE71": 1}
    trailer = {
        "MTI": "1644",
        "DE24": "695",
        "PDS0105": FILE_ID,
        "PDS0301": f"{sum(record['DE4'] for record in details):016}",
        "PDS0306": f"{COUNT + 2:08}",
        "DE71": COUNT + 2,
    }
    return [header, *details, trailer]


def run(binary, *arguments, expect=0):
    done = subprocess.run([binary, "ipm", *arguments], capture_output=True, check=False)
    if done.returncode != expect:
        sys.exit(f"ipm {arguments[0]}: exit code {done.returncode} instead of {expect}: {done.stderr.decode()}")
    return done.stdout


def agree(where, ours, theirs):
    if ours != theirs:
        sys.exit(f"{where}: ours {ours!r}, theirs {theirs!r}")


def shown(record):
    """What `cat` shows of a record, as cardutil names it."""
    fields = {"MTI": record["mti"]}
    for key, text in record["fields"].items():
        number, _, tag = key.partition(".")
        fields[f"PDS{tag}" if tag else f"DE{number}"] = text
    return fields


def said(record):
    """What was written, as texts."""
    widths = {"DE4": 12, "DE26": 4, "DE71": 8}
    texts = {}
    for key, value in record.items():
        if key in widths:
            value = f"{value:0{widths[key]}}"
        elif isinstance(value, datetime.datetime):
            value = value.strftime("%y%m%d%H%M%S")
        elif isinstance(value, bytes):
            value = value.hex().upper()
        texts[key] = value
    return texts


def main():
    [binary] = sys.argv[1:]
    records = day()
    compared = 0
    with tempfile.TemporaryDirectory() as home:
        home = pathlib.Path(home)
        files = {}
        for form in FORMS:
            files[form] = home / "-".join(form)
            files[form].write_bytes(written(records, *form))
        for form, file in files.items():
            told = run(binary, "check", str(file)).decode()
            agree(form, told, f"{COUNT + 2} records, 1 logical files in order\n")
            lines = run(binary, "cat", "--unmask", str(file)).decode().splitlines()
            for line, record in zip(lines, records, strict=True):
                agree(form, shown(json.loads(line)), said(record))
                compared += len(record)
            masked = run(binary, "cat", str(file)).decode()
            agree(form, [record["DE2"] for record in records[1:-1] if record["DE2"] in masked], [])
            for charset, blocks in FORMS:
                other = run(
                    binary, "convert", "--out-charset", charset, "--out-blocks", blocks, str(file)
                )
                agree((form, charset, blocks), other == files[charset, blocks].read_bytes(), True)
        for wrong, told in [
            (records[:-1], "no trailer"),
            ([*records[:5], *records[6:]], "message count"),
            ([*records[:-1], {**records[-1], "PDS0301": f"{1:016}"}], "amount checksum"),
            ([records[0], {**records[1], "DE31": "1" * 23}, *records[2:]], "reference number"),
        ]:
            file = home / "wrong"
            file.write_bytes(written(wrong, "cp500", "yes"))
            agree(told, told in run(binary, "check", str(file), expect=65).decode(), True)
    print(f"cardutil's files in {len(FORMS)} forms: {compared} values read, {len(FORMS) ** 2} conversions byte for byte")


if __name__ == "__main__":
    main()
