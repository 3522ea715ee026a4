"""A translation with a right answer: written-out numbers and dates, English or German, into digits.

    seventy-five thousand two hundred and six             75206
    fünfundsiebzigtausendzweihundertsechs                 75206
    the twenty-first of March, nineteen eighty-seven      1987-03-21
    der einundzwanzigste März 1987                        1987-03-21
    3/21/1987 (English: month first)                      1987-03-21
    21.03.1987 (German: day first)                        1987-03-21

It is made, not found: as many pairs as one likes, and every output can be checked. It is a real
translation in small: the two sides differ in length and order (German says the ones before the
tens: "fünfundsiebzig" is five-and-seventy), one sense has many forms, and nothing tells the model
which language it reads.

Training, validation and test part are cut by the *answer*: an answer of the test part occurs in no
training pair, in no form and no language.
"""

from __future__ import annotations

import random
import zlib
from calendar import monthrange
from collections.abc import Callable
from typing import NamedTuple

LARGEST = 99_999  # the numbers are 0 to this one
YEARS = (1700, 2099)
PARTS = ("train", "val", "test")


class Pair(NamedTuple):
    """A source text, its translation, and how the source was written ("de: am dritten März 1987")."""

    source: str
    target: str
    form: str


# ---- English ------------------------------------------------------------------------------------

_EN = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
_EN_TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
_EN_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
EN_MONTHS = (
    "January February March April May June July August September October November December"
).split()  # fmt: skip


