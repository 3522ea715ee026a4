"""``python -m models`` lists the models; ``python -m models NAME ...`` is ``python -m models.NAME ...``."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence

from . import known, unknown


def main(argv: Sequence[str]) -> int:
    """List the models, or run the one that is named. Returns the exit status."""
    names = known()
    if not argv or argv[0] in ("-h", "--help"):
        width = max(map(len, names))
        print("python -m models.NAME train|sample|eval ...      (--help after each says more)\n")
        print("\n".join(f"  {name:{width}}  {about}" for name, about in names.items()))
        return 0
    if argv[0] not in names:
        print(f"error: {unknown(argv[0])}", file=sys.stderr)
        return 1
    sys.argv[:] = [argv[0], *argv[1:]]
    runpy.run_module(f"models.{argv[0]}", run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
