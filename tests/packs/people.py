# SPDX-License-Identifier: Apache-2.0
"""Makes people for the tests."""

from datetime import datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
TODAY = datetime(2026, 3, 10, 6, 0, tzinfo=SAO_PAULO)  # a run's instant
serial = count(1)


def at(days, hour=12, minute=0, now=TODAY):
    """The calendar day `days` from now, at a local time."""
    day = now.astimezone(SAO_PAULO).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(
        days=days
    )
    return day.replace(hour=hour, minute=minute)


def person(db, **columns):
    n = next(serial)
    row = {
        "username": f"u{n}",
        "email": f"u{n}@example.com",
        "first_name": "Ana",
        "last_name": f"Souza {n}",
        "profession_type": 1,
        "date_joined": TODAY - timedelta(days=400),
        "last_meaningful_activity": TODAY - timedelta(days=1),
        **columns,
    }
    names = ", ".join(row)
    return db.execute(
        f"insert into equipemed.accounts_eqmdcustomuser ({names}) values"
        f" ({', '.join(['%s'] * len(row))}) returning id",
        list(row.values()),
    ).fetchone()[0]


def column(db, user, name):
    return db.execute(
        f"select {name} from equipemed.accounts_eqmdcustomuser where id = %s", [user]
    ).fetchone()[0]


def status(db, user):
    return column(db, user, "account_status")


def history(db, user):
    return db.execute(
        """select history_type, history_change_reason, history_user_id, username, account_status,
            access_expires_at
                         from equipemed.accounts_historicaleqmdcustomuser where id = %s
                             order by history_id""",
        [user],
    ).fetchall()


def snapshot(db, schema="equipemed"):
    """Everything in a schema and the packs' own, to show that a dry run left no trace."""
    made = {}
    for schema_name, table in db.execute(
        """select schemaname, tablename from pg_tables
                                            where schemaname = %s
                                                or schemaname like 'rollcall%%'""",
        [schema],
    ).fetchall():
        made[schema_name, table] = sorted(
            map(str, db.execute(f'select t.* from "{schema_name}"."{table}" t').fetchall())
        )
    return made
