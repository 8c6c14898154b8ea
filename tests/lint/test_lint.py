# SPDX-License-Identifier: Apache-2.0
"""The code is laid out and checked by tools; each exception has its reason beside it."""

import os
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ROLLCALL_BUILD", REPO / "build/check")).resolve()
BIN = REPO / ".venv/bin"
PROGRAMS = ("common", "worker", "producer", "aggregator", "broker")


def tracked(*patterns):
    said = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=REPO,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [f for f in said.splitlines() if (REPO / f).is_file()]


def first_line(path):
    with (REPO / path).open(errors="replace") as f:
        return f.readline()


def shell_files():
    plain = [f for f in tracked() if "." not in Path(f).name or f.startswith(".ci/")]
    return tracked("*.sh") + [f for f in plain if "bash" in first_line(f)]


def program_sources():
    return [f for f in tracked("*.c") if f.split("/")[0] in PROGRAMS]


def quiet(*command, **options):
    """A tool that says nothing and ends with 0."""
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, **options)
    said = (done.stdout + done.stderr).strip()
    assert done.returncode == 0, said[-8000:]


def test_c_and_python_are_laid_out():
    quiet("scripts/format", "--check")


def test_the_limits_of_contributing_are_kept():
    """Columns, lengths of functions and files, purposes of files, cycles."""
    quiet("scripts/figures", "--check", str(BUILD))


def test_python():
    quiet(BIN / "ruff", "check", "--no-cache", ".")


def test_shell():
    quiet(BIN / "shellcheck", "-x", *shell_files())


def test_cppcheck():
    quiet(
        BIN / "cppcheck",
        f"--project={BUILD / 'compile_commands.json'}",
        "-itests",  # they end at a failed allocation or a null pointer by themselves
        "--enable=warning,performance,portability",
        "--inline-suppr",
        "--suppressions-list=.cppcheck",
        "--error-exitcode=1",
        "--quiet",
        f"--cppcheck-build-dir={cache()}",
        "-j2",
    )


def cache():
    folder = BUILD / "cppcheck"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.mark.parametrize("file", program_sources())
def test_clang_tidy(file):
    """What a file needs is compiled by gcc; clang reads it once more, with other eyes."""
    quiet(BIN / "clang-tidy", "--quiet", "-p", BUILD, file)


def test_each_source_file_names_its_licence():
    quiet("scripts/spdx", "--check")
