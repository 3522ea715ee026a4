"""Losses as layers. Each calls the function in ``nn.functional`` that its row names."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any

from ..tensor import Tensor
from . import functional as F
from .distance import PairwiseDistance
from .functional.reduction import reduction_of
from .module import Module

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CTCLoss", "CosineEmbeddingLoss", "CrossEntropyLoss", "GaussianNLLLoss",
    "HingeEmbeddingLoss", "HuberLoss", "KLDivLoss", "L1Loss", "MSELoss", "MarginRankingLoss",
    "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss", "NLLLoss", "NLLLoss2d", "PoissonNLLLoss",
    "SmoothL1Loss", "SoftMarginLoss", "TripletMarginLoss", "TripletMarginWithDistanceLoss",
]  # fmt: skip

_TENSORS = ("weight", "pos_weight")  # arguments that move and are saved with the layer
_RETIRED = ("size_average", "reduce")


class _Loss(Module):
    _function: str
    _arguments: tuple[str, ...]
    _tensors: str  # what forward takes

    def forward(self, *tensors: Tensor) -> Tensor:
        result: Tensor = getattr(F, self._function)(*tensors, **{n: getattr(self, n) for n in self._arguments})
        return result


def _check_multi_margin(self: Any) -> None:
    if self.p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if self.weight is not None and self.weight.dim() != 1:
        raise ValueError(f"MultiMarginLoss: expected weight to be None or 1D tensor, got {self.weight.dim()}D instead")


def _check_triplet(self: Any) -> None:
    if self.margin <= 0:
        raise ValueError(f"{type(self).__name__}: expected margin to be greater than 0, got {self.margin} instead")


def _loss(
    name: str, function: str, tensors: str, *, check: Callable[[Any], None] | None = None, by_name: bool = False, **defaults: Any
) -> type[_Loss]:  # fmt: skip
    """A layer called with ``tensors``; ``defaults`` are its arguments, in PyTorch's order, ``by_name`` alone or not."""
    self_parameter = Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)
    kind = Parameter.KEYWORD_ONLY if by_name else Parameter.POSITIONAL_OR_KEYWORD
    signature = Signature([self_parameter, *(Parameter(n, kind, default=v) for n, v in defaults.items())])

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            bound = signature.bind(self, *args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{name}.__init__() {error}") from None
        Module.__init__(self)
        bound.apply_defaults()
        given = dict(bound.arguments)
        del given["self"]
        retired = [given.pop(n, None) for n in _RETIRED]
        if any(v is not None for v in retired):
            given["reduction"] = reduction_of(given["reduction"], *retired)
        for key, value in given.items():
            if key in _TENSORS:
                self.register_buffer(key, value)
            else:
                setattr(self, key, value)
        if check is not None:
            check(self)

    __init__.__signature__ = signature  # type: ignore[attr-defined]
    names = tuple(n for n in defaults if n not in _RETIRED)
    cls = type(
        name,
        (_Loss,),
        {
            "__init__": __init__, "__module__": __name__, "_function": function, "_arguments": names,
            "_tensors": tensors,
            "__doc__": f"``nn.functional.{function}({tensors})`` as a layer. Arguments: {', '.join(names)}.",
        },
    )  # fmt: skip
    return cls


_OLD: dict[str, Any] = {"size_average": None, "reduce": None}
_MEAN: dict[str, Any] = {**_OLD, "reduction": "mean"}

CrossEntropyLoss = _loss(
    "CrossEntropyLoss", "cross_entropy", "input, target", weight=None, size_average=None, ignore_index=-100,
    reduce=None, reduction="mean", label_smoothing=0.0,
)  # fmt: skip
NLLLoss = _loss(
    "NLLLoss", "nll_loss", "input, target", weight=None, size_average=None, ignore_index=-100, reduce=None,
    reduction="mean",
)  # fmt: skip


class NLLLoss2d(NLLLoss):  # type: ignore[misc,valid-type]
    """Retired: ``NLLLoss``, which this is, with a FutureWarning."""

    def __init__(
        self, weight: Tensor | None = None, size_average: bool | None = None, ignore_index: int = -100,
        reduce: bool | None = None, reduction: str = "mean",
    ) -> None:  # fmt: skip
        warnings.warn(
            "`NLLLoss2d` has been deprecated. Please use `NLLLoss` instead as a drop-in replacement and see "
            "https://pytorch.org/docs/main/nn.html#torch.nn.NLLLoss for more details.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__(weight, size_average, ignore_index, reduce, reduction)


MSELoss = _loss("MSELoss", "mse_loss", "input, target", **_MEAN)
L1Loss = _loss("L1Loss", "l1_loss", "input, target", **_MEAN)
SmoothL1Loss = _loss("SmoothL1Loss", "smooth_l1_loss", "input, target", **_MEAN, beta=1.0)
HuberLoss = _loss("HuberLoss", "huber_loss", "input, target", reduction="mean", delta=1.0)
BCELoss = _loss("BCELoss", "binary_cross_entropy", "input, target", weight=None, **_MEAN)
BCEWithLogitsLoss = _loss(
    "BCEWithLogitsLoss", "binary_cross_entropy_with_logits", "input, target", weight=None, **_MEAN, pos_weight=None
)
KLDivLoss = _loss("KLDivLoss", "kl_div", "input, target", **_MEAN, log_target=False)
GaussianNLLLoss = _loss(
    "GaussianNLLLoss", "gaussian_nll_loss", "input, target, var", by_name=True, full=False, eps=1e-6, reduction="mean"
)
PoissonNLLLoss = _loss(
    "PoissonNLLLoss", "poisson_nll_loss", "log_input, target", log_input=True, full=False, size_average=None,
    eps=1e-8, reduce=None, reduction="mean",
)  # fmt: skip
CTCLoss = _loss(
    "CTCLoss", "ctc_loss", "log_probs, targets, input_lengths, target_lengths", blank=0, reduction="mean",
    zero_infinity=False,
)  # fmt: skip
SoftMarginLoss = _loss("SoftMarginLoss", "soft_margin_loss", "input, target", **_MEAN)
HingeEmbeddingLoss = _loss("HingeEmbeddingLoss", "hinge_embedding_loss", "input, target", margin=1.0, **_MEAN)
MarginRankingLoss = _loss("MarginRankingLoss", "margin_ranking_loss", "input1, input2, target", margin=0.0, **_MEAN)
CosineEmbeddingLoss = _loss(
    "CosineEmbeddingLoss", "cosine_embedding_loss", "input1, input2, target", margin=0.0, **_MEAN
)
MultiMarginLoss = _loss(
    "MultiMarginLoss", "multi_margin_loss", "input, target", check=_check_multi_margin, p=1, margin=1.0, weight=None,
    **_MEAN,
)  # fmt: skip
MultiLabelMarginLoss = _loss("MultiLabelMarginLoss", "multilabel_margin_loss", "input, target", **_MEAN)
MultiLabelSoftMarginLoss = _loss(
    "MultiLabelSoftMarginLoss", "multilabel_soft_margin_loss", "input, target", weight=None, **_MEAN
)
TripletMarginLoss = _loss(
    "TripletMarginLoss", "triplet_margin_loss", "anchor, positive, negative", check=_check_triplet, margin=1.0, p=2.0,
    eps=1e-6, swap=False, **_MEAN,
)  # fmt: skip


class TripletMarginWithDistanceLoss(Module):
    """``nn.functional.triplet_margin_with_distance_loss(anchor, positive, negative)`` as a layer.

    distance_function: default, ``PairwiseDistance()``. Raises ValueError unless the margin is positive.
    """

    def __init__(
        self, *, distance_function: Callable[[Tensor, Tensor], Tensor] | None = None, margin: float = 1.0,
        swap: bool = False, reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__()
        if margin <= 0:
            raise ValueError(
                f"TripletMarginWithDistanceLoss: expected margin to be greater than 0, got {margin} instead"
            )
        self.reduction = reduction
        self.distance_function = distance_function if distance_function is not None else PairwiseDistance()
        self.margin = margin
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_with_distance_loss(
            anchor, positive, negative, distance_function=self.distance_function, margin=self.margin, swap=self.swap,
            reduction=self.reduction,
        )  # fmt: skip
