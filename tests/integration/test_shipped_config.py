# SPDX-License-Identifier: Apache-2.0
"""config/rollcall.cfg, which is installed, says what the program's own table of properties says."""

import re
import subprocess

import pytest
from harness.paths import REPO, program

TEXT = (REPO / "config/rollcall.cfg").read_text()
GROUP = re.compile(r"(?:# ?)?(\w+) = \{")
SET = re.compile(r"\s*(\w+) = (.*?)(?:;\s*(?:#\s*(.*))?)?$")
COMMENTED = re.compile(r"\s*#\s+(\w+) = ([^;]*);\s*(?:#\s*(.*))?$")
WITHOUT_DEFAULT = {"alert.to", "alert.webhook_file", "kafka.embedded", "kafka.secret_files"} | {
    "security.act_for_others",  # these show an example
    "mail.tls",  # depends on whether there is a user name
}


def reference():
    """Property → default, as the program has them."""
    done = subprocess.run(
        [program("rollcall"), "config", "reference"], capture_output=True, text=True, check=True
    )
    rows = [line.split("|") for line in done.stdout.splitlines() if line.startswith("| `")]
    return {row[1].strip(" `"): row[3].strip(" `") for row in rows if "." in row[1]}


def shipped():
    """Property → (is set, value, comment) of each key in the shipped file."""
    found, group = {}, None
    for line in TEXT.splitlines():
        if opened := GROUP.match(line):
            group = opened[1]
        elif re.match(r"(# ?)?\};", line):
            group = None
        elif group and (entry := COMMENTED.match(line)):
            found[f"{group}.{entry[1]}"] = (False, entry[2], entry[3] or "")
        elif group and (entry := SET.match(line)):
            found[f"{group}.{entry[1]}"] = (True, entry[2], entry[3] or "")
    return found


def plain(value):
    return value.strip('"')


def test_the_shipped_file_has_every_property_and_no_other():
    assert set(shipped()) == set(reference())


@pytest.mark.parametrize("name", sorted(reference()))
def test_a_property_that_the_shipped_file_leaves_out_is_shown_with_its_default(name):
    default = reference()[name]
    is_set, value, comment = shipped()[name]
    if name.startswith("schemas.") or name in WITHOUT_DEFAULT:
        assert not plain(default)
    elif is_set:
        assert not plain(default) or comment.startswith(plain(default))
    elif default == "all":
        assert comment.startswith("all")
    else:
        assert plain(value) == plain(default)


def test_commands_that_the_shipped_file_names_exist():
    commands = re.findall(r"`(rollcall [a-z][a-z -]*?)(?: --\w[^`]*| [A-Z][^`]*)?`", TEXT)
    assert "rollcall config reference" in commands
    for command in commands:
        words = command.split()[1:]
        done = subprocess.run(
            [program("rollcall"), *words, "--help"], capture_output=True, text=True
        )
        assert done.returncode == 0, (command, done.stderr)


def test_the_shipped_file_is_valid_but_for_what_the_machine_lacks(tmp_path):
    """Its secrets and packs are elsewhere; with them it loads."""
    copy = TEXT
    for path in set(re.findall(r'"(/etc/rollcall/[\w-]+)"', TEXT)):
        here = tmp_path / path.rsplit("/", 1)[1]
        here.write_text("secret\n")
        here.chmod(0o600)
        copy = copy.replace(path, str(here))
    (tmp_path / "packs").symlink_to(REPO / "config/packs")
    (tmp_path / "rollcall.cfg").write_text(copy)
    done = subprocess.run(
        [program("rollcall-worker"), "--check-config", "--config", tmp_path / "rollcall.cfg"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
