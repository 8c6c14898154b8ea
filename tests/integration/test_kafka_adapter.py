# SPDX-License-Identifier: Apache-2.0
"""common/kafka against a real Kafka and against the embedded broker, through its driver."""

import collections
import subprocess
import time

import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient
from harness import kafka_driver
from harness.kafka_driver import Consumer, produce


@pytest.fixture
def positions(tmp_path):
    folder = tmp_path / "positions"
    folder.mkdir()
    return folder


def apply(broker, topic, partitions, command="apply"):
    return kafka_driver.run(broker, command, topic, partitions)[0]


def pairs(n, first=0):
    return [(f"key-{i % 997}", f"value-{i}") for i in range(first, first + n)]


def by_partition(messages):
    found = collections.defaultdict(list)
    for m in messages:
        found[m.topic, m.partition].append(m)
    return found


def assert_complete(messages, sent, places):
    """Every message once, at its place, in offset order within its partition."""
    for group in by_partition(messages).values():
        assert [m.offset for m in group] == sorted(m.offset for m in group)
    assert {(m.partition, m.offset): (m.key, m.value) for m in messages} == dict(zip(places, sent))
    assert len(messages) == len(sent)


def test_all_messages_in_order(broker, unique, positions):
    topic, sent = unique("topic"), pairs(20000)
    assert apply(broker, topic, 4) == ["created"]
    places = produce(broker, topic, sent)
    with Consumer(broker, unique("group"), topic, positions=positions) as c:
        assert_complete(c.drain(len(sent)), sent, places)
        assert sorted(c.assigned) == [(topic, p, 0) for p in range(4)]
    assert sorted(c.revoked) == [(topic, p, "given") for p in range(4)]
    assert c.errors == []


def test_null_key_and_value(broker, unique):
    topic = unique("topic")
    apply(broker, topic, 1)
    assert [
        a[0] for a in kafka_driver.run(broker, "produce", topic, text="\tno key\nno value\n")
    ] == ["delivered"] * 2
    client = confluent_kafka.Consumer(
        {"bootstrap.servers": broker.bootstrap, "group.id": unique("group")}
    )
    client.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    found = [m for m in client.consume(2, 20) if not m.error()]
    client.close()
    assert [(m.key(), m.value()) for m in found] == [(None, b"no key"), (b"no value", None)]
    assert found[0].headers() == [("ce_id", b"1"), ("ce_type", b"test")]


def test_partitions_as_other_clients_choose_them(kafka, unique):
    topic = unique("topic")
    kafka.create(topic, 12)
    ours = [p for p, _ in produce(kafka, topic, pairs(1000))]
    theirs = {}
    client = confluent_kafka.Producer(
        {"bootstrap.servers": kafka.bootstrap, "partitioner": "murmur2_random"}
    )
    for key, value in pairs(1000):
        client.produce(
            topic,
            value,
            key,
            on_delivery=lambda error, m: theirs.__setitem__(m.value().decode(), m.partition()),
        )
    client.flush(30)
    assert ours == [theirs[value] for _, value in pairs(1000)]
    assert len(set(ours)) == 12


def test_start_offsets_are_asked_and_honoured(broker, unique, positions):
    topic, sent = unique("topic"), pairs(3000)
    apply(broker, topic, 3)
    places = produce(broker, topic, sent)
    starts = {0: 10, 1: 0, 2: 555}
    for partition, offset in starts.items():
        (positions / f"{topic}-{partition}").write_text(f"{offset}\n")
    expected = [(place, pair) for place, pair in zip(places, sent) if place[1] >= starts[place[0]]]
    with Consumer(broker, unique("group"), topic, positions=positions) as c:
        assert_complete(
            c.drain(len(expected)), [pair for _, pair in expected], [place for place, _ in expected]
        )
        assert c.drain(1, seconds=0.5) == []
        assert sorted(c.assigned) == [(topic, p, o) for p, o in starts.items()]


def test_offsets_committed_to_the_group_do_not_decide(broker, unique, positions):
    topic, group, sent = unique("topic"), unique("group"), pairs(100)
    apply(broker, topic, 1)
    produce(broker, topic, sent)
    with Consumer(broker, group, topic, positions=positions) as c:
        assert len(c.drain(100)) == 100
    (positions / f"{topic}-0").write_text("40\n")
    with Consumer(broker, group, topic, positions=positions) as c:
        assert [m.offset for m in c.drain(60)] == list(range(40, 100))


