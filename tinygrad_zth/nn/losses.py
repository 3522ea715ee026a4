"""Losses as layers. Each calls the function in ``nn.functional`` that its row names."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import functional as F
from .functional.reduction import reduction_of
from .module import Module

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CosineEmbeddingLoss", "CrossEntropyLoss", "GaussianNLLLoss",
    "HingeEmbeddingLoss", "HuberLoss", "KLDivLoss", "L1Loss", "MSELoss", "MarginRankingLoss",
    "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss", "NLLLoss", "PoissonNLLLoss",
    "SmoothL1Loss", "SoftMarginLoss", "TripletMarginLoss",
]  # fmt: skip


# Positional order where PyTorch's has retired arguments (size_average, reduce) in between.
_ORDER = {
    "CrossEntropyLoss": ("weight", "size_average", "ignore_index", "reduce", "reduction", "label_smoothing"),
    "NLLLoss": ("weight", "size_average", "ignore_index", "reduce", "reduction"),
    "MSELoss": ("size_average", "reduce", "reduction"),
    "L1Loss": ("size_average", "reduce", "reduction"),
    "SmoothL1Loss": ("size_average", "reduce", "reduction", "beta"),
    "BCELoss": ("weight", "size_average", "reduce", "reduction"),
    "BCEWithLogitsLoss": ("weight", "size_average", "reduce", "reduction", "pos_weight"),
    "KLDivLoss": ("size_average", "reduce", "reduction", "log_target"),
}


class _Loss(Module):
    _function: str
    _arguments: tuple[str, ...]

    def forward(self, *tensors: Tensor) -> Tensor:
        return getattr(F, self._function)(*tensors, **{n: getattr(self, n) for n in self._arguments})


def _loss(name: str, function: str, tensors: str, *, buffers: tuple[str, ...] = (), **defaults: Any) -> type[_Loss]:
    """A layer called with ``tensors``; tensor arguments (``buffers``) move and are saved with it."""
    names = (*buffers, *defaults)
    order = _ORDER.get(name, names)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super(cls, self).__init__()
        allowed = {*names, "size_average", "reduce"}
        if len(args) > len(order) or set(kwargs) - allowed or set(order[: len(args)]) & set(kwargs):
            raise TypeError(f"{name}.__init__() takes {', '.join(names)}; got {args} {kwargs}")
        given = {**dict.fromkeys(buffers), **defaults, **dict(zip(order, args, strict=False)), **kwargs}
        size_average, reduce = given.pop("size_average", None), given.pop("reduce", None)
        for key, value in given.items():
            if key in buffers:
                self.register_buffer(key, value)
            else:
                setattr(self, key, value)
        self.reduction = reduction_of(self.reduction, size_average, reduce)

    cls = type(
        name,
        (_Loss,),
        {
            "__init__": __init__, "__module__": __name__, "_function": function, "_arguments": names,
            "__doc__": f"``nn.functional.{function}({tensors})`` as a layer. Arguments: {', '.join(names)}.",
        },
    )  # fmt: skip
    return cls


CrossEntropyLoss = _loss(
    "CrossEntropyLoss", "cross_entropy", "input, target", buffers=("weight",), ignore_index=-100, reduction="mean",
    label_smoothing=0.0,
)  # fmt: skip
NLLLoss = _loss("NLLLoss", "nll_loss", "input, target", buffers=("weight",), ignore_index=-100, reduction="mean")
MSELoss = _loss("MSELoss", "mse_loss", "input, target", reduction="mean")
L1Loss = _loss("L1Loss", "l1_loss", "input, target", reduction="mean")
SmoothL1Loss = _loss("SmoothL1Loss", "smooth_l1_loss", "input, target", reduction="mean", beta=1.0)
HuberLoss = _loss("HuberLoss", "huber_loss", "input, target", reduction="mean", delta=1.0)
BCELoss = _loss("BCELoss", "binary_cross_entropy", "input, target", buffers=("weight",), reduction="mean")
BCEWithLogitsLoss = _loss(
    "BCEWithLogitsLoss", "binary_cross_entropy_with_logits", "input, target", buffers=("weight", "pos_weight"),
    reduction="mean",
)  # fmt: skip
KLDivLoss = _loss("KLDivLoss", "kl_div", "input, target", reduction="mean", log_target=False)
GaussianNLLLoss = _loss(
    "GaussianNLLLoss", "gaussian_nll_loss", "input, target, var", full=False, eps=1e-6, reduction="mean"
)
PoissonNLLLoss = _loss(
    "PoissonNLLLoss", "poisson_nll_loss", "log_input, target", log_input=True, full=False, eps=1e-8, reduction="mean"
)
SoftMarginLoss = _loss("SoftMarginLoss", "soft_margin_loss", "input, target", reduction="mean")
HingeEmbeddingLoss = _loss("HingeEmbeddingLoss", "hinge_embedding_loss", "input, target", margin=1.0, reduction="mean")
MarginRankingLoss = _loss(
    "MarginRankingLoss", "margin_ranking_loss", "input1, input2, target", margin=0.0, reduction="mean"
)
CosineEmbeddingLoss = _loss(
    "CosineEmbeddingLoss", "cosine_embedding_loss", "input1, input2, target", margin=0.0, reduction="mean"
)
MultiMarginLoss = _loss(
    "MultiMarginLoss", "multi_margin_loss", "input, target", buffers=("weight",), p=1, margin=1.0, reduction="mean"
)
MultiLabelMarginLoss = _loss("MultiLabelMarginLoss", "multilabel_margin_loss", "input, target", reduction="mean")
MultiLabelSoftMarginLoss = _loss(
    "MultiLabelSoftMarginLoss", "multilabel_soft_margin_loss", "input, target", buffers=("weight",), reduction="mean"
)
TripletMarginLoss = _loss(
    "TripletMarginLoss", "triplet_margin_loss", "anchor, positive, negative", margin=1.0, p=2.0, eps=1e-6, swap=False,
    reduction="mean",
)  # fmt: skip
