"""Where a name behaves otherwise than PyTorch's, and how. ``.ci/parity_table.py`` prints it in docs/parity.md.

A key is ``torch.<name>``, ``Tensor.<name>`` or a longer path; what is said of ``torch.<name>`` holds for the method too.
"""

TIES = "which of several equal elements is found is not specified, and not the same"
RETRACED = "which of several equal elements is found is PyTorch's choice in rows of up to 4096 elements; not specified, and not the same in longer ones"
REDUCED = "accepted; everything is computed in the dtypes that the tensors have"

DIFFERENCES: dict[str, str] = {
    "torch.topk": RETRACED, "torch.kthvalue": RETRACED, "torch.mode": TIES + " (mode)",
    "torch.sort": "always stable; " + TIES + " without `stable=True`", "torch.argsort": "always stable",
    "torch.bfloat16": "a name: it can be asked for in autocast and finfo, and no tensor has it (NotImplementedError)",
    "Tensor.bfloat16": "NotImplementedError: NumPy has no bfloat16",
    "torch.autocast": REDUCED, "torch.compile": "returns the model",
    "torch.set_float32_matmul_precision": "noted, without effect",
    "torch.use_deterministic_algorithms": "noted, without effect: everything is deterministic on the CPU",
    "torch.set_flush_denormal": "returns False", "torch.set_num_threads": "concerns large elementwise work; matrix products are BLAS's",
    "torch.vmap": "a loop over the batch: the same values, not the speed",

    "torch.linalg.svd": "signs of singular vectors are LAPACK's choice", "torch.svd": "signs of singular vectors are LAPACK's choice",
    "torch.linalg.eigh": "signs of eigenvectors are LAPACK's choice",
    "torch.linalg.qr": "signs are LAPACK's choice",
    "torch.linalg.pinv": "`hermitian=True` has a symmetric gradient; tensors as tolerances carry none",
    "torch.pinverse": "as `linalg.pinv`",
    "torch.linalg.lstsq": "residuals carry no gradient, where PyTorch says they do and passes none",
    "torch.cholesky_inverse": "the gradient is zero in the triangle that is not read", "torch.cholesky_solve": "the gradient is zero in the triangle that is not read",
    "torch.save": "of tensors in plain containers, as PyTorch's `load` with `weights_only=True` reads them; a Module is refused (save its state_dict)",
    "torch.load": "never executes anything: `weights_only=False` reads no more than True",
    "torch.optim.Muon": "orthogonalises in the gradient's own dtype, PyTorch in bfloat16",
    "torch.float_power": "of -inf to a 0-d tensor of 0.5 is NaN, as of a larger tensor",
    "torch.igamma": "closer to the exact value: PyTorch differs from SciPy in the tenth digit", "torch.igammac": "as `igamma`",
    **{f"torch.special.bessel_{n}": "closer to the exact value: PyTorch's loses up to nine digits between 5 and 15" for n in ("j0", "j1", "y0", "y1")},
    "torch.nn.functional.ctc_loss": "a target that has no alignment has a gradient of zero, where PyTorch's is NaN",
    "torch.kron": "accepts layouts that PyTorch 2.13 refuses",
    "torch.logcumsumexp": "the float32 gradient is closer to float64's",
    "torch.typename": "of a module names the package's own path",
    "torch.manual_seed": "takes the low 32 bits for the stream, as PyTorch does; seed() draws 53 bits",
    "torch.nn.init.orthogonal_": "QR by NumPy's LAPACK: equal but for rounding; the stream is left in the same state",
    "torch.distributed.is_available": "False",
    "Tensor.to": "memory_format is accepted; only C order and given strides exist", "Tensor.contiguous": "memory_format is accepted",
    "Tensor.is_inference": "always False",
    "torch.is_inference": "always False",
    "torch.inference_mode": "as no_grad; tensors are not marked",
}  # fmt: skip