def test_second_consumer_takes_over(broker, unique, positions):
    topic, group, first = unique("topic"), unique("group"), pairs(4000)
    apply(broker, topic, 4)
    places = produce(broker, topic, first)
    with Consumer(broker, group, topic, positions=positions, session_ms=6000) as a:
        a.drain(1000)
        with Consumer(broker, group, topic, positions=positions, session_ms=6000) as b:
            end = time.monotonic() + 60
            while not b.assigned and time.monotonic() < end:
                a.ask("drain 100 100")
                b.ask("poll 100 100")
            second = pairs(4000, 4000)
            places += produce(broker, topic, second)
            while len(a.messages) + len(b.messages) < 8000 and time.monotonic() < end:
                a.ask("drain 1000 50")
                b.ask("drain 1000 50")
            assert {p for _, p, _ in b.assigned} < set(range(4)), "each has a share"
            assert len(b.messages) > 0
        places += produce(broker, topic, pairs(1000, 8000))
        a.drain(9000 - len(a.messages) - len(b.messages), seconds=60)
        everything = sorted(
            (m.partition, m.offset, m.key, m.value) for m in a.messages + b.messages
        )
        expected = sorted(
            (*place, *pair) for place, pair in zip(places, first + second + pairs(1000, 8000))
        )
        assert everything == expected, "nothing lost, nothing twice: each start was asked for"


def test_a_killed_consumer_is_replaced(kafka, unique, positions):
    topic, group, sent = unique("topic"), unique("group"), pairs(2000)
    kafka.create(topic, 2)
    places = produce(kafka, topic, sent)
    a = Consumer(kafka, group, topic, positions=positions, session_ms=1500)
    a.drain(500)
    a.kill()
    with Consumer(kafka, group, topic, positions=positions, session_ms=1500) as b:
        b.drain(2000 - len(a.messages))
        found = sorted((m.partition, m.offset, m.key, m.value) for m in a.messages + b.messages)
        assert found == sorted((*place, *pair) for place, pair in zip(places, sent))


def test_refused_partitions_are_offered_again(broker, unique):
    topic = unique("topic")
    apply(broker, topic, 2)
    produce(broker, topic, pairs(10))
    with Consumer(broker, unique("group"), topic) as c:
        c.ask("refuse 1")
        end = time.monotonic() + 60
        while not c.errors and time.monotonic() < end:
            c.ask("poll 100 10")
        assert c.errors[0][0] == "retry" and "the database is unavailable" in c.errors[0][2]
        start = time.monotonic()
        while len(c.errors) < 4:
            assert c.drain(1, seconds=1) == []
        assert time.monotonic() - start > 1.5, (
            "a second between offers"
        )  # three of them; the first may be over when we look
        assert c.assigned == []
        c.ask("refuse 0")
        assert len(c.drain(10)) == 10


def test_out_of_range_start_names_the_numbers(kafka, unique, positions):
    topic = unique("topic")
    kafka.create(topic, 1)
    produce(kafka, topic, pairs(100))
    kafka.delete_records(topic, 0, 60)
    for start in (20, 5000):
        (positions / f"{topic}-0").write_text(f"{start}\n")
        with Consumer(kafka, unique("group"), topic, positions=positions) as c:
            assert c.drain(1) == [], "never a silent jump"
            severity, code, text = c.errors[0]
            assert (severity, code) == ("fatal", "OFFSET_OUT_OF_RANGE")
            for part in (f"{topic} [0]", f"offset {start} ", "60 up to 100"):
                assert part in text


@pytest.mark.parametrize(
    "step", [0, 1, -1], ids=["at once", "one after the other", "clocks that go back"]
)
@pytest.mark.parametrize("gone", [0, 12], ids=["", "deleted"])
def test_a_re_created_topic_is_distinguished_from_one_that_grew(kafka, unique, step, gone):
    """It grows, and loses its beginning: it stays the same. Re-created it is another one, however
    long it is.
    """
    topic, now = unique("topic"), int(time.time() * 1000) - 100000
    producer = confluent_kafka.Producer({"bootstrap.servers": kafka.bootstrap})

    def fill(start, n):
        for partition in (0, 1):
            for i in range(n):
                producer.produce(
                    topic, f"value-{start}-{i}", partition=partition, timestamp=start + i * step
                )
        assert producer.flush(30) == 0

    kafka.create(topic, 2)
    fill(now, 20)
    with Consumer(kafka, unique("group"), topic) as c:
        assert c.ask("compare") == []
        c.join()
        while len(by_partition(c.messages)) < 2:
            c.ask("poll 1000 7")
        assert c.ask("compare") == []
        fill(now + 1000, 20)
        if gone:
            for partition in (0, 1):
                kafka.delete_records(topic, partition, gone)
        assert c.ask("compare") == []
        c.drain(80 - len(c.messages))
        time.sleep(1.1)  # the probed message is kept for a second
        assert c.ask("compare") == []  # by a newer one from now on
        assert c.ask("compare") == []
        kafka.recreate(topic, 2)
        fill(now + 50000, 100)
        assert sorted(c.ask("compare")) == [["other", topic, "0"], ["other", topic, "1"]]
        assert c.ask("compare") == []  # reported once
    assert c.errors == []


