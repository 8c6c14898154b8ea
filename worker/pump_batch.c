#include "pump_internal.h"

#include "base/failpoint.h"
#include "base/log.h"

#include <string.h>

static struct span copied(struct arena *a, const char *text)
{
        struct span s = arena_span(a, span_of(text));
        return s.ptr ? s : SPAN_LIT("undecodable");
}

/* A want of memory is not the message's fault. */
static int undecodable(struct pump *p, struct entry *en, const struct err *why, struct err *e)
{
        if (err_is_oom(why)) {
                *e = *why;
                return -1;
        }
        entry_bury(en, copied(p->batch.arena, why->text));
        return 0;
}

/* Undecodable bytes are a dead letter; a task is admitted, or decided at once. */
int pump_decode(struct pump *p, struct entry *en, int64_t now_ms, struct err *e)
{
        struct err why = ERR_INIT;
        enum message_kind kind;
        struct run *run = NULL;
        if (!en->value.ptr) {
                entry_bury(en, SPAN_LIT("the message has no value"));
                return 0;
        }
        if (codec_kind(p->codec, en->value, &kind, &why) < 0)
                return undecodable(p, en, &why, e);
        if (kind == MESSAGE_RUN) {
                en->state = ENTRY_IGNORED;
                return 0;
        }
        if (kind != MESSAGE_TASK) {
                entry_bury(en, SPAN_LIT("not a task"));
                return 0;
        }
        if (task_decode(p->codec, en->value, p->batch.arena, &en->task, &why) < 0)
                return undecodable(p, en, &why, e);
        if (!uuid_is_nil(en->task.run_id)) {
                int rc = runs_get(p->runs, p->db, en->task.run_id, now_ms, &run, e);
                if (rc < 0 && e->class != ERR_INPUT)
                        return -1;
                if (rc != 0) {
                        entry_bury(en, rc < 0 ? copied(p->batch.arena, e->text)
                                              : SPAN_LIT("no such run"));
                        return 0;
                }
                if (!run->kept) {
                        entry_bury(
                                en,
                                SPAN_LIT(
                                        "the ledger has no partition for the run's day: retention has dropped it"));
                        return 0;
                }
        }
        entry_admit(en, p->o->packs, p->types, run, p->batch.arena);
        return run ? 0
                   : runs_about(p->runs, p->db, en->type, en->task.subject, now_ms, &en->about, e);
}

void pump_bury_unreadable(struct pump *p, struct entry *en, const struct kafka_message *m)
{
        log_error("messages cannot be read, kept as a dead letter",
                  "topic=%s partition=%d offset=%lld error=" LOG_Q, m->topic, (int)m->partition,
                  (long long)m->first, m->unreadable);
        en->offset = m->first;
        entry_bury(en, copied(p->batch.arena, m->unreadable));
}

/* Takes messages list[0..n) of owned partitions into the (reset) batch. */
static int fill(struct pump *p, const struct kafka_message *list, size_t n, struct err *e)
{
        struct batch *b = &p->batch;
        batch_reset(b);
        runs_sweep(p->runs);
        b->entries = arena_alloc(b->arena, (n + 1) * sizeof *b->entries);
        if (!b->entries)
                return err_oom(e);
        const struct kafka_message **last = arena_alloc(b->arena,
                                                        (p->sources.n + 1) * sizeof *last);
        if (!last)
                return err_oom(e);
        memset(last, 0, (p->sources.n + 1) * sizeof *last);
        int64_t now_ms = monotonic_ms();
        for (size_t i = 0; i < n; i++) {
                int index = source_index(&p->sources, p->topic, list[i].partition);
                struct source *s = index < 0 ? NULL : &p->sources.list[index];
                if (!s || !s->owned || s->leaving || p->recover[index] || list[i].offset < s->taken)
                        /* what came back to us while we published comes again, after its recovery
                         */
                        continue;
                s->taken = list[i].offset + 1;
                last[index] = &list[i];
                struct entry *en = &b->entries[b->n++];
                *en = (struct entry){ .source = index,
                                      .epoch = s->epoch,
                                      .offset = list[i].offset,
                                      .sequence = ++s->sequence,
                                      .key = list[i].key,
                                      .value = list[i].value };
                if (list[i].unreadable)
                        pump_bury_unreadable(p, en, &list[i]);
                else if (pump_decode(p, en, now_ms, e) < 0)
                        return -1;
        }
        for (size_t i = 0; i < p->sources.n; i++)
                if (last[i])
                        p->sources.list[i].taken_mark = kafka_message_digest(last[i]);
        return 0;
}

