"""A run told in one file, ``report.html``; and runs side by side.

The file has no scripts and loads nothing: it can be kept, mailed, and opened from a disk years later.
"""

from __future__ import annotations

import html
import math
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..version import __version__
from . import curves, layers, parameters
from .figure import finite_part, line_style, new_figure, picture
from .page import figure_in_page, page, table
from .runs import Run, read_run
from .verdicts import Finding, findings, loss_findings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["compare", "environment", "report"]

WORDS = {"good": "good", "warn": "look", "bad": "bad"}


def environment() -> dict[str, str]:
    """Where a run runs: versions, machine, processors. No names of users or hosts."""
    return {
        "tinygrad_zth": __version__,
        "NumPy": np.__version__,
        "Python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": str(os.cpu_count()),
    }


def report(run: str | os.PathLike[str], path: str | os.PathLike[str] | None = None) -> Path:
    """Write the report of the run in folder ``run`` to ``path`` (default: report.html in it); returns the path.

    It has what the folder has: a run that is under way or was cut off gives a report that says what is
    missing. Pictures need matplotlib; without it the report says so in their place.

    Raises:
        FileNotFoundError: there is no run in that folder. OSError: the file cannot be written.
    """
    found = read_run(run)
    body = "".join(
        [
            _figures(found),
            _verdicts(found),
            _section("Loss", _curves(found)),
            _section("Diagnosis", _diagnosis(found)),
            _section("Samples", _samples(found)),
            _section("Throughput and memory", _speed(found)),
            _section("Configuration", table(list(_flat(found.config)))),
            _section("Environment", table(list(_environment_of(found).items()))),
            _section("Not there", "<ul>" + "".join(f"<li>{html.escape(m)}</li>" for m in found.missing) + "</ul>")
            if found.missing
            else "",
        ]
    )
    return _write(Path(path) if path is not None else found.path / "report.html", page(f"Run {_title(found)}", body))


def compare(runs: Sequence[str | os.PathLike[str]], path: str | os.PathLike[str] | None = None) -> str:
    """Runs side by side: how each ended, and the settings in which they differ, as text.

    Args:
        path: also write it there as a self-contained page, with the loss curves of all in one picture.

    Raises:
        ValueError: fewer than two runs. FileNotFoundError: one is not there.
    """
    if len(runs) < 2:
        raise ValueError(f"compare: expected at least two runs, got {len(runs)}")
    found = [read_run(run) for run in runs]
    names = _short_names(found)
    rows = _compared(found)
    settings = _differing(found)
    lines = [_aligned([("", *names), *rows])]
    lines.append("\nsettings that differ:" if settings else "\nthe settings are the same")
    if settings:
        lines.append(_aligned([("", *names), *settings]))
    if path is not None:
        series_of: dict[str, Any] = {}
        for name, run in zip(names, found):
            for series in ("val_loss", "train_loss"):
                points = run.series(series)
                if points:
                    series_of[f"{name}: {series.removesuffix('_loss')}"] = tuple(zip(*points))
                    break
        drawn = (
            _drawn(lambda: curves.losses(series_of), "The runs' losses: validation, where there is one.")
            if curves
            else ""
        )
        body = drawn + _section("How they ended", table(rows, ("", *names)))
        body += _section("Settings that differ", table(settings, ("", *names)) if settings else "<p>None.</p>")
        samples = [
            f"<h3>{html.escape(n)}</h3><pre>{html.escape(r.samples[-1][1])}</pre>"
            for n, r in zip(names, found)
            if r.samples
        ]
        body += _section("What they write", "".join(samples)) if samples else ""
        _write(Path(path), page("Runs side by side", body))
    return "\n".join(lines)


# ---- the parts of a report ---------------------------------------------------------------------


def _title(run: Run) -> str:
    name = run.config.get("name")
    return f"{run.path.name} ({name})" if name and name != run.path.name else run.path.resolve().name


def _section(title: str, body: str) -> str:
    return f"<section><h2>{title}</h2>{body}</section>\n" if body else ""


