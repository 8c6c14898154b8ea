# SPDX-License-Identifier: Apache-2.0
"""Rollcall's own tables, as `rollcall db apply` makes them: versions,
functions, views, comments.
"""

import re

from .paths import REPO

FOLDER = REPO / "schemas/sql"
VERSIONS = sorted((FOLDER / "versions").glob("[0-9]*.sql"))
LATEST = len(VERSIONS)
INCLUDE = re.compile(r"^[ \t]*\\ir[ \t]+(\S+)[ \t]*$", re.M)


def whole(path):
    """A file with what it includes, as psql would run it, and as the build embeds it."""
    text = path.read_text()
    while found := INCLUDE.search(text):
        text = text[: found.start()] + whole(path.parent / found[1]) + text[found.end() :]
    return text


def recreate_sql():
    return whole(FOLDER / "recreate.sql")


def schema_sql():
    return "\n".join(
        ["begin;", *(path.read_text() for path in VERSIONS), recreate_sql(), "commit;"]
    )
