"""Run reports: from whole runs, half-written ones, and in a real browser; runs side by side; verdicts in words."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

import tinygrad_zth as torch
from tests.viz.small_models import Tagger, batch
from tinygrad_zth import nn, viz
from tinygrad_zth.viz.recording import LayerFigures, Recording, Snapshot, WeightFigures
from tinygrad_zth.viz.runs import read_metrics, read_run
from tinygrad_zth.viz.verdicts import loss_findings

pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra: plot)")

HEAD = "step,train_loss,val_loss,lr,grad_norm,tokens_per_s,memory_mb,seconds"


def write_run(path: Path, *, steps: int = 40, seed: int = 0, lr: float = 0.05) -> Path:
    """A folder as the trainer leaves it, of a real (very short) run."""
    path.mkdir(parents=True)
    torch.manual_seed(seed)
    model = Tagger(depth=3)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    rows = [HEAD]
    with viz.record(model, every=10, optimizer=optimizer) as rec:
        for step in range(1, steps + 1):
            optimizer.zero_grad()
            loss = model(*batch())[1]
            loss.backward()
            optimizer.step()
            val = f"{loss.item() + 0.1:.4f}" if step % 10 == 0 else ""
            rows.append(f"{step},{loss.item():.4f},{val},{lr},1.5,{1000 + step},{200 + step},{step / 10}")
        rec.note(step=0, sample="zzqx <b>&amp;")
        rec.note(step=steps, sample="romeo\x1b[0m")
    rec.save(path)
    (path / "metrics.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    config = {
        "name": "tagger",
        "config": {"vocab_size": 11},
        "train": {"lr": lr, "max_iters": steps},
        "vocabulary": "[]",
    }
    (path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (path / "summary.json").write_text(json.dumps({"val_loss": 1.25, "parameters": 1234}), encoding="utf-8")
    (path / "sample.txt").write_text("the end\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "first")


class Outline(HTMLParser):
    """The page's tags, what it would load, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "action") and not (value or "").startswith(("#", "data:")):
                self.loads.append(f"{tag} {name}={value}")
            if name == "id":
                self.ids.append(value or "")

    def handle_data(self, data):
        self.words += data


@pytest.fixture(scope="module")
def told(run):
    """The report of the run, written once."""
    return viz.report(run)


def test_a_report_is_one_file_with_everything(run, told):
    path = told
    assert path == run / "report.html" and not list(run.glob("*.tmp"))
    text = path.read_text(encoding="utf-8")
    page = Outline(text)
    assert not page.loads and "script" not in page.tags and "@import" not in text
    assert not re.findall(r"url\((?!#)", text)
    of_svg = [{i.split("-")[0] for i in Outline(svg).ids} for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]
    assert all(len(names) == 1 for names in of_svg) and len(set.union(*of_svg)) == len(of_svg)  # pictures do not mix
    assert page.tags.count("svg") >= 7
    for title in ("Verdicts", "Loss", "Diagnosis", "Samples", "Throughput and memory", "Configuration", "Environment"):
        assert f"<h2>{title}</h2>" in text
    for words in (
        "1.2500",
        "vocab_size",
        "40 of 40",
        "tokens per second, median",
        "240 MB",
        "zzqx <b>&amp;",
        "the end",
        torch.__version__,
    ):
        assert words in page.words
    assert "\x1b" not in text  # a sample cannot write to the terminal that shows the file
    assert "prefers-color-scheme: dark" in text and "width=device-width" in text
    assert "not there" not in page.words.lower()


def test_figures_in_a_page_take_its_ink(told):
    text = told.read_text(encoding="utf-8")
    svgs = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert all("currentColor" in svg and "#1a1a1a" not in svg for svg in svgs)
    assert all("<text" in svg for svg in svgs)  # words are words


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda p: (p / "summary.json").unlink(), "the run has not ended"),
        (lambda p: (p / "summary.json").write_text('{"val_'), "summary.json is damaged or half written"),
        (lambda p: (p / "config.json").write_text(""), "config.json is damaged or half written"),
        (lambda p: (p / "diagnosis.json").write_text('{"about"'), "diagnosis.json is not a whole recording"),
        (lambda p: (p / "diagnosis.json").unlink(), "layers were not recorded: train with --diagnose"),
        (lambda p: (p / "metrics.csv").unlink(), "metrics.csv is not there"),
        (lambda p: (p / "metrics.csv").write_text("attic\n1\n"), "has no column 'step'"),
        (lambda p: (p / "metrics.csv").write_text(HEAD + "\n"), "There are no figures yet"),
        (lambda p: (p / "metrics.csv").write_bytes((p / "metrics.csv").read_bytes()[:-9]), "39 of 40"),
        (lambda p: (p / "metrics.csv").write_text(HEAD + "\n0,nan,nan,0.1,1,5,,1\n"), "loss is not finite from step 0"),
    ],
)
def test_a_half_written_run_is_told_as_far_as_it_goes(run, tmp_path, spoil, words):
    copy = shutil.copytree(run, tmp_path / "copy")
    spoil(copy)
    if "recording" not in words:  # the pictures of a diagnosis take their time
        (copy / "diagnosis.json").unlink(missing_ok=True)
    text = viz.report(copy).read_text(encoding="utf-8")
    assert words in Outline(text).words


