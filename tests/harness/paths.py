# SPDX-License-Identifier: Apache-2.0
"""Where things are."""

import os
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ROLLCALL_BUILD", REPO / "build")).resolve()
PROGRAM_MAX_KIB = (
    64 * 1024 * (4 if BUILD.name == "tsan" else 1)
)  # ThreadSanitizer's own memory comes on top


def program(name):
    """A program of the build; tests that need it fail with what to do when it is missing."""
    path = BUILD / name
    if not path.exists():
        raise FileNotFoundError(f"{path}: build the project first, or set ROLLCALL_BUILD")
    return str(path)
