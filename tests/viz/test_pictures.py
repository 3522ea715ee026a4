"""The pictures: each is drawn of a model and of a recorded run, written whole, and says what is wrong."""

from __future__ import annotations

import builtins
import inspect
import math
import os
import sys

import numpy as np
import pytest

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from tests.viz.small_models import Heads, Tagger, batch
from tinygrad_zth import nn, viz

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra: plot)")
from matplotlib.figure import Figure  # noqa: E402


@pytest.fixture(scope="module")
def rec():
    torch.manual_seed(0)
    model = Tagger(depth=3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with viz.record(model, every=20) as rec:
        for step in range(61):
            optimizer.zero_grad()
            model(*batch())[1].backward()
            optimizer.step()
            if step % 30 == 0:
                rec.note(sample=f"after {step}")
    return rec


def model_with_gradients():
    model = Tagger()
    model(*batch())[1].backward()
    return model


PICTURES = {
    "activations": lambda rec, **k: viz.activations(rec, **k),
    "activations of a model": lambda rec, **k: viz.activations(Tagger(), *batch(), **k),
    "gradients": lambda rec, **k: viz.gradients(rec, **k),
    "gradients of a model": lambda rec, **k: viz.gradients(Tagger(), *batch(), **k),
    "dead_units": lambda rec, **k: viz.dead_units(rec, **k),
    "parameter_gradients": lambda rec, **k: viz.parameter_gradients(rec, **k),
    "parameter_gradients of a model": lambda rec, **k: viz.parameter_gradients(model_with_gradients(), **k),
    "update_ratios": lambda rec, **k: viz.update_ratios(rec, **k),
    "losses": lambda rec, **k: viz.losses(rec, initial=math.log(11), **k),
    "losses of series": lambda rec, **k: viz.losses({"a": [3, 2, 1], "b": ([0, 5], [2.0, 1.0])}, **k),
    "learning_rate_sweep": lambda rec, **k: viz.learning_rate_sweep(Tagger(), batch, steps=20, **k),
    "embedding": lambda rec, **k: viz.embedding(Tagger(), "abcdefghijk", **k),
    "bigrams": lambda rec, **k: viz.bigrams(torch.randint(0, 9, (4, 4)), ". \na", **k),
    "attention": lambda rec, **k: viz.attention(Heads(), torch.randint(0, 7, (2, 4)), labels="abcd", **k),
    "confusion": lambda rec, **k: viz.confusion(torch.randn(20, 3), torch.randint(0, 3, (20,)), **k),
    "samples": lambda rec, **k: viz.samples(rec, **k),
}


@pytest.mark.host  # the stand-in composes attention of primitives
@pytest.mark.parametrize("name", PICTURES)
def test_each_picture_is_a_figure_and_a_file(name, rec, tmp_path):
    figure = PICTURES[name](rec, path=tmp_path / "picture.png")
    assert isinstance(figure, Figure) and figure.axes
    assert os.listdir(tmp_path) == ["picture.png"]
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_every_public_picture_is_in_the_list_and_says_how_to_read_it():
    drawn = {name.split(" ")[0] for name in PICTURES}
    for name in viz.__all__:
        function = getattr(viz, name)
        if inspect.isfunction(function) and "Figure" in str(inspect.signature(function).return_annotation):
            assert name in drawn
            assert "How to read it:" in function.__doc__ and "path" in inspect.signature(function).parameters


def test_the_style_and_pyplot_of_the_user_stay_his_own(rec):
    before = dict(matplotlib.rcParams)
    viz.losses(rec)
    assert dict(matplotlib.rcParams) == before


def test_matplotlib_missing_names_the_extra(rec, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] == "matplotlib":
            raise ImportError(f"No module named {name!r}")
        return real(name, *args, **kwargs)

    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    for name, draw in PICTURES.items():
        with pytest.raises(ImportError, match=r"extra 'plot': pip install 'tinygrad_zth\[plot\]'"):
            draw(rec)
            pytest.fail(name)


def test_files_are_whole_or_not_there(rec, tmp_path, monkeypatch):
    viz.losses(rec, path=tmp_path / "a.svg")
    first = (tmp_path / "a.svg").read_bytes()
    viz.losses(rec, path=tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_bytes() == first  # the same picture is the same file
    viz.losses(rec, path=tmp_path / "no_suffix")
    assert (tmp_path / "no_suffix.png").exists()
    with pytest.raises(ValueError, match=r"ending in .png, .svg or .pdf, got .*a.docx"):
        viz.losses(rec, path=tmp_path / "a.docx")
    with pytest.raises(FileNotFoundError):
        viz.losses(rec, path=tmp_path / "nowhere" / "a.png")

    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        viz.losses(rec, path=tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_bytes() == first
    assert sorted(os.listdir(tmp_path)) == ["a.svg", "no_suffix.png"]


# ---- what the pictures say -----------------------------------------------------------------------


def test_a_tower_at_the_end_of_a_saturated_tanh():
    model = nn.Sequential(nn.Linear(8, 50), nn.Tanh())
    with torch.no_grad():
        model[0].weight.mul_(100)
    figure = viz.activations(model, torch.randn(64, 8), layers=["1"])
    (line,) = figure.axes[0].get_lines()
    x, density = line.get_data()
    assert abs(x[np.argmax(density)]) > 0.95
    share = [bar.get_width() for ax in figure.axes for bar in ax.patches]
    assert len(share) == 1 and share[0] > 80


def test_a_dead_unit_is_a_dark_column_and_counted():
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU())
    with torch.no_grad():
        model[0].bias[2] = -1e6
    figure = viz.dead_units(model, torch.randn(30, 4))
    ax = figure.axes[0]
    assert "1 of 6 units dead" in ax.get_title(loc="left")
    image = np.asarray(ax.images[0].get_array())
    assert image[:, 2].all() and not image.all(axis=0)[[0, 1, 3, 4, 5]].any()


def test_channels_are_the_units_of_images():
    model = nn.Sequential(nn.Conv2d(1, 5, 3), nn.ReLU())
    with torch.no_grad():
        model[0].bias[3] = -1e6
    figure = viz.dead_units(model, torch.randn(2, 1, 8, 8))
    assert "1 of 5 units dead" in figure.axes[0].get_title(loc="left")


def test_update_ratios_are_those_of_the_steps(rec):
    ax = viz.update_ratios(rec).axes[0]
    lines = {line.get_label(): line.get_ydata() for line in ax.get_lines()}
    assert list(lines["head.weight"]) == [s.weights["head.weight"].update_ratio for s in rec.snapshots]
    assert any(set(np.ravel(y)) == {1e-3} for y in lines.values())  # the line at 1e-3


def test_no_two_lines_look_alike(rec):
    lines = viz.activations(rec, layers=list(rec.at().layers)).axes[0].get_lines()
    assert len(lines) == 8
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 8


def test_colours_differ_in_lightness_on_maps():
    grey = matplotlib.colormaps["Blues"](np.linspace(0, 1, 64))[:, :3] @ [0.299, 0.587, 0.114]
    assert (np.diff(grey) < 0).all()  # printed in grey a map says the same


def test_smoothing_is_a_corrected_moving_average():
    values = np.array([4.0, 2.0, float("nan"), 1.0])
    w = 0.5
    expected = [4.0, (w * 0.5 * 4 + 0.5 * 2) / 0.75]
    expected += [expected[-1], (w * (w * 0.5 * 4 + 0.5 * 2) + 0.5 * 1) / 0.875]
    np.testing.assert_allclose(viz.smoothed(values, w), expected)
    np.testing.assert_array_equal(viz.smoothed([3.0, 1.0], 0), [3.0, 1.0])
    with pytest.raises(ValueError, match="weight"):
        viz.smoothed([1.0], 1.0)


def test_losses_that_are_not_finite_are_marked():
    figure = viz.losses([3.0, float("nan"), 2.0, float("inf")])
    assert "loss: 2 of 4 not finite, first at step 1" in figure.axes[0].get_title(loc="left")


@pytest.mark.parametrize(
    ("series", "words"),
    [
        ([], "loss: there is nothing to draw: the series is empty"),
        ({"a": [float("nan")] * 3}, "a: there is nothing to draw: none of its 3 values is finite"),
        ({}, "no series was given"),
        ({"a": ([1, 2, 3], [1.0])}, "a: 1 values at 3 steps"),
    ],
)
def test_an_empty_or_nan_series_is_refused(series, words):
    with pytest.raises(ValueError, match=words):
        viz.losses(series)


def test_a_sweep_finds_the_rate_and_leaves_the_model_alone():
    model = Tagger()
    before = [p.detach().numpy().copy() for p in model.parameters()]
    x, y = batch(20)
    state = torch.get_rng_state()
    found = viz.sweep(model, [(x, y)], low=1e-4, high=1e3, steps=60)
    assert 1e-2 < found.suggested < found.rates[np.argmin(found.smooth)] * 1.01
    assert found.losses[-1] < 4 * min(found.losses) and len(found.rates) <= 60
    for p, old in zip(model.parameters(), before):
        np.testing.assert_array_equal(p.detach().numpy(), old)
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(ValueError, match="0 < low < high"):
        viz.sweep(model, [(x, y)], low=1, high=1)
    with pytest.raises(ValueError, match="there are no batches"):
        viz.sweep(model, [])
    with pytest.raises(ValueError, match="returns no 0-d loss: give loss="):
        viz.sweep(nn.Linear(2, 2), [(torch.ones(3, 2),)])
    with pytest.raises(TypeError, match="needs batches"):
        viz.learning_rate_sweep(model)


def test_an_ordinary_module_takes_a_loss():
    model, loss = nn.Linear(4, 3), F.cross_entropy
    data = [(torch.randn(8, 4), torch.randint(0, 3, (8,)))]
    viz.learning_rate_sweep(model, data, steps=20, loss=loss)
    with pytest.raises(ValueError, match="no gradient reached the layers"):
        viz.gradients(model, data[0][0])
    figure = viz.gradients(model, data[0][0], loss=lambda out: loss(out, data[0][1]))
    assert figure.axes
    assert model.weight.grad is None  # a copy was run


@pytest.mark.host  # the stand-in composes attention of primitives
@pytest.mark.parametrize("fused", [True, False])
def test_attention_weights_are_read_from_the_graph(fused):
    torch.manual_seed(5)
    model = Heads(fused=fused)
    idx = torch.randint(0, 7, (3, 6))
    figure = viz.attention(model, idx, example=1)
    maps = [np.asarray(ax.images[0].get_array()) for ax in figure.axes]
    assert len(maps) == 2
    for head, weights in enumerate(maps):
        np.testing.assert_allclose(weights, model.last.detach().numpy()[1, head], atol=1e-6)
        np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
        assert not np.triu(weights, 1).any()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: viz.attention(Tagger(), batch()[0]), ValueError, "no attention was found in the graph of Tagger"),
        (lambda: viz.attention(torch.ones(3)), ValueError, "expected weights"),
        (lambda: viz.attention(torch.ones(3, 3), labels="ab"), ValueError, "labels: expected 3"),
        (lambda: viz.attention(torch.ones(2, 3, 3), example=1), ValueError, "no example 1"),
        (lambda: viz.embedding(nn.Linear(2, 2)), ValueError, "Linear has no nn.Embedding"),
        (lambda: viz.embedding(Tagger(), name="attic"), ValueError, "no embedding or parameter 'attic'"),
        (lambda: viz.embedding(torch.ones(4, 1)), ValueError, r"\(V, D\), D at least 2, got \(4, 1\)"),
        (lambda: viz.embedding(torch.full((4, 3), float("nan"))), ValueError, "not finite"),
        (lambda: viz.embedding(torch.randn(4, 2), "ab"), ValueError, "labels: expected 4"),
        (lambda: viz.bigrams(torch.ones(2, 3)), ValueError, r"\(V, V\), got \(2, 3\)"),
        (lambda: viz.bigrams(-torch.ones(2, 2)), ValueError, "not negative"),
        (lambda: viz.confusion(torch.ones(2), torch.tensor([0, 1])), TypeError, "predictions: expected integers"),
        (lambda: viz.confusion(torch.tensor([0]), torch.tensor([0, 1])), ValueError, "1 predictions for 2 targets"),
        (lambda: viz.confusion([0, 1], [0.5, 1.5]), TypeError, "targets: expected integers"),
        (lambda: viz.confusion([0, 3], [0, 1], labels="ab"), ValueError, "labels: expected 4"),
        (lambda: viz.confusion(np.zeros(0, int), np.zeros(0, int)), ValueError, "no targets"),
        (lambda: viz.samples({"a": [], "b": []}), ValueError, "no samples"),
        (lambda: viz.samples([(1, 2), (3,)]), ValueError, "expected 2 cells"),
        (lambda: viz.activations(Tagger()), ValueError, "give it inputs"),
        (lambda: viz.activations(3), TypeError, "an nn.Module, a recording or a run's folder, got int"),
        (lambda: viz.activations(Tagger(), *batch(), layers=["attic"]), ValueError, "'attic' was not recorded"),
        (lambda: viz.dead_units(nn.Sequential(nn.Linear(2, 2)), torch.ones(2, 2)), ValueError, "no layer with a map"),
        (lambda: viz.parameter_gradients(Tagger()), ValueError, "no parameter has a gradient"),
        (lambda: viz.update_ratios(Tagger()), TypeError, "needs a recorded run"),
        (lambda: viz.losses(Tagger()), TypeError, "needs a recorded run"),
        (lambda: viz.losses(["a"]), TypeError, "expected a Tensor or numbers"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_confusion_counts():
    figure = viz.confusion([0, 1, 1, 2], [0, 1, 2, 2], labels=["x", "y", "z"])
    ax = figure.axes[0]
    assert "75.0 % of 4 right" in ax.get_title(loc="left")
    np.testing.assert_allclose(
        np.asarray(ax.images[0].get_array()), [[1, 0, 0], [0, 1, 0], [0, 0.5, 0.5]][:1] + [[0, 1, 0], [0, 0.5, 0.5]]
    )


def test_blanks_and_dollars_in_labels_are_shown():
    texts = [t.get_text() for t in viz.samples({"text": ["a$b$c", "\x00"]}).axes[0].texts]
    assert r"a\$b\$c" in texts and "\N{REPLACEMENT CHARACTER}" in texts
    texts = [t.get_text() for t in viz.embedding(torch.randn(3, 2), " \na").axes[0].texts]
    assert texts == ["␣", "\\n", "a"]
