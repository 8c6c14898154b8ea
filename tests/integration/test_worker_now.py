# SPDX-License-Identifier: Apache-2.0
""":now, :today and :actor of ad-hoc tasks: the database's clock, and who asked, whatever the
worker's own clock says.
"""

import re
import subprocess

from worker_pack import PACK_CFG, adhoc
from worker_service import make_service  # noqa: F401

# The wall clock of one process; waiting is not touched.
CLOCK = """
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *ret)
{
        int rc = (int)syscall(SYS_clock_gettime, clock, ret);
        if (clock == CLOCK_REALTIME)
                ret->tv_sec += 90 * 86400;
        return rc;
}
"""
SAYS = (
    "effect as (select p.id as subject, (1 / (1 - length(p.trap)))::text as reason, '%s' as"
    " outcome, :now::text as before, :today::text || ' ' || :actor as after, p.email as to_address,"
    " 'P' as to_name, :now::text as name, :today::text as note from person p join batch b on"
    " b.subject = p.id)"
)
RECORD = (
    "noted as (insert into journal (subject, type, item, run, said) select subject, 'sent', '', '',"
    " :now::text || ' ' || :today || ' ' || :actor from batch)"
)
AGREES = "select bool_and({0}::timestamptz between now() - interval '2 minutes' and now()) from {1}"


def ninety_days_ahead(tmp_path):
    (tmp_path / "clock.c").write_text(CLOCK)
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-o", tmp_path / "clock.so", tmp_path / "clock.c"], check=True
    )
    return {"LD_PRELOAD": str(tmp_path / "clock.so")}


def own(tmp_path, **types):
    cfg = PACK_CFG
    (tmp_path / "club/sql").mkdir(parents=True, exist_ok=True)
    for name, text in types.items():
        (tmp_path / f"club/sql/own.{name}.sql").write_text(text)
        cfg, n = re.subn(
            rf'({{ name = "{name}"; .*?statement = )"[^"]*"',
            rf'\1"sql/own.{name}.sql"',
            cfg,
            count=1,
        )
        assert n == 1
    return cfg


def test_now_is_the_databases(make_service, kafka, tmp_path):
    """A worker whose clock is 90 days ahead: at the first try, at a later one, for a mail and
    for its record.
    """
    (tmp_path / "club/sql").mkdir(parents=True)
    (tmp_path / "club/sql/own.record.sql").write_text(RECORD)
    cfg = own(tmp_path, bump=SAYS % "applied", greet=SAYS % "send").replace(
        'record = "sql/greet.record.sql"; follow_ups = [ "thanks" ];',
        'record = "sql/own.record.sql";',
    )
    service = make_service(kafka, people=9, pack_cfg=cfg)
    service.database.execute("update person set trap = 'x' where id = 2")
    service.send([adhoc("club.bump", 1), adhoc("club.bump", 2)])
    service.send([adhoc("club.greet", 3)], lane="mail")
    worker = service.start(lanes=["tasks", "mail"], env=ninety_days_ahead(tmp_path))
    service.wait(lambda: service.database.value("select count(*) from rollcall.held") == 1, 60)
    ahead = service.database.value("select now() + interval '89 days'").strftime("%Y-%m")
    assert ahead in worker.text()  # its log lines are dated by its own clock
    service.database.execute("update person set trap = '' where id = 2")
    service.wait(
        lambda: (
            service.database.value("select count(*) from rollcall.outcome where outcome = 0") == 3
        ),
        60,
    )
    assert (
        service.database.value(
            AGREES.format(
                "before",
                "rollcall.outcome where type_no in (select type_no from rollcall.task_type where"
                " name = 'club.bump')",
            )
        )
        is True
    )
    assert service.database.rows("select attempt from rollcall.outcome where subject = '2'") > [
        (1,)
    ]
    assert (
        service.database.value(
            "select bool_and(after = (before::timestamptz at time zone 'America/Sao_Paulo')::date"
            " || ' cli:ana') from rollcall.outcome where before is not null"
        )
        is True
    )
    assert (
        service.database.value("select said ~ ' cli:ana$' from journal where type = 'sent'") is True
    )
    assert (
        service.database.value(
            AGREES.format("substring(said from '^[^ ]+ [^ ]+')", "journal where type = 'sent'")
        )
        is True
    )
    assert len(service.mails()) == 1
    service.stop_all()


def test_actor_is_who_asked(make_service, kafka, tmp_path):
    """Of several in one batch, each task's own."""
    service = make_service(
        kafka,
        people=60,
        partitions=1,
        pack_cfg=own(
            tmp_path,
            bump=(
                "effect as (select subject, 'applied' as outcome, :actor as before, actor as after"
                " from batch)"
            ),
        ),
    )
    service.send(
        [adhoc("club.bump", n)._replace(actor=f"cli:{'abc'[n % 3]}") for n in range(1, 61)]
    )
    service.start(lanes=["tasks"])
    service.wait(
        lambda: (
            service.database.value("select count(*) from rollcall.outcome where outcome = 0") == 60
        )
    )
    assert service.database.rows(
        "select before, count(*) from rollcall.outcome where before = after and before = actor"
        " group by 1 order by 1"
    ) == [("cli:a", 20), ("cli:b", 20), ("cli:c", 20)]
    service.stop_all()
