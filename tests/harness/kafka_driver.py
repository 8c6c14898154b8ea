# SPDX-License-Identifier: Apache-2.0
"""The adapter's driver, tests/integration/kafka_driver.c, as objects."""

import subprocess
from collections import namedtuple

from .paths import program

Message = namedtuple("Message", "topic partition offset key value")
DRIVER = "tests/unit/kafka_driver"


def run(broker, *command, options=(), text=None):
    """One command of the driver: its answer as a list of lists of fields."""
    argv = [program(DRIVER), *broker.options, *options, *map(str, command)]
    done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, 1), f"{argv}: {done.returncode}\n{done.stderr}"
    return [line.split("\t") for line in done.stdout.splitlines()]


def produce(broker, topic, pairs, options=()):
    """Pairs of key and value. Returns (partition, offset) of each, in order."""
    answer = run(
        broker, "produce", topic, text="".join(f"{k}\t{v}\n" for k, v in pairs), options=options
    )
    errors = [a for a in answer if a[0] != "delivered"]
    assert not errors, errors[:3]
    places = {int(a[1]): (int(a[3]), int(a[4])) for a in answer}
    return [places[i] for i in range(len(pairs))]


class Consumer:
    """A process with one consumer. `positions` is the folder that stands for the database;
    events collect in the lists.
    """

    def __init__(self, broker, group, *topics, positions=None, session_ms=0, options=()):
        argv = [program(DRIVER), *broker.options, *options, "-s", str(session_ms)]
        if positions:
            argv += ["-p", str(positions)]
        self.child = subprocess.Popen(
            argv + ["consume", group, *topics],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        self.messages, self.assigned, self.revoked, self.errors = [], [], [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()

    def answer(self):
        """The fields of each line up to the dot; what they tell is kept."""
        lines = []
        for line in self.child.stdout:
            line = line.rstrip("\n")
            if line == ".":
                return lines
            lines.append(line.split("\t"))
            self._keep(lines[-1])
        raise RuntimeError(f"the driver ended with {self.child.wait()}: {lines[-3:]}")

    def _keep(self, fields):
        kind, rest = fields[0], fields[1:]
        if kind == "message":
            self.messages.append(Message(rest[0], int(rest[1]), int(rest[2]), rest[3], rest[4]))
        elif kind == "assigned":
            self.assigned.append((rest[0], int(rest[1]), int(rest[2])))
        elif kind == "revoked":
            self.revoked.append((rest[0], int(rest[1]), rest[2]))
        elif kind == "error":
            self.errors.append(rest)

    def ask(self, line):
        self.send(line)
        return self.answer()

    def drain(self, count, seconds=60):
        """Polls until `count` more messages are there, an error comes, or the time is over;
        returns the new ones.
        """
        before = len(self.messages)
        self.ask(f"drain {count} {int(seconds * 1000)}")
        return self.messages[before:]

    def join(self, seconds=60):
        """Polls until partitions are assigned; takes no message."""
        had = len(self.assigned)
        for _ in range(int(seconds * 10)):
            self.ask("poll 100 0")
            if len(self.assigned) > had:
                return self.assigned[had:]
        raise TimeoutError("no partitions were assigned")

    def close(self):
        """Leaves the group."""
        if self.child.poll() is None:
            try:
                self.send("quit")
            except BrokenPipeError:
                pass
            for line in self.child.stdout:
                self._keep(line.rstrip("\n").split("\t"))
        self.child.stdin.close()
        self.child.stdout.close()
        assert self.child.wait(30) == 0

    def kill(self):
        self.child.kill()
        self.child.wait(10)
