"""Makes every picture of the documentation, from real runs: ``python docs/pictures.py [NAME ...]``.

``make docs`` runs it. Each function below is one picture, or a few from one run, in docs/pictures/. The
models are trained through their own command line, in a folder (``--runs``) where a run that is there
already is taken as it is. The runs are short, a few minutes in all on two cores: they are for looking at,
not for records (those are in results.md).

Without the real texts (``$TINYGRAD_ZTH_DATA``, the cache, or the network) the built-in ones are taken.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import tinygrad_zth as torch  # noqa: E402
import tinygrad_zth.nn.functional as F  # noqa: E402
from data import CharTokenizer, names  # noqa: E402
from models import backprop, bow, gpt, mlp, mlp_bn, resnet, rnn, seq2seq, wavenet  # noqa: E402
from tinygrad_zth import nn, viz  # noqa: E402
from tinygrad_zth.value import Value  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
RUNS = ROOT / "runs" / "docs"
MAKERS: dict[str, Callable[[], None]] = {}


def picture(*files: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Marks a function as the maker of these files."""

    def mark(function: Callable[[], None]) -> Callable[[], None]:
        MAKERS.update(dict.fromkeys(files, function))
        return function

    return mark


def trained(model: str, name: str, *flags: str) -> Path:
    """The folder of a run of ``python -m models.MODEL train FLAGS``, made now unless it is there."""
    folder = RUNS / name
    if not (folder / "summary.json").exists():
        command = [sys.executable, "-m", f"models.{model}", "train", "--quiet", "--out", str(folder), *flags]
        began = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True)
        print(f"  trained {name} in {time.perf_counter() - began:.0f} s", flush=True)
    return folder


def restored(spec: Any, folder: Path) -> tuple[nn.Module, CharTokenizer]:
    """The model of a run's last checkpoint, in evaluation mode, and its characters."""
    model, state = spec.restore(folder / "last.npz")
    model.eval()
    return model, CharTokenizer.from_json(state["vocabulary"])


@lru_cache
def contexts(length: int = 3) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    """Contexts of names, the characters after them, and all characters."""
    from data import build_dataset

    words = names()
    tokenizer = CharTokenizer.from_words(words)
    x, y = build_dataset(words[:4000], tokenizer, length)
    return x, y, [tokenizer.decode([i]) for i in range(len(tokenizer))]


# ---- graphs ---------------------------------------------------------------------------------------


@picture("value_graph.svg")
def value_graph() -> None:
    x1, x2 = Value(2.0, label="x1"), Value(0.0, label="x2")
    w1, w2 = Value(-3.0, label="w1"), Value(1.0, label="w2")
    b = Value(6.8813735870195432, label="b")
    out = (x1 * w1 + x2 * w2 + b).tanh()
    out.label = "out"
    out.backward()
    viz.draw_dot(out, path=PICTURES / "value_graph.svg")


def _two_layers() -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    x, y, _ = contexts()
    named = {
        "C": torch.randn(27, 4, requires_grad=True),
        "W1": torch.randn(12, 8, requires_grad=True),
        "b1": torch.randn(8, requires_grad=True),
        "W2": torch.randn(8, 27, requires_grad=True),
    }
    h = torch.tanh(named["C"][x[:32]].view(32, -1) @ named["W1"] + named["b1"])
    loss = F.cross_entropy(h @ named["W2"], y[:32])
    return loss, {**named, "h": h, "loss": loss}


@picture("tensor_graph.svg", "explained.html")
def tensor_graph() -> None:
    loss, named = _two_layers()
    viz.draw_dot(loss, names=named, path=PICTURES / "tensor_graph.svg")
    viz.explain(loss, named, path=PICTURES / "explained.html")


@picture("gpt_graph.svg")
def gpt_graph() -> None:
    torch.manual_seed(0)
    model = gpt.GPT(gpt.GPTConfig(n_layer=2, n_head=2, n_embd=32, block_size=16, vocab_size=65))
    idx = torch.randint(65, (2, 16))
    viz.draw_dot(model, idx, idx, depth=3, path=PICTURES / "gpt_graph.svg")


