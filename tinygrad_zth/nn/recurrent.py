"""Recurrent layers over whole sequences: RNN, LSTM, GRU.

What a layer computes in one direction is an operation of ``fused`` on the rows of all steps; here
layers are stacked, directions joined, and shapes and arguments are PyTorch's.
"""

from __future__ import annotations

import math
import numbers
import warnings
from typing import Any

from ..fused.gru import gru
from ..fused.lstm import lstm
from ..fused.rnn import rnn
from ..fused.sequence import Steps
from ..ops.create import zeros
from ..ops.join import cat, stack
from ..tensor import Tensor
from . import functional as F
from . import init
from .creation import empty_parameter
from .module import Module
from .parameter import Parameter
from .utils.rnn import PackedSequence

__all__ = ["GRU", "LSTM", "RNN", "RNNBase"]

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


class RNNBase(Module):
    """What the recurrent layers share. ``mode`` is LSTM, GRU, RNN_TANH or RNN_RELU.

    Attributes:
        weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, ...: of layer 0; with the suffix
            ``_reverse``, of its other direction; all uniform on +-1 / sqrt(hidden_size).
    """

    mode: str

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.mode, self.input_size, self.hidden_size = mode, input_size, hidden_size
        self.num_layers, self.bias, self.batch_first = num_layers, bias, batch_first
        self.dropout, self.bidirectional, self.proj_size = float(dropout), bidirectional, proj_size
        self._check_arguments(dropout)
        state = proj_size or hidden_size
        rows = _GATES[mode] * hidden_size
        directions = 2 if bidirectional else 1
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            wide = input_size if layer == 0 else state * directions
            for suffix in ("", "_reverse")[:directions]:
                shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, wide), "weight_hh": (rows, state)}
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                names = {f"{kind}_l{layer}{suffix}": shape for kind, shape in shapes.items()}
                for name, shape in names.items():
                    setattr(self, name, empty_parameter(*shape, device=device, dtype=dtype))
                self._all_weights.append(list(names))
        self.reset_parameters()

    def _check_arguments(self, dropout: Any) -> None:
        if not isinstance(dropout, numbers.Number) or isinstance(dropout, bool) or not 0 <= dropout <= 1:  # type: ignore[operator]
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an element being zeroed"
            )
        if self.dropout > 0 and self.num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers "
                f"greater than 1, but got dropout={dropout} and num_layers={self.num_layers}",
                stacklevel=4,
            )
        kinds: dict[str, type] = {"bias": bool, "batch_first": bool, "input_size": int, "hidden_size": int}
        for name, kind in kinds.items():
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")
            if kind is int and getattr(self, name) <= 0:
                raise ValueError(f"{name} must be greater than zero")
        if self.num_layers <= 0:
            raise ValueError("num_layers must be greater than zero")
        if self.proj_size < 0:
            raise ValueError("proj_size should be a positive integer or zero to disable projections")
        if self.proj_size >= self.hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        if self.mode not in _GATES:
            raise ValueError("Unrecognized RNN mode: " + self.mode)

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing: it is for cuDNN's memory layout."""

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        defaults = {
            "proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0, "bidirectional": False,
        }  # fmt: skip
        return text + "".join(f", {k}={getattr(self, k)}" for k, v in defaults.items() if getattr(self, k) != v)

    # ------------------------------------------------------------------ the pass

    def _operation(self, x: Tensor, states: list[Tensor], weights: list[Any], steps: Steps) -> tuple[Tensor, Any]:
        """One layer in one direction: the outputs (total, P) and the last of the second state, if any."""
        raise NotImplementedError

    def _layers(
        self, x: Tensor, states: list[Tensor] | None, sizes_of_states: list[int], sizes: tuple[int, ...]
    ) -> tuple[Tensor, list[Tensor]]:
        """All layers over rows (total, I) or (T, B, I), from states (layers * directions, B, *)."""
        ways = [Steps(sizes), Steps(sizes, reverse=True)][: 2 if self.bidirectional else 1]
        lasts: list[list[Tensor]] = [[] for _ in sizes_of_states]
        number = 0
        for layer in range(self.num_layers):
            outs = []
            for steps in ways:
                weights = [getattr(self, name) for name in self._all_weights[number]]
                if not self.bias:
                    weights[2:2] = [None, None]
                if states is None:
                    begin = [zeros(sizes[0], n, dtype=x.dtype, device=x.device) for n in sizes_of_states]
                else:
                    begin = [s[number] for s in states]
                out, cell = self._operation(x, begin, weights, steps)
                outs.append(out)
                # The last step that was taken: of a batch of one length, one row of the output.
                lasts[0].append(steps.last(out, cat) if out.dim() == 2 else out[0 if steps.reverse else -1])
                if cell is not None:
                    lasts[1].append(cell)
                number += 1
            x = outs[0] if len(outs) == 1 else cat(outs, -1)
            if self.dropout and self.training and layer < self.num_layers - 1:
                x = F.dropout(x, self.dropout, True)
        return x, [s[0].unsqueeze(0) if len(s) == 1 else stack(s) for s in lasts]

    def _run(self, input: Any, states: list[Tensor] | None, sizes_of_states: list[int]) -> tuple[Any, list[Tensor]]:
        """The forward of all kinds: ``input`` as the user gave it, ``states`` None for zeros."""
        packed = input if isinstance(input, PackedSequence) else None
        if packed is not None:
            x, sizes = packed.data, tuple(packed.batch_sizes.tolist())
            self._check_input(x, 2)
        else:
            x = input.transpose(0, 1) if self.batch_first else input
            self._check_input(x, 3)
            length, batch = x.shape[:2]
            if length == 0:
                raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
            sizes = (batch,) * length
        if states is not None and packed is not None and packed.sorted_indices is not None:
            states = [s.index_select(1, packed.sorted_indices) for s in states]
        for i, (s, n) in enumerate(zip(states or (), sizes_of_states, strict=False)):
            expected = (len(self._all_weights), sizes[0], n)
            if tuple(s.shape) != expected:
                what = f"hidden[{i}]" if len(sizes_of_states) > 1 else "hidden"
                raise RuntimeError(f"Expected {what} size {expected}, got {list(s.shape)}")
        out, lasts = self._layers(x, states, sizes_of_states, sizes)
        if packed is not None:
            if packed.unsorted_indices is not None:
                lasts = [s.index_select(1, packed.unsorted_indices) for s in lasts]
            return PackedSequence(out, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices), lasts
        return (out.transpose(0, 1) if self.batch_first else out), lasts

    def _check_input(self, x: Tensor, dimensions: int) -> None:
        weight = getattr(self, self._all_weights[0][0])
        if x.dtype != weight.dtype:
            raise ValueError(
                f"RNN input dtype ({x.dtype}) does not match weight dtype ({weight.dtype}). "
                f"Convert input: input.to({weight.dtype}), or convert model: model.to({x.dtype})"
            )
        if x.dim() != dimensions:
            raise RuntimeError(f"input must have {dimensions} dimensions, got {x.dim()}")
        if x.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {x.shape[-1]}"
            )

    def _batched(self, input: Any, what: str) -> tuple[Any, bool]:
        """``input`` with a dimension for the batch, and whether it had one."""
        if isinstance(input, PackedSequence):
            return input, True
        if input.dim() not in (2, 3):
            raise ValueError(f"{what}: Expected input to be 2D or 3D, got {input.dim()}D instead")
        return (input, True) if input.dim() == 3 else (input.unsqueeze(0 if self.batch_first else 1), False)

    def _forward(self, input: Any, hx: Tensor | None, what: str) -> tuple[Any, Tensor]:
        """The forward of the kinds with one state."""
        input, batched = self._batched(input, what)
        if hx is not None and not isinstance(input, PackedSequence) and hx.dim() != 2 + batched:
            kind = "batched 3-D" if batched else "unbatched 2-D"
            raise RuntimeError(f"For {kind} input, hx should also be {2 + batched}-D but got {hx.dim()}-D tensor")
        states = None if hx is None else [hx if batched else hx.unsqueeze(1)]
        out, (last,) = self._run(input, states, [self.hidden_size])
        if batched:
            return out, last
        return out.squeeze(0 if self.batch_first else 1), last.squeeze(1)


