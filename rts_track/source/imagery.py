"""Whether a file is an image by its first bytes.

GDAL opens files as what they hold, whatever their name: a virtual raster that is called `.tif`
could lead to any file of this machine or address of the web. What others deliver is therefore
opened only if it is itself an image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rts_track.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

_BEGINNINGS = (
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    b"\0\0\0\x0cjP  \r\n\x87\n",
    b"\xff\x4f\xff\x51",
)
"""TIFF and BigTIFF in either byte order, JPEG 2000 as a file and as a bare codestream."""


def is_image(path: Path) -> bool:
    """Whether the file is a TIFF or JPEG 2000; OSError where it cannot be read."""
    with path.open("rb") as stream:
        return stream.read(16).startswith(_BEGINNINGS)


def check_image(path: Path) -> None:
    """InputError where the file is neither a TIFF nor JPEG 2000, or cannot be read."""
    try:
        is_one = is_image(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if not is_one:
        raise InputError(f"{path}: neither a TIFF nor JPEG 2000; fetch it again")
