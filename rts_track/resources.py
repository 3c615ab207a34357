"""Where the SQL and the model bundles that travel with the package lie."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def resource_folder(name: str) -> Path:
    """The folder `schema`, `sql` or `bundles`: in the installed package, else beside it.

    Raises:
        FileNotFoundError: where it is in neither; the installation is broken.
    """
    for folder in (_PACKAGE / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"rts-track is installed without its folder {name}; install it again")
