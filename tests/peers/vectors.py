#!/usr/bin/env python3
"""Makes the sets of messages that begin in this repository, with other people's encoders.

    vectors.py DIRECTORY [SET...]      writes ok_SET.jsonl and bad_SET.jsonl
    vectors.py --check DIRECTORY       says which of them would come out otherwise

Each set is made from its own seed: the same versions of the encoders give the same bytes. The tables below are written from
the standard's, not from specs/, so that a row that is wrong in one of the two does not go unseen. Every good message was read
again by its encoder to the same values. Needs: pyiso8583 4.0.1, cardutil 0.7.3 (PyPI).
"""

import datetime
import json
import pathlib
import random
import sys

import cardutil.iso8583
import iso8583

cardutil.iso8583.hexdump = lambda *_args, **_kwargs: ""

GOOD = 60
PYISO, CARDUTIL = "pyiso8583 4.0.1", "cardutil 0.7.3"

# Element, content and length; a range stands for elements that are alike, `..` for a length that varies, x for a sign and digits.
# What comes later in a table counts.
ISO87 = """
2 n..19 | 3 n6 | 4-6 n12 | 7 n10 | 8-10 n8 | 11 n6 | 12 n6 | 13-18 n4 | 19-24 n3 | 25-26 n2 | 27 n1 | 28-31 x8 |
32-33 n..11 | 34 ns..28 | 35 z..37 | 36 z..104 | 37 an12 | 38 an6 | 39 an2 | 40 an3 | 41 ans8 | 42 ans15 | 43 ans40 |
44 ans..25 | 45 ans..76 | 46-48 ans..999 | 49-51 n3 | 52 b8 | 53 n16 | 54 ans..120 | 55 b..255 | 56-63 ans..999 | 64 b8 |
66 n1 | 67 n2 | 68-70 n3 | 71-72 n4 | 73 n6 | 74-81 n10 | 82-85 n12 | 86-89 n16 | 90 n42 | 91 an1 | 92 an2 | 93 an5 |
94 an7 | 95 an42 | 96 b8 | 97 x16 | 98 ans25 | 99-100 n..11 | 101 ans..17 | 102-103 ans..28 | 104 ans..100 |
105-127 ans..999 | 128 b8
"""
ISO93 = ISO87 + """ |
12 n12 | 13 n4 | 15 n6 | 22 an12 | 24 n3 | 25-26 n4 | 27 n1 | 28 n6 | 29 n3 | 30 n24 | 31 ans..99 | 37 an12 | 38 an6 |
39-40 n3 | 43-44 ans..99 | 46 ans..204 | 49-51 an3 | 53 b..48 | 56 n..35 | 57 n3 | 58 n..11 | 66 ans..204 | 67 n2 | 70 n3 |
71 n8 | 72 ans..999 | 82-85 n10 | 90 n10 | 91-92 n3 | 93-94 n..11 | 95 ans..99 | 96 b..999 | 99 an..11 | 105-106 n16 |
107-108 n10 | 109-110 ans..84
"""
ISO2003 = ISO93 + """ |
3 an6 | 4-6 n16 | 8 n12 | 11 n12 | 12 n14 | 13 n6 | 15 n8 | 18 ans..140 | 21 an22 | 22 b16 | 27 b27 | 28 n8 | 30 n32 |
31 n23 | 34 b..9999 | 39 n4 | 41 ans16 | 42 ans..35 | 43-44 b..9999 | 46 ans..216 | 49 b..9999 | 50-51 ans..9999 |
54 ans..126 | 55 b..9999 | 56 n..41 | 66 ans..216 | 68 an9 | 69 ans40 | 70 n18 | 71-72 ans..9999 | 73 n8 | 74 b78 | 75 n90 |
76-92 ans..9999 | 97 x20 | 101 ans..99 | 104 b..9999 | 105-108 ans..9999 | 109-110 ans..144 | 111-127 ans..9999
"""
# What cardutil writes as text, with the lengths that others keep to.
IPM = """
2 n..19 | 3 n6 | 4-6 n12 | 9-10 n8 | 14 n4 | 22 an12 | 23-24 n3 | 25-26 n4 | 30 n24 | 31 n..23 | 32-33 n..11 | 37 an12 |
38 an6 | 40 n3 | 41 ans8 | 42 ans15 | 43 ans..99 | 48 ans..999 | 49-51 n3 | 54 ans..240 | 55 b..255 | 62 ans..999 |
63 ans..16 | 71 n8 | 72 ans..999 | 73 n6 | 93-94 n..11 | 95 ans..10 | 100 n..11 | 105 ans..999 | 111 ans..12 |
123-125 ans..999 | 127 ans..999
"""

