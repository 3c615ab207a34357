"""What all pictures share: matplotlib is there, and a file appears whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rts_track.errors import InputError, UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150
INK = "#333333"


def require_matplotlib() -> None:
    """Nothing, or UsageError where matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UsageError("pictures need matplotlib: pip install 'rts-track[report]'") from error


def save(figure: Figure, path: Path, dpi: int = DPI) -> None:
    """Write the figure beside, then put it in its place.

    UsageError where pictures of that kind cannot be written, InputError where the file cannot.
    """
    beside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        figure.savefig(beside, dpi=dpi, facecolor="white")
        beside.replace(path)
    except ValueError as error:
        raise UsageError(f"{path}: no picture of that kind can be written; use .png") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        beside.unlink(missing_ok=True)