# ---- counting, and the first networks --------------------------------------------------------------


@picture("micrograd_boundary.png")
def micrograd_boundary() -> None:
    folder = RUNS / "micrograd"
    if not (folder / "boundary.png").exists():
        subprocess.run([sys.executable, "-m", "models.micrograd", "train", "--out", str(folder)], cwd=ROOT, check=True)
    shutil.copy(folder / "boundary.png", PICTURES / "micrograd_boundary.png")


@picture("bigram_table.png")
def bigram_table() -> None:
    words = names()
    tokenizer = CharTokenizer.from_words(words)
    text = torch.tensor(tokenizer.encode("." + ".".join(words) + "."))
    size = len(tokenizer)
    counts = torch.bincount(text[:-1] * size + text[1:], minlength=size * size).view(size, size)
    viz.bigrams(counts, [tokenizer.decode([i]) for i in range(size)], path=PICTURES / "bigram_table.png")


def _small_mlp() -> nn.Module:
    torch.manual_seed(1)
    return mlp.SPEC.build(mlp.SPEC.config())


@picture("mlp_lr.png")
def mlp_lr() -> None:
    x, y, _ = contexts()
    generator = torch.Generator().manual_seed(1)

    def batch() -> tuple[torch.Tensor, torch.Tensor]:
        rows = torch.randint(len(x), (32,), generator=generator)
        return x[rows], y[rows]

    found = viz.sweep(_small_mlp(), batch, low=1e-3, high=10.0, steps=400, smooth=0.95)
    viz.learning_rate_sweep(found, path=PICTURES / "mlp_lr.png")


@picture("mlp_embedding.png")
def mlp_embedding() -> None:
    folder = trained("mlp", "mlp_plane", "--preset", "plane", "--max-iters", "10000")
    model, tokenizer = restored(mlp.SPEC, folder)
    name = next(n for n, p in model.named_parameters() if tuple(p.shape) == (len(tokenizer), 2))
    labels = [tokenizer.decode([i]) for i in range(len(tokenizer))]
    viz.embedding(model, labels, name=name, path=PICTURES / "mlp_embedding.png")


# ---- the deep network of tanh layers, well and badly begun ------------------------------------------

DEEP = ("--preset", "deep", "--max-iters", "1000", "--diagnose")


@picture("mlp_bn_diagnostics.png", "mlp_bn_saturation.png", "deep_updates.png")
def deep_network() -> None:
    folder = trained("mlp_bn", "mlp_bn_deep", *DEEP)
    shutil.copy(folder / "diagnostics.png", PICTURES / "mlp_bn_diagnostics.png")
    shutil.copy(folder / "saturation.png", PICTURES / "mlp_bn_saturation.png")
    viz.update_ratios(folder, path=PICTURES / "deep_updates.png")


@picture("deep_activations.png", "deep_gradients.png", "deep_dead_units.png", "deep_parameter_gradients.png")
def badly_begun() -> None:
    x, y, _ = contexts()
    torch.manual_seed(2)
    config = mlp_bn.SPEC.config(n_layer=5, n_hidden=100, init="unscaled", batch_norm=False)
    model = mlp_bn.SPEC.build(config)
    with viz.record(model, every=1) as rec:
        model(x[:64], y[:64])[1].backward()
    viz.activations(rec, path=PICTURES / "deep_activations.png")
    viz.gradients(rec, path=PICTURES / "deep_gradients.png")
    first = [name for name, layer in rec.at().layers.items() if layer.kind == "Tanh"][:2]
    viz.dead_units(rec, layers=first, path=PICTURES / "deep_dead_units.png")
    viz.parameter_gradients(rec, path=PICTURES / "deep_parameter_gradients.png")


@picture("backprop_dlogits.png")
def backprop_dlogits() -> None:
    from matplotlib.figure import Figure

    x, y, labels = contexts()
    torch.manual_seed(3)
    model = backprop.SPEC.build(backprop.SPEC.config())
    with torch.no_grad():
        logits, _ = model(x[:32], y[:32])
        dlogits = backprop.cross_entropy_gradient(logits, y[:32])
    figure = Figure(figsize=(7, 7), layout="constrained")
    axes = figure.subplots()
    axes.imshow(dlogits.numpy(), cmap="gray")
    axes.set(xlabel="logit", ylabel="example")
    axes.set_xticks(range(len(labels)), labels)
    figure.savefig(PICTURES / "backprop_dlogits.png", dpi=110)