def test_out_of_range_on_the_embedded_broker(embedded, unique, positions):
    """Its 5 MiB for a partition are over: what was dropped is reported, not skipped."""
    topic = unique("topic")
    apply(embedded, topic, 1)
    assert kafka_driver.run(embedded, "produce-rate", topic, 80000, 100, 0)[0][0] == "produced"
    with Consumer(embedded, unique("group"), topic, positions=positions) as c:
        assert c.drain(1) == []
        assert c.errors[0][1] == "OFFSET_OUT_OF_RANGE"


def test_seek_pause_and_resume(broker, unique):
    topic = unique("topic")
    apply(broker, topic, 1)
    produce(broker, topic, pairs(5000))
    with Consumer(broker, unique("group"), topic) as c:
        c.drain(100)
        c.ask(f"seek {topic} 0 10")
        assert [m.offset for m in c.drain(100)] == list(range(10, 110))
        c.ask(f"pause {topic} 0 1")
        assert c.drain(1, seconds=1) == []
        c.ask(f"pause {topic} 0 0")
        assert [m.offset for m in c.drain(100)] == list(range(110, 210))
        c.ask(f"pause {topic} 0 1")
        c.ask(f"seek {topic} 0 4000")
        c.ask(f"pause {topic} 0 0")
        assert [m.offset for m in c.drain(1000)] == list(range(4000, 5000))
        assert c.ask(f"watermarks {topic} 0") == [["watermarks", "0", "5000"]]
        assert c.ask(f"seek {topic} 7 0")[0][1] == "retry", "not ours"


def test_slow_consumer_is_not_held_up(kafka, unique):
    """librdkafka 2.0.2 fetches nothing for a second once its queue was full; the adapter
    prevents it.
    """
    topic = unique("topic")
    kafka.create(topic, 3)
    kafka_driver.run(kafka, "produce-rate", topic, 100000, 100, 0)
    with Consumer(kafka, unique("group"), topic) as c:
        kind, got, ms = c.ask("slow 100000 30000")[-1]
        assert int(got) >= 100000
        assert int(ms) < 3000


def test_polls_that_take_nothing_keep_the_place(broker, unique):
    topic = unique("topic")
    apply(broker, topic, 1)
    produce(broker, topic, pairs(1000))
    with Consumer(broker, unique("group"), topic) as c:
        c.join()
        c.drain(100)
        for _ in range(8):  # well beyond the grace after which the partitions are paused
            c.ask("poll 100 0")
        assert [m.offset for m in c.drain(900)] == list(range(100, 1000))


def test_rebalances_are_served_by_polls_that_take_nothing(kafka, unique, positions):
    topic, group = unique("topic"), unique("group")
    kafka.create(topic, 2)
    produce(kafka, topic, pairs(1000))
    with Consumer(kafka, group, topic, positions=positions) as a:
        a.drain(10)
        with Consumer(kafka, group, topic, positions=positions) as b:
            end = time.monotonic() + 60
            while not b.assigned and time.monotonic() < end:
                a.ask("poll 50 0")
                b.ask("poll 50 100")
            assert len({p for _, p, _ in b.assigned}) == 1