# No character that the code pages of EBCDIC in use place differently.
TEXT = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .,:;()*+-/%_?<>='\"&#@$"
LETTERS, DIGITS = TEXT[:52], "0123456789"
ACCENTS = "\u00e9\u00fc\u00f1\u00c4\u00df"
MTIS = "100 110 120 121 130 200 210 220 221 230 302 312 400 410 420 421 430 500 510 620 800 810 820".split()
IPM_MTIS = "1240 1442 1644 1740".split()


def table(text):
    """Element to (content, whether its length varies, length)."""
    rows = {}
    for entry in text.replace("\n", " ").split("|"):
        numbers, shape = entry.split()
        first, _, last = numbers.partition("-")
        content = shape.rstrip(DIGITS)
        row = content.removesuffix(".."), content.endswith(".."), int(shape[len(content) :])
        rows.update((number, row) for number in range(int(first), int(last or first) + 1))
    return rows


class Chance:
    """Values for elements, always the same for the same seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def below(self, end):
        return int(self.random.random() * end)

    def one(self, of):
        return of[self.below(len(of))]

    def some(self, of, count):
        return "".join(self.one(of) for _ in range(count))

    def subset(self, of, count):
        of = list(of)
        return sorted(of.pop(self.below(len(of))) for _ in range(min(count, len(of))))

    def length(self, varies, longest):
        """Mostly short, at times empty or the longest."""
        if not varies:
            return longest
        dice = self.below(20)
        if dice < 2:
            return dice * longest if longest < 300 else dice
        return 1 + self.below(min(longest, 40))

    def value(self, content, length):
        """A value in pyiso8583's terms: bytes as upper-case hexadecimal digits."""
        if content == "b":
            return self.some("0123456789ABCDEF", 2 * length)
        if content == "x":
            return self.one("CD") + self.some(DIGITS, length)
        if content == "ns":
            return self.some(DIGITS + " .,:/-", length)
        if content == "z":
            return (self.card() + "=" + self.some(DIGITS, length))[:length]
        if content == "ans" and self.below(8) == 0:
            return self.some(TEXT + ACCENTS, length)
        return self.some({"n": DIGITS, "an": LETTERS[:26] + DIGITS, "ans": TEXT}[content], length)

    def card(self):
        """A published test number, or one that no card has."""
        if self.below(4) == 0:
            return self.one(["4242424242424242", "5555555555554444", "378282246310005", "5413330089010483"])
        return "999999" + self.some(DIGITS, 7 + self.below(7))


