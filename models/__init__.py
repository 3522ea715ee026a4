"""The models of the lectures, one file each: ``python -m models.NAME train|sample|eval``.

What they share is in ``models/shared`` (trainer, command line, sampling) and ``models/tasks`` (the
kinds of data). ``python -m models`` lists them.
"""

from __future__ import annotations

import ast
import difflib
import sys
from pathlib import Path

_FOLDER = Path(__file__).parent


def known() -> dict[str, str]:
    """The models there are: their names, and the first line of what each says of itself."""
    files = sorted(path for path in _FOLDER.glob("*.py") if not path.name.startswith("_"))
    texts = {path.stem: ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) for path in files}
    return {name: (text or "").partition("\n")[0] for name, text in texts.items()}


def unknown(name: str) -> str:
    """What to tell somebody who asked for a model that there is not."""
    names = known()
    near = difflib.get_close_matches(name, names, 1)
    guess = f" (did you mean {near[0]!r}?)" if near else ""
    return f"unknown model {name!r}{guess}; the known ones are {', '.join(names)}"


def _asked_for() -> str | None:
    """The NAME of ``python -m models.NAME``. Python imports this package before it looks for NAME."""
    if sys.argv[:1] == ["-m"] and "-m" in sys.orig_argv:
        package, _, name = sys.orig_argv[sys.orig_argv.index("-m") + 1].partition(".")
        if package == __name__ and name and "." not in name:
            return name
    return None


if (_name := _asked_for()) and not (_FOLDER / _name).with_suffix(".py").exists() and not (_FOLDER / _name).exists():
    sys.exit(f"error: {unknown(_name)}")
