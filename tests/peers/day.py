#!/usr/bin/env python3
"""Computes the merchants' day of `iso8583d demo day` anew, from what its peers wrote down themselves, and compares.

    day.py DIRECTORY [--prove]

Twice, by rules of our own, and with nothing of the switch:

1. from the peers' logs: what tills and banks swear was approved, reversed, completed, rejected and charged back, the merchants'
   files as they sent them, and when the operator gave which order;
2. from the files: the clearing files that went to the banks, and the banks' answers, as cardutil reads them; the operator's log
   says on which day an answer came.

Both must come to the same lines, and these to the positions that the switch reports, with and without fees, to its verdict on
each record of the merchants' files, and to the payments that a bank is told (pain.001, CSV). In each currency of each day
positions add up to nothing. Of the configuration only what a merchant and its acquirer agreed on is read: who owns which cards
(`routes`), what lines cost (`clearing.fees`), how far a tip may go (`clearing.captures`), and who is paid where
(`clearing.settlement`).

Exit 0 with a summary line, or 1 with every difference. With --prove, copies of the directory are spoilt in one place each, and
each must be found. Needs: Python 3.11, cardutil 0.7.3 (PyPI).
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
import tomllib
import xml.etree.ElementTree
from fractions import Fraction

import cardutil.iso8583
from cardutil import mciipm

# It draws every message for a debug log that nobody reads.
cardutil.iso8583.hexdump = lambda *_args, **_kwargs: ""
logging.disable()

EXPONENTS = {"978": 2, "392": 0, "414": 3}
LETTERS = {"978": "EUR", "392": "JPY", "414": "KWD"}
CHARSETS = {"north": "latin1", "south": "cp500"}
PAIN = "{urn:iso:std:iso:20022:tech:xsd:pain.001.001.09}"
CHARGES = ("discount", "interchange", "scheme")

# One line of a day: what moves money. `amount` is never less than nothing; `sign` says which way.
Line = collections.namedtuple("Line", "day kind merchant issuer currency amount refund rrn card")


class Faults(list):
    def unless(self, condition, *what):
        if not condition:
            self.append(" ".join(str(word) for word in what))

    def equal(self, what, one, other):
        """Two bags of the same things."""
        one, other = collections.Counter(one), collections.Counter(other)
        for thing, count in (one - other).items():
            self.append(f"{what}: {count} more here: {thing}")
        for thing, count in (other - one).items():
            self.append(f"{what}: {count} more there: {thing}")


def lines_of(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def rounded(exact):
    """To the nearest; a half to the even neighbour, as `round` of a fraction does."""
    return round(exact)


class Terms:
    """What was agreed on."""

    def __init__(self, home):
        with open(home / "iso8583d.toml", "rb") as file:
            config = tomllib.load(file)
        clearing = config["clearing"]
        self.routes = {route["bin"]: route["to"][0] for route in config["routes"]}
        self.rules = clearing["fees"]
        settlement = clearing["settlement"]
        self.refund_returns = settlement["refund_returns"]
        self.chargeback_returns = settlement["chargeback_returns"]
        self.accounts = {one["iban"]: (one["id"], one["name"]) for one in settlement["merchants"]}
        self.payer = settlement["iban"]
        self.tolerances = clearing["captures"]["tolerance"]

    def issuer(self, card):
        return self.routes[card[:6]]

    def fee(self, charge, line):
        """Exact, in minor units, of a purchase."""
        best, most = None, -1
        for rule in self.rules:
            if rule["kind"] != charge or rule.get("refund", False):
                continue
            if "mcc" in rule or "entry" in rule:
                raise ValueError("the day's price list has rules that this script does not know")
            held = [
                line.merchant in rule.get("merchant", [line.merchant]),
                line.issuer in rule.get("issuer", [line.issuer]),
                rule.get("currency", line.currency) in (line.currency, LETTERS[line.currency]),
            ]
            count = sum(key in rule for key in ("merchant", "issuer", "currency"))
            if all(held) and count > most:
                best, most = rule, count
        if best is None:
            return Fraction(0)
        exact = Fraction(best["rate_ppm"] * line.amount, 1_000_000) + best.get("fixed", 0)
        exact = max(exact, best.get("min", exact))
        return min(exact, best.get("max", exact))

    def most(self, category, amount):
        """How much may be captured."""
        for tolerance in self.tolerances:
            for span in tolerance["mcc"]:
                first, _, last = span.partition("-")
                if int(first) <= int(category) <= int(last or first):
                    return amount + amount * tolerance["percent"] // 100
        return amount


class Calendar:
    """When the operator gave which order; a day ends when its cut is ordered."""

    def __init__(self, home):
        self.orders = lines_of(home / "operator.jsonl")
        self.cuts = [(order["at"], order["about"]) for order in self.orders if order["what"] == "cut"]
        self.days = [day for _, day in self.cuts]

    def day(self, at):
        """The day to which something belongs; none after the last cut."""
        return next((day for cut, day in self.cuts if at < cut), None)

    def of(self, what):
        return [order for order in self.orders if order["what"] == what]


# 1. What the peers swear.


def tills(home, faults):
    """What was asked at the tills, each with its answer."""
    asked, told = None, []
    for line in lines_of(home / "tills.jsonl"):
        if line["mti"] == "0800":
            continue
        if line["what"] == "asked":
            faults.unless(asked is None, "a till asked", line["mti"], line["rrn"], "before it was answered")
            asked = line
            continue
        faults.unless(
            asked and all(asked[key] == line[key] for key in ("mti", "stan", "rrn", "amount", "card")),
            "a till was told something that it did not ask:", line["mti"], line["rrn"],
        )
        faults.unless(line["what"] == "told", "a till was not answered:", line["rrn"])
        asked = None
        told.append(line)
    faults.unless(asked is None, "a till was not answered at last")
    return told


def originals(line):
    """Whom element 90 names: MTI, trace number, element 7."""
    text = line["original"]
    return text[:4], text[4:10], text[10:20]


class Sworn:
    """The lines of the days from the logs of tills, banks, merchants and operator."""

    def __init__(self, home, terms, faults):
        self.home, self.terms, self.faults = home, terms, faults
        self.calendar = Calendar(home)
        self.lines, self.verdicts = [], {}
        self.payments = {}
        self.captured, self.refunded, self.by_reference = collections.Counter(), collections.Counter(), {}
        self.closed = set()
        self.read_tills()
        self.read_merchants()
        self.settle_tills()
        self.read_banks()

    def read_tills(self):
        for line in tills(self.home, self.faults):
            key = (line["terminal"], line["mti"], line["stan"], line["transmission"])
            if line["mti"] == "0420":
                named = (line["terminal"], *originals(line))
                payment = self.payments.get(named)
                self.faults.unless(payment and line["code"] == "00", "a reversal of nothing:", line["rrn"])
                if payment:
                    payment["reversed"] = line["at"]
                continue
            self.payments[key] = dict(line, reversed=None, completed=None, approved=line["code"] == "00")
            if line["mti"] == "0220":
                completed = self.payments.get((line["terminal"], *originals(line)))
                self.faults.unless(completed, "a completion of nothing:", line["rrn"])
                if completed:
                    completed["completed"] = line["at"]

    def add(self, day, kind, payment, amount, refund):
        line = Line(
            day, kind, payment["merchant"], self.terms.issuer(payment["card"]), payment["currency"], amount, refund,
            payment["rrn"], payment["card"],
        )
        if day is not None:
            self.lines.append(line)
        return line

    def settle_tills(self):
        """Purchases, refunds and completions clear by themselves, unless they were reversed before their day ended."""
        for payment in self.payments.values():
            if payment["mti"] == "0100" or not payment["approved"]:
                continue
            day, refund = self.calendar.day(payment["at"]), payment["processing_code"].startswith("2")
            back = payment["reversed"] and self.calendar.day(payment["reversed"])
            if payment["reversed"] and back == day:
                continue
            self.add(day, "presentment", payment, int(payment["amount"]), refund)
            if payment["reversed"]:
                self.add(back, "opposite", payment, int(payment["amount"]), refund)

    def read_merchants(self):
        """Each record of the merchants' files, in the order in which they were handed in."""
        for order in self.calendar.of("submit"):
            with open(self.home / order["about"], encoding="utf-8", newline="") as file:
                records = list(csv.DictReader(file))
            details = [record for record in records if record["type"] == "D"]
            total = records[-1]
            self.faults.unless(total["type"] == "T" and int(total["seq"]) == len(records), order["about"], "has another count")
            self.faults.unless(int(total["amount"]) == sum(int(record["amount"]) for record in details), order["about"], "has another sum")
            for record in details:
                verdict = self.judge(order, record)
                self.verdicts[order["about"], record["capture_ref"]] = verdict

    def judge(self, order, record):
        merchant, amount = order["of"], int(record["amount"])
        day = self.calendar.day(order["at"])
        if record["op"] == "refund":
            original = self.by_reference.get((merchant, record["orig_ref"]))
            if original is None:
                return "rejected"
            payment, captured = original
            key = (merchant, payment["rrn"])
            if self.refunded[key] + amount > self.captured[key] or captured.currency != record["currency"]:
                return "rejected"
            self.refunded[key] += amount
            self.add(day, "presentment", payment, amount, True)
            return "accepted"
        payment = next(
            (
                one for one in self.payments.values()
                if one["mti"] in ("0100", "0200") and one["merchant"] == merchant
                and one["terminal"] == record["terminal_id"] and one["rrn"] == record["rrn"]
            ),
            None,
        )
        if payment is None:
            return "pending"
        key = (merchant, payment["rrn"])
        most = self.terms.most(payment["category"], int(payment["amount"]))
        good = (
            payment["approved"] and payment["mti"] == "0100" and payment["completed"] is None
            and payment["currency"] == record["currency"] and key not in self.closed
            and self.captured[key] + amount <= most
            and (payment["reversed"] is None or payment["reversed"] > order["at"])
        )
        if not good:
            return "rejected"
        self.captured[key] += amount
        if record["final"] != "N":
            self.closed.add(key)
        back = payment["reversed"] and self.calendar.day(payment["reversed"])
        if payment["reversed"] and back == day:
            # Reversed before its cut: it is not presented after all.
            return "accepted"
        line = self.add(day, "presentment", payment, amount, False)
        if payment["reversed"]:
            self.add(back, "opposite", payment, amount, False)
        self.by_reference[merchant, record["capture_ref"]] = (payment, line)
        return "accepted"

    def read_banks(self):
        """What the banks approved is what the tills heard; what they objected to, and what was presented once more."""
        objected = {}
        for bank in CHARSETS:
            approved, undone = collections.Counter(), collections.Counter()
            for line in lines_of(self.home / f"{bank}-ledger.jsonl"):
                what = (line["rrn"], line["terminal"], line["merchant"], line["card"], int(line["amount"]), line["currency"])
                self.faults.unless(self.terms.issuer(line["card"]) == bank, bank, "has a card of another bank:", line["rrn"])
                if line["effect"] in ("approved", "declined"):
                    approved[(*what, line["mti"], line["code"])] += 1
                elif line["effect"] == "reversed":
                    undone[what] += 1
                elif line["effect"] in ("rejected", "charged_back"):
                    objected[line["rrn"]] = (bank, line)
                else:
                    self.faults.unless(line["effect"] == "again", bank, "has a line that is", line["effect"])
            mine = [payment for payment in self.payments.values() if self.terms.issuer(payment["card"]) == bank]
            seen = lambda one: (one["rrn"], one["terminal"], one["merchant"], one["card"], int(one["amount"]), one["currency"])
            self.faults.equal(f"what {bank} decided and the tills heard", approved, [(*seen(one), one["mti"], one["code"]) for one in mine])
            self.faults.equal(f"what {bank} undid and the tills reversed", undone, [seen(one) for one in mine if one["reversed"]])
        kinds = {"rejected": "rejection", "charged_back": "chargeback"}
        for bank, line in objected.values():
            about = self.presented(line)
            self.faults.unless(len(about) == 1 and about[0].issuer == bank, bank, "objects to what was not presented:", line["rrn"])
            for one in about:
                day = self.calendar.day(line["at"])
                self.lines.append(one._replace(day=day, kind=kinds[line["effect"]]))
        wanted = {"again": "rejected", "representment": "charged_back"}
        for order in self.calendar.of("represent"):
            bank, line = objected.get(order["rrn"], (None, None))
            self.faults.unless(line and line["effect"] == wanted[order["of"]], "nobody objected to what is presented again:", order["rrn"])
            for one in self.presented(line) if line else []:
                day = self.calendar.day(order["at"])
                self.lines.append(one._replace(day=day, kind=order["of"], amount=order["amount"]))

    def presented(self, objection):
        same = lambda one: one.rrn == objection["rrn"] and one.amount == objection["amount"]
        return [one for one in self.lines if one.kind == "presentment" and same(one)]