def test_no_run_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no run's folder"):
        viz.report(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="neither config.json nor metrics.csv"):
        viz.report(tmp_path)


def test_rows_that_are_not_whole_are_left_out(tmp_path):
    (tmp_path / "metrics.csv").write_text(
        f"{HEAD}\n1,2.5,,0.1,1,5,9,1\n2,oops,,0.1,1,5,9,1\n3,2.4\n4,2.3,,0.1,1,5,9,1\n5,2.2,,0.1,1,5,9,1"
    )
    rows = read_metrics(tmp_path)
    assert [row["step"] for row in rows] == [1, 4]  # the last line has no end: digits may be missing
    assert rows[0]["val_loss"] is None and rows[0]["train_loss"] == 2.5


def test_a_report_without_matplotlib_says_so(run, tmp_path, monkeypatch):
    import builtins
    import sys

    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    page = Outline(viz.report(run, tmp_path / "r.html").read_text(encoding="utf-8"))
    assert "svg" not in page.tags and "pip install 'tinygrad_zth[plot]'" in page.words and "1.2500" in page.words


# ---- in a browser -----------------------------------------------------------------------------------


CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --enable-logging=stderr"
).split()
# Written into a copy of the page: it says what an eye would see.
PROBE = """<script>
document.title = JSON.stringify({width: innerWidth, content: document.documentElement.scrollWidth,
  paper: getComputedStyle(document.body).backgroundColor, ink: getComputedStyle(document.body).color,
  axis: getComputedStyle(document.querySelector('figure svg')).color,
  svgs: [...document.querySelectorAll('figure svg')].filter(s => s.checkVisibility()).map(s => s.getBoundingClientRect().height)});
</script>"""


