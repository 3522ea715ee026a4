"""Layers that learn the size of their input from the first input they see, and then are ordinary layers.

``nn.LazyLinear(10)`` becomes ``nn.Linear(n, 10)`` at the first call. Until then its parameters are
:class:`UninitializedParameter`: they can be given to an optimizer, and have no shape. Their values are drawn at that first
call, from the random stream as it is then.
"""

from __future__ import annotations

import inspect
from typing import Any

from ..ops.create import empty, ones, zeros
from ..tensor import Size, Tensor, new_tensor
from .batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from .conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .linear import Linear
from .module import Module
from .parameter import Parameter

__all__ = [
    "LazyBatchNorm1d", "LazyBatchNorm2d", "LazyBatchNorm3d", "LazyConv1d", "LazyConv2d", "LazyConv3d",
    "LazyConvTranspose1d", "LazyConvTranspose2d", "LazyConvTranspose3d", "LazyInstanceNorm1d", "LazyInstanceNorm2d",
    "LazyInstanceNorm3d", "LazyLinear", "UninitializedBuffer", "UninitializedParameter",
]  # fmt: skip


class UninitializedParameter(Parameter):
    """A parameter whose shape is not known yet; ``materialize(shape)`` makes it a :class:`Parameter`.

    Raises RuntimeError or ValueError when its shape or elements are asked for.
    """

    __slots__ = ()

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> UninitializedParameter:
        return super().__new__(cls, empty(0, device=device, dtype=dtype), requires_grad)  # type: ignore[return-value]

    @property
    def shape(self) -> Size:
        """Not known yet: raises RuntimeError."""
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
            "`load_state_dict` when trying to load an uninitialized parameter into an initialized one. Call `forward` to "
            "initialize the parameters before accessing their attributes."
        )

    def numel(self) -> int:
        """Not known yet: raises ValueError."""
        raise ValueError(
            "Attempted to use an uninitialized parameter in numel. This error happens when you are using a `LazyModule` or "
            "explicitly manipulating `torch.nn.parameter.UninitializedParameter` objects. When using LazyModules Call "
            "`forward` with a dummy batch to initialize the parameters before calling torch functions"
        )

    def materialize(self, shape: tuple[int, ...]) -> None:
        """Be a Parameter of ``shape`` (uninitialised memory) from now on, and stay the same object."""
        made = empty(shape, device=self.device, dtype=self.dtype)
        self.__class__ = Parameter  # type: ignore[assignment]
        self.data = made

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class UninitializedBuffer(Tensor):
    """A buffer whose shape is not known yet; ``materialize(shape)`` makes it a Tensor.

    Raises RuntimeError or ValueError when its shape or elements are asked for.
    """

    __slots__ = ()
    persistent = True

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> UninitializedBuffer:
        self = new_tensor(empty(0, device=device, dtype=dtype)._array, cls)
        return self.requires_grad_(requires_grad)  # type: ignore[return-value]

    shape = UninitializedParameter.shape
    numel = UninitializedParameter.numel
    __repr__ = UninitializedParameter.__repr__

    def materialize(self, shape: tuple[int, ...]) -> None:
        """Be a Tensor of ``shape`` (uninitialised memory) from now on, and stay the same object."""
        made = empty(shape, device=self.device, dtype=self.dtype)
        self.__class__ = Tensor  # type: ignore[assignment]
        self.data = made