# 2. What the files say.


def records_of(path, bank, faults):
    """The records of a file with their checks: headers, numbers, sums."""
    with open(path, "rb") as file:
        records = list(mciipm.IpmReader(file, encoding=CHARSETS[bank], blocked=True))
    kinds = [(record["MTI"], record.get("DE24")) for record in records]
    faults.unless(kinds and kinds[0] == ("1644", "697") and kinds[-1] == ("1644", "695"), path.name, "has no header or trailer")
    faults.unless([record.get("DE71") for record in records] == list(range(1, len(records) + 1)), path.name, "is not numbered from 1")
    total = sum(record.get("DE4", 0) for record in records)
    faults.unless(int(records[-1].get("PDS0301", -1)) == total, path.name, "adds up to", total)
    faults.unless(int(records[-1].get("PDS0306", -1)) == len(records), path.name, "has", len(records), "records")
    return records


def masked(card):
    return card[:6] + "*" * (len(card) - 10) + card[-4:]


class Filed:
    """The lines of the days from clearing files and answers."""

    def __init__(self, home, terms, calendar, faults):
        self.lines = []
        presented, numbered, rejected = {}, {}, set()
        answers = collections.defaultdict(list)
        for order in calendar.of("receive"):
            answers[calendar.day(order["at"])].append((order["of"], home / order["about"]))
        for day in calendar.days:
            for bank, path in answers[day]:
                for record in records_of(path, bank, faults):
                    kind = (record["MTI"], record["DE24"])
                    if kind == ("1644", "691"):
                        about = numbered.get((record["PDS0280"], int(record["PDS0138"])))
                        faults.unless(about, path.name, "rejects what was not sent")
                        if about:
                            rejected.add(about[0])
                            self.lines.append(about[1]._replace(day=day, kind="rejection"))
                    elif kind[0] == "1442":
                        about = presented.get((record["DE31"], record["DE49"]))
                        faults.unless(about and about.card == masked(record["DE2"]), path.name, "charges back what was not sent")
                        if about:
                            self.lines.append(about._replace(day=day, kind="chargeback", amount=record["DE4"]))
            for path in sorted((home / "state/clearing").glob(f"clearing-*-{day}.ipm")):
                bank, currency = re.fullmatch(r"clearing-(\w+)-(\d{3})-.*\.ipm", path.name).groups()
                records = records_of(path, bank, faults)
                faults.unless(records[0]["PDS0105"][3:9] == day.replace("-", "")[2:], path.name, "has an id of another day")
                for record in records[1:-1]:
                    faults.unless(record["MTI"] == "1240" and record["DE49"] == currency, path.name, "has a record that is none of its own")
                    faults.unless(terms.issuer(record["DE2"]) == bank, path.name, "shows a bank another bank's card")
                    faults.unless(record["PDS0148"] == f"{currency}{EXPONENTS[currency]}", path.name, "has other decimals")
                    kind = {"200": "presentment", "205": "representment", "282": "representment"}.get(record["DE24"])
                    faults.unless(kind, path.name, "has function code", record["DE24"])
                    if "PDS0025" in record:
                        kind = "opposite"
                    elif kind == "presentment" and record["DE31"] in rejected:
                        kind = "again"
                    line = Line(
                        day, kind, record["DE42"].rstrip(), bank, currency, record["DE4"], record["DE3"].startswith("2"),
                        record["DE37"], masked(record["DE2"]),
                    )
                    self.lines.append(line)
                    numbered[records[0]["PDS0105"], record["DE71"]] = (record["DE31"], line)
                    if kind == "presentment":
                        faults.unless((record["DE31"], currency) not in presented, "reference used twice:", record["DE31"])
                        presented[record["DE31"], currency] = line
        # What came after the last cut is in no position; it must be readable all the same.
        for bank, path in answers[None]:
            records_of(path, bank, faults)


