# SPDX-License-Identifier: Apache-2.0
"""Compressed batches that open to far more than they are: a dead letter each, and the partition
continues, in flat memory.
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
from worker_service import mail_sink, make_service  # noqa: F401

MIB = 1024 * 1024
CODECS = ["zstd", "gzip", "lz4"]


def set_property(service, topic, name, value):
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    admin = AdminClient({"bootstrap.servers": service.broker.bootstrap})
    for done in admin.incremental_alter_configs(
        [ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])]
    ).values():
        done.result(20)


def dead(service):
    return {
        r[0]: r[1]
        for r in service.database.rows(
            "select src_offset, reason from rollcall.dead_letter order by 1"
        )
    }


@pytest.mark.parametrize("codec", CODECS)
def test_a_worker_continues_after_bombs(make_service, kafka, codec):
    """A batch of one message, and one of thousands, whose offsets are named; what lies before,
    between and behind is done.
    """
    service = make_service(kafka, people=30, partitions=1)
    service.send([adhoc("club.bump", n) for n in range(1, 11)])
    one = service.bomb("tasks", codec)
    service.send([adhoc("club.bump", n) for n in range(11, 21)])
    many = service.bomb("tasks", codec, messages=3000)
    service.send([adhoc("club.bump", n) for n in range(21, 31)])
    worker = service.start(lanes=["tasks"])
    service.wait(
        lambda: (
            service.database.value("select count(*) from rollcall.outcome_adhoc where outcome = 0")
            == 30
        ),
        60,
    )
    found = dead(service)
    assert set(found) == {one, many}, service.logs()
    assert (
        "the message cannot be read" in found[one]
        and f"offsets {many} to {many + 2999} cannot be read" in found[many]
    )
    assert service.database.value("select max(hits) from person") == 1
    service.wait(service.acknowledged)
    letters = service.letters()
    assert all(
        letters[(service.topic(), 0, offset)]["reason"] == reason
        and letters[(service.topic(), 0, offset)]["value"] is None
        for offset, reason in found.items()
    )
    stays_small(worker)
    service.stop_all()


@pytest.mark.parametrize("codec", CODECS)
def test_a_batch_within_the_bound_is_opened(make_service, kafka, codec):
    """Also where it does not say how much it holds, and is a thousandth of that."""
    service = make_service(kafka, people=3, partitions=1)
    at = service.bomb("tasks", codec, messages=7, size=7 * MIB)
    service.send([adhoc("club.bump", 1)])
    service.start(lanes=["tasks"])
    service.wait(lambda: service.position() == at + 8)
    found = dead(service)
    assert set(found) == set(range(at, at + 7))
    assert not [reason for reason in found.values() if "cannot be read" in reason]
    service.stop_all()


def test_a_restart_does_not_read_a_bomb_again(make_service, kafka):
    service = make_service(kafka, people=3, partitions=1)
    service.bomb("tasks", "gzip")
    first = service.start(lanes=["tasks"])
    service.wait(lambda: len(dead(service)) == 1 and service.position() == 1)
    assert service.stop(first) == 0
    second = service.start(lanes=["tasks"])
    service.send([adhoc("club.bump", 1)])
    service.wait(lambda: service.position() == 2)
    assert "cannot be read" not in second.text() and len(dead(service)) == 1
    service.stop_all()


def test_an_intake_topic_continues_after_bombs(make_service, kafka):
    """The broker refuses them, as `rollcall topics apply` asks it to. Where it is not asked, the
    worker continues after them.
    """
    service = make_service(kafka, people=30, partitions=1, more=HR, lanes='[ "intake" ]')
    topic, tasks = (
        f"{service.prefix}.intake.hr-portal",
        [adhoc("club.bump", n) for n in range(1, 21)],
    )
    put_tasks(service, tasks[:10])
    with pytest.raises(AssertionError):
        service.bomb(topic, "gzip")
    set_property(service, topic, "compression.type", "producer")
    one, many = service.bomb(topic, "gzip"), service.bomb(topic, "gzip", messages=500)
    put_tasks(service, tasks[10:])
    worker = service.start()
    service.wait(lambda: taken(service) == 521, 60)
    assert set(filed(service)) == {t.id for t in tasks}
    found = dead(service)
    assert set(found) == {one, many}
    assert (
        "the message cannot be read" in found[one]
        and f"offsets {many} to {many + 499} cannot be read" in found[many]
    )
    letters = service.wait(lambda: (lambda x: len(x) == 2 and x)(service.letters()))
    assert {k: (x["reason"], x["value"]) for k, x in letters.items()} == {
        (topic, 0, offset): (reason, None) for offset, reason in found.items()
    }
    assert f"topic={topic} partition=0 offset={many}" in worker.text() and not service.events()
    stays_small(worker)
    service.stop_all()


@pytest.mark.parametrize("messages, size", [(50, 40 * MIB), (1, 200 * MIB)])
def test_aggregator_and_tail_continue_after_bombs(make_service, kafka, messages, size):
    """The broker opens it, too, when offsets by time are requested; one message of 200 MB is
    more than it has memory for.
    """
    service = make_service(kafka, people=20, partitions=1)
    run = Run(service)
    service.send(run.plan([run.task("bump", n) for n in range(1, 11)]))
    worker = service.start(lanes=["tasks"])
    service.wait(lambda: run.progress()["done"] == 10)
    service.wait(service.acknowledged)
    at = service.bomb("results", "zstd", messages, size)
    said = (
        f"offsets {at} to {at + messages - 1} cannot be read"
        if messages > 1
        else "the message cannot be read"
    )
    service.send([adhoc("club.bump", n) for n in range(11, 21)])
    aggregator = Process(
        [program("rollcall-aggregator"), "-c", service.config], service.folder / "aggregator.log"
    )
    try:
        aggregator.wait_until(
            lambda: service.database.value("select sum(count) from rollcall.day_total") == 20, 60
        )
        assert said in service.database.value("select reason from rollcall.dead_letter")
        stays_small(aggregator)
        assert aggregator.stop() == 0
    finally:
        aggregator.kill()
    done = subprocess.run(
        [program("rollcall"), "-c", str(service.config), "results", "tail", "--from", "beginning"],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 20, done.stderr
    assert said in done.stderr
    assert service.stop(worker) == 0