def _figures(run: Run) -> str:
    val, train = run.series("val_loss"), run.series("train_loss")
    shown: list[tuple[str, str]] = []
    if "val_loss" in run.summary:
        shown.append(("validation loss, all of it", f"{run.summary['val_loss']:.4f}"))
    if val:
        shown.append(("best validation loss", f"{min(v for _, v in val):.4f}"))
    if train:
        shown.append(("last training loss", f"{train[-1][1]:.4f}"))
    if run.metrics:
        total = run.config.get("train", {}).get("max_iters")
        shown.append(
            ("steps", f"{run.metrics[-1]['step']:,.0f}" + (f" of {total:,}" if isinstance(total, int) else ""))
        )
    if run.metrics and run.metrics[-1].get("seconds") is not None:
        shown.append(("training time", _duration(float(run.metrics[-1]["seconds"] or 0))))
    size = run.summary.get("parameters") or (run.recording and run.recording.about.get("parameters"))
    if size:
        shown.append(("parameters", f"{size:,}"))
    return "<dl>" + "".join(f"<div><dt>{k}</dt><dd>{html.escape(v)}</dd></div>" for k, v in shown) + "</dl>"


def _verdicts(run: Run) -> str:
    classes = run.config.get("config", {}).get("vocab_size")
    seen = loss_findings(
        run.series("train_loss"), run.series("val_loss"), classes if isinstance(classes, int) else None
    )
    if run.recording is not None and run.recording.snapshots:
        seen += findings(run.recording)
    else:
        seen.append(Finding("good", "layers were not recorded: train with --diagnose to see them"))
    seen.sort(key=lambda each: ("bad", "warn", "good").index(each.level))
    items = "".join(f'<li class="{f.level}"><b>{WORDS[f.level]}</b>{html.escape(f.text)}</li>' for f in seen)
    return _section("Verdicts", f'<ul class="verdicts">{items}</ul>')


def _drawn(draw: Callable[[], Figure], about: str) -> str:
    """A picture for the page; where it cannot be drawn, the reason."""
    try:
        return figure_in_page(draw(), about)
    except (ImportError, ValueError) as error:
        return f"<p>{html.escape(str(error))}</p>"


def _curves(run: Run) -> str:
    if not run.metrics:
        return "<p>There are no figures yet.</p>"
    classes = run.config.get("config", {}).get("vocab_size")
    guess = math.log(classes) if isinstance(classes, int) and classes > 1 else None
    first = max((loss for _, loss in [*run.series("val_loss")[:1], *run.series("train_loss")[:1]]), default=0.0)
    shown = guess if guess is not None and guess < 2 * first + 1 else None
    about = "Faint: each logged step; strong: smoothed. A gap that opens between train and val is overfitting."
    parts = [_drawn(lambda: curves.losses(run.path, initial=shown), about)]
    for name, title, about in (
        ("lr", "learning rate", "The learning rate."),
        ("grad_norm", "gradient norm", "The gradient's norm before clipping. Spikes are batches that pull hard."),
    ):
        points = run.series(name)
        if points:
            parts.append(_drawn(lambda p=points, t=title: _line(p, t), about))  # type: ignore[misc]
    return (
        f"{parts[0]}<details><summary>learning rate and gradient norm</summary>{''.join(parts[1:])}</details>"
        if parts[1:]
        else parts[0]
    )


@picture
def _line(points: list[tuple[float, float]], title: str, low: float | None = None) -> Figure:
    finite_part([value for _, value in points], title)
    figure, (ax,) = new_figure(height=2.4)
    ax.plot(*zip(*points), **line_style(0))
    ax.set(xlabel="step", ylabel=title)
    if low is not None:
        ax.set_ylim(low, None)
    return figure


def _diagnosis(run: Run) -> str:
    rec = run.recording
    if rec is None or not rec.snapshots:
        return ""
    parts = [
        _drawn(lambda: parameters.update_ratios(rec), "Updates against parameters: around the line at 1e-3 is right."),
        _drawn(
            lambda: layers.activations(rec),
            "What the layers give out, at the last recorded step; bars: how much of it is saturated.",
        ),
        _drawn(
            lambda: layers.gradients(rec),
            "The gradients that come back to them: of about the same width at every depth is right.",
        ),
        _drawn(
            lambda: parameters.parameter_gradients(rec),
            "The parameters' gradients; right, how fast plain SGD would change each.",
        ),
    ]
    if any(layer.output["saturated"] for layer in rec.at().layers.values()):
        parts.append(_drawn(lambda: layers.dead_units(rec), "Dark: saturated. A dark column is a dead unit."))
    rows = [
        (name, layer.kind, layer.output["mean"], layer.output["std"],
         "" if layer.output["saturated"] is None else f"{100 * layer.output['saturated']:.1f} %",
         "" if layer.gradient is None else f"{layer.gradient['std']:.2e}")
        for name, layer in rec.at().layers.items()
    ]  # fmt: skip
    figures = table(rows, ("layer", "kind", "mean", "std", "saturated", "std of the gradient"))
    return (
        "".join(parts) + f"<details><summary>every layer in figures, step {rec.at().step}</summary>{figures}</details>"
    )