# Money.


def sign(line):
    """What a line claims of its issuer: more than nothing when the issuer pays."""
    back = line.kind in ("opposite", "chargeback", "rejection")
    return -1 if back != line.refund else 1


def fees(line, terms, lines):
    """What each line costs, rounded once."""
    about = [one for one in lines if one.rrn == line.rrn and one.kind == "presentment" and one.refund == line.refund]
    first = next((one for one in about if one.amount == line.amount), about[0] if about else line._replace(kind="presentment"))
    if line.kind in ("opposite", "chargeback", "rejection", "again", "representment"):
        base = fees(first, terms, lines)
    if line.kind == "presentment":
        back = lambda charge: -terms.fee(charge, line) if charge in terms.refund_returns else Fraction(0)
        price = back if line.refund else lambda charge: terms.fee(charge, line)
        return {charge: rounded(price(charge)) for charge in CHARGES}
    if line.kind == "opposite":
        return {charge: -base[charge] for charge in CHARGES}
    if line.kind in ("rejection", "again"):
        turn = -1 if line.kind == "rejection" else 1
        return {charge: 0 if charge == "discount" else turn * base[charge] for charge in CHARGES}
    # In proportion, and only what is given back.
    back = {
        charge: -rounded(Fraction(base[charge] * (line.amount if line.kind == "chargeback" else first.amount), first.amount))
        if charge in terms.chargeback_returns else 0
        for charge in CHARGES
    }
    if line.kind == "chargeback":
        return back
    charged = next((one for one in lines if one.rrn == line.rrn and one.kind == "chargeback"), None)
    if charged is None:
        return dict.fromkeys(CHARGES, 0)
    given = fees(charged, terms, lines)
    return {charge: rounded(Fraction(-given[charge] * line.amount, charged.amount)) for charge in CHARGES}


