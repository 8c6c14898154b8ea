# SPDX-License-Identifier: Apache-2.0
"""Events that Kafka refuses: those after them wait, since readers take lower numbers for
repetitions."""

from test_bombs import set_property
from worker_pack import adhoc
from worker_service import rig, sink


def test_no_event_overtakes_one_that_was_refused(rig, kafka):
    """The results topic takes small events only; each batch has one event, and the first is large.
    Until it is taken none of the others is, and in the end all stand in the order of their numbers.
    """
    rig = rig(
        kafka,
        people=60,
        partitions=1,
        batch_max=1,
        config='properties = [ "compression.type=none" ];',
    )
    results = rig.topic("results")
    set_property(rig, results, "max.message.bytes", "4000")
    rig.database.execute("update person set note = case when id = 1 then '20000' else '1' end")
    rig.send([adhoc("club.large", n) for n in range(1, 61)])
    rig.start(lanes=["tasks"])
    rig.wait(lambda: "was not accepted" in rig.logs())
    set_property(rig, results, "max.message.bytes", "1048588")
    rig.wait(lambda: rig.database.value("select count(*) from rollcall.outcome") == 60)
    rig.check_ledger(rig.events(repeats=True))
    rig.stop_all()