/* Forgets what has been taken since the last commit. Numbers that were given to outcomes stay
 * unused. */
static void untake(struct pump *p)
{
        for (size_t i = 0; i < p->sources.n; i++) {
                struct source *s = &p->sources.list[i];
                s->taken = s->next;
                s->taken_mark = s->mark;
        }
}

/* A message's bytes as JSON, which the ledger keeps of arguments: control characters take six
 * there, quotes two. Small messages are taken as they are. */
static size_t weight(struct span value)
{
        enum { SMALL = 256, ESCAPED = 5 };
        size_t bytes = value.len;
        for (size_t i = 0; value.len > SMALL && i < value.len; i++)
                bytes += (unsigned char)value.ptr[i] < 0x20
                                 ? ESCAPED
                                 : value.ptr[i] == '"' || value.ptr[i] == '\\';
        return bytes;
}

/* Are messages of some partition to be taken one at a time? */
static struct source *is_careful(struct pump *p, const struct kafka_message *m)
{
        for (size_t i = 0; i < p->sources.n; i++) {
                struct source *s = &p->sources.list[i];
                if (s->owned && s->careful_to && s->partition == m->partition &&
                    m->offset < s->careful_to)
                        return s;
        }
        return NULL;
}

/* How many of list[0..n) fit into one batch: one at least. */
static size_t fitting(struct pump *p, const struct kafka_message *list, size_t n)
{
        size_t bytes = 0, max = (size_t)p->o->service->worker.batch_max_bytes, count = 0;
        bool careful = false;
        if (is_careful(p, list))
                return 1;
        for (size_t i = 0; i < p->sources.n; i++)
                careful |= p->sources.list[i].owned && p->sources.list[i].careful_to;
        for (; count < n && count < p->take; count++) {
                bytes += weight(list[count].value);
                if (count && (bytes > max || (careful && is_careful(p, &list[count]))))
                        break;
        }
        return count;
}

int pump_take(struct pump *p, struct kafka_message *list, size_t n, struct err *e)
{
        for (size_t from = 0, to = 0; from < n; from = to) {
                to = from + fitting(p, list + from, n - from);
                if (fill(p, list + from, to - from, e) < 0)
                        return -1;
                if (pump_take_unexpected(p, e) < 0)
                        return -1;
                batch_wait_for_newer(&p->batch, p->o->service->retry.version_wait_ms);
                if (p->held && held_stand_behind(p->db, p->topic, &p->batch, e) < 0)
                        return -1;
                struct source *careful = is_careful(p, &list[from]);
                if (careful && p->batch.n &&
                    pump_try(p, &p->batch.entries[0], ENTRY_DECIDED, e) < 0)
                        return -1;
                if (batch_divide(&p->batch, ENTRY_READY, e) < 0)
                        return -1;
                int rc = transact_decide(&p->transactor, &p->batch, e);
                if (rc == TRANSACT_TOO_LARGE) {
                        untake(p);
                        p->take = batch_fewer(to - from);
                        to = from;
                        continue;
                }
                if (rc != 0)
                        return rc;
                if (p->o->lane != LANE_MAIL)
                        p->take = batch_more(p->take, p->batch.result_bytes, p->batch_max);
                pump_note_pauses(p);
                p->held = p->held || held_wrote(&p->batch);
                FAILPOINT("decide.committed");
                if (outbox_publish(&p->outbox, &p->batch, e) < 0)
                        return -1;
                FAILPOINT("outcomes.published");
                rc = pump_finish(p, e);
                if (rc != 0)
                        return rc;
                if (careful && pump_tried(p, careful, e) < 0)
                        return -1;
        }
        return 0;
}
