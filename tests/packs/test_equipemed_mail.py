# SPDX-License-Identifier: Apache-2.0
"""warn-expiration and warn-supervisor: the identity of a warning, missed days, addresses,
wording.
"""

import re
import uuid
from datetime import timedelta

import pytest
from people import TODAY, at, column, person


def day(n):
    return TODAY + timedelta(days=n)


def item(expires_in, threshold, now=TODAY):
    return f"{at(expires_in, now=now):%Y-%m-%d}/{threshold}"


def sent(equipemed, now, **options):
    """A whole run: [(user, item)] that were sent."""
    rows = equipemed.send(
        "warn-expiration",
        equipemed.due("warn-expiration", now, **options),
        now,
        run_id=uuid.uuid4(),
        **options,
    )
    return [(u, r["item"]) for u, r in sorted(rows.items()) if r["outcome"] == "send"]


def test_each_threshold_once_over_a_whole_month(db, equipemed):
    user = person(db, access_expires_at=at(35, 23, 30))
    got = {}
    for n in range(0, 40):
        for _u, i in sent(equipemed, day(n)):
            got[35 - n] = i
        assert sent(equipemed, day(n)) == []  # the same day again
    assert got == {n: item(35, n) for n in (30, 14, 7, 3, 1)}
    assert column(db, user, "expiration_warning_sent") == day(34)


def test_missed_days_send_the_tightest_threshold_only(db, equipemed):
    made = {n: person(db, access_expires_at=at(n)) for n in (0, 1, 2, 5, 13, 20, 30, 31, -1)}
    assert sent(equipemed, TODAY) == [
        (made[0], item(0, 1)),
        (made[1], item(1, 1)),
        (made[2], item(2, 3)),
        (made[5], item(5, 7)),
        (made[13], item(13, 14)),
        (made[20], item(20, 30)),
        (made[30], item(30, 30)),
    ]
    assert sent(equipemed, TODAY + timedelta(hours=1)) == []


def test_an_extension_cancels_what_is_pending(db, equipemed):
    user = person(db, access_expires_at=at(5))
    tasks = equipemed.due("warn-expiration", TODAY)
    assert tasks == [(user, item(5, 7))]
    equipemed.run("extend", [user], TODAY, arguments={"days": 90, "reason": "contrato"})
    rows = equipemed.run("warn-expiration", tasks, TODAY)
    assert (rows[user]["outcome"], rows[user]["reason"]) == ("skipped", "no warning is due")
    equipemed.run("extend", [user], TODAY, arguments={"days": 1, "reason": "x"})
    db.execute(
        "update equipemed.accounts_eqmdcustomuser set access_expires_at = %s where id = %s",
        [at(6), user],
    )
    assert (
        equipemed.run("warn-expiration", tasks, TODAY)[user]["reason"]
        == "the expiry date was changed"
    )
    assert sent(equipemed, TODAY) == [(user, item(6, 7))]  # another date is another warning
    assert sent(equipemed, day(91 + 5)) == []


def test_a_late_message_is_not_sent_when_a_tighter_one_is_due(db, equipemed):
    user = person(db, access_expires_at=at(14))
    tasks = equipemed.due("warn-expiration", TODAY)
    row = equipemed.run("warn-expiration", tasks, day(8))[user]
    assert (row["outcome"], row["reason"]) == ("skipped", "a later warning is due")


def test_the_seeds_literal_dedupe(db, equipemed):
    """7d: on the very day only, and not within 7 days of another warning: the 3- and 1-day
    warnings are swallowed.
    """
    person(db, access_expires_at=at(35))
    got = [35 - n for n in range(0, 36) if sent(equipemed, day(n), settings={"dedupe": "7d"})]
    assert got == [30, 14, 7]
    db.execute("update equipemed.accounts_eqmdcustomuser set expiration_warning_sent = null")
    assert [35 - n for n in range(0, 36) if sent(equipemed, day(n), settings={"dedupe": "7d"})] == [
        3
    ]  # 1 is within 7 days of 3
    late = person(db, access_expires_at=at(20))
    assert equipemed.due("warn-expiration", TODAY, settings={"dedupe": "7d"}) == []
    assert (
        equipemed.run("warn-expiration", [(late, item(20, 30))], TODAY, settings={"dedupe": "7d"})[
            late
        ]["outcome"]
        == "skipped"
    )


def test_thresholds_are_a_setting(db, equipemed):
    user = person(db, access_expires_at=at(40))
    options = {"settings": {"warning_days": "{60,10}"}}
    assert sent(equipemed, TODAY, **options) == [(user, item(40, 60))]
    assert sent(equipemed, day(29), **options) == []
    assert sent(equipemed, day(31), **options) == [(user, item(40, 10))]


