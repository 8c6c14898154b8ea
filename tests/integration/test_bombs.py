# SPDX-License-Identifier: Apache-2.0
"""Compressed batches that open to far more than they are: a dead letter each, and the partition
goes on, in flat memory.
"""

import subprocess

import pytest
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from harness.paths import program
from harness.process import Process
from test_bounds import stays_small
from test_intake import HR, filed, put_tasks, taken
from worker_pack import Run, adhoc
from worker_service import rig, sink  # noqa: F401

MIB = 1024 * 1024
CODECS = ["zstd", "gzip", "lz4"]


def set_property(rig, topic, name, value):
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    admin = AdminClient({"bootstrap.servers": rig.broker.bootstrap})
    for done in admin.incremental_alter_configs(
        [ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])]
    ).values():
        done.result(20)


def dead(rig):
    return {
        r[0]: r[1]
        for r in rig.database.rows("select src_offset, reason from rollcall.dead_letter order by 1")
    }


@pytest.mark.parametrize("codec", CODECS)
def test_a_worker_goes_on_behind_bombs(rig, kafka, codec):
    """A batch of one message, and one of thousands, whose offsets are named; what lies before,
    between and behind is done.
    """
    rig = rig(kafka, people=30, partitions=1)
    rig.send([adhoc("club.bump", n) for n in range(1, 11)])
    one = rig.bomb("tasks", codec)
    rig.send([adhoc("club.bump", n) for n in range(11, 21)])
    many = rig.bomb("tasks", codec, messages=3000)
    rig.send([adhoc("club.bump", n) for n in range(21, 31)])
    worker = rig.start(lanes=["tasks"])
    rig.wait(
        lambda: (
            rig.database.value("select count(*) from rollcall.outcome_adhoc where outcome = 0")
            == 30
        ),
        60,
    )
    found = dead(rig)
    assert set(found) == {one, many}, rig.logs()
    assert (
        "the message cannot be read" in found[one]
        and f"offsets {many} to {many + 2999} cannot be read" in found[many]
    )
    assert rig.database.value("select max(hits) from person") == 1
    rig.wait(rig.acknowledged)
    letters = rig.letters()
    assert all(
        letters[(rig.topic(), 0, offset)]["reason"] == reason
        and letters[(rig.topic(), 0, offset)]["value"] is None
        for offset, reason in found.items()
    )
    stays_small(worker)
    rig.stop_all()


@pytest.mark.parametrize("codec", CODECS)
def test_a_batch_within_the_bound_is_opened(rig, kafka, codec):
    """Also where it does not say how much it holds, and is a thousandth of that."""
    rig = rig(kafka, people=3, partitions=1)
    at = rig.bomb("tasks", codec, messages=7, size=7 * MIB)
    rig.send([adhoc("club.bump", 1)])
    rig.start(lanes=["tasks"])
    rig.wait(lambda: rig.position() == at + 8)
    found = dead(rig)
    assert set(found) == set(range(at, at + 7))
    assert not [reason for reason in found.values() if "cannot be read" in reason]
    rig.stop_all()


def test_a_restart_does_not_read_a_bomb_again(rig, kafka):
    rig = rig(kafka, people=3, partitions=1)
    rig.bomb("tasks", "gzip")
    first = rig.start(lanes=["tasks"])
    rig.wait(lambda: len(dead(rig)) == 1 and rig.position() == 1)
    assert rig.stop(first) == 0
    second = rig.start(lanes=["tasks"])
    rig.send([adhoc("club.bump", 1)])
    rig.wait(lambda: rig.position() == 2)
    assert "cannot be read" not in second.text() and len(dead(rig)) == 1
    rig.stop_all()


def test_an_intake_topic_goes_on_behind_bombs(rig, kafka):
    """The broker refuses them, as `rollcall topics apply` asks it to. Where it is not asked, the
    worker goes on behind them.
    """
    rig = rig(kafka, people=30, partitions=1, more=HR, lanes='[ "intake" ]')
    topic, tasks = f"{rig.prefix}.intake.hr-portal", [adhoc("club.bump", n) for n in range(1, 21)]
    put_tasks(rig, tasks[:10])
    with pytest.raises(AssertionError):
        rig.bomb(topic, "gzip")
    set_property(rig, topic, "compression.type", "producer")
    one, many = rig.bomb(topic, "gzip"), rig.bomb(topic, "gzip", messages=500)
    put_tasks(rig, tasks[10:])
    worker = rig.start()
    rig.wait(lambda: taken(rig) == 521, 60)
    assert set(filed(rig)) == {t.id for t in tasks}
    found = dead(rig)
    assert set(found) == {one, many}
    assert (
        "the message cannot be read" in found[one]
        and f"offsets {many} to {many + 499} cannot be read" in found[many]
    )
    letters = rig.wait(lambda: (lambda x: len(x) == 2 and x)(rig.letters()))
    assert {k: (x["reason"], x["value"]) for k, x in letters.items()} == {
        (topic, 0, offset): (reason, None) for offset, reason in found.items()
    }
    assert f"topic={topic} partition=0 offset={many}" in worker.text() and not rig.events()
    stays_small(worker)
    rig.stop_all()


@pytest.mark.parametrize("messages, size", [(50, 40 * MIB), (1, 200 * MIB)])
def test_aggregator_and_tail_go_on_behind_bombs(rig, kafka, messages, size):
    """The broker opens it, too, when it is asked for times; one message of 200 MB is more than
    it has memory for.
    """
    rig = rig(kafka, people=20, partitions=1)
    run = Run(rig)
    rig.send(run.plan([run.task("bump", n) for n in range(1, 11)]))
    worker = rig.start(lanes=["tasks"])
    rig.wait(lambda: run.progress()["done"] == 10)
    rig.wait(rig.acknowledged)
    at = rig.bomb("results", "zstd", messages, size)
    said = (
        f"offsets {at} to {at + messages - 1} cannot be read"
        if messages > 1
        else "the message cannot be read"
    )
    rig.send([adhoc("club.bump", n) for n in range(11, 21)])
    aggregator = Process(
        [program("rollcall-aggregator"), "-c", rig.config], rig.folder / "aggregator.log"
    )
    try:
        aggregator.wait_until(
            lambda: rig.database.value("select sum(count) from rollcall.day_total") == 20, 60
        )
        assert said in rig.database.value("select reason from rollcall.dead_letter")
        stays_small(aggregator)
        assert aggregator.stop() == 0
    finally:
        aggregator.kill()
    done = subprocess.run(
        [program("rollcall"), "-c", str(rig.config), "results", "tail", "--from", "beginning"],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 20, done.stderr
    assert said in done.stderr
    assert rig.stop(worker) == 0