class RNN(RNNBase):
    """h_t = f(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), in ``num_layers`` layers (Elman 1990).

    Args:
        input_size, hidden_size, num_layers: I, H and how many.
        nonlinearity: "tanh" or "relu".
        bias: whether there are biases.
        batch_first: whether batched inputs and outputs are (B, T, *) instead of (T, B, *).
        dropout: with this probability, in training, elements of each layer's output but the last's are
            zero.
        bidirectional: each layer also runs from the end; the outputs are joined.

    The module takes (T, B, I), (T, I) or a PackedSequence, and the first states (layers *
    directions, B, H), zero if not given; it returns the outputs of the last layer (T, B, directions
    * H) and the last states.

    Raises:
        ValueError, TypeError: for arguments out of their range; RuntimeError: for shapes that do not fit.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:
            self.nonlinearity, args = args[3], args[:3] + args[4:]
        else:
            self.nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if self.nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{self.nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__("RNN_" + self.nonlinearity.upper(), *args, **kwargs)

    def _operation(self, x: Tensor, states: list[Tensor], weights: list[Any], steps: Steps) -> tuple[Tensor, Any]:
        return rnn(x, *states, *weights, self.nonlinearity, steps), None

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        return self._forward(input, hx, "RNN")


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter and Schmidhuber 1997), in ``num_layers`` layers.

    Args:
        proj_size: if positive, the output is projected to so many elements (Sak et al. 2014).
        The others: as for :class:`RNN`.

    The states are a pair (h, c): h (layers * directions, B, proj_size or H), c (…, B, H).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size,
            device=device, dtype=dtype,
        )  # fmt: skip

    def _operation(self, x: Tensor, states: list[Tensor], weights: list[Any], steps: Steps) -> tuple[Tensor, Any]:
        projection = weights[4] if self.proj_size else None
        result: tuple[Tensor, Any] = lstm(x, *states, *weights[:4], projection, steps)
        return result

    def forward(self, input: Any, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Any, tuple[Tensor, Tensor]]:
        input, batched = self._batched(input, "LSTM")
        states = None
        if hx is not None:
            states = [hx[0], hx[1]]
            if not isinstance(input, PackedSequence) and any(s.dim() != 2 + batched for s in states):
                found = f"({hx[0].dim()}-D, {hx[1].dim()}-D)"
                raise RuntimeError(
                    f"For batched 3-D input, hx and cx should also be 3-D but got {found} tensors" if batched else
                    f"For unbatched 2-D input, hx and cx should also be 2-D but got {found} tensors"
                )  # fmt: skip
            if not batched:
                states = [s.unsqueeze(1) for s in states]
        out, (h, c) = self._run(input, states, [self.proj_size or self.hidden_size, self.hidden_size])
        if batched:
            return out, (h, c)
        return out.squeeze(0 if self.batch_first else 1), (h.squeeze(1), c.squeeze(1))


class GRU(RNNBase):
    """The gated recurrent unit (Cho et al. 2014), in ``num_layers`` layers. Arguments: as for :class:`RNN`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            device=device, dtype=dtype, **kwargs,
        )  # fmt: skip

    def _operation(self, x: Tensor, states: list[Tensor], weights: list[Any], steps: Steps) -> tuple[Tensor, Any]:
        return gru(x, *states, *weights, steps), None

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        return self._forward(input, hx, "GRU")