@pytest.mark.parametrize(
    "change",
    [
        {"account_status": s}
        for s in ("expired", "inactive", "suspended", "departed", "renewal_required")
    ]
    + [{"is_active": False}, {"access_expires_at": None}],
)
def test_who_is_not_warned(db, equipemed, change):
    user = person(db, **{"access_expires_at": at(5), **change})
    assert equipemed.due("warn-expiration", TODAY) == []
    assert (
        equipemed.run("warn-expiration", [(user, item(5, 7))], TODAY)[user]["outcome"] == "skipped"
    )


def test_who_is_expiring_soon_is_warned(db, equipemed):
    user = person(db, access_expires_at=at(5), account_status="expiring_soon")
    assert sent(equipemed, TODAY) == [(user, item(5, 7))]


GOOD = [
    "ana@example.com",
    "a.b+c@sub.example.com.br",
    "x_y@localhost.localdomain",
    "o'neil@example.com",
]
BAD = [
    "ana",
    "ana@",
    "@example.com",
    "ana@@example.com",
    "ana@example",
    "ana souza@example.com",
    "ana@exam ple.com",
    "ana@example..com",
    ".ana@example.com",
    "ana@-example.com",
    "josé@example.com",
    "ana@example.com\nBcc: x@example.com",
    "ana,rui@example.com",
]


def test_only_addresses_that_can_be_written_to_get_mail(db, equipemed):
    good = [person(db, access_expires_at=at(7), email=e) for e in GOOD]
    bad = [person(db, access_expires_at=at(7), email=e) for e in BAD]
    none = person(db, access_expires_at=at(7), email="")
    rows = equipemed.send("warn-expiration", equipemed.due("warn-expiration", TODAY), TODAY)
    assert {u for u, r in rows.items() if r["outcome"] == "send"} == set(good)
    assert {(rows[u]["outcome"], rows[u]["reason"]) for u in bad} == {
        ("failed", "invalid mail address")
    }
    assert (rows[none]["outcome"], rows[none]["reason"]) == ("failed", "no mail address")
    for _u, r in rows.items():
        assert r["outcome"] == "send" or "@" not in r["reason"]
    assert [u for u, _ in equipemed.due("warn-expiration", TODAY)] == bad + [
        none
    ]  # not sent: still due


def test_counts_per_threshold_are_in_the_reason(db, equipemed):
    users = [person(db, access_expires_at=at(n)) for n in (30, 14, 7, 3, 1)]
    rows = equipemed.run("warn-expiration", equipemed.due("warn-expiration", TODAY), TODAY)
    assert [rows[u]["reason"] for u in users] == ["30 days", "14 days", "7 days", "3 days", "1 day"]


def test_two_runs_never_send_the_same_warning(db, equipemed):
    user = person(db, access_expires_at=at(7))
    tasks = equipemed.due("warn-expiration", TODAY)
    first, second = uuid.uuid4(), uuid.uuid4()
    assert equipemed.run("warn-expiration", tasks, TODAY, run_id=first)[user]["outcome"] == "send"
    assert (
        equipemed.run("warn-expiration", tasks, TODAY, run_id=first)[user]["outcome"] == "send"
    )  # claimed again after a crash
    row = equipemed.run("warn-expiration", tasks, TODAY, run_id=second)[user]
    assert (row["outcome"], row["reason"]) == ("skipped", "another run is sending it")
    db.execute("update rollcall_equipemed.warning set claimed_at = now() - interval '20 minutes'")
    assert equipemed.send("warn-expiration", tasks, TODAY, run_id=second)[user]["outcome"] == "send"
    assert (
        equipemed.run("warn-expiration", tasks, TODAY, run_id=first)[user]["reason"]
        == "already warned"
    )


