# SPDX-License-Identifier: Apache-2.0
"""Events that Kafka refuses: those after them wait, since readers take lower numbers for
repetitions."""

from test_bombs import set_property
from worker_pack import adhoc
from worker_service import mail_sink, make_service


def test_no_event_overtakes_one_that_was_refused(make_service, kafka):
    """The results topic takes small events only; each batch has one event, and the first is large.
    Until it is taken none of the others is, and in the end all stand in the order of their numbers.
    """
    service = make_service(
        kafka,
        people=60,
        partitions=1,
        batch_max=1,
        config='properties = [ "compression.type=none" ];',
    )
    results = service.topic("results")
    set_property(service, results, "max.message.bytes", "4000")
    service.database.execute("update person set note = case when id = 1 then '20000' else '1' end")
    service.send([adhoc("club.large", n) for n in range(1, 61)])
    service.start(lanes=["tasks"])
    service.wait(lambda: "was not accepted" in service.logs())
    set_property(service, results, "max.message.bytes", "1048588")
    service.wait(lambda: service.database.value("select count(*) from rollcall.outcome") == 60)
    service.check_ledger(service.events(repeats=True))
    service.stop_all()
