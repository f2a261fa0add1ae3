"""Masked arrays of NumPy: what is masked is missing."""

from __future__ import annotations

from typing import Any

import numpy as np


def unmasked(rows: Any) -> Any:
    """Rows with NaN where a masked array hides them; anything else as it is.

    As a plain array they would show what the mask hides, as the -999 that stands for a missing value.
    """
    if not isinstance(rows, np.ma.MaskedArray):
        return rows
    if rows.dtype.kind not in "fiub" or not np.ma.is_masked(rows):
        return rows.data
    return np.ma.filled(rows.astype(float), np.nan)
