"""The pictures of the documentation: each is made by docs/pictures.py, is there, and is shown."""

from __future__ import annotations

import importlib.util
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
MADE_BY_HAND: set[str] = set()


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("docs_pictures", DOCS / "pictures.py")
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


def shown() -> set[str]:
    pages = [DOCS.parent / "README.md", *DOCS.rglob("*.md")]
    return {name for page in pages for name in re.findall(r"pictures/([\w.-]+\.\w+)", page.read_text(encoding="utf-8"))}


def test_every_picture_is_made_and_shown(maker):
    there = {path.name for path in (DOCS / "pictures").iterdir()}
    assert there == set(maker.MAKERS), there ^ set(maker.MAKERS)
    assert shown() - {"py"} <= there, shown() - there


def test_every_picture_shown_says_what_to_see():
    page = (DOCS / "seeing-training.md").read_text(encoding="utf-8")
    for picture, after in re.findall(r"!\[[^]]+\]\(pictures/([\w.-]+)\)\n\n(.)", page):
        assert after == "*", f"{picture}: no sentence under it"


def test_pictures_are_whole():
    for path in (DOCS / "pictures").iterdir():
        data = path.read_bytes()
        if path.suffix == ".png":
            assert data.startswith(b"\x89PNG") and data.endswith(b"IEND\xaeB`\x82"), path.name
        elif path.suffix == ".svg":
            ElementTree.fromstring(data)


@pytest.mark.parametrize("name", ["value_graph.svg", "tensor_graph.svg", "bow_weights.png"])
def test_quick_pictures_can_be_made_again(maker, name, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra: plot)")
    monkeypatch.setattr(maker, "PICTURES", tmp_path)
    maker.MAKERS[name]()
    assert (tmp_path / name).stat().st_size > 1000