def positions(lines, terms):
    """Gross and fees by day, party, name and currency; what a party gets is more than nothing."""
    sums = collections.defaultdict(lambda: [0, 0])
    for line in lines:
        gross, cost = sign(line) * line.amount, fees(line, terms, lines)
        waits = line.kind in ("rejection", "again")
        own = ("suspense", "") if waits else ("merchant", line.merchant)
        for party, name, part, amount in (
            (*own, 0, gross),
            ("issuer", line.issuer, 0, -gross),
            ("merchant", line.merchant, 1, -cost["discount"]),
            ("issuer", line.issuer, 1, cost["interchange"]),
            ("network", "", 1, cost["scheme"]),
            ("acquirer", "", 1, cost["discount"] - cost["interchange"] - cost["scheme"]),
        ):
            sums[line.day, party, name, line.currency][part] += amount
    return {key: tuple(value) for key, value in sums.items() if any(value)}


def reported(home, calendar, faults):
    """The switch's own report."""
    rows = {}
    for day in calendar.days:
        report = json.loads((home / f"state/reports/positions-{day}.json").read_text(encoding="utf-8"))
        for row in report["rows"]:
            faults.unless(row["net"] == row["gross"] + row["fees"], day, row, "does not add up")
            faults.unless(row["exponent"] == EXPONENTS[row["currency"]], day, row, "has other decimals")
            if row["party"] == "total":
                faults.unless(row["gross"] == row["fees"] == row["net"] == 0, day, row, "is not nothing")
            elif row["gross"] or row["fees"]:
                rows[day, row["party"], row["name"].rstrip(), row["currency"]] = (row["gross"], row["fees"])
    return rows


