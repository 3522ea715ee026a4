"""``torch.nn.functional``: the functions behind the layers."""

from __future__ import annotations

from .activations import *  # noqa: F403
from .affine import *  # noqa: F403
from .attention import *  # noqa: F403
from .conv import *  # noqa: F403
from .ctc import *  # noqa: F403
from .distance import *  # noqa: F403
from .dropout import *  # noqa: F403
from .fractional import *  # noqa: F403
from .grid import *  # noqa: F403
from .linear_loss import *  # noqa: F403
from .loss import *  # noqa: F403
from .margins import *  # noqa: F403
from .multihead import *  # noqa: F403
from .normalization import *  # noqa: F403
from .padding import *  # noqa: F403
from .pooling import *  # noqa: F403
from .resize import *  # noqa: F403
from .shuffle import *  # noqa: F403
