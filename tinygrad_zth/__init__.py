"""tinygrad_zth: PyTorch's API on NumPy. ``import tinygrad_zth as torch``.

The import itself costs next to nothing: NumPy and the rooms of the package are loaded, all of them,
when something of it is first used, a name (``torch.tensor``) or a submodule (``import tinygrad_zth.nn``).
See ``loading.py`` for how; what there is to use stands in ``api.py``.
"""

from .loading import load_when_used as _load_when_used
from .version import __version__ as __version__

_load_when_used(__name__)
