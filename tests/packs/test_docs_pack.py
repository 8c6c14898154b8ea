# SPDX-License-Identifier: Apache-2.0
"""The pack that docs/packs.md makes from nothing is made and run, so that the page stays true."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from composer import REPO, Pack

NOW = datetime(2026, 3, 10, 6, 0, tzinfo=UTC)


@pytest.fixture
def library(db, tmp_path):
    name, content = None, None
    for line in (REPO / "docs/packs.md").read_text().splitlines():
        if content is None:
            named = re.search(r"`library/([\w./-]+)`", line)
            name = named[1] if named else name
            content = [] if line.startswith("```") else None
        elif line.startswith("```"):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(content))
            content = None
        else:
            content.append(line)
    db.execute(
        "create table public.member (id bigint primary key, name text, email text, card text,"
        " renewed_at timestamptz)"
    )
    db.execute(
        """insert into public.member
           values (1, 'Rui', 'rui@example.com', 'valid', %s), (2, 'Eva', '', 'valid', %s),
                  (3, 'Ida', 'ida@example.com', 'valid', %s)""",
        [NOW - timedelta(days=366), NOW - timedelta(days=900), NOW - timedelta(days=10)],
    )
    return Pack(tmp_path, db)


def test_the_documented_pack_works(db, library):
    assert library.due("lapse", NOW) == [(1, ""), (2, "")]
    rows = library.run("lapse", [1, 2, 3], NOW)
    assert {u: (r["outcome"], r["before"], r["after"]) for u, r in rows.items()} == {
        u: ("applied", "valid", "lapsed") for u in (1, 2)
    }
    mails = library.send("lapse-notice", [1, 2, 3], NOW)
    assert {u: r["outcome"] for u, r in mails.items()} == {1: "send", 2: "failed", 3: "skipped"}
    assert library.templates(library.types["lapse-notice"])[1][1].startswith("Dear {{name}}")
    assert library.lookup("renew", "1", NOW)[0]["card"] == "lapsed"
    assert (
        library.run("renew", [1], NOW, arguments={"reason": "at the desk"})[1]["reason"]
        == "at the desk"
    )
    assert library.report("cards", NOW) == {"valid": 2, "lapsed": 1}
    assert library.due("lapse", NOW) == []


def test_every_file_of_the_page_is_there(library):
    named = re.findall(r'"((?:sql|templates)/[^"]+)"', (library.folder / "pack.cfg").read_text())
    assert (
        sorted(named)
        == sorted(str(p.relative_to(library.folder)) for p in library.folder.glob("*/*"))
        and len(named) == 7
    )
