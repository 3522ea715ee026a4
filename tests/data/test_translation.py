"""The generated translation task: words to digits, in two languages."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.translation import (
    DATE_FORMS,
    NUMBER_FORMS,
    alphabet,
    english,
    english_ordinal,
    english_year,
    german,
    german_ordinal,
    german_year,
    part_of,
    translation_pairs,
)


@pytest.mark.parametrize(
    ("n", "en", "de"),
    [
        (0, "zero", "null"),
        (1, "one", "eins"),
        (16, "sixteen", "sechzehn"),
        (17, "seventeen", "siebzehn"),
        (21, "twenty-one", "einundzwanzig"),
        (30, "thirty", "dreißig"),
        (77, "seventy-seven", "siebenundsiebzig"),
        (100, "one hundred", "einhundert"),
        (101, "one hundred and one", "einhunderteins"),
        (999, "nine hundred and ninety-nine", "neunhundertneunundneunzig"),
        (1000, "one thousand", "eintausend"),
        (1001, "one thousand and one", "eintausendeins"),
        (1100, "one thousand one hundred", "eintausendeinhundert"),
        (21_012, "twenty-one thousand and twelve", "einundzwanzigtausendzwölf"),
        (31_001, "thirty-one thousand and one", "einunddreißigtausendeins"),
        (99_999, "ninety-nine thousand nine hundred and ninety-nine", "neunundneunzigtausendneunhundertneunundneunzig"),
    ],
)
def test_numbers(n, en, de):
    assert (english(n), german(n)) == (en, de)


def test_the_other_ways_to_say_them():
    assert english(12_345, " ") == "twelve thousand three hundred forty-five"
    assert german(1100, "") == "tausendeinhundert"
    assert german(101, "") == "hunderteins"
    ordinals = {
        1: "first",
        2: "second",
        3: "third",
        5: "fifth",
        8: "eighth",
        9: "ninth",
        12: "twelfth",
        13: "thirteenth",
    }
    ordinals |= {20: "twentieth", 21: "twenty-first", 30: "thirtieth"}
    assert {n: english_ordinal(n) for n in ordinals} == ordinals
    ordinals = {1: "erste", 2: "zweite", 3: "dritte", 7: "siebte", 8: "achte", 19: "neunzehnte", 20: "zwanzigste"}
    assert {n: german_ordinal(n) for n in ordinals} == ordinals
    assert german_ordinal(31, "en") == "einunddreißigsten"
    years = {1700: "seventeen hundred", 1905: "nineteen oh five", 1987: "nineteen eighty-seven", 2000: "two thousand"}
    years |= {2006: "two thousand and six", 2015: "twenty fifteen"}
    assert {y: english_year(y) for y in years} == years
    years = {1800: "achtzehnhundert", 1905: "neunzehnhundertfünf", 2000: "zweitausend", 2015: "zweitausendfünfzehn"}
    assert {y: german_year(y) for y in years} == years


@given(st.integers(0, 99_999), st.integers(0, 99_999))
def test_no_two_numbers_are_said_alike(a, b):
    for say in NUMBER_FORMS.values():
        assert (say(a) == say(b)) == (a == b)


def read_english(words: str) -> int:
    """The other direction, written independently of the generator."""
    units = {w: n for n, w in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen".split()
    )}  # fmt: skip
    units |= {w: 10 * n for n, w in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)}
    total = part = 0
    for word in re.split(r"[ -]", words):
        if word == "thousand":
            total, part = total + 1000 * part, 0
        elif word == "hundred":
            part *= 100
        elif word != "and":
            part += units[word]
    return total + part


@given(st.integers(0, 99_999))
def test_english_says_what_it_means(n):
    assert read_english(english(n)) == read_english(english(n, " ")) == n


def test_the_pairs_of_a_part_are_the_same_each_time_and_right():
    pairs = translation_pairs(600)
    assert pairs == translation_pairs(600) and pairs != translation_pairs(600, seed=1)
    assert {p.form for p in pairs} == set(NUMBER_FORMS) | set(DATE_FORMS)
    assert {p.form[:2] for p in pairs} == {"en", "de"}
    known = set(alphabet())
    for source, target, form in pairs:
        assert set(source) | set(target) <= known
        if form in DATE_FORMS:
            day = date.fromisoformat(target)  # a day that there is
            assert DATE_FORMS[form](day.year, day.month, day.day) == source
        else:
            assert NUMBER_FORMS[form](int(target)) == source
    numbers = sum(p.form in NUMBER_FORMS for p in pairs)
    assert 240 < numbers < 360


def test_no_answer_is_in_two_parts():
    answers = {part: {p.target for p in translation_pairs(1500, part)} for part in ("train", "val", "test")}
    for part, there in answers.items():
        assert {part_of(target) for target in there} == {part}
    assert not answers["train"] & answers["test"] and not answers["val"] & answers["test"]
    share = sum(part_of(str(n)) == "train" for n in range(20_000)) / 20_000
    assert abs(share - 0.8) < 0.01
    assert part_of("0") == "train"  # "zero" and "null" are in no other number


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="unknown part 'dev'; the known ones are train, val, test"):
        translation_pairs(1, "dev")
    with pytest.raises(ValueError, match="count is -1"):
        translation_pairs(-1)
