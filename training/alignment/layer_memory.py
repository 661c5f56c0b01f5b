"""How many bytes a layer of the model takes while tokens pass it, with or without a way back."""

from __future__ import annotations

from training.alignment.config import AlignmentConfig
from training.alignment.model_shape import ModelShape
from training.alignment.precision import Precision


def layer_bytes(shape: ModelShape, precision: Precision) -> int:
    """Return what one token leaves in one layer for the way back, and what is in use there at once."""
    width, wide = precision.computed, precision.passed_on
    norms = 2 * shape.hidden * (8 + width)
    attention = (4 * shape.queries + 4 * shape.keys) * width + 8 * (shape.queries + shape.keys)
    repeated = 2 * shape.queries * width  # keys and values, once for each head
    feed_forward = 6 * shape.feed_forward * width  # gate, up, activated, product, and two gradients
    experts = 3 * shape.experts_per_token * shape.hidden * width
    return norms + attention + repeated + feed_forward + experts + 4 * shape.hidden * wide


def passing_bytes(shape: ModelShape, precision: Precision) -> int:
    """Return what one token takes in the layer that it is passing, without a way back."""
    computed = 3 * shape.feed_forward + 2 * shape.queries + 3 * shape.experts_per_token * shape.hidden
    return computed * precision.computed + 2 * shape.hidden * precision.passed_on


def mask_bytes(config: AlignmentConfig, tokens: int, precision: Precision) -> int:
    """Return the attention mask of one sequence."""
    return 0 if str(config.model.attention).startswith("flash") else tokens**2 * (1 + precision.computed)