def _samples(run: Run) -> str:
    texts = run.samples
    if len(texts) > 8:
        texts = [texts[i] for i in sorted({round(i * (len(texts) - 1) / 7) for i in range(8)})]
    return "".join(
        f"<p>after step {step:,}</p><pre>{html.escape(_printable(text[:1200]))}</pre>" for step, text in texts
    )


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _speed(run: Run) -> str:
    speeds = run.series("tokens_per_s")
    rows: list[tuple[Any, ...]] = []
    if speeds:
        rows.append(("tokens per second, median", f"{float(np.median([v for _, v in speeds])):,.0f}"))
    memory = run.series("memory_mb")
    peak = max([v for _, v in memory], default=None) or run.summary.get("memory_mb")
    if peak:
        rows.append(("memory of the process, largest", f"{peak:,.0f} MB"))
    curve = (
        _drawn(lambda: _line(speeds, "tokens / s", 0.0), "Tokens per second: dips are other work on the machine.")
        if speeds
        else ""
    )
    return curve + (table(rows) if rows else "")


def _flat(values: Any, prefix: str = "") -> list[tuple[str, str]]:
    rows = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            rows += _flat(value, f"{name}.")
        else:
            text = value if isinstance(value, str) else repr(value)
            rows.append((name, text if len(text) <= 200 else f"{text[:200]}..."))
    return rows


def _environment_of(run: Run) -> dict[str, str]:
    """That of the run, if it was noted; else that of this process, which says so."""
    noted = run.config.get("environment")
    if isinstance(noted, dict):
        return {str(k): str(v) for k, v in noted.items()}
    return {**environment(), "noted": "when the report was written, not by the run"}


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d} min"


def _write(target: Path, text: str) -> Path:
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


# ---- side by side ------------------------------------------------------------------------------


def _short_names(runs: list[Run]) -> list[str]:
    names = [run.path.name or str(run.path) for run in runs]
    return names if len(set(names)) == len(names) else [str(run.path) for run in runs]


def _compared(runs: list[Run]) -> list[tuple[Any, ...]]:
    def last(run: Run, name: str) -> str:
        points = run.series(name)
        return f"{points[-1][1]:.4f}" if points else "-"

    def whole(run: Run, name: str, form: str) -> str:
        value = run.summary.get(name)
        return format(value, form) if isinstance(value, (int, float)) else "-"

    rows: list[tuple[Any, ...]] = [
        ("model", *(str(run.config.get("name", "-")) for run in runs)),
        ("parameters", *(whole(run, "parameters", ",") for run in runs)),
        ("steps", *(f"{run.metrics[-1]['step']:.0f}" if run.metrics else "-" for run in runs)),
        ("training loss", *(last(run, "train_loss") for run in runs)),
        ("validation loss", *(last(run, "val_loss") for run in runs)),
        (
            "best validation loss",
            *(f"{min(v for _, v in run.series('val_loss')):.4f}" if run.series("val_loss") else "-" for run in runs),
        ),
        ("validation loss, all", *(whole(run, "val_loss", ".4f") for run in runs)),
        (
            "tokens per second",
            *(
                f"{np.median([v for _, v in run.series('tokens_per_s')]):,.0f}" if run.series("tokens_per_s") else "-"
                for run in runs
            ),
        ),
        ("seconds", *(f"{run.metrics[-1].get('seconds') or 0:.1f}" if run.metrics else "-" for run in runs)),
        ("ended", *("yes" if run.summary else "no" for run in runs)),
    ]
    from .textcurve import sparkline

    rows.insert(
        5, ("", *(sparkline([v for _, v in run.series("val_loss") or run.series("train_loss")], 12) for run in runs))
    )
    return [row for row in rows if any(cell != "-" for cell in row[1:])]


def _differing(runs: list[Run]) -> list[tuple[Any, ...]]:
    settings = [
        dict(_flat({k: v for k, v in run.config.items() if k not in ("vocabulary", "environment")})) for run in runs
    ]
    names = dict.fromkeys(name for each in settings for name in each)
    return [
        (name, *(each.get(name, "-") for each in settings))
        for name in names
        if len({each.get(name) for each in settings}) > 1
    ]


def _aligned(rows: list[tuple[Any, ...]]) -> str:
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(f"{cell!s:<{w}}" for cell, w in zip(row, widths)).rstrip() for row in rows)
