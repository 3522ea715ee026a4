"""One step of a recurrent layer: RNNCell, LSTMCell, GRUCell. The operations are those of the layers."""

from __future__ import annotations

import math
from typing import Any

from ..fused.gru import gru
from ..fused.lstm import lstm
from ..fused.rnn import rnn
from ..fused.sequence import Steps
from ..ops.create import zeros
from ..tensor import Tensor
from . import init
from .creation import empty_parameter
from .module import Module

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]


class RNNCellBase(Module):
    """What the cells share.

    Attributes:
        weight_ih: (gates * hidden_size, input_size); weight_hh: (gates * hidden_size, hidden_size);
            bias_ih, bias_hh: (gates * hidden_size,) or None; uniform on +-1 / sqrt(hidden_size).
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = num_chunks * hidden_size
        self.weight_ih = empty_parameter(rows, input_size, device=device, dtype=dtype)
        self.weight_hh = empty_parameter(rows, hidden_size, device=device, dtype=dtype)
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, empty_parameter(rows, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            text += f", nonlinearity={self.nonlinearity}"
        return text

    def _prepared(self, input: Tensor, states: Any, names: tuple[str, ...]) -> tuple[Tensor, list[Tensor], bool]:
        """``input`` and ``states`` with a dimension for the batch, and whether they had one."""
        kind = type(self).__name__
        if input.dim() not in (1, 2):
            raise ValueError(f"{kind}: Expected input to be 1D or 2D, got {input.dim()}D instead")
        for name, s in zip(names, states or (), strict=False):
            if s.dim() not in (1, 2):
                raise ValueError(f"{kind}: Expected {name} to be 1D or 2D, got {s.dim()}D instead")
        batched = input.dim() == 2
        if not batched:
            input = input.unsqueeze(0)
        if states is None:
            states = [zeros(input.shape[0], self.hidden_size, dtype=input.dtype, device=input.device)] * len(names)
        elif not batched:
            states = [s.unsqueeze(0) for s in states]
        if input.shape[1] != self.input_size:
            raise RuntimeError(f"input has inconsistent input_size: got {input.shape[1]} expected {self.input_size}")
        for i, s in enumerate(states):
            if s.shape[0] != input.shape[0]:
                raise RuntimeError(f"Input batch size {input.shape[0]} doesn't match hidden{i} batch size {s.shape[0]}")
            if s.dim() != 2 or s.shape[1] != self.hidden_size:
                raise RuntimeError(
                    f"hidden{i} has inconsistent hidden_size: got {s.shape[-1]}, expected {self.hidden_size}"
                )
        return input, list(states), batched

    def _weights(self) -> tuple[Any, ...]:
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh


class RNNCell(RNNCellBase):
    """h' = f(W_ih x + b_ih + W_hh h + b_hh): x (B, input_size), h (B, hidden_size), or without B.

    Args:
        nonlinearity: "tanh" or "relu".

    Raises:
        ValueError, RuntimeError: for shapes that do not fit.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        x, (h,), batched = self._prepared(input, None if hx is None else (hx,), ("hidden",))
        out = rnn(x, h, *self._weights(), self.nonlinearity, Steps((x.shape[0],)))
        result: Tensor = out if batched else out.squeeze(0)
        return result


class LSTMCell(RNNCellBase):
    """One step of an LSTM: x (B, input_size), (h, c) each (B, hidden_size), or without B -> (h', c')."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        x, (h, c), batched = self._prepared(input, hx, ("hx[0]", "hx[1]"))
        h, c = lstm(x, h, c, *self._weights(), None, Steps((x.shape[0],)))
        return (h, c) if batched else (h.squeeze(0), c.squeeze(0))


class GRUCell(RNNCellBase):
    """One step of a GRU: x (B, input_size), h (B, hidden_size), or without B -> h'."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        x, (h,), batched = self._prepared(input, None if hx is None else (hx,), ("hidden",))
        out = gru(x, h, *self._weights(), Steps((x.shape[0],)))
        result: Tensor = out if batched else out.squeeze(0)
        return result