def claimed(home, calendar, lines, faults):
    """The positions that stand beside the clearing files: what was claimed, without fees."""
    ours = collections.Counter()
    for line in lines:
        if line.kind not in ("rejection", "chargeback"):
            ours[line.day, "merchant", line.merchant, line.currency] += sign(line) * line.amount
            ours[line.day, "issuer", line.issuer, line.currency] -= sign(line) * line.amount
    theirs = collections.Counter()
    for day in calendar.days:
        report = json.loads((home / f"state/clearing/positions-{day}.json").read_text(encoding="utf-8"))
        faults.unless(report["held"] == [], day, "something is held")
        for row in report["positions"]:
            if row["party"] != "total":
                theirs[day, row["party"], row["name"].rstrip(), row["currency"]] += row["net"]
    for key in sorted(ours.keys() | theirs.keys()):
        faults.unless(ours[key] == theirs[key], "beside the files", *key, "is", theirs[key], "and the lines say", ours[key])


# Payments.


def business_day_after(day):
    """Saturdays and Sundays are none."""
    day = datetime.date.fromisoformat(day) + datetime.timedelta(days=1)
    while day.weekday() >= 5:
        day += datetime.timedelta(days=1)
    return day.isoformat()


def minor(text, currency):
    """Exactly so many decimals as the currency has."""
    exponent = EXPONENTS[currency]
    whole, _, decimals = text.partition(".")
    if len(decimals) != exponent or not (whole + decimals).isdigit():
        raise ValueError(f"{text!r} is no amount of {currency}")
    return int(whole + decimals)