def look(page: Path, tmp_path: Path, width: int, *flags: str) -> dict:
    """Open ``page`` from its file: address, check that the console stays silent, and return what is seen."""
    profile = tmp_path / f"profile{width}{len(flags)}"
    probed = tmp_path / "probed.html"
    probed.write_text(page.read_text(encoding="utf-8").replace("</body>", PROBE + "</body>"), encoding="utf-8")
    command = [
        CHROMIUM,
        *QUIET,
        f"--user-data-dir={profile}",
        f"--window-size={width},900",
        *flags,
        "--dump-dom",
        probed.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "CONSOLE" not in done.stderr, [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title
    return json.loads(title[1].replace("&amp;", "&"))


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: install the package chromium to open the report in it")
def test_a_browser_shows_the_report(told, tmp_path):
    page = told
    wide = look(page, tmp_path, 1200)
    assert wide["width"] == 1200 and wide["content"] <= 1200
    assert len(wide["svgs"]) >= 6 and all(height > 100 for height in wide["svgs"])
    dark = look(page, tmp_path, 1200, "--blink-settings=preferredColorScheme=0")
    assert _light(wide["paper"]) > 200 > 80 > _light(wide["ink"])
    assert _light(dark["paper"]) < 60 and _light(dark["ink"]) > 200
    assert dark["axis"] == dark["ink"] and wide["axis"] == wide["ink"]  # the pictures go along
    phone = look(page, tmp_path, 500)  # the narrowest window that Chromium makes
    assert phone["content"] <= phone["width"] == 500  # nothing hangs over: what is wider scrolls by itself


def _light(colour: str) -> float:
    red, green, blue = (int(x) for x in re.findall(r"\d+", colour)[:3])
    return 0.3 * red + 0.59 * green + 0.11 * blue


# ---- side by side -----------------------------------------------------------------------------------


def test_runs_side_by_side(run, tmp_path):
    other = write_run(tmp_path / "second", steps=20, lr=0.02)
    text = viz.compare([run, other], tmp_path / "both.html")
    lines = {line.split("  ")[0].strip(): line.split() for line in text.splitlines()}
    assert lines["train.lr"][1:] == ["0.05", "0.02"] and lines["train.max_iters"][1:] == ["40", "20"]
    assert lines["steps"][1:] == ["40", "20"] and "vocab_size" not in text
    page = Outline((tmp_path / "both.html").read_text(encoding="utf-8"))
    assert not page.loads and page.tags.count("svg") == 1 and "train.lr" in page.words
    assert "the settings are the same" in viz.compare([run, run])
    with pytest.raises(ValueError, match="at least two runs, got 1"):
        viz.compare([run])
    with pytest.raises(FileNotFoundError):
        viz.compare([run, tmp_path / "nowhere"])


# ---- verdicts in words ------------------------------------------------------------------------------


def words(recording):
    return " | ".join(str(f) for f in viz.findings(recording))


def test_a_saturated_tanh_is_named_with_its_share():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh())
    with torch.no_grad():
        model[0].weight.mul_(30)
    with viz.record(model, every=1) as rec:
        model(torch.randn(64, 8)).sum().backward()
    share = 100 * rec.at().layers["1"].output["saturated"]
    assert f"bad  1's tanh is {share:.0f} % saturated: lower its gain" in words(rec)
    assert "3's tanh is" not in words(rec)


def snapshot_of(ratios, step=0):
    figures = {"std": 1.0, "mean": 0.1, "not_finite": 0}
    return Snapshot(step, weights={n: WeightFigures([2, 2], 0.0, 1.0, dict(figures), r) for n, r in ratios.items()})


def test_updates_out_of_proportion_are_named():
    rec = Recording()
    rec.add(snapshot_of({"a": 1e-3, "b": 1.1e-3, "lm_head": 3e-2, "d": 1e-3, "slow": 1e-6}))
    text = words(rec)
    assert "update:data of lm_head is 30 times the others'; its learning rate is high" in text
    assert "update:data of slow is" in text and "hardly learns" in text
    for ratio, said in ((0.1, "lower the learning rate"), (1e-7, "raise the learning rate")):
        rec = Recording()
        rec.add(snapshot_of({"a": ratio, "b": ratio}))
        assert said in words(rec)


def test_gradients_that_vanish_or_are_missing_are_named():
    rec = Recording()
    last = snapshot_of({"a": 1e-3, "b": 1e-3, "c": 1e-3})
    last.weights["b"].gradient = None
    last.weights["c"].gradient.update(std=0.0, mean=0.0)
    for i, std in enumerate((1e-8, 1e-7, 1e-5, 1e-3)):
        last.layers[str(i)] = LayerFigures("Linear", {"saturated": None, "units": None, "not_finite": 0}, {"std": std})
    rec.add(last)
    text = words(rec)
    assert "no gradient reached b" in text and "the gradient of c is exactly zero" in text
    assert "shrinks 10000 times from 3 back to 1: it vanishes" in text


def test_dead_units_are_counted():
    model = nn.Sequential(nn.Linear(4, 10), nn.ReLU())
    with torch.no_grad():
        model[0].bias[:4] = -1e6
    with viz.record(model, every=1) as rec:
        model(torch.randn(32, 4)).sum().backward()
    assert "bad  4 of 10 units of 1's relu are dead" in words(rec)


def test_a_sound_run_is_said_to_be_sound():
    rec = Recording()
    rec.add(snapshot_of({"a": 1e-3, "b": 2e-3, "c": 0.7e-3}))
    assert words(rec).startswith("good update:data is 1.0e-03 in the middle") and "warn" not in words(rec)
    empty = Recording()
    empty.add(Snapshot(0))
    assert "no layer is saturated or dead" in words(empty)


@pytest.mark.parametrize(
    ("train", "val", "classes", "said"),
    [
        ([(0, 27.0), (1, 3.0)], [], 27, "the loss starts at 27.00, guessing gives 3.30"),
        ([], [(0, 3.3), (1, 2.0), (2, 1.5), (3, 1.9)], 27, "validation was best (1.500) at step 2 and is 1.900 now"),
        ([], [(0, 3.3), (1, 2.8), (2, 2.5), (3, 2.2)], None, "train longer"),
        ([(9, 0.5)] * 5, [(0, 3.3), (5, 1.6), (9, 1.6)], None, "it learns by heart"),
        ([(0, 3.0), (7, math.nan)], [], None, "the training loss is not finite from step 7 on"),
    ],
)
def test_what_curves_say(train, val, classes, said):
    assert said in " | ".join(f.text for f in loss_findings(train, val, classes))


def test_a_run_reads_its_folder(run):
    found = read_run(run)
    assert found.config["name"] == "tagger" and not found.missing and found.recording is not None
    assert [step for step, _ in found.samples] == [0, 40, 40]


def test_sparklines():
    assert viz.sparkline([]) == "" and viz.sparkline([2.0]) == "▄" and viz.sparkline([1, 1, 1]) == "▄▄▄"
    assert viz.sparkline(range(8)) == "▁▂▃▄▅▆▇█" and len(viz.sparkline(range(1000), 10)) == 10
    assert viz.sparkline([0, math.nan, math.inf, 1], 4) == "▁××█"
    with pytest.raises(ValueError, match="width"):
        viz.sparkline([1.0], 0)
