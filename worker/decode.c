/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of a lane: decoded, their run looked up, their task admitted. */
#include "decode.h"

#include "admit.h"
#include "base/log.h"

static struct span copied(struct arena *a, const char *text)
{
        struct span s = arena_span(a, span_of(text));
        return s.ptr ? s : SPAN_LIT("undecodable");
}

/* Lack of memory is not the message's fault. */
static int reject(struct lane_worker *w, struct entry *en, const struct err *why, struct err *e)
{
        if (err_is_oom(why)) {
                *e = *why;
                return -1;
        }
        entry_dead_letter(en, copied(w->batch.arena, why->text));
        return 0;
}

/* Undecodable bytes are a dead letter; a task is admitted, or decided at once. */
int decode_entry(struct lane_worker *w, struct entry *en, int64_t now_ms, struct err *e)
{
        struct err why = ERR_INIT;
        enum message_kind kind;
        struct run *run = NULL;
        if (!en->value.ptr) {
                entry_dead_letter(en, SPAN_LIT("the message has no value"));
                return 0;
        }
        if (codec_kind(w->codec, en->value, &kind, &why) < 0)
                return reject(w, en, &why, e);
        if (kind == MESSAGE_RUN) {
                en->state = ENTRY_IGNORED;
                return 0;
        }
        if (kind != MESSAGE_TASK) {
                entry_dead_letter(en, SPAN_LIT("not a task"));
                return 0;
        }
        if (task_decode(w->codec, en->value, w->batch.arena, &en->task, &why) < 0)
                return reject(w, en, &why, e);
        if (!uuid_is_nil(en->task.run_id)) {
                int rc = run_cache_get(w->runs, w->db, en->task.run_id, now_ms, &run, e);
                if (rc < 0 && e->class != ERR_INPUT)
                        return -1;
                if (rc != 0) {
                        entry_dead_letter(en, rc < 0 ? copied(w->batch.arena, e->text)
                                                     : SPAN_LIT("no such run"));
                        return 0;
                }
                if (!run->kept) {
                        entry_dead_letter(en, SPAN_LIT("the ledger has no partition for the run's "
                                                       "day: retention has dropped it"));
                        return 0;
                }
        }
        admit_entry(en, w->o->packs, w->types, run, w->batch.arena);
        return run ? 0
                   : run_cache_about(w->runs, w->db, en->type, en->task.subject, now_ms, &en->about,
                                     e);
}

void decode_unreadable(struct lane_worker *w, struct entry *en, const struct kafka_message *m)
{
        log_error("messages cannot be read; stored as a dead letter",
                  "topic=%s partition=%d offset=%lld error=" LOG_Q, m->topic, (int)m->partition,
                  (long long)m->first, m->unreadable);
        en->offset = m->first;
        entry_dead_letter(en, copied(w->batch.arena, m->unreadable));
}