def english(n: int, link: str = " and ") -> str:
    """``n``, 0 to 99,999, in English; ``link`` stands between hundreds and the rest: "and" or a space."""
    if n < 20:
        return _EN[n]
    if n < 100:
        return _EN_TENS[n // 10] + (f"-{_EN[n % 10]}" if n % 10 else "")
    if n < 1000:
        return f"{_EN[n // 100]} hundred" + (link + english(n % 100) if n % 100 else "")
    rest = n % 1000
    before = " " if rest >= 100 else link  # one thousand and five, but one thousand two hundred
    return f"{english(n // 1000, link)} thousand" + (before + english(rest, link) if rest else "")


def english_ordinal(n: int) -> str:
    """``n``, 1 to 99, as "first", "twenty-third"."""
    head, dash, last = english(n).rpartition("-")
    last = _EN_ORDINALS.get(last) or (last[:-1] + "ieth" if last.endswith("y") else last + "th")
    return head + dash + last


def english_year(year: int) -> str:
    """A year as it is spoken: "nineteen eighty-seven", "nineteen oh five", "two thousand and six"."""
    century, rest = divmod(year, 100)
    if 2000 <= year < 2010:
        return english(year)
    if rest == 0:
        return f"{english(century)} hundred"
    return f"{english(century)} {'oh ' if rest < 10 else ''}{english(rest)}"


def _suffix(day: int) -> str:
    return "th" if 10 < day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


# ---- German -------------------------------------------------------------------------------------

_DE = (
    "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn "
    "siebzehn achtzehn neunzehn"
).split()
_DE_TENS = "_ _ zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()
_DE_ORDINALS = {1: "erst", 3: "dritt", 7: "siebt", 8: "acht"}
DE_MONTHS = (
    "Januar Februar März April Mai Juni Juli August September Oktober November Dezember"
).split()  # fmt: skip


def german(n: int, one: str = "ein") -> str:
    """``n``, 0 to 99,999, in German; ``one`` begins 100 and 1000: "ein" or nothing ("hundert")."""
    return _german(n, one) + ("s" if n % 100 == 1 else "")  # "eins" stands at the end only


def _german(n: int, one: str) -> str:
    if n < 20:
        return _DE[n]
    if n < 100:
        return (f"{_DE[n % 10]}und" if n % 10 else "") + _DE_TENS[n // 10]
    for unit, word in ((1000, "tausend"), (100, "hundert")):
        if n >= unit:
            many, rest = divmod(n, unit)
            return (one if many == 1 else _german(many, "ein")) + word + (_german(rest, "ein") if rest else "")
    raise AssertionError(n)


def german_ordinal(n: int, ending: str = "e") -> str:
    """``n``, 1 to 99, as "dritte", "einundzwanzigste"; ``ending`` "en" where the case asks for it."""
    return (_DE_ORDINALS.get(n) or german(n) + ("t" if n < 20 else "st")) + ending


def german_year(year: int) -> str:
    """A year as it is spoken: "neunzehnhundertsiebenundachtzig", "zweitausendsechs"."""
    century, rest = divmod(year, 100)
    return german(year) if century >= 20 else f"{german(century)}hundert" + (german(rest) if rest else "")


# ---- the forms ----------------------------------------------------------------------------------

NUMBER_FORMS: dict[str, Callable[[int], str]] = {
    "en: two hundred and six": english,
    "en: two hundred six": lambda n: english(n, " "),
    "de: einhundertsechs": german,
    "de: hundertsechs": lambda n: german(n, ""),
}

DATE_FORMS: dict[str, Callable[[int, int, int], str]] = {
    "en: March 3, 1987": lambda y, m, d: f"{EN_MONTHS[m - 1]} {d}, {y}",
    "en: 3 Mar 1987": lambda y, m, d: f"{d} {EN_MONTHS[m - 1][:3]} {y}",
    "en: 3rd of March 1987": lambda y, m, d: f"{d}{_suffix(d)} of {EN_MONTHS[m - 1]} {y}",
    "en: the third of March, 1987": lambda y, m, d: f"the {english_ordinal(d)} of {EN_MONTHS[m - 1]}, {y}",
    "en: March the third, nineteen eighty-seven": lambda y, m, d: (
        f"{EN_MONTHS[m - 1]} the {english_ordinal(d)}, {english_year(y)}"
    ),
    "en: 3/21/1987": lambda y, m, d: f"{m}/{d}/{y}",
    "de: 3. März 1987": lambda y, m, d: f"{d}. {DE_MONTHS[m - 1]} {y}",
    "de: der dritte März 1987": lambda y, m, d: f"der {german_ordinal(d)} {DE_MONTHS[m - 1]} {y}",
    "de: am dritten März neunzehnhundertsiebenundachtzig": lambda y, m, d: (
        f"am {german_ordinal(d, 'en')} {DE_MONTHS[m - 1]} {german_year(y)}"
    ),
    "de: 21.03.1987": lambda y, m, d: f"{d:02}.{m:02}.{y}",
}


def part_of(target: str) -> str:
    """The part that an answer belongs to: "train" (80 %), "val" or "test" (10 % each)."""
    if target == "0":  # the words for it occur in no other number: they could not be learned elsewhere
        return "train"
    place = zlib.crc32(target.encode()) % 10
    return "test" if place == 9 else "val" if place == 8 else "train"


def _number(draw: random.Random) -> Pair:
    digits = draw.choice((1, 2, 3, 4, 5, 5))  # as many short as long ones, or they would be rare
    n = draw.randrange(10 ** (digits - 1) if digits > 1 else 0, 10**digits)
    form = draw.choice(list(NUMBER_FORMS))
    return Pair(NUMBER_FORMS[form](n), str(n), form)


def _date(draw: random.Random) -> Pair:
    year, month = draw.randint(*YEARS), draw.randint(1, 12)
    day = draw.randint(1, monthrange(year, month)[1])
    form = draw.choice(list(DATE_FORMS))
    return Pair(DATE_FORMS[form](year, month, day), f"{year}-{month:02}-{day:02}", form)


def translation_pairs(count: int, part: str = "train", seed: int = 0) -> list[Pair]:
    """``count`` pairs of that part, half of them numbers, half dates; the same for the same arguments.

    Raises:
        ValueError: ``part`` is none of PARTS, or ``count`` is negative.
    """
    if part not in PARTS:
        raise ValueError(f"translation_pairs: unknown part {part!r}; the known ones are {', '.join(PARTS)}")
    if count < 0:
        raise ValueError(f"translation_pairs: count is {count}, expected 0 or more")
    draw = random.Random(f"{part} {seed}")
    pairs: list[Pair] = []
    while len(pairs) < count:
        pair = _number(draw) if draw.random() < 0.5 else _date(draw)
        if part_of(pair.target) == part:
            pairs.append(pair)
    return pairs


def alphabet() -> list[str]:
    """Every character that a source or a target can have, sorted."""
    words = [*_EN, *_EN_TENS, *_EN_ORDINALS.values(), *EN_MONTHS, *_DE, *_DE_TENS, *_DE_ORDINALS.values(), *DE_MONTHS]
    return sorted(
        {*"".join(words), *"0123456789 -,./", *"theofand", *"oh hundred thousand", *"derumtausendste"} - {"_"}
    )
