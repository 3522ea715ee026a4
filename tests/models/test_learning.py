"""Every model of the zoo learns: to a stated loss in a stated number of steps, from its seed.

The numbers to reach after a whole training are in ``benchmarks/zoo.py``; these take seconds.
"""

from __future__ import annotations

import math

import pytest

from models import bigram_lm, bow, gpt_lecture, resnet, rnn, seq2seq, transformer, wavenet

NAMES = math.log(27)

# The model, steps, preset, settings of the model, learning rate, and the losses before (None: any) and after.
CASES = {
    "tree": (wavenet.SPEC, 200, "tree", {"n_hidden": 64}, 3e-3, NAMES, 2.45),
    "dilated": (wavenet.SPEC, 60, "dilated", {"n_hidden": 32, "n_stack": 1}, 3e-3, NAMES, 2.5),
    "rnn": (rnn.SPEC, 100, "rnn", {"n_hidden": 64}, 3e-3, NAMES, 2.5),
    "gru": (rnn.SPEC, 60, "gru", {"n_hidden": 64}, 3e-3, NAMES, 2.55),
    "gru fused": (rnn.SPEC, 60, "gru", {"n_hidden": 64, "fused": True}, 3e-3, NAMES, 2.55),
    "lstm": (rnn.SPEC, 60, "lstm", {"n_hidden": 64}, 3e-3, NAMES, 2.65),
    "bow": (bow.SPEC, 300, None, {}, 5e-3, None, 2.45),
    "transformer": (transformer.SPEC, 60, None, {"n_layer": 2, "n_embd": 32}, 5e-3, None, 2.6),
    "bigram_lm": (bigram_lm.SPEC, 200, None, {}, 0.1, None, 3.0),
    "gpt_lecture": (gpt_lecture.SPEC, 80, "lecture", {"n_layer": 2, "n_embd": 32}, 1e-2, None, 3.1),
    "resnet": (resnet.SPEC, 50, None, {"width": 8}, 1e-2, math.log(10), 0.8),
    "bottleneck": (resnet.SPEC, 50, "bottleneck", {"width": 8}, 1e-2, math.log(10), 0.8),
    "seq2seq": (seq2seq.SPEC, 60, None, {"n_embd": 32, "n_layer": 1}, 5e-3, None, 2.3),
}


@pytest.mark.parametrize("case", CASES)
def test_it_learns(case, learn, monkeypatch):
    monkeypatch.setattr(seq2seq, "PAIRS", {"train": 4000, "val": 300, "test": 10})
    spec, steps, preset, model, lr, unsure, bound = CASES[case]
    if spec is resnet.SPEC:
        pytest.importorskip("sklearn")
    learned = learn(spec, steps, preset, model=model, lr=lr)
    print(f"{case}: {learned.before:.4f} to {learned.after:.4f}")
    if unsure is not None:  # at first it knows nothing
        assert abs(learned.before - unsure) < 0.2
    assert learned.after < bound < learned.before
