"""``python -m models`` lists the models; ``python -m models NAME ...`` is ``python -m models.NAME ...``.

``python -m models compare RUN RUN ...`` puts runs side by side; ``python -m models report RUN`` tells of one.
"""

from __future__ import annotations

import argparse
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from tinygrad_zth import viz

from . import known, unknown


def compare(argv: Sequence[str]) -> int:
    """``compare RUN RUN ...``. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m models compare", description="Put training runs side by side.")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run's folder")
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write a page, with the curves in one picture")
    args = parser.parse_args(argv)
    try:
        print(viz.compare(args.runs, args.html))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def report(argv: Sequence[str]) -> int:
    """``report RUN ...``. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m models report", description="Write report.html of training runs.")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run's folder")
    args = parser.parse_args(argv)
    try:
        for run in args.runs:
            print(viz.report(run))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


RUNS = {"compare": compare, "report": report}


def main(argv: Sequence[str]) -> int:
    """List the models, or run the one that is named. Returns the exit status."""
    names = known()
    if not argv or argv[0] in ("-h", "--help"):
        width = max(map(len, names))
        print("python -m models.NAME train|sample|eval ...      (--help after each says more)\n")
        print("\n".join(f"  {name:{width}}  {about}" for name, about in names.items()))
        print("\npython -m models compare RUN RUN ... [--html FILE]   runs side by side")
        print("python -m models report RUN ...                      report.html of each")
        return 0
    if argv[0] in RUNS:
        return RUNS[argv[0]](argv[1:])
    if argv[0] not in names:
        print(f"error: {unknown(argv[0])}", file=sys.stderr)
        return 1
    sys.argv[:] = [argv[0], *argv[1:]]
    runpy.run_module(f"models.{argv[0]}", run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
