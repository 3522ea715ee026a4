"""Weights travel: a training checkpoint of PyTorch's goes on here, and safetensors go both ways with the same logits."""

from __future__ import annotations

import contextlib
import io
import sys
import types
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the files are written by torch (extra: parity)")

import tinygrad_zth as zth  # noqa: E402

from .test_programs import with_our_import  # noqa: E402

pytestmark = pytest.mark.parity
PROGRAM = Path(__file__).resolve().parent.parent / "programs" / "nano.py"
ARGUMENTS = {"span": 16, "ids": 32, "depth": 2, "heads": 2, "width": 32, "drop": 0.0, "bias": True}


def library(source: str, name: str) -> types.ModuleType:
    """The model's classes, out of the program: what stands before its script."""
    module = types.ModuleType(name)
    sys.modules[name] = module  # dataclasses look their module up
    exec(compile(source[: source.index('device, folder = "cpu"')], name, "exec"), module.__dict__)
    return module


@pytest.fixture
def models():
    """The same GPT in both libraries, differently initialised, and an optimizer for each."""
    source = PROGRAM.read_text(encoding="utf-8")
    made = []
    with contextlib.redirect_stdout(io.StringIO()):
        for name, text in (("nano_torch", source), ("nano_ours", with_our_import(source))):
            module = library(text, name)
            model = module.Model(module.Plan(**ARGUMENTS))
            made.append((model, module.optimizer_of(model, 1e-3, "cpu")))
    return made


def step(model, optimizer, tokens):
    optimizer.zero_grad()
    _, loss = model(tokens, tokens)
    loss.backward()
    optimizer.step()


def logits(model, tokens) -> np.ndarray:
    model.eval()
    return model(tokens)[0].detach().numpy()


def test_a_checkpoint_of_torch_goes_on_here(models, tmp_path):
    (theirs, their_optimizer), (ours, our_optimizer) = models
    tokens = torch.randint(0, 32, (2, 16))
    mine = zth.from_numpy(tokens.numpy())
    step(theirs, their_optimizer, tokens)
    torch.save(
        {"model": theirs.state_dict(), "optimizer": their_optimizer.state_dict(), "model_args": ARGUMENTS, "iter_num": 7,
         "best_val_loss": torch.tensor(1.5), "config": {"a": 1, "b": [1, 2.5, None, True]}},
        tmp_path / "ckpt.pt",
    )  # fmt: skip
    checkpoint = zth.load(tmp_path / "ckpt.pt", map_location="cpu")
    assert checkpoint["model_args"] == ARGUMENTS and checkpoint["iter_num"] == 7
    assert checkpoint["best_val_loss"].item() == 1.5 and checkpoint["config"] == {"a": 1, "b": [1, 2.5, None, True]}
    assert list(checkpoint["model"]) == list(ours.state_dict())
    ours.load_state_dict(checkpoint["model"])
    our_optimizer.load_state_dict(checkpoint["optimizer"])
    np.testing.assert_allclose(logits(ours, mine), logits(theirs, tokens), atol=1e-5)
    theirs.train(), ours.train()
    for _ in range(3):
        step(theirs, their_optimizer, tokens)
        step(ours, our_optimizer, mine)
    for (name, a), b in zip(theirs.named_parameters(), ours.parameters(), strict=True):
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), atol=2e-5, err_msg=name)


def test_safetensors_both_ways(models, tmp_path):
    files = pytest.importorskip("safetensors.torch")
    (theirs, _), (ours, _) = models
    tokens = torch.randint(0, 32, (2, 16))
    files.save_file({k: v.clone() for k, v in theirs.state_dict().items()}, tmp_path / "in.safetensors")
    ours.load_state_dict(zth.load(tmp_path / "in.safetensors"))
    np.testing.assert_allclose(logits(ours, zth.from_numpy(tokens.numpy())), logits(theirs, tokens), atol=1e-5)
    zth.save(dict(ours.state_dict()), tmp_path / "out.safetensors")
    back = files.load_file(tmp_path / "out.safetensors")
    assert set(back) == set(theirs.state_dict())
    assert all(torch.equal(back[k], v) for k, v in theirs.state_dict().items())
