"""Rollcall's own tables, as `rollcall db apply` makes them: all versions in their order."""

from .paths import REPO

VERSIONS = sorted((REPO / "schemas/sql").glob("[0-9]*.sql"))
LATEST = len(VERSIONS)


def schema_sql():
    return "\n".join(path.read_text() for path in VERSIONS)
