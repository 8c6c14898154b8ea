/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions without a clock, a database or Kafka: the same input gives the same decision. */
#include "decide.h"

#include "model/messages.h"
#include "config/words.h"

#include <stdio.h>

static const char MISSED_DEADLINE[] = "missed the job's starting deadline";
static const char MISSED_NEWER[] = "missed, and a newer slot is due (catch_up = \"latest\")";
static const char MISSED_NONE[] = "missed (catch_up = \"none\")";
static const char STILL_OPEN[] = "the run before is still open (concurrency_policy = \"forbid\")";
static const char HELD[] =
        "a run of the job is held for review; see: rollcall runs list --state held-for-review";
static const char SUSPENDED[] = "the job is suspended";

static struct decision *add_decision(struct decisions *d, enum decision_kind kind, instant slot,
                                     const char *reason)
{
        struct decision *x = &d->list[d->n++];
        *x = (struct decision){
                .kind = kind, .slot = slot, .not_before = INSTANT_NONE, .count = 1, .reason = reason
        };
        return x;
}

/* Slots in (from, to], counted up to COUNT_MAX. */
static int count_slots(const struct job *j, instant from, instant to)
{
        int n = 0;
        for (instant t = from; n < COUNT_MAX; n++) {
                t = cron_next(&j->cron, j->zone, t);
                if (t == INSTANT_NONE || t > to)
                        break;
        }
        return n;
}

/* Every slot in (from, to] is skipped. */
static void add_skip(const struct job *j, instant from, instant to, const char *reason,
                     struct decisions *d)
{
        instant last = cron_previous(&j->cron, j->zone, to, from);
        if (last == INSTANT_NONE)
                return;
        add_decision(d, DECIDE_SKIP, last, reason)->count = count_slots(j, from, last);
        d->considered_at = last;
}

static void add_run(const struct job *j, instant slot, bool late, struct decisions *d)
{
        struct decision *x = add_decision(d, DECIDE_RUN, slot, NULL);
        x->catch_up = late;
        x->not_before = decide_not_before(j, slot);
        d->considered_at = slot;
}

/* Why a slot has to wait, or NULL. While a run is held for review the next would plan the same
 * people again: unless it replaces the held one, it waits. */
static const char *blocking_reason(const struct job *j, const struct job_state *s)
{
        if (j->dry_run || j->concurrency_policy == CONCURRENCY_REPLACE)
                return NULL;
        if (s->held)
                return HELD;
        return s->open && j->concurrency_policy == CONCURRENCY_FORBID ? STILL_OPEN : NULL;
}

/* With forbid one slot at a time is requested: the next waits for its end. */
static void add_all(const struct job *j, const struct job_state *s, instant from, instant now,
                    instant on_time, struct decisions *d)
{
        bool one = j->concurrency_policy == CONCURRENCY_FORBID && !j->dry_run;
        for (instant t = from; (t = cron_next(&j->cron, j->zone, t)) != INSTANT_NONE && t <= now;) {
                const char *why = blocking_reason(j, s);
                if (!why && one && d->n && d->list[d->n - 1].kind == DECIDE_RUN)
                        why = STILL_OPEN;
                if (why) {
                        if (d->n < DECISIONS_MAX)
                                add_decision(d, DECIDE_WAIT, t, why);
                        return;
                }
                if (d->n == DECISIONS_MAX) {
                        d->more = true;
                        return;
                }
                add_run(j, t, t < on_time, d);
        }
}

void decide_slots(const struct job *j, const struct job_state *s, instant now, int64_t grace_ms,
                  struct decisions *ret)
{
        *ret = (struct decisions){ .considered_at = INSTANT_NONE };
        if (s->considered_at == INSTANT_NONE) { /* nothing from before its time */
                ret->considered_at = now;
                return;
        }
        instant from = s->considered_at, on_time = now - grace_ms * INSTANT_MS;
        if (!j->schedule || from >= now)
                return;
        if (s->suspended) {
                add_skip(j, from, now, SUSPENDED, ret);
                return;
        }
        instant deadline = now - j->starting_deadline_ms * INSTANT_MS;
        if (j->starting_deadline_ms && deadline - 1 > from) {
                add_skip(j, from, deadline - 1, MISSED_DEADLINE, ret);
                from = deadline - 1;
        }
        if (j->catch_up == CATCH_UP_ALL) {
                add_all(j, s, from, now, on_time, ret);
                return;
        }
        instant last = cron_previous(&j->cron, j->zone, now, from);
        if (last == INSTANT_NONE)
                return;
        bool late = last < on_time;
        const char *why = blocking_reason(j, s);
        if (j->catch_up == CATCH_UP_NONE && (late || why)) {
                add_skip(j, from, last - 1, MISSED_NONE, ret);
                add_skip(j, last - 1, last, late ? MISSED_NONE : why, ret);
                return;
        }
        add_skip(j, from, last - 1, j->catch_up == CATCH_UP_NONE ? MISSED_NONE : MISSED_NEWER, ret);
        if (why)
                add_decision(ret, DECIDE_WAIT, last, why);
        else
                add_run(j, last, late, ret);
}

instant decide_next(const struct job *j, instant now)
{
        return j->schedule ? cron_next(&j->cron, j->zone, now) : INSTANT_NONE;
}

