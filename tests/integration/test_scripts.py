# SPDX-License-Identifier: Apache-2.0
"""The scripts around the programs, on a machine where nothing was fetched before."""

import os
import re
import subprocess

from harness.paths import REPO

FAKE_MAVEN = """#!/bin/bash
printf '\\e[1mfetching\\e[m'
printf '\\e[31mwarning\\e[m' >&2
case " $* " in *" -o "*) exit 1 ;; esac   # nothing was fetched yet
[ -z "$BROKEN" ] || { echo "no network"; exit 1; }
for word in "$@"; do case $word in -DoutputDirectory=*) touch "${word#*=}/kafka.jar" ;; esac; done
printf '\\e[0m'
"""


def resolve(tmp_path, **env):
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    (folder / "mvn").write_text(FAKE_MAVEN)
    (folder / "mvn").chmod(0o755)
    return subprocess.run(
        [REPO / "tests/kafka/resolve"],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PATH": f"{folder}:{os.environ['PATH']}",
            "ROLLCALL_BUILD": str(tmp_path / "build"),
            "BROKEN": "",
            **env,
        },
    )


def test_maven_says_nothing_where_a_line_is_waited_for(tmp_path):
    done = resolve(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{tmp_path}/build/kafka/lib\n", "")
    assert (tmp_path / "build/kafka/lib/kafka.jar").exists()


def test_what_maven_says_of_its_failure_is_shown(tmp_path):
    done = resolve(tmp_path, BROKEN="yes")
    assert done.returncode == 1 and "no network" in done.stderr


def test_the_benchmark_brings_kafka_before_it_waits_for_a_broker():
    text = (REPO / "bench/run").read_text()
    assert re.search(r"^bring_kafka\b", text, re.M) and text.index("\nbring_kafka") < text.index(
        'lib/main.py" "$@"'
    )
