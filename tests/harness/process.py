# SPDX-License-Identifier: Apache-2.0
"""Child processes that never outlive the tests: stopped by their owner, and by the kernel when
pytest itself is killed.
"""

import os
import re
import signal
import subprocess
import time
from pathlib import Path


class Process:
    """A child in a session of its own (a Ctrl-C reaches pytest only, whose fixtures then stop
    it); its output goes to `log`.
    """

    def __init__(self, argv, log, env=None, user=None, death_signal="TERM", cwd=None):
        self.argv = [str(a) for a in argv]
        self.log = Path(log)
        wrapper = ["setpriv", "--pdeathsig", death_signal]
        if user:
            wrapper += ["--reuid", user, "--regid", user, "--init-groups"]
        with open(self.log, "ab") as out:
            self.child = subprocess.Popen(
                wrapper + ["--"] + self.argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, **(env or {})},
                start_new_session=True,
                cwd=cwd,
            )

    @property
    def pid(self):
        return self.child.pid

    def running(self):
        return self.child.poll() is None

    def text(self):
        return self.log.read_text(errors="replace")

    def wait_until(self, ready, timeout=90, what="be ready"):
        """Calls `ready` until it returns something true, which is returned."""
        end = time.monotonic() + timeout
        while True:
            result = ready()
            if result:
                return result
            if not self.running():
                raise RuntimeError(
                    f"{self.argv[0]} ended with {self.child.returncode}:\n{self.text()[-3000:]}"
                )
            if time.monotonic() > end:
                raise TimeoutError(
                    f"{self.argv[0]} did not {what} in {timeout} s:\n{self.text()[-3000:]}"
                )
            time.sleep(0.02)

    def wait_for_line(self, prefix, timeout=90):
        """The rest of the first output line that starts with `prefix`, without colour codes."""

        def find():
            lines = [
                line[len(prefix) :]
                for line in re.sub(r"\x1b\[[0-9;]*m", "", self.text()).splitlines()
                if line.startswith(prefix)
            ]
            return (lines[0],) if lines else None

        return self.wait_until(find, timeout, f"print {prefix!r}")[0]

    def send_signal(self, number):
        if self.running():
            self.child.send_signal(number)

    def wait(self, timeout=30):
        return self.child.wait(timeout)

    def stop(self, number=signal.SIGTERM, timeout=20):
        """The exit status. A child that does not obey is killed with all that it has started."""
        self.send_signal(number)
        try:
            return self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self):
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return self.child.wait(10)


def free_port():
    """A loopback port that is free now, below those that the kernel gives to clients."""
    import random
    import socket

    while True:
        port = random.randrange(10000, 20000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