def over(raw, place, new):
    """These bytes in the place of as many."""
    return raw[:place] + new + raw[place + len(new) :]


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def pyiso_spec(rows, coding, head, filler, characters):
    """A pyiso8583 specification: `ascii`, `bcd` or `ebcdic`. Where digits are packed: on which side an odd number of them that
    varies is filled, and which elements are characters all the same."""
    text = {"ascii": "latin-1", "ascii-binary": "latin-1", "bcd": "latin-1", "ebcdic": "cp500"}[coding]
    lengths = {"ascii": "ascii", "ascii-binary": "ascii", "bcd": "bcd", "ebcdic": "cp500"}[coding]
    packed = coding == "bcd"

    def field(data, width, longest, **more):
        return {"data_enc": data, "len_enc": lengths, "len_type": width, "max_len": longest, "desc": "", **more}

    bitmap = field("ascii", 0, 16) if coding == "ascii" else field("b", 0, 8)
    spec = {"h": field("b", 0, head), "t": field("b" if packed else text, 0, 2 if packed else 4), "p": bitmap, "1": bitmap}
    for number, (content, varies, longest) in rows.items():
        digits = 2 if longest < 100 else 3 if longest < 1000 else 4
        width = 0 if not varies else (digits + 1) // 2 if packed else digits
        digits_packed = packed and content in ("n", "x", "z") and number not in characters
        if content == "b" and coding == "ascii":
            # Hexadecimal digits, which the length counts.
            row = field("ascii", width, 2 * longest)
        elif content == "b":
            row = field("b", width, longest)
        elif digits_packed and content == "x":
            # The sign is a character before packed digits: for pyiso8583 these are bytes.
            row = field("b", 0, 1 + longest // 2)
        elif digits_packed:
            pad = filler if varies else "left_pad"
            row = field("b", width, longest, len_count="nibbles", **{pad: "0"})
        else:
            row = field(text, width, longest + (content == "x"))
        spec[str(number)] = row
    return spec


class PyisoSet:
    """Messages of one variant, written by pyiso8583."""

    # Elements with elements of their own, and what makes a value of each: the value and its parts.
    nested = {}

    def __init__(self, name, text, version, coding, head=0, filler="right_pad", characters=(36,)):
        self.name, self.version, self.coding, self.head = name, version, coding, head
        self.rows = table(text)
        self.spec = pyiso_spec(self.rows, coding, head, filler, characters)
        self.chance = Chance(name)

    def wire(self, number, value):
        """A value as pyiso8583 wants it."""
        spec, content = self.spec[str(number)], self.rows[number][0]
        if spec["data_enc"] != "b":
            return value
        if content == "x":
            return f"{ord(value[0]):02X}" + value[1:]
        return value.replace("=", "D")

    def values(self, numbers):
        values = {}
        for number in numbers:
            content, varies, longest = self.rows[number]
            value = self.chance.value(content, self.chance.length(varies, longest))
            values[number] = self.chance.card() if number == 2 else value
        return values

    def numbers(self, at):
        """Which elements the message has: every one of them comes several times."""
        every = list(self.rows)
        if at == 0:
            return every
        if at < 8:
            return [number for number in every if number % 8 == at]
        if at < 16:
            return [number for number in every if number < 65 and number // 8 == at - 8] or every[:3]
        return self.chance.subset(every if at % 3 else every[:62], 1 + self.chance.below(24))

    def message(self, mti, values):
        """The bytes, and the parts that pyiso8583 wrote of them."""
        document = {"t": mti, **{str(number): self.wire(number, value) for number, value in values.items()}}
        if self.head:
            document["h"] = "60" + self.chance.some(DIGITS, 8)
        raw, parts = iso8583.encode(dict(document), self.spec)
        read, _ = iso8583.decode(raw, self.spec)
        for key in ("h", "p", "1"):
            read.pop(key, None)
        document.pop("h", None)
        assert read == document, (self.name, read, document)
        return bytes(raw), parts

    def shown(self, number, value):
        """As pyiso8583 shows it; a sign before packed digits as the character that it is."""
        packed = self.spec[str(number)]["data_enc"] == "b"
        return value.replace("=", "D") if packed and self.rows[number][0] == "z" else value

    def good(self):
        for at in range(GOOD):
            mti = self.version + self.chance.one(MTIS)
            values = self.values(self.numbers(at))
            if at % 5 == 1:
                # One at its longest.
                number = self.chance.one([number for number, row in self.rows.items() if row[1] and number != 2 and number not in self.nested])
                content, _, longest = self.rows[number]
                values[number] = self.chance.value(content, longest)
            values = dict(sorted(values.items()))
            raw, parts = self.message(mti, values)
            fields = {str(number): self.shown(number, value) for number, value in values.items()}
            yield {"source": PYISO, "hex": raw.hex().upper(), "mti": mti, "fields": fields}, raw, parts

    def places(self, parts):
        """Where the length and the data of each element begin."""
        places, at = {}, sum(len(parts[key]["data"]) for key in ("h", "t", "p", "1") if key in parts)
        for key in sorted((key for key in parts if key.isdigit() and key != "1"), key=int):
            length, data = parts[key]["len"], parts[key]["data"]
            places[int(key)] = at, at + len(length), len(data)
            at += len(length) + len(data)
        return places

    def bad(self, made):
        """Each message of handy length changed in two of the ways that a strict reader refuses, and one in all of them."""
        for at, (row, raw, parts) in enumerate(made):
            changes = list(self.changes(raw, parts))
            first = self.chance.below(len(changes))
            kept = changes if at == 9 else [changes[(first + step) % len(changes)] for step in (0, len(changes) // 2)]
            if len(raw) < 2000 or at == 9:
                for mutation, changed, *expect in kept:
                    expect = expect[0] if expect else "reject"
                    yield {"source": PYISO, "mutation": mutation, "hex": changed.hex().upper(), "expect": expect}

    def changes(self, raw, parts):
        """What was done, and the bytes after it; `accept` behind them where a strict reader takes them."""
        bitmap = self.head + len(parts["t"]["data"])
        width = len(parts["p"]["data"])
        yield "empty", b""
        yield "mti_only", raw[:bitmap]
        yield "truncated_in_mti", raw[: bitmap - 1]
        yield "truncated_in_bitmap", raw[: bitmap + width - 1]
        yield "truncated_last_byte", raw[:-1]
        cut = bitmap + self.chance.below(len(raw) - bitmap)
        yield f"truncated_random@{cut}", raw[:cut]
        yield "trailing_1_byte", raw + b"1"
        yield "trailing_8_bytes", raw + b"12345678"
        yield "mti_non_digit", over(raw, self.head, self.bytes("A", b"\xA1"))
        if self.coding == "ascii":
            yield "bitmap_non_hex", over(raw, bitmap, b"G")
            yield "bitmap_spaces", over(raw, bitmap, b" " * width)
            yield "bitmap_lower_hex", over(raw, bitmap, raw[bitmap : bitmap + width].lower()), "accept"
        places = self.places(parts)
        for number in self.chance.subset(places, 6):
            yield from self.wrong_length(raw, number, *places[number][:2])
            yield from self.wrong_value(raw, number, *places[number][1:])

    def bytes(self, text, packed):
        """A text as the variant writes it, or this where it packs digits."""
        return packed if self.coding == "bcd" else text.encode("cp500" if self.coding == "ebcdic" else "ascii")

    def wrong_length(self, raw, number, begin, data):
        content, varies, longest = self.rows[number]
        if not varies:
            return
        yield f"len_non_digit_f{number}", over(raw, begin, self.bytes("A", b"\xAA"))
        if self.coding != "bcd":
            yield f"len_space_padded_f{number}", over(raw, begin, self.bytes(" ", b""))
            yield f"len_plus_sign_f{number}", over(raw, begin, self.bytes("+", b""))
        beyond = 1 + longest * (2 if content == "b" and self.coding == "ascii" else 1)
        digits = (data - begin) * (2 if self.coding == "bcd" else 1)
        if beyond < 10**digits:
            text = str(beyond).zfill(digits)
            packed = bytes.fromhex(text) if self.coding == "bcd" else b""
            yield f"len_beyond_max_f{number}", over(raw, begin, self.bytes(text, packed))

    def wrong_value(self, raw, number, data, size):
        content = self.rows[number][0]
        sign = content == "x"
        if sign:
            yield f"sign_f{number}", over(raw, data, self.bytes("X", b"X"))
        if content in ("n", "x") and size > sign:
            packed = b"\xBB" if self.spec[str(number)]["data_enc"] == "b" else b"A"
            place = data + sign + self.chance.below(size - sign)
            yield f"nondigit_in_n_f{number}", over(raw, place, self.bytes("A", packed))
        if content == "b" and self.coding == "ascii" and size:
            yield f"nonhex_in_b_f{number}", over(raw, data, b"G")


class LikeSet(PyisoSet):
    """Messages of a network's kind: elements within elements, most of them written by pyiso8583 too."""

    def __init__(self, name, text, coding, nested, widths=(), change=None, **more):
        super().__init__(name, text, "0", coding, **more)
        self.nested, self.parts = nested, {}
        for number, width in dict(widths).items():
            self.spec[str(number)]["len_type"] = width
        if change:
            change(self.rows, self.spec)
        self.binary_lengths = change is not None

    def numbers(self, at):
        """Every second message has those with elements of their own."""
        return sorted({*super().numbers(at), *(self.nested if at % 2 else ())})

    def values(self, numbers):
        values, self.parts = super().values(numbers), {}
        for number in numbers:
            if number in self.nested:
                values[number], parts = self.nested[number](self.chance)
                self.parts.update({f"{number}.{path}": value for path, value in parts.items()})
        return values

    def good(self):
        for row, raw, parts in super().good():
            yield {**row, "parts": self.parts}, raw, parts

    def wrong_length(self, raw, number, begin, data):
        content, varies, longest = self.rows[number]
        if not self.binary_lengths:
            yield from super().wrong_length(raw, number, begin, data)
        elif varies and longest < 255:
            yield f"len_beyond_max_f{number}", over(raw, begin, bytes([longest + 1]))


def by_bitmap(rows, text, width=8, most=6):
    """What makes values of an element that begins with a bitmap of so many bytes: a message of pyiso8583 without its MTI."""
    field = lambda data, size, longest, **more: {
        "data_enc": data, "len_enc": "ascii", "len_type": size, "max_len": longest, "desc": "", **more
    }
    spec = {"h": field("b", 0, 0), "t": field("b", 0, 2), "p": field("b", 0, 8), "1": field("b", 0, 8)}
    makers = {}
    for number, (content, digits, longest) in rows.items():
        if callable(content):
            spec[str(number)], makers[number] = field("b", digits, longest), content
        elif content == "packed":
            spec[str(number)] = field("b", 0, longest, len_count="nibbles", left_pad="0")
        else:
            spec[str(number)] = field("b" if content == "b" else text, digits, longest)

    def make(chance):
        values, parts, document = {}, {}, {"t": "0000"}
        for number in chance.subset(rows, 1 + chance.below(most)):
            content, digits, longest = rows[number]
            if number in makers:
                values[number], inner = makers[number](chance)
                parts.update({f"{number}.{path}": value for path, value in inner.items()})
            else:
                length = chance.length(digits > 0, longest)
                kind = {"packed": "n"}.get(content, content)
                values[number] = parts[str(number)] = chance.value(kind, length).translate(PLAIN)
            document[str(number)] = values[number]
        raw, _ = iso8583.encode(document, spec)
        # The MTI is left out, and of the bitmap what is not sent.
        return (raw[2 : 2 + width] + raw[10:]).hex().upper(), parts

    return make


# Values within elements do without accents: another code page puts them elsewhere.
PLAIN = dict(zip(map(ord, ACCENTS), "aaaaa"))


def by_tag(tags, lead=""):
    """What makes values of two digits of tag, two of length, and the value."""

    def make(chance):
        text, parts = "", {}
        if lead:
            text = parts["lead"] = chance.one(lead)
        for tag in chance.subset(tags, 1 + chance.below(5)):
            content, varies, longest = tags[tag]
            if callable(content):
                value, inner = content(chance)
                parts.update({f"{tag}.{path}": part for path, part in inner.items()})
            else:
                value = parts[tag] = chance.value(content, chance.length(varies, longest)).translate(PLAIN)
            text += f"{tag}{len(value):02}{value}"
        return text, parts

    return make


def by_place(*rows):
    """What makes values of parts one behind the other; the last of them may vary."""

    def make(chance):
        values = [chance.value(content, 1 + chance.below(length) if varies else length) for content, varies, length in rows]
        values = [value.translate(PLAIN) for value in values]
        return "".join(values), {str(at + 1): value for at, value in enumerate(values)}

    return make


def by_token(tokens):
    """What makes values of BASE24 tokens."""

    def make(chance):
        text, parts = "", {}
        for name in chance.subset(tokens, 1 + chance.below(3)):
            value = parts[name] = chance.value("ans", chance.below(tokens[name] + 1)).translate(PLAIN)
            text += f"! {name}{len(value):05} {value}"
        return f"& {len(parts) + 1:05}{len(text) + 12:05}{text}", parts

    return make


def data_set(name):
    """What makes values of one data set of objects, each shorter than 128 bytes."""

    def make(chance):
        text, parts = "", {}
        for tag in chance.subset(["01", "02", "5F20", "9F36", "DF21"], 1 + chance.below(4)):
            value = parts[f"{name}.{tag}"] = chance.value("b", 1 + chance.below(20))
            text += f"{tag}{len(value) // 2:02X}{value}"
        return f"{name}{len(text) // 2:04X}{text}", parts

    return make


def visa(rows, spec):
    """One binary byte of length, text in EBCDIC."""
    for number, (content, varies, _) in rows.items():
        row = spec[str(number)]
        if varies:
            row["len_enc"], row["len_type"] = "b", 1
        if row["data_enc"] == "latin-1":
            row["data_enc"] = "cp037"


FIXED = lambda **rows: {int(name[1:]): row for name, row in rows.items()}
POSTILION = by_bitmap(
    FIXED(
        n2=("ans", 2, 32), n3=("ans", 0, 48), n4=("ans", 0, 22), n5=("ans", 0, 73), n6=("n", 0, 2), n7=("ans", 2, 50),
        n8=("ans", 3, 999), n9=("ans", 3, 255), n10=("n", 0, 3), n11=("ans", 2, 32), n12=("ans", 2, 25), n13=("ans", 0, 17),
        n14=("ans", 0, 8), n15=("ans", 2, 29), n16=("an", 0, 1), n17=("ans", 2, 50), n18=("ans", 2, 50), n19=("ans", 0, 31),
        n20=("n", 0, 8), n21=("ans", 2, 12), n22=("ans", 5, 9999), n23=("ans", 0, 253), n24=("ans", 2, 28), n26=("ans", 2, 20),
        n27=("an", 0, 1), n28=("n", 0, 4), n29=("b", 0, 40), n30=("an", 0, 1), n31=("ans", 2, 11), n32=("b", 2, 33),
        n33=("n", 0, 4), n34=("n", 0, 2), n35=("ans", 2, 11),
        n25=(
            by_bitmap(
                FIXED(
                    n2=("n", 0, 12), n3=("n", 0, 12), n4=("ans", 2, 32), n5=("an", 0, 4), n6=("an", 0, 4), n7=("an", 0, 4),
                    n8=("n", 0, 2), n9=("n", 0, 1), n10=("an", 0, 1), n11=("n", 0, 1), n12=("an", 0, 16), n13=("an", 0, 2),
                    n14=("ans", 3, 504), n15=("an", 0, 6), n16=("ans", 0, 8), n17=("an", 2, 32), n18=("ans", 2, 64),
                    n21=("an", 0, 6), n22=("n", 0, 3), n23=("n", 0, 2), n26=("n", 0, 3), n27=("n", 0, 6), n29=("n", 0, 2),
                    n30=("an", 0, 8),
                ),
                "latin-1",
            ),
            4, 8000,
        ),
    ),
    "latin-1",
    most=8,
)
TERMINAL = by_place(*[("an", False, 1)] * 13, ("an", False, 2))
MASTERCARD_48 = by_tag(
    {
        "20": ("an", False, 1), "42": (by_tag({"01": ("n", False, 3)}), True, 7), "43": ("ans", True, 32), "61": ("ans", True, 5),
        "63": ("ans", True, 15), "71": ("an", True, 40), "77": ("an", False, 3), "82": ("n", False, 2), "92": ("n", False, 3),
        "99": ("ans", True, 20),
    },
    "RTX",
)
TOKENS = by_token({"04": 20, "B2": 158, "B3": 80, "B4": 20, "C0": 26, "C4": 12, "ZZ": 40})
VISA_62 = by_bitmap(
    FIXED(
        n2=("packed", 0, 15), n3=("an", 0, 4), n4=("an", 0, 1), n5=("packed", 0, 2), n6=("an", 0, 1), n20=("b", 0, 5), n23=("an", 0, 2)
    ),
    "cp037",
)
VISA_63 = by_bitmap(
    FIXED(
        n2=("packed", 0, 4), n3=("packed", 0, 4), n4=("packed", 0, 4), n6=("an", 0, 7), n8=("packed", 0, 8), n11=("an", 0, 1),
        n19=("an", 0, 3),
    ),
    "cp037",
    width=3,
)
VISA_126 = by_bitmap(
    FIXED(
        n5=("an", 0, 8), n8=("b", 0, 20), n9=("b", 0, 20), n10=("an", 0, 6), n12=("b", 0, 3), n13=("an", 0, 1), n15=("n", 0, 1)
    ),
    "cp037",
)
ISO87_SHORT = ISO87 + """ | 93 an6 | 96 b16 | 22 n4 | 46-48 ans..255 | 56-61 ans..255 | 62-63 b..255 | 104 b..255 | 105-122 ans..255 |
123 b..255 | 124-125 ans..255 | 126 b..255 | 127 ans..255"""


class CardutilSet:
    """Clearing records, written by cardutil."""

    def __init__(self, name, charset):
        self.name, self.charset = name, charset
        self.rows = table(IPM)
        # A date, and not any digits.
        self.rows[12] = ("date", False, 12)
        # Another set of the same shape has the same values: only the coding differs.
        self.chance = Chance("ipm")

    def values(self, numbers):
        values = {}
        for number in sorted(numbers):
            content, varies, longest = self.rows[number]
            if content == "date":
                later = datetime.timedelta(seconds=self.chance.below(10**8))
                values[number] = (datetime.datetime(2024, 1, 1) + later).strftime("%y%m%d%H%M%S")
            elif number == 2:
                values[number] = self.chance.card()
            elif number == 43:
                place = [self.chance.some(TEXT[:26], 1 + self.chance.below(13)) for _ in range(3)]
                postcode = self.chance.some(DIGITS, 5).ljust(10)
                values[number] = "\\".join(place) + "\\" + postcode + self.chance.some(TEXT[:26], 6)
            elif number in (48, 62, 123, 124, 125):
                values[number] = self.subelements()
            elif content == "b":
                values[number] = self.chip()
            else:
                # cardutil leaves out what is empty.
                values[number] = self.chance.value(content, max(1, self.chance.length(varies, longest)))
        return values

    def subelements(self):
        """Private sub-elements: tag, length, value; tags ascend."""
        text, tag = "", self.chance.below(300)
        for _ in range(1 + self.chance.below(6)):
            tag += 1 + self.chance.below(100)
            value = self.chance.some(TEXT, 1 + self.chance.below(25))
            text += f"{tag:04}{len(value):03}{value}"
        return text

    def chip(self):
        """ICC data of a few tags that cardutil knows to be of two bytes."""
        tags = self.chance.subset(["9F26", "9F27", "9F10", "9F37", "9F36", "9F1A", "5F2A"], 4)
        return "".join(f"{tag}08" + self.chance.some("0123456789ABCDEF", 16) for tag in tags)

    def record(self, mti, values):
        """As cardutil wants it, and the bytes that it writes."""
        document = {"MTI": mti}
        for number, value in values.items():
            config = cardutil.config.config["bit_config"][str(number)]
            kind = config.get("field_python_type")
            if kind in ("int", "long"):
                value = int(value)
            elif kind == "datetime":
                value = datetime.datetime.strptime(value, config["field_date_format"])
            elif number == 55:
                value = bytes.fromhex(value)
            document[f"DE{number}"] = value
        raw = cardutil.iso8583.dumps(dict(document), encoding=self.charset)
        read = cardutil.iso8583.loads(raw, encoding=self.charset)
        for key, value in document.items():
            assert read[key] == value, (self.name, key, read[key], value)
        return bytes(raw)

    def good(self):
        every = list(self.rows)
        for at in range(GOOD):
            mti = self.chance.one(IPM_MTIS)
            if at == 0:
                numbers = every
            elif at < 8:
                numbers = [number for number in every if number % 8 == at] or [2]
            else:
                numbers = self.chance.subset(every, 1 + self.chance.below(24))
            values = self.values(numbers)
            raw = self.record(mti, values)
            fields = {str(number): value for number, value in values.items()}
            yield {"source": CARDUTIL, "hex": raw.hex().upper(), "mti": mti, "fields": fields}, raw, values

    def bad(self, made):
        for at, (row, raw, values) in enumerate(made):
            changes = list(self.changes(raw, values))
            kept = changes if at == 0 else [changes[(5 * at + step * 3) % len(changes)] for step in range(2)]
            for mutation, changed in kept:
                yield {"source": CARDUTIL, "mutation": mutation, "hex": changed.hex().upper(), "expect": "reject"}

    def changes(self, raw, values):
        letter, space = "A".encode(self.charset), " ".encode(self.charset)
        yield "empty", b""
        yield "mti_only", raw[:4]
        yield "short_bitmap", raw[:19]
        yield "truncated_last_byte", raw[:-1]
        yield "half", raw[: len(raw) // 2]
        yield "trailing", raw + space
        yield "mti_alpha", letter + raw[1:]
        # Bit 39 means an element that clearing records do not have.
        yield "undefined_element", raw[:8] + bytes([raw[8] | 0x02]) + raw[9:]
        first = min(values)
        if self.rows[first][1]:
            yield f"len_nondigit_f{first}", raw[:20] + letter + raw[21:]
            yield f"len_space_f{first}", raw[:20] + space + raw[21:]
        elif self.rows[first][0] in ("n", "date"):
            yield f"nondigit_in_n_f{first}", raw[:20] + letter + raw[21:]


class CardutilPartsSet(CardutilSet):
    """Clearing records, and their sub-elements as cardutil reads them."""

    # Private sub-elements by their tags, and what they may hold; one more has a tag that no dialect knows.
    PRIVATE = {
        "0023": ("ans", 3), "0025": ("an", 7), "0052": ("ans", 3), "0105": ("n", 25), "0122": ("an", 1), "0146": ("ans", 36),
        "0148": ("n", 8), "0149": ("n", 6), "0158": ("ans", 30), "0165": ("ans", 1), "0301": ("n", 16), "0306": ("n", 8),
        "0380": ("ans", 17), "0999": ("ans", 20),
    }
    FILE = (3, 9, 20, 25)
    CHIP = {"9F26": 8, "9F27": 1, "9F10": 32, "9F37": 4, "9F36": 2, "9F1A": 2, "5F2A": 2}
    PLACE = ("NAME", "ADDRESS", "SUBURB", "POSTCODE", "STATE", "COUNTRY")

    def __init__(self, name, charset):
        super().__init__(name, charset)
        self.chance = Chance("ipm parts")

    def values(self, numbers):
        self.parts, self.told, self.tags = {}, {}, sorted(self.PRIVATE)
        containers = [number for number in numbers if number in (62, 123, 124, 125)]
        values = super().values([number for number in numbers if number not in containers] + [48])
        for number in sorted([48, *containers]):
            text = self.private(number)
            if text:
                values[number] = text
            else:
                values.pop(number, None)
        if 43 in values:
            name, street, city, rest = values[43].split("\\")
            for key, value in enumerate((name, street, city, rest[:10], rest[10:13], rest[13:])):
                self.parts[f"43.{key + 1}"] = value
                self.told[f"DE43_{self.PLACE[key]}"] = value.rstrip()
        return dict(sorted(values.items()))

    def private(self, number):
        """Some of the sub-elements that are left; no tag comes twice, since cardutil keeps one of each."""
        text = ""
        for _ in range(1 + self.chance.below(4)):
            if not self.tags:
                break
            tag = self.tags.pop(self.chance.below(min(3, len(self.tags))))
            self.tags = [later for later in self.tags if later > tag]
            content, longest = self.PRIVATE[tag]
            value = self.chance.value(content, longest)
            text += f"{tag}{len(value):03}{value}"
            self.told[f"PDS{tag}"] = value
            if number == 48 and tag == "0105":
                for key, (start, end) in enumerate(zip((0, *self.FILE), self.FILE)):
                    self.parts[f"48.0105.{key + 1}"] = value[start:end]
            else:
                self.parts[f"{number}.{tag}"] = value
        return text

    def chip(self):
        text = ""
        for tag in self.chance.subset(list(self.CHIP), 4):
            value = self.chance.some("0123456789ABCDEF", 2 * self.CHIP[tag])
            if tag in ("9F1A", "5F2A"):
                value = "0" + self.chance.some(DIGITS, 3)
            self.parts[f"55.{tag}"] = value[1:] if len(value) == 4 and tag != "9F36" else value
            self.told[f"TAG{tag}"] = value
            text += f"{tag}{len(value) // 2:02X}{value}"
        return text

    def good(self):
        for row, raw, values in super().good():
            read = cardutil.iso8583.loads(raw, encoding=self.charset)
            for key, value in self.told.items():
                assert read[key].upper() == value.upper(), (self.name, key, read[key], value)
            yield {**row, "parts": self.parts}, raw, values


SETS = [
    PyisoSet(
        "py_tpdu_iso87_bcd", ISO87 + "| 93 an6 | 96 b16", "0", "bcd", head=5, characters=(36, 49, 50, 51)
    ),
    PyisoSet(
        "py_tpdu_iso87_bcd_left", ISO87 + "| 36 n..104 | 40 n3", "0", "bcd", head=5, filler="left_pad",
        characters=(28, 29, 30, 31, 35, 97),
    ),
    # Three digits of length hold 499 bytes as hexadecimal digits.
    PyisoSet("py_iso93_ascii", ISO93 + "| 96 b..499", "1", "ascii"),
    PyisoSet("py_iso93_bcd", ISO93, "1", "bcd"),
    PyisoSet("py_iso93_ebcdic", ISO93, "1", "ebcdic"),
    PyisoSet("py_iso2003_binary", ISO2003, "2", "bcd"),
    LikeSet(
        "py_visa_base1_like", ISO87_SHORT, "bcd",
        {62: VISA_62, 63: VISA_63, 104: data_set("57"), 123: data_set("66"), 126: VISA_126},
        change=visa, characters=(36, 49, 50, 51),
    ),
    LikeSet(
        "py_mastercard_like", ISO87 + "| 61 ans..26 | 63 ans..50", "ebcdic",
        {
            48: MASTERCARD_48,
            61: by_place(*[("n", False, 1)] * 11, ("n", False, 2), ("n", False, 3), ("ans", True, 10)),
            63: by_place(("an", False, 3), ("ans", True, 9)),
        },
        widths={61: 3, 63: 3},
    ),
    LikeSet(
        "py_base24_like", ISO87 + "| 55 ans..999 | 60 ans..60 | 61-62 ans..100", "ascii", {63: TOKENS, 126: TOKENS}, widths={60: 3}
    ),
    LikeSet(
        "py_postilion_like", ISO87 + "| 59 ans..255 | 123 an..15 | 127 b..32000", "ascii-binary",
        {123: TERMINAL, 127: POSTILION}, widths={123: 3, 127: 6},
    ),
    CardutilSet("cardutil_ipm_latin1", "latin-1"),
    CardutilSet("cardutil_ipm_cp500", "cp500"),
    CardutilPartsSet("cardutil_parts_latin1", "latin-1"),
    CardutilPartsSet("cardutil_parts_cp500", "cp500"),
]


def main(arguments):
    check = arguments[:1] == ["--check"]
    directory, names = pathlib.Path(arguments[check]), arguments[1 + check :]
    unlike = []
    for made in SETS:
        if names and made.name not in names:
            continue
        good = list(made.good())
        for kind, rows in (("ok", [row for row, _, _ in good]), ("bad", list(made.bad(good)))):
            path, text = directory / f"{kind}_{made.name}.jsonl", lines(rows)
            if not check:
                path.write_text(text)
            elif not path.exists() or path.read_text() != text:
                unlike.append(str(path))
            print(f"{path}: {len(rows)} messages")
    if unlike:
        sys.exit("these come out otherwise: " + ", ".join(unlike))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