def test_consumers_continue_after_the_broker_restarts(kafka, unique, positions):
    topic = unique("topic")
    kafka.create(topic, 3)
    places = produce(kafka, topic, pairs(500))
    with Consumer(kafka, unique("group"), topic, positions=positions) as c:
        assert len(c.drain(500)) == 500
        kafka.stop()
        errors = []
        end = time.monotonic() + 60
        while not errors and time.monotonic() < end:
            errors = [a for a in c.ask("poll 200 100") if a[0] == "error"]
        assert errors[0][1] == "retry", "said once, to be tried again"
        kafka.start()
        places += produce(kafka, topic, pairs(500, 500))
        end = time.monotonic() + 60
        while len(c.messages) < 1000 and time.monotonic() < end:
            c.drain(1000 - len(c.messages), seconds=1)
        assert_complete(c.messages, pairs(1000), places)


def test_producer_survives_a_restart(kafka, unique):
    topic = unique("topic")
    kafka.create(topic, 1)
    argv = [kafka_driver.program(kafka_driver.DRIVER), *kafka.options, "produce", topic]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        child.stdin.write("".join(f"{k}\t{v}\n" for k, v in pairs(100)))
        child.stdin.flush()
        time.sleep(0.5)
        kafka.restart(crash=True)
        child.stdin.write("".join(f"{k}\t{v}\n" for k, v in pairs(100, 100)))
        child.stdin.close()
        answer = [line.split("\t") for line in child.stdout.read().splitlines()]
    assert [a[0] for a in answer] == ["delivered"] * 200
    assert [int(a[4]) for a in sorted(answer, key=lambda a: int(a[1]))] == list(range(200))


def test_another_embedded_broker_is_not_mistaken(embedded, unique):
    topic = unique("topic")
    apply(embedded, topic, 1)
    produce(embedded, topic, pairs(10))
    before = embedded.cluster
    with Consumer(embedded, unique("group"), topic) as c:
        c.drain(10)
        assert c.ask("cluster") == [["cluster", before]]
        embedded.restart()
        assert embedded.cluster != before
        end = time.monotonic() + 60
        while not c.errors and time.monotonic() < end:
            c.ask("poll 200 100")
        assert c.errors[0][0] == "fatal" and "restarted" in c.errors[0][2]


def test_embedded_broker_not_running(tmp_path):
    missing = type("Missing", (), {"options": ["-e", str(tmp_path / "nothing")]})
    answer = kafka_driver.run(missing, "show", "t")
    assert answer[0][1] == "retry"
    assert (
        answer[0][3] == f"embedded broker is not running: there is no file {tmp_path / 'nothing'}"
    )


def test_topic_apply(broker, unique):
    topic = unique("topic")
    assert apply(broker, topic, 3, "apply-dry-run") == ["created"]
    assert kafka_driver.run(broker, "apply-dry-run", topic, 3)[0] == ["created"], (
        "a dry run makes nothing"
    )
    assert apply(broker, topic, 3) == ["created"]
    assert apply(broker, topic, 3) == ["same"]
    assert apply(broker, topic, 2) == ["larger"]
    assert kafka_driver.run(broker, "show", topic)[1] == ["partitions", "3"]


def test_topic_grows(kafka, embedded, unique):
    topic = unique("topic")
    apply(kafka, topic, 1)
    assert apply(kafka, topic, 5, "apply-dry-run") == ["grown"]
    assert apply(kafka, topic, 5) == ["grown"]
    assert kafka_driver.run(kafka, "show", topic)[1] == ["partitions", "5"]
    apply(embedded, topic, 1)
    assert apply(embedded, topic, 5)[1] == "fatal"


def test_topics_that_appear_by_use_have_the_default_partitions(embedded, unique):
    topic = unique("topic")
    produce(embedded, topic, pairs(10))
    assert kafka_driver.run(embedded, "show", topic) == [
        ["cluster", embedded.cluster],
        ["partitions", str(embedded.partitions)],
    ]


def test_missing_topic_and_reserved_properties(kafka, unique):
    assert kafka_driver.run(kafka, "show", unique("nothing"))[1][1:3] == [
        "retry",
        "UNKNOWN_TOPIC_OR_PART",
    ]
    for name in ("auto.offset.reset=latest", "enable.idempotence=false", "no.such.property=1"):
        answer = kafka_driver.run(kafka, "show", "t", options=["-x", name])
        assert answer[0][1] == "fatal" and name.split("=")[0] in answer[0][3]


def test_message_too_large_is_an_input_error(kafka, unique):
    topic = unique("topic")
    kafka.create(topic, 1)
    answer = kafka_driver.run(kafka, "produce", topic, text=f"k\t{'x' * 1100000}\nk\tsmall\n")
    assert answer[0][:3] == ["error", "input", "MSG_SIZE_TOO_LARGE"]