instant decide_not_before(const struct job *j, instant slot)
{
        if (j->jitter_ms <= 0)
                return INSTANT_NONE;
        struct uuid id = run_id_of(span_of(j->pack->name), span_of(j->name), slot);
        uint64_t hash = 0;
        for (int i = 8; i < 16; i++)
                hash = hash << 8 | id.b[i];
        return slot + (instant)(hash % (uint64_t)(j->jitter_ms + 1)) * INSTANT_MS;
}

/* ---- guards ---- */

/* The instant that min_interval counts from: of a run by schedule its slot, however late it came;
 * of one by hand the request. */
static instant start_of_run(bool manual, instant scheduled_at, instant requested_at)
{
        return manual ? requested_at : scheduled_at;
}

static enum guard refuse_interval(const struct job *j, instant last, char *reason, size_t max)
{
        char text[INSTANT_TEXT_MAX];
        BUF_CLEANUP struct buf interval = { .max = 100 };
        duration_format(j->min_interval_ms, &interval);
        zone_format(j->zone, last, text);
        snprintf(reason, max,
                 "the last run was at %s, less than %s before; --force runs it all the same", text,
                 buf_str(&interval));
        return GUARD_REFUSE;
}

static enum guard refuse_future(const struct job *j, instant at, char *reason, size_t max)
{
        char text[INSTANT_TEXT_MAX];
        zone_format(j->zone, at, text);
        snprintf(reason, max, "its instant %s is in the future; only a dry run may look ahead",
                 text);
        return GUARD_REFUSE;
}

static bool is_too_soon(const struct job *j, const struct run_candidate *r,
                        const struct job_context *w)
{
        return j->min_interval_ms && !r->force && w->last_start != INSTANT_NONE &&
               start_of_run(r->manual, r->scheduled_at, r->requested_at) - w->last_start <
                       j->min_interval_ms * INSTANT_MS;
}

enum guard decide_guard(const struct job *j, const struct run_candidate *r,
                        const struct job_context *w, instant now, char *reason, size_t max)
{
        if (!j) {
                snprintf(reason, max, "the scheduler's configuration has no such job");
                return GUARD_REFUSE;
        }
        if (!r->manual && w->suspended) {
                snprintf(reason, max, "%s", SUSPENDED);
                return GUARD_REFUSE;
        }
        if (r->not_before != INSTANT_NONE && now < r->not_before)
                return GUARD_WAIT;
        if (r->dry_run)
                return GUARD_GO;
        /* a slot was due by the clock of another server, or before the clock went back */
        if (r->scheduled_at > now)
                return r->manual ? refuse_future(j, r->scheduled_at, reason, max) : GUARD_WAIT;
        if (w->started && j->concurrency_policy == CONCURRENCY_FORBID && !r->force) {
                bool expired = j->starting_deadline_ms &&
                               now - r->scheduled_at > j->starting_deadline_ms * INSTANT_MS;
                if (!r->manual && j->catch_up != CATCH_UP_NONE && !expired)
                        return GUARD_WAIT;
                snprintf(reason, max, "%s%s", STILL_OPEN,
                         r->manual ? "; --force runs it all the same" : "");
                return GUARD_REFUSE;
        }
        if (is_too_soon(j, r, w))
                return refuse_interval(j, w->last_start, reason, max);
        return w->started && j->concurrency_policy == CONCURRENCY_REPLACE ? GUARD_REPLACE
                                                                          : GUARD_GO;
}

/* ---- limits ---- */

bool decide_review(const struct job *j, const struct extent *x, char *why, size_t max)
{
        *why = '\0';
        if (j->max_subjects >= 0 && x->subjects > j->max_subjects) {
                snprintf(why, max, "%lld subjects are due, more than max_subjects = %lld",
                         (long long)x->subjects, (long long)j->max_subjects);
                return true;
        }
        if (j->max_percent < 0 || x->population < 0 ||
            (double)x->subjects * 100 <= j->max_percent * (double)x->population)
                return false;
        snprintf(why, max, "%lld of %lld subjects (%.1f %%) are due, more than max_percent = %g",
                 (long long)x->subjects, (long long)x->population,
                 x->population ? (double)x->subjects * 100 / (double)x->population : 100.0,
                 j->max_percent);
        return true;
}

/* ---- closing ---- */

enum run_state decide_closing(const struct run_counts *c, char *why, size_t max)
{
        *why = '\0';
        if (c->done < c->planned)
                return RUN_PUBLISHED;
        if (c->done > c->planned || !c->digest_matches) {
                snprintf(why, max,
                         "the proof of completeness fails: %lld outcomes for %lld planned tasks, "
                         "digest %s",
                         (long long)c->done, (long long)c->planned,
                         c->digest_matches ? "equal" : "different");
                return RUN_FAILED;
        }
        if (c->failed + c->quarantined + c->unknown == 0)
                return RUN_SUCCEEDED;
        snprintf(why, max, "%lld failed, %lld quarantined and %lld unknown of %lld tasks",
                 (long long)c->failed, (long long)c->quarantined, (long long)c->unknown,
                 (long long)c->planned);
        return RUN_COMPLETED_WITH_ERRORS;
}

bool decide_alert(const struct job *j, enum run_state state, const struct run_counts *c)
{
        enum alert_on on = j ? j->alert_on : ALERT_ERRORS;
        int64_t errors = c->failed + c->quarantined + c->unknown;
        if (on == ALERT_NEVER || run_state_well(state))
                return false;
        if (state != RUN_COMPLETED_WITH_ERRORS)
                return true;
        if (on == ALERT_FAILED)
                return false;
        return on != ALERT_PERCENT || (double)errors * 100 >= j->alert_percent * (double)c->planned;
}