def payments(home, terms, calendar, faults):
    """What the bank is told, by day, merchant and currency."""
    paid, names = {}, set()
    for path in sorted((home / "state/payouts").glob("*.xml")):
        day, cycle, currency = re.fullmatch(r"payouts-(\d{4}-\d\d-\d\d)-(\d+)-(\d{3})\.xml", path.name).groups()
        faults.unless(day in calendar.days and cycle == "0", path.name, "is of no day that was cut")
        root = xml.etree.ElementTree.parse(path).getroot()
        find = lambda node, name: [one.text for one in node.iter(PAIN + name)]
        transfers, total = list(root.iter(PAIN + "CdtTrfTxInf")), 0
        for transfer in transfers:
            amount = next(transfer.iter(PAIN + "InstdAmt"))
            faults.unless(amount.get("Ccy") == LETTERS[currency], path.name, "pays in", amount.get("Ccy"))
            value = minor(amount.text, currency)
            total += value
            [iban], [reference] = find(transfer, "IBAN"), find(transfer, "EndToEndId")
            faults.unless(reference not in names, "a payment's name is used twice:", reference)
            names.add(reference)
            merchant, name = terms.accounts.get(iban, ("nobody", ""))
            faults.unless(find(transfer, "Nm") == [name], path.name, "pays to", find(transfer, "Nm"))
            faults.unless((day, merchant, currency) not in paid, path.name, "pays", merchant, "twice")
            paid[day, merchant, currency] = value
        faults.unless(set(find(root, "NbOfTxs")) == {str(len(transfers))}, path.name, "counts", find(root, "NbOfTxs"))
        faults.unless({minor(text, currency) for text in find(root, "CtrlSum")} == {total}, path.name, "adds up to", total)
        faults.unless(find(root, "Dt") == [business_day_after(day)], path.name, "is worth something on", find(root, "Dt"))
        faults.unless(find(next(root.iter(PAIN + "DbtrAcct")), "IBAN") == [terms.payer], path.name, "takes from another account")
        with open(path.with_suffix(".csv"), encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        sheet = {(day, row["merchant"], currency): int(row["amount"]) for row in rows}
        told = {key: value for key, value in paid.items() if key[0] == day and key[2] == currency}
        faults.unless(sheet == told and len(rows) == len(sheet), path.name, "and its CSV differ:", sheet, told)
    return paid


def owed(computed, calendar):
    """What merchants get day by day: what they have, if it is more than nothing; the rest is carried."""
    due, balance = {}, collections.Counter()
    for day in calendar.days:
        for (of, party, name, currency), (gross, cost) in computed.items():
            if of == day and party == "merchant":
                balance[name, currency] += gross + cost
        for (name, currency), amount in balance.items():
            if amount > 0:
                due[day, name, currency] = amount
                balance[name, currency] = 0
    return due


def verdicts(home, calendar):
    """What the switch told the merchants of each record."""
    told = {}
    for order in calendar.of("submit"):
        stem = pathlib.Path(order["about"]).name
        [result] = (home / "state/captures/done").glob(f"*{stem}.result.jsonl")
        for line in lines_of(result):
            if line["type"] == "record":
                told[order["about"], line["capture_ref"]] = line["state"]
    return told


def check(home):
    faults = Faults()
    terms = Terms(home)
    sworn = Sworn(home, terms, faults)
    calendar = sworn.calendar
    filed = Filed(home, terms, calendar, faults)
    faults.equal("lines from the logs against lines from the files", sworn.lines, filed.lines)
    computed = positions(sworn.lines, terms)
    faults.unless(computed == positions(filed.lines, terms), "logs and files come to other positions")
    theirs = reported(home, calendar, faults)
    for key in sorted(computed.keys() | theirs.keys()):
        ours, other = computed.get(key), theirs.get(key)
        faults.unless(ours == other, "position", *key, "is", other, "and the logs say", ours)
    sums = collections.Counter()
    for (day, _party, _name, currency), value in computed.items():
        sums[day, currency] += sum(value)
    for key, value in sums.items():
        faults.unless(value == 0, "positions of", *key, "add up to", value)
    claimed(home, calendar, sworn.lines, faults)
    paid, due = payments(home, terms, calendar, faults), owed(computed, calendar)
    faults.unless(paid == due, "paid is", sorted(paid.items()), "and due is", sorted(due.items()))
    faults.unless(len(calendar.of("pay_out")) == len(calendar.days), "not every day was paid")
    told = verdicts(home, calendar)
    faults.equal("verdicts on merchants' records", sworn.verdicts.items(), told.items())
    kinds = {line.kind for line in sworn.lines}
    for kind in ("presentment", "opposite", "rejection", "again", "chargeback", "representment"):
        faults.unless(kind in kinds, "the day has no", kind)
    faults.unless(len(sums) >= 4 and "rejected" in sworn.verdicts.values(), "the day shows less than it should")
    return faults, (
        f"{len(calendar.days)} days, {len(sworn.payments)} messages of tills, {len(told)} records of merchants, "
        f"{len(sworn.lines)} lines from logs and from files alike, {len(computed)} positions in "
        f"{len({key[3] for key in computed})} currencies that add up to nothing, {len(paid)} payments"
    )


# Proof.


def edited(pattern, old, new):
    """Text for text, once, in the first file of that name that has it."""

    def spoil(home):
        for path in sorted(home.glob(pattern)):
            text = path.read_text(encoding="utf-8")
            match = re.search(old, text)
            if match:
                path.write_text(text[: match.start()] + match.expand(new) + text[match.end() :], encoding="utf-8")
                return
        raise ValueError(f"nothing of {pattern} has {old}")

    return spoil


def dropped(pattern, wanted):
    """A line is gone, the first one that has all of this."""

    def spoil(home):
        [path] = home.glob(pattern)
        kept, gone = [], 0
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            drop = not gone and all(part in line for part in wanted)
            gone += drop
            kept += [] if drop else [line]
        if not gone:
            raise ValueError(f"no line of {pattern} has {wanted}")
        path.write_text("".join(kept), encoding="utf-8")

    return spoil


def unasked(home):
    """A purchase that a till forgot: question and answer."""
    path = home / "tills.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if '"0200"' in line and '"000000002500"' in line)
    path.write_text("".join(lines[:at] + lines[at + 2 :]), encoding="utf-8")


def refiled(pattern, bank, change):
    """A clearing file is written anew by cardutil, its sums put right, with one record changed."""

    def spoil(home):
        path = sorted(home.glob(pattern))[0]
        with open(path, "rb") as file:
            records = list(mciipm.IpmReader(file, encoding=CHARSETS[bank], blocked=True))
        change(records)
        records[-1]["PDS0301"] = f"{sum(record.get('DE4', 0) for record in records):016}"
        out = io.BytesIO()
        with mciipm.IpmWriter(out, encoding=CHARSETS[bank], blocked=True) as writer:
            for record in records:
                bare = {key: value for key, value in record.items() if not key.startswith(("DE43_", "TAG", "ICC"))}
                parts = any(key.startswith("PDS") for key in bare)
                writer.write({key: value for key, value in bare.items() if not (parts and key == "DE48")})
        path.write_bytes(out.getvalue())

    return spoil


def amount_more(records):
    records[1]["DE4"] += 1


def as_refund(records):
    record = next(record for record in records if record.get("DE3", "").startswith("0"))
    record["DE3"] = "20" + record["DE3"][2:]


def not_reversed(records):
    del next(record for record in records if "PDS0025" in record)["PDS0025"]


def charged_less(records):
    next(record for record in records if record["MTI"] == "1442")["DE4"] -= 1


def paid_more(home):
    """A payment of a unit more, with its sums put right, in both files."""
    path = sorted((home / "state/payouts").glob("*-978.xml"))[0]
    text = path.read_text(encoding="utf-8")
    amount, total = re.search(r'Ccy="EUR">([\d.]+)<', text)[1], re.search(r"<CtrlSum>([\d.]+)<", text)[1]
    more = lambda value: f"{(int(value.replace('.', '')) + 1) / 100:.2f}"
    text = text.replace(f'"EUR">{amount}<', f'"EUR">{more(amount)}<', 1).replace(f"<CtrlSum>{total}<", f"<CtrlSum>{more(total)}<")
    path.write_text(text, encoding="utf-8")
    sheet = path.with_suffix(".csv")
    whole = str(int(amount.replace(".", "")))
    told = sheet.read_text(encoding="utf-8")
    assert whole in told
    sheet.write_text(told.replace(whole, str(int(whole) + 1), 1), encoding="utf-8")


def shifted(home):
    """A unit goes from one party to another: the total is nothing still."""
    path = sorted((home / "state/reports").glob("positions-*.json"))[0]
    report = json.loads(path.read_text(encoding="utf-8"))
    one, other = [row for row in report["rows"] if row["currency"] == "978" and row["party"] in ("issuer", "acquirer")][:2]
    for row, by in ((one, 1), (other, -1)):
        row["fees"] += by
        row["net"] += by
    path.write_text(json.dumps(report), encoding="utf-8")


NORTH, SOUTH = "state/clearing/clearing-north-978-*.ipm", "state/clearing/clearing-south-978-*.ipm"
SPOILERS = [
    ("a till forgot a purchase", unasked),
    ("a till forgot an answer", dropped("tills.jsonl", ['"told"', '"0200"'])),
    ("a till remembers another amount", edited("tills.jsonl", '"000000001250"', '"000000001251"')),
    ("a till forgot a reversal", lambda home: [dropped("tills.jsonl", ['"0420"'])(home) for _ in range(2)]),
    ("a till remembers a decline as an approval", edited("tills.jsonl", '"code":"51"', '"code":"00"')),
    ("a bank forgot an approval", dropped("north-ledger.jsonl", ['"approved"', '"0200"'])),
    ("a bank remembers another amount", edited("south-ledger.jsonl", '"000000003210"', '"000000003211"')),
    ("a bank forgot its charge-back", dropped("north-ledger.jsonl", ['"charged_back"'])),
    ("a bank forgot its rejection", dropped("south-ledger.jsonl", ['"rejected"'])),
    ("the operator forgot an order", dropped("operator.jsonl", ['"represent"', '"again"'])),
    ("the operator presented another amount again", edited("operator.jsonl", '"amount":1500', '"amount":1501')),
    ("a merchant's file has another tip", edited("merchants/bistro-1.csv", r",4600,978(.*)\n(.*),4600,", r",4601,978\1\n\2,4601,")),
    ("a merchant's file has a capture less", lambda home: (
        dropped("merchants/web-3.csv", ["capture,book"])(home),
        edited("merchants/web-3.csv", r"T,4,(.*),2700,", r"T,3,\1,1200,")(home),
    )),
    ("a clearing file claims a unit more", refiled(NORTH, "north", amount_more)),
    ("the other bank's claims a unit more", refiled(SOUTH, "south", amount_more)),
    ("a clearing file makes a refund of a purchase", refiled(SOUTH, "south", as_refund)),
    ("a clearing file claims what should be taken back", lambda home: refiled(NORTH.replace("*", f"{Calendar(home).days[-1]}"), "north", not_reversed)(home)),
    ("a clearing file is gone", lambda home: sorted(home.glob("state/clearing/clearing-north-414-*.ipm"))[0].unlink()),
    ("a bank's answer charges back less", refiled("answers/north-1.ipm", "north", charged_less)),
    ("a payment is a unit more, sums and all", paid_more),
    ("a payment goes to another account", edited("state/payouts/*.xml", "FR14[0-9A-Z]*", "NL91ABNA0417164300")),
    ("a payment is worth something on another day", edited("state/payouts/*.xml", r"<Dt>\d{4}", "<Dt>2099")),
    ("the control sum of payments is another", edited("state/payouts/*.xml", r"<CtrlSum>(\d)", r"<CtrlSum>9\1")),
    ("a file of payments is gone", lambda home: sorted(home.glob("state/payouts/*-392.xml"))[0].unlink()),
    ("a report moves a unit from one party to another", shifted),
    ("the positions beside the files are others", edited("state/clearing/positions-*.json", r'"net": (\d+)', r'"net": 1\1')),
    ("the price list is another", edited("iso8583d.toml", "rate_ppm = 15_000", "rate_ppm = 15_001")),
    ("a fixed fee is another", edited("iso8583d.toml", "fixed = 5\n", "fixed = 6\n")),
    ("a merchant was told another verdict", edited("state/captures/done/*web-1*.jsonl", r'("type":"record".*"state":)"rejected"', r'\1"accepted"')),
]


def prove(home):
    """A check that finds nothing proves nothing, unless it finds what is put there."""
    faults = Faults()
    for what, spoil in SPOILERS:
        with tempfile.TemporaryDirectory() as place:
            copy = pathlib.Path(place) / "day"
            skip = shutil.ignore_patterns("*.db", "*.db-*", "journal*", "control*", "*.sock", "books*")
            shutil.copytree(home, copy, ignore=skip)
            if check(copy)[0]:
                return Faults(["a copy of it is taken otherwise than itself"])
            spoil(copy)
            faults.unless(check(copy)[0], "not found:", what)
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=pathlib.Path, help="what `iso8583d demo day --keep` left")
    parser.add_argument("--prove", action="store_true", help="spoil copies of it in many ways and find each")
    asked = parser.parse_args()
    faults, summary = check(asked.directory)
    if asked.prove and not faults:
        faults, summary = prove(asked.directory), summary + f"; {len(SPOILERS)} ways to spoil it found"
    for fault in faults[:50]:
        print(fault)
    print(f"{asked.directory}: {f'{len(faults)} faults' if faults else 'ok'}: {summary}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