class _Lazy(Module):
    _full: type[Module]  # what the layer becomes
    _size: str  # the attribute that the first input decides
    _n: int

    def _without_shapes(self, device: Any, dtype: Any) -> None:
        """Put parameters without a shape in place of those of size 0."""
        for name in ("weight", "bias"):
            if getattr(self, name) is not None:
                setattr(self, name, UninitializedParameter(device=device, dtype=dtype))

    def reset_parameters(self) -> None:
        """Nothing to draw yet."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        size = self._size_of(args[0] if args else next(iter(kwargs.values())))
        shapes = self._shapes
        setattr(self, self._size, size)
        self.__class__ = self._full  # type: ignore[assignment]
        for name, shape in shapes(self, size).items():
            parameter = getattr(self, name)
            if isinstance(parameter, UninitializedParameter):
                parameter.materialize(shape)
        self.reset_parameters()
        return self(*args, **kwargs)

    def _size_of(self, input: Tensor) -> int:
        """The size that the input has where the layer looks."""
        n, ndim = self._n, input.dim()
        if n == 0:
            return input.shape[-1]
        if self._size == "num_features":
            self._check_input_dim(input)
            return input.shape[1 if ndim in (n + 2, 2) else 0]
        if ndim not in (n + 1, n + 2):
            raise RuntimeError(
                f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {type(self).__name__}, but got input of "
                f"size: {list(input.shape)}"
            )
        return input.shape[ndim - n - 1]

    @staticmethod
    def _shapes(layer: Any, size: int) -> dict[str, tuple[int, ...]]:
        raise NotImplementedError


def _linear_shapes(layer: Any, size: int) -> dict[str, tuple[int, ...]]:
    return {"weight": (layer.out_features, size), "bias": (layer.out_features,)}


def _conv_shapes(layer: Any, size: int) -> dict[str, tuple[int, ...]]:
    if size % layer.groups:
        raise ValueError("in_channels must be divisible by groups")
    outer, inner = (size, layer.out_channels) if layer.transposed else (layer.out_channels, size)
    return {"weight": (outer, inner // layer.groups, *layer.kernel_size), "bias": (layer.out_channels,)}


def _norm_shapes(layer: Any, size: int) -> dict[str, tuple[int, ...]]:
    if layer.track_running_stats:
        place = {"device": layer.running_mean.device, "dtype": layer.running_mean.dtype}
        layer.running_mean, layer.running_var = zeros(size, **place), ones(size, **place)
    return {"weight": (size,), "bias": (size,)}


def _lazy(full: type[Module], size: str, n: int, shapes: Any, **defaults: Any) -> Any:
    """The lazy form of a layer: its first argument is left out; ``defaults`` are other ones than the layer's own."""
    whole = inspect.signature(full.__init__)
    parameters = [
        p.replace(default=defaults.get(name, p.default)) for name, p in whole.parameters.items() if name != size
    ]
    signature = whole.replace(parameters=parameters)

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        given = signature.bind(self, *args, **kwargs).arguments
        given.pop("self")
        full.__init__(self, **{size: 0, **defaults, **given})
        self._without_shapes(given.get("device"), given.get("dtype"))

    __init__.__signature__ = signature  # type: ignore[attr-defined]
    name = f"Lazy{full.__name__}"
    members = {
        "__init__": __init__, "__module__": __name__, "_full": full, "_size": size, "_n": n, "_shapes": staticmethod(shapes),
        "__doc__": f":class:`{full.__name__}` whose ``{size}`` is that of the first input.",
    }  # fmt: skip
    return type(name, (_Lazy, full), members)


LazyLinear = _lazy(Linear, "in_features", 0, _linear_shapes)
LazyConv1d, LazyConv2d, LazyConv3d = (
    _lazy(c, "in_channels", i + 1, _conv_shapes) for i, c in enumerate((Conv1d, Conv2d, Conv3d))
)
LazyConvTranspose1d, LazyConvTranspose2d, LazyConvTranspose3d = (
    _lazy(c, "in_channels", i + 1, _conv_shapes)
    for i, c in enumerate((ConvTranspose1d, ConvTranspose2d, ConvTranspose3d))
)
LazyBatchNorm1d, LazyBatchNorm2d, LazyBatchNorm3d = (
    _lazy(c, "num_features", i + 1, _norm_shapes) for i, c in enumerate((BatchNorm1d, BatchNorm2d, BatchNorm3d))
)
LazyInstanceNorm1d, LazyInstanceNorm2d, LazyInstanceNorm3d = (
    _lazy(c, "num_features", i + 1, _norm_shapes, affine=True, track_running_stats=True)
    for i, c in enumerate((InstanceNorm1d, InstanceNorm2d, InstanceNorm3d))
)
