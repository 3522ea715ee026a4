"""One self-contained HTML page: no script, no network, light and dark, wide and narrow."""

from __future__ import annotations

import html
import io
import itertools
import re
from typing import TYPE_CHECKING, Any

from .figure import INK, _style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["figure_in_page", "page", "table"]

CSS = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1a1a1a; --faint: #666666; --line: #d8d8d8;
  --panel: #f6f7f8; --good: #00664c; --warn: #9a4a00; --bad: #a30000; }
@media (prefers-color-scheme: dark) { :root { --paper: #14161a; --ink: #e6e6e6; --faint: #a0a0a0;
  --line: #3a3d42; --panel: #1d2025; --good: #5fd0a8; --warn: #ffb066; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 62rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: 0.5rem 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 0.5rem; border-bottom: 1px solid var(--line); }
p, figcaption, small { color: var(--faint); }
.wide { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-size: 0.88rem; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.75rem 0.25rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
code.shape { white-space: nowrap; }
code, pre { font-family: ui-monospace, monospace; font-size: 0.85rem; }
pre { background: var(--panel); padding: 0.75rem; margin: 0.25rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
figure { margin: 1rem 0; }
figure svg { width: 100%; height: auto; color: var(--ink); }
.graph { background: #fff; color: #000; }
.graph svg { max-width: none; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: 0.5rem; margin: 1rem 0; }
dl div { background: var(--panel); padding: 0.5rem 0.75rem; min-width: 0; }
dt { color: var(--faint); font-size: 0.8rem; }
dd { margin: 0; font-size: 1.15rem; font-variant-numeric: tabular-nums; }
ul.verdicts { list-style: none; padding: 0; }
ul.verdicts li { padding: 0.35rem 0 0.35rem 4.2rem; text-indent: -4.2rem; border-bottom: 1px solid var(--line); }
ul.verdicts b { display: inline-block; width: 4.2rem; text-indent: 0; }
.good b { color: var(--good); } .warn b { color: var(--warn); } .bad b { color: var(--bad); }
summary { cursor: pointer; }
@media (max-width: 34rem) { body { padding: 0.75rem; font-size: 15px; } figure svg { min-width: 30rem; }
  figure { overflow-x: auto; } }
"""

_number = itertools.count()


def page(title: str, body: str) -> str:
    """A whole HTML document around ``body`` (HTML); ``title`` is text."""
    words = html.escape(title)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{words}</title>\n<style>{CSS}</style>\n</head>\n<body>\n<h1>{words}</h1>\n{body}\n</body>\n</html>\n"
    )


def figure_in_page(figure: Figure, about: str) -> str:
    """``figure`` as an SVG in the page, in the page's own ink, with ``about`` (text) under it."""
    out = io.StringIO()
    with _style():
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = svg.replace(INK, "currentColor")
    # Names are unique in a page: those of the pictures get a number in front.
    number = next(_number)
    svg = re.sub(r'\b(id=")([^"]+)"', rf'\1f{number}-\2"', svg)
    svg = re.sub(r'(xlink:href="#|url\(#)', rf"\1f{number}-", svg)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    label = html.escape(about, quote=True)
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
    return f"<figure>{svg}<figcaption>{html.escape(about)}</figcaption></figure>"


def table(rows: list[tuple[Any, ...]], head: tuple[str, ...] = ()) -> str:
    """Rows of text as an HTML table, scrolling sideways by itself where the screen is narrow."""
    top = "<thead><tr>" + "".join(f"<th>{html.escape(str(h))}</th>" for h in head) + "</tr></thead>" if head else ""
    lines = ["<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in rows]
    return f'<div class="wide"><table>{top}<tbody>{"".join(lines)}</tbody></table></div>'


def _cell(value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        text = f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
        return f'<td class="number">{text}</td>'
    return f"<td>{html.escape(str(value))}</td>"
