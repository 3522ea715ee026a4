"""Makes the virtual environment that the Makefile's targets run in. Standard library only.

``python .ci/venv.py .venv test cli`` leaves an environment in ``.venv`` that has the project and
the extras ``test`` and ``cli``. Run again it does nothing, until the metadata, the Python or the
place changes. Where pip cannot install (no network), the environment is opened to the packages this
Python already has instead, provided that what the extras cannot do without is among them.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAMP = "tinygrad_zth.json"
PTH = "tinygrad_zth_offline.pth"

# What an extra cannot do without when nothing can be installed; the others are conveniences.
NEEDS = {"test": ("pytest", "hypothesis"), "dev": ("ruff", "mypy"), "parity": ("torch",)}


def say(text: str) -> None:
    print(f"venv: {text}", file=sys.stderr, flush=True)


def python_of(env: Path) -> Path:
    return env / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def works(env: Path) -> bool:
    """True when ``env`` holds a Python of this very version that starts."""
    code = f"import sys; sys.exit(sys.version_info[:2] != {tuple(sys.version_info[:2])})"
    try:
        return subprocess.run([python_of(env), "-c", code], capture_output=True).returncode == 0
    except OSError:
        return False


def fingerprint() -> str:
    """What an installation depends on: when it changes, the environment is brought up to date."""
    parts = [(ROOT / name).read_bytes() for name in ("setup.cfg", "pyproject.toml")]
    parts += [str(ROOT).encode(), sys.version.encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def read_stamp(env: Path) -> dict:
    try:
        stamp = json.loads((env / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if stamp.get("fingerprint") == fingerprint() else {}


def write_stamp(env: Path, extras: set[str], offline: bool) -> None:
    stamp = {"fingerprint": fingerprint(), "extras": sorted(extras), "offline": offline}
    temporary = env / (STAMP + ".tmp")
    temporary.write_text(json.dumps(stamp), encoding="utf-8")
    os.replace(temporary, env / STAMP)


@contextlib.contextmanager
def alone(env: Path) -> Iterator[None]:
    """One at a time: two `make` runs that start together share the work of the first.

    The lock is the operating system's, so that a killed run leaves none behind.
    """
    env.parent.mkdir(parents=True, exist_ok=True)
    with open(env.with_name(env.name + ".lock"), "a+b") as handle:
        if os.name == "nt":
            import msvcrt

            while True:
                try:
                    msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
                    break
                except OSError:
                    time.sleep(0.2)
        else:
            import fcntl

            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"another run is making {env.name}; waiting for it")
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def create(env: Path) -> None:
    """A new environment in ``env``, with pip where this Python can provide it."""
    if env.exists() and any(env.iterdir()) and not (env / "pyvenv.cfg").exists():
        sys.exit(f"venv: {env} exists and is not a virtual environment; name another: VENV=...")
    say(f"making {env} with Python {sys.version.split()[0]}")
    try:
        # In a process of its own: ensurepip reports a failure there by its exit status.
        subprocess.run([sys.executable, "-m", "venv", "--clear", env], check=True, capture_output=True)
    except subprocess.CalledProcessError:
        # No pip of its own then, but the way of a machine without a network is open.
        say("this Python cannot make a pip (on Debian and Ubuntu: apt install python3-venv)")
        venv.create(env, clear=True, with_pip=False)


def install(env: Path, extras: set[str]) -> bool:
    """pip-installs the project with ``extras``; False, with pip's last word said, when it fails."""
    target = f"{ROOT}[{','.join(sorted(extras))}]" if extras else str(ROOT)
    say(f"installing {Path(target).name} (some minutes the first time)")
    flags = ["--quiet", "--retries", "2", "--timeout", "20", "--disable-pip-version-check"]
    done = subprocess.run(
        [python_of(env), "-m", "pip", "install", *flags, "--editable", target],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        errors = done.stderr.splitlines()
        reasons = [line.strip() for line in errors if "ERROR" in line or "No module" in line]
        say(f"pip could not install: {reasons[0] if reasons else 'it gave no reason'}")
    return done.returncode == 0


def open_to_system(env: Path) -> None:
    """Lets ``env`` see the repository and the packages of the Python that runs this."""
    cfg = env / "pyvenv.cfg"
    lines = cfg.read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if not line.startswith("include-system-site-packages")]
    lines.append("include-system-site-packages = true")
    cfg.write_text("\n".join(lines) + "\n", encoding="utf-8")
    # system-site-packages means the base Python's: when this Python is itself a virtual
    # environment its own packages are named too.
    paths = sysconfig.get_paths()
    here = dict.fromkeys([str(ROOT), paths["purelib"], paths["platlib"]])
    inside = {"base": str(env), "platbase": str(env)}
    site = Path(sysconfig.get_path("purelib", scheme="venv", vars=inside))
    site.mkdir(parents=True, exist_ok=True)
    (site / PTH).write_text("\n".join(here) + "\n", encoding="utf-8")


def close_to_system(env: Path) -> None:
    """Undoes :func:`open_to_system` after an installation that went through."""
    for pth in env.rglob(PTH):
        pth.unlink()
    cfg = env / "pyvenv.cfg"
    text = cfg.read_text(encoding="utf-8")
    cfg.write_text(
        text.replace("include-system-site-packages = true", "include-system-site-packages = false"),
        encoding="utf-8",
    )


def missing(env: Path, extras: set[str]) -> list[str]:
    """The libraries ``env`` lacks and ``extras`` cannot do without."""
    wanted = ["numpy", *(name for extra in sorted(extras) for name in NEEDS.get(extra, ()))]
    code = "import importlib.util, sys;print(*[n for n in sys.argv[1:] if importlib.util.find_spec(n) is None])"
    run = [python_of(env), "-c", code, *wanted]
    return subprocess.run(run, capture_output=True, text=True, check=True).stdout.split()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("env", type=Path, help="the folder of the environment")
    parser.add_argument("extras", nargs="*", help="extras of setup.cfg to install")
    parser.add_argument("--no-fallback", action="store_true", help="fail when pip cannot install, as CI wants")
    args = parser.parse_args()
    env, wanted = args.env.absolute(), set(args.extras)
    with alone(env):
        stamp = read_stamp(env)
        if not works(env):
            create(env)
            stamp = {}
        have = set(stamp.get("extras", ()))
        offline = bool(stamp.get("offline"))
        if stamp and wanted <= have and not (offline and args.no_fallback):
            if offline:
                say(f"{env.name} uses this Python's own packages; remove it to install afresh")
            return
        if not offline or args.no_fallback:
            if install(env, have | wanted):
                close_to_system(env)
                write_stamp(env, have | wanted, offline=False)
                return
            if args.no_fallback:
                sys.exit(1)
        open_to_system(env)
        if lacking := missing(env, wanted):
            sys.exit(
                f"venv: nothing can be installed now, and {sys.executable} has no "
                f"{' and no '.join(lacking)}. With a network, run the same command again; without "
                f"one, install {', '.join(lacking)} into this Python first, or name a Python that "
                f"has it: make PYTHON=/path/to/python3 ..."
            )
        say(f"nothing could be installed: using the packages that {sys.executable} already has")
        write_stamp(env, have | wanted, offline=True)


if __name__ == "__main__":
    main()