# ---- sequences -------------------------------------------------------------------------------------


@picture("wavenet_field.png")
def wavenet_field() -> None:
    from matplotlib.figure import Figure

    torch.manual_seed(4)
    model = wavenet.build(wavenet.SPEC.config(kind="dilated", block_size=8, n_stack=1))
    seen: list[torch.Tensor] = []

    def keep(module: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        args[0].retain_grad()
        seen.append(args[0])

    for block in model.blocks:
        block.register_forward_pre_hook(keep)
    x, _, _ = contexts(16)
    logits, _ = model(x[:64])
    logits[:, -1].pow(2).sum().backward()
    sizes = torch.stack([t.grad.norm(dim=(0, 1)) for t in seen]).numpy()  # (layers, T)
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    axes = figure.subplots()
    axes.imshow(sizes / sizes.max(1, keepdims=True), cmap="Blues", aspect="auto")
    dilations = [block.filter_gate.dilation for block in model.blocks]
    axes.set_yticks(range(len(seen)), [f"into dilation {d[0] if isinstance(d, tuple) else d}" for d in dilations])
    axes.set(xlabel="position", title="what the last output sees")
    figure.savefig(PICTURES / "wavenet_field.png", dpi=110)


@picture("rnn_vanishing.png")
def rnn_vanishing() -> None:
    folders = {cell: trained("rnn", f"rnn_{cell}", "--preset", cell, "--max-iters", "400") for cell in ("rnn", "lstm")}
    x = torch.randint(27, (32, 40), generator=torch.Generator().manual_seed(0))
    curves: dict[str, list[float]] = {}
    for cell, folder in folders.items():
        torch.manual_seed(5)
        curves[f"{cell}, untrained"] = rnn.gradient_by_distance(rnn.SPEC.build(rnn.SPEC.config(cell=cell)), x)
        curves[f"{cell}, after 400 steps"] = rnn.gradient_by_distance(restored(rnn.SPEC, folder)[0], x)
    rnn.draw_gradients(curves, PICTURES / "rnn_vanishing.png", "How far a gradient reaches back")


@picture("bow_weights.png")
def bow_weights() -> None:
    word = "emmaline"
    weights = bow.CausalAverage(len(word)).weights
    viz.attention(weights, labels=list(word), path=PICTURES / "bow_weights.png")


@picture("names_losses.png")
def names_losses() -> None:
    curves: dict[str, Any] = {}
    for model in ("bow", "rnn", "wavenet", "transformer"):
        flags = ["--max-iters", "600", "--eval-interval", "100"] + (
            ["--preset", "dilated"] if model == "wavenet" else []
        )
        folder = trained(model, f"names_{model}", *flags)
        from tinygrad_zth.viz.runs import read_run

        curves[model] = tuple(zip(*read_run(folder).series("val_loss")))
    figure = viz.losses(curves)
    figure.axes[0].set_title("Validation loss on names", loc="left")
    figure.axes[0].set_ylim(None, 2.9)
    figure.savefig(PICTURES / "names_losses.png")


@picture("seq2seq_cross.png")
def seq2seq_cross() -> None:
    folder = trained("seq2seq", "seq2seq", "--max-iters", "1500")
    model, tokenizer = restored(seq2seq.SPEC, folder)
    for pair in seq2seq.translation_pairs(400, "test"):
        # Twenty-one is "one and twenty": the digits come in another order than the words.
        if (
            not re.search("(ein|zwei|drei|vier|fünf|sechs|sieben|acht|neun)und[^u]+ig$", pair.source)
            or len(pair.source) > 36
        ):
            continue
        source = torch.tensor([tokenizer.encode(pair.source)])
        answer = model.translate(source)[0].tolist()
        answer = answer[: answer.index(seq2seq.END)] if seq2seq.END in answer else answer
        if tokenizer.decode(answer) == pair.target:
            break
    from tinygrad_zth.viz.attention_maps import attention_weights

    maps = attention_weights(model, source, torch.tensor([[seq2seq.BEGIN, *answer]]))
    cross = [m for m in maps if m.shape[-2:] == (len(answer) + 1, source.shape[1])][-1][0].mean(0)
    queries = [*tokenizer.decode(answer), "end"]
    viz.attention(cross, labels=list(pair.source), queries=queries, path=PICTURES / "seq2seq_cross.png")


# ---- images ----------------------------------------------------------------------------------------


@picture("resnet_confusion.png")
def resnet_confusion() -> None:
    folder = trained("resnet", "resnet", "--max-iters", "150")
    model, state = resnet.SPEC.restore(folder / "last.npz")
    corpus = resnet.SPEC.task.load(None, state["vocabulary"])
    images, labels = corpus.parts["test"]
    classes = json.loads(state["vocabulary"])["classes"]
    viz.confusion(model, labels, inputs=images, labels=classes, path=PICTURES / "resnet_confusion.png")


# ---- GPT -------------------------------------------------------------------------------------------

GPT_PICTURES = (
    "gpt_loss.png", "gpt_updates.png", "gpt_activations.png", "gpt_gradients.png", "gpt_parameter_gradients.png",
    "gpt_samples.png", "gpt_attention.png", "gpt_report.png", "gpt_report_phone_dark.png",
)  # fmt: skip


@picture(*GPT_PICTURES)
def gpt_run() -> None:
    folder = trained("gpt", "gpt", "--preset", "lecture", "--max-iters", "1500", "--eval-interval", "150", "--diagnose")
    viz.losses(folder, initial=4.174, path=PICTURES / "gpt_loss.png")
    viz.update_ratios(folder, path=PICTURES / "gpt_updates.png")
    viz.activations(folder, path=PICTURES / "gpt_activations.png")
    viz.gradients(folder, path=PICTURES / "gpt_gradients.png")
    viz.parameter_gradients(folder, path=PICTURES / "gpt_parameter_gradients.png")
    viz.samples(folder, most=5, title="GPT on tinyshakespeare", path=PICTURES / "gpt_samples.png")
    model, tokenizer = restored(gpt.SPEC, folder)
    line = "What say you to the king?"
    idx = torch.tensor([tokenizer.encode(line)])
    viz.attention(model, idx, labels=list(line), layer=1, path=PICTURES / "gpt_attention.png")
    report = viz.report(folder)
    screenshot(report, PICTURES / "gpt_report.png", 1000, 2300)
    screenshot(report, PICTURES / "gpt_report_phone_dark.png", 500, 1500, "--blink-settings=preferredColorScheme=0")


def screenshot(page: Path, path: Path, width: int, height: int, *flags: str) -> None:
    """A picture of ``page`` as a browser shows it; nothing, and a line about it, without Chromium."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        print(f"  no Chromium: {path.name} stays as it is")
        return
    with tempfile.TemporaryDirectory() as profile:
        command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
        command += [
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
        ]
        command += [f"--user-data-dir={profile}", f"--window-size={width},{height}", f"--screenshot={path}", *flags]
        subprocess.run([*command, page.resolve().as_uri()], check=True, capture_output=True, timeout=180)


def main() -> int:
    """Make all pictures, or the named ones. Returns the exit status."""
    global RUNS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="files to make (all)")
    parser.add_argument("--runs", type=Path, default=RUNS, help="where the runs are kept (runs/docs)")
    args = parser.parse_args()
    RUNS = args.runs.resolve()
    unknown = set(args.names) - set(MAKERS)
    if unknown:
        parser.error(f"no picture {', '.join(sorted(unknown))}; there are {', '.join(MAKERS)}")
    PICTURES.mkdir(exist_ok=True)
    for maker in dict.fromkeys(MAKERS[name] for name in args.names or MAKERS):
        began = time.perf_counter()
        maker()
        print(f"{maker.__name__}: {time.perf_counter() - began:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
