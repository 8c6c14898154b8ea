# SPDX-License-Identifier: Apache-2.0
"""A pack, workers and schedulers for what is requested through rollcall.request."""

import time
import uuid

import psycopg
from scheduler_service import Schedulers


class Requests(Schedulers):
    """Schedulers, with a way to file requests as an operator's session does."""

    def file(
        self,
        subjects,
        type_name="bump",
        ids=None,
        items=None,
        arguments=None,
        dry_run=False,
        on_behalf_of=None,
        conninfo=None,
    ):
        """The ids of the tasks; several requests are a list of lists."""
        ids = ids or [uuid.uuid4() for _ in subjects]
        with psycopg.connect(conninfo or self.database.conninfo) as db:
            db.execute(
                "select rollcall.request_tasks(%s, %s, %s, %s, %s, %s, %s)",
                (
                    f"club.{type_name}",
                    dry_run,
                    on_behalf_of,
                    ids,
                    [str(s) for s in subjects],
                    items,
                    arguments,
                ),
            )
        return ids

    def outcome_count(self, ids):
        return self.database.value(
            "select count(*) from rollcall.outcome_adhoc where task_id = any(%s) and outcome >= 0",
            (ids,),
        )

    def wait_done(self, ids, timeout=60):
        self.wait(lambda: self.outcome_count(ids) == len(ids), timeout)

    def hits(self, subject):
        return self.database.value("select hits from person where id = %s", (subject,))

    def requests(self, columns="*", where="true"):
        return self.database.rows(
            f"select {columns} from rollcall.request where {where} order by request_no"
        )

    def timed(self, subject, **options):
        """Seconds from asking to the outcome's being committed."""
        start = time.monotonic()
        [task] = self.file([subject], **options)
        with psycopg.connect(self.database.conninfo, autocommit=True) as db:
            while not db.execute(
                "select 1 from rollcall.outcome_adhoc where task_id = %s", (task,)
            ).fetchone():
                assert time.monotonic() - start < 30, f"no outcome of {task}:\n{self.logs()}"
                time.sleep(0.001)
        return time.monotonic() - start
