# SPDX-License-Identifier: Apache-2.0
"""What people read uses the words of docs/glossary.md. Needs no server."""

import importlib.util
import re
import subprocess

import pytest
from harness.paths import REPO, program

SPEC = importlib.util.spec_from_file_location("check_words", REPO / "scripts/check_words.py")
check_words = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(check_words)

PAGE = (REPO / "docs/glossary.md").read_text()
PROGRAMS = [
    "rollcall",
    "rollcall-scheduler",
    "rollcall-worker",
    "rollcall-aggregator",
    "rollcall-broker",
]
GLOSSARY = """
## Words not used

| not used | use | still allowed in |
|---|---|---|
| bury, buried, give* up | dead letter | `never give up hope` |
| "waiting" | retrying | |
"""


def printed(*args):
    done = subprocess.run([program(args[0]), *args[1:], "--help"], capture_output=True, text=True)
    assert done.returncode == 0, args
    return done.stdout


def commands():
    body = printed("rollcall").split("Commands:\n")[1].split("\n\n")[0]
    for line in body.splitlines():
        words = line.split("  ")[1].split()
        yield [w for w in words if w.islower()]


def found(path, source, glossary=GLOSSARY):
    words = check_words.glossary(glossary)
    return [
        line
        for text in check_words.texts_of(path, source)
        for line in check_words.report(text, words)
    ]


# ---- the check can fail ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "path, source, expected",
    [
        (
            "worker/a.c",
            'int f(void)\n{\n  err_set(e, "it is bu"\n  "ried now");\n}\n',
            ("worker/a.c:3: buried",),
        ),
        ("worker/a.c", 'log_info("waiting", "a=%d", 1);', ("worker/a.c:1: waiting",)),
        ("worker/a.c", 'log_info("waiting for Kafka", "a=%d", 1);', ()),
        ("worker/a.c", 'err_set(e, "%" PRIu64 " of them\\nburied");', ("worker/a.c:1: buried",)),
        ("worker/a.c", '/* given\n * up */ f("buried");', ("worker/a.c:1: given up",)),
        ("tests/a.c", 'f("it is buried"); // buried', ("tests/a.c:1: buried",)),
        (
            "tests/a.py",
            '"""Is buried."""\nf("buried")  # give\n# up',
            ("tests/a.py:2: give up", "tests/a.py:1: buried"),
        ),
        ("docs/a.md", "# Title\n\nSome of it was\ngiven\nup.\n", ("docs/a.md:4: given up",)),
        ("docs/a.md", "The column `buried`, and\n```\nburied\n```\n\n    buried\n", ()),
        ("docs/a.md", "Never give up hope, and do not give up.", ("docs/a.md:1: give up",)),
        (
            "config/a.cfg",
            'a = 1;  # was\n# buried\nhelp = "to bury it";',
            ("config/a.cfg:3: bury", "config/a.cfg:2: buried"),
        ),
        (
            "schemas/sql/2.sql",
            "-- a row\n-- is given\n-- up\nraise exception 'it is buried';",
            ("schemas/sql/2.sql:4: buried", "schemas/sql/2.sql:2: given up"),
        ),
        ("schemas/a.avsc", '{"type": "x",\n "doc": "buried"}', ("schemas/a.avsc:2: buried",)),
        ("demo", "say \"it is buried\"  # or 'give up'\n", ("demo:1: buried", "demo:1: give up")),
    ],
)
def test_a_word_is_found_where_it_stands(path, source, expected):
    lines = found(path, source)
    assert [line.rsplit(": use ", 1)[0] for line in lines] == list(expected)
    assert all(line.endswith(": use dead letter") or "waiting" in line for line in lines)


def test_a_help_page_is_checked_as_it_is_printed():
    text = check_words.Text("rollcall tasks --help", [(1, "Usage: x\n\n  --a   have it\n  buried")])
    assert check_words.report(text, check_words.glossary(GLOSSARY)) == [
        "rollcall tasks --help:4: buried: use dead letter"
    ]


def test_the_glossary_is_read_and_uses_its_own_words():
    words = check_words.glossary(PAGE)
    assert len(words) > 50
    terms = PAGE[PAGE.index("## Terms") : PAGE.index("## Words not used")]
    names = [line.split("|")[1].strip().lower() for line in terms.splitlines() if line[:2] == "| "][
        1:
    ]
    assert names == sorted(names) and len(names) == len(set(names))


# ---- what people read -------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_uses_the_glossary(name):
    pages = [[name]] + ([[name, *words] for words in commands()] if name == "rollcall" else [])
    words = check_words.glossary(PAGE)
    lines = []
    for page in pages:
        text = check_words.Text(" ".join([*page, "--help"]), [(1, printed(*page))])
        lines += check_words.report(text, words)
    assert not lines, "\n".join(lines)


def test_messages_and_pages_use_the_glossary():
    lines = check_words.check(REPO, check_words.all_files(REPO), check_words.glossary(PAGE))
    assert not lines, "\n".join(lines)


PAGES = [*REPO.glob("*.md"), *REPO.glob("docs/*.md"), REPO / "docker/README.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(REPO)))
def test_a_page_says_for_whom_it_is_and_its_links_lead_somewhere(page):
    text = page.read_text()
    first = re.search(r"^# .+\n\n(.+)", text)[1]
    assert first.startswith("For ") or page.name == "README.md" and page.parent == REPO
    for target, anchor in re.findall(r"\]\(([^)#:]+)(?:#([\w-]+))?\)", text):
        linked = page.parent / target
        assert linked.exists(), target
        assert not anchor or anchor in headings(linked), f"{target}#{anchor}"


def headings(page):
    return [
        re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(REPO)))
def test_files_that_a_page_names_are_there(page):
    files = ["/" + name for name in check_words.all_files(REPO)]
    named = re.findall(r"`([a-z0-9_./-]+\.(?:c|h|py|pml|cmake))`", page.read_text())
    missing = [name for name in named if not any(f.endswith("/" + name) for f in files)]
    assert not missing
