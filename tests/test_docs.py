"""Every Python block of the README and the docs runs, each page in one namespace, in order.

A block whose preceding line is ``<!-- skip: why -->`` is left out; one that begins with ``>>>`` is
run as a session, and its output is compared.
"""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,}) *(?P<language>[\w+-]*)")
SKIP = re.compile(r"^\s*<!--\s*skip:\s*(?P<why>.*?)\s*-->\s*$")


class Block(NamedTuple):
    """A fenced block: its language, text, first line in the page, and why it is skipped."""

    language: str
    text: str
    line: int
    skip: str | None


def blocks_of(page: str) -> list[Block]:
    """The fenced blocks of a Markdown page; a fence that is never closed is a ValueError."""
    found: list[Block] = []
    lines = page.splitlines()
    number = 0
    while number < len(lines):
        opening = FENCE.match(lines[number])
        if not opening:
            number += 1
            continue
        marker = SKIP.match(lines[number - 1]) if number else None
        if marker and not marker["why"]:
            raise ValueError(f"line {number}: a skipped block needs a reason")
        first = number + 1
        closing = re.compile(rf"^ *{opening['fence'][0]}{{{len(opening['fence'])},}} *$")
        number = first
        while number < len(lines) and not closing.match(lines[number]):
            number += 1
        if number == len(lines):
            raise ValueError(f"line {first}: this fence is never closed")
        depth = len(opening["indent"])
        text = "\n".join(line[min(depth, len(line) - len(line.lstrip())) :] for line in lines[first:number])
        found.append(Block(opening["language"], text, first + 1, marker["why"] if marker else None))
        number += 1
    return found


def run_page(page: str, name: str) -> int:
    """Runs the Python blocks of ``page`` in one namespace; returns how many ran."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    ran = 0
    for block in blocks_of(page):
        if block.language not in ("python", "py", "pycon") or block.skip:
            continue
        if block.text.lstrip().startswith(">>>"):
            parser = doctest.DocTestParser()
            session = parser.get_doctest(block.text, {}, name, name, block.line - 1)
            session.globs = namespace
            runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
            report: list[str] = []
            if runner.run(session, out=report.append, clear_globs=False).failed:
                raise AssertionError("".join(report))
        else:
            # Blank lines before the text make a traceback name the line of the page.
            exec(compile("\n" * (block.line - 1) + block.text, name, "exec"), namespace)
        ran += 1
    return ran


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("path", PAGES, ids=[p.relative_to(ROOT).as_posix() for p in PAGES])
def test_the_page_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)  # what a page writes stays out of the checkout
    run_page(path.read_text(encoding="utf-8"), str(path))


@pytest.mark.parametrize("path", PAGES, ids=[p.relative_to(ROOT).as_posix() for p in PAGES])
def test_the_page_links_to_files_that_exist(path: Path):
    prose = re.sub(r"(?ms)^ *(`{3,}).*?^ *\1`* *$|`[^`\n]+`", "", path.read_text(encoding="utf-8"))
    targets = re.findall(r"\]\((?!https?://|mailto:|#)([^)#\s]+)", prose)
    assert not [target for target in targets if not (path.parent / target).exists()]


def test_blocks_share_the_namespace_of_their_page():
    page = "```python\nx = 2\n```\ntext\n```python\nassert x == 2\n```\n```text\nnot python\n```"
    assert run_page(page, "page") == 2


def test_a_broken_block_fails_and_names_its_line():
    with pytest.raises(ZeroDivisionError) as caught:
        run_page("one\n\n```python\nx = 1\n1 / 0\n```", "page")
    assert caught.traceback[-1].lineno + 1 == 5


def test_a_session_is_compared_with_its_output():
    assert run_page("```python\n>>> 1 + 1\n2\n```", "page") == 1
    with pytest.raises(AssertionError, match="Got"):
        run_page("```python\n>>> 1 + 1\n3\n```", "page")


def test_a_skipped_block_needs_a_reason_and_an_open_fence_is_an_error():
    assert run_page("<!-- skip: needs a GPU -->\n```python\n1 / 0\n```", "page") == 0
    with pytest.raises(ValueError, match="reason"):
        run_page("<!-- skip: -->\n```python\n1 / 0\n```", "page")
    with pytest.raises(ValueError, match="never closed"):
        run_page("```python\n1 / 0\n", "page")


def test_indented_fences_and_fences_within_fences():
    page = "- item\n\n  ```python\n  if True:\n      y = 1\n  ```\n"
    page += "````text\n```python\n1 / 0\n```\n````\n"
    assert run_page(page, "page") == 1