def test_the_supervisors_copy(db, equipemed):
    boss = person(db, first_name="Dra. Rosa", last_name="Lima", access_expires_at=None)
    mute, wrong, gone = person(db, email=""), person(db, email="x@y"), person(db, is_active=False)
    users = {
        s: person(db, access_expires_at=at(7), supervisor_id=s)
        for s in (boss, mute, wrong, gone, None)
    }
    tasks = equipemed.due("warn-expiration", TODAY)
    early = equipemed.run("warn-supervisor", tasks, TODAY)
    assert {(r["outcome"], r["reason"]) for r in early.values()} == {
        ("skipped", "the user was not warned")
    }
    rows = equipemed.send("warn-expiration", tasks, TODAY)
    assert {s: rows[u]["follow_ups"] for s, u in users.items()} == {
        boss: ["warn-supervisor"],
        mute: [],
        wrong: ["warn-supervisor"],
        gone: [],
        None: [],
    }
    assert all(r["outcome"] == "send" for r in rows.values())
    copies = equipemed.send("warn-supervisor", tasks, TODAY)
    assert {s: (copies[u]["outcome"], copies[u]["reason"]) for s, u in users.items()} == {
        boss: ("send", "7 days"),
        mute: ("failed", "supervisor: no mail address"),
        wrong: ("failed", "supervisor: invalid mail address"),
        gone: ("skipped", "no active supervisor"),
        None: ("skipped", "no active supervisor"),
    }
    row = copies[users[boss]]
    assert (
        row["supervisor_name"] == "Dra. Rosa Lima"
        and row["to_address"] == column(db, boss, "email")
        and "Souza" in row["full_name"]
    )
    assert equipemed.run("warn-supervisor", tasks, TODAY)[users[boss]]["reason"] == "already told"
    assert {r["outcome"] for r in equipemed.run("warn-expiration", tasks, TODAY).values()} == {
        "skipped"
    }


def test_the_supervisors_copy_is_dropped_when_the_date_moved(db, equipemed):
    user = person(db, access_expires_at=at(7), supervisor_id=person(db))
    tasks = equipemed.due("warn-expiration", TODAY)
    equipemed.send("warn-expiration", tasks, TODAY)
    equipemed.run("extend", [user], TODAY, arguments={"days": 30, "reason": "x"})
    assert (
        equipemed.run("warn-supervisor", tasks, TODAY)[user]["reason"]
        == "the expiry date was changed"
    )


@pytest.mark.parametrize(
    "days, words", [(0, "hoje"), (1, "em 1 dia"), (7, "em 7 dias"), (30, "em 30 dias")]
)
def test_each_threshold_has_its_wording(db, equipemed, days, words):
    user = person(
        db, access_expires_at=at(days, 23, 30), first_name="Conceição", last_name="<b>Ávila</b>"
    )
    row = equipemed.run("warn-expiration", equipemed.due("warn-expiration", TODAY), TODAY)[user]
    mail = {
        n: render(t, row, n == "html")
        for n, t in equipemed.templates(equipemed.types["warn-expiration"])
    }
    assert mail["subject"] == f"EquipeMed: Seu acesso expira {words}"
    for part in ("text", "html"):
        assert (
            f"{at(days):%d/%m/%Y}" in mail[part]
            and "/account/renewal-required/" in mail[part]
            and "admin@equipemed.example" in mail[part]
        )
        assert words in mail[part] and "Conceição" in mail[part]
    assert (
        "<b>Ávila" in mail["text"]
        and "<b>Ávila" not in mail["html"]
        and "&lt;b&gt;Ávila" in mail["html"]
    )


def render(text, row, html):
    from html import escape

    return re.sub(
        r"\{\{(\w+)\}\}", lambda m: escape(str(row[m[1]])) if html else str(row[m[1]]), text
    )


EFFECT = {
    "subject",
    "item",
    "outcome",
    "reason",
    "before",
    "after",
    "follow_ups",
    "to_address",
    "to_name",
}


@pytest.mark.parametrize(
    "name",
    [
        "warn-expiration",
        "warn-supervisor",
        "inactive-notice",
        "emergency-notice",
        "renewal-decision",
        "failure-alert",
    ],
)
def test_templates_use_what_the_statement_gives(db, equipemed, name):
    spec = equipemed.types[name]
    bound, used = equipemed.bind(equipemed.file(spec["statement"]))
    sql, _ = equipemed.composed(name, bound)
    cursor = db.cursor()
    cursor.execute("set search_path = equipemed")
    values = equipemed.values(TODAY) | {"batch_subject": [], "batch_item": [], "batch_actor": []}
    cursor.execute(sql + "select * from effect", values)
    given = {c.name for c in cursor.description}
    wanted = {
        n for _, t in equipemed.templates(spec) for n in re.findall(r"\{\{[#^/&]?(\w+)\}\}", t)
    }
    assert {"subject", "outcome", "to_address"} <= given
    assert wanted <= given, wanted - given
    assert given - EFFECT <= wanted, f"made for nothing: {given - EFFECT - wanted}"


def test_templates_are_portuguese_and_whole(equipemed):
    for name, spec in equipemed.types.items():
        if "email" in spec:
            for part, text in equipemed.templates(spec):
                assert text.count("{{#") + text.count("{{^") == text.count("{{/"), (name, part)
                assert "{{{" not in text
            assert "text" in spec["email"] and "EquipeMed" in spec["email"]["subject"]
