/* Planned runs are published, a part of each in turn, so that a run of millions delays no small
 * one. */
#include "scheduler.h"

#include "base/failpoint.h"
#include "base/log.h"
#include "scheduler_statements.h"

#include <stdlib.h>

enum { PART_ROWS = 1000, NOTE_MS = 200 };

static void fanout_free(struct fanout *f)
{
        if (!f)
                return;
        db_result_free(f->chunk);
        run_free(f->run);
        free(f);
}

void fanout_reset(struct scheduler *s)
{
        for (size_t i = 0; i < s->n_fanouts; i++)
                fanout_free(s->fanouts[i]);
        s->n_fanouts = 0;
}

static void drop(struct scheduler *s, size_t i)
{
        fanout_free(s->fanouts[i]);
        s->fanouts[i] = s->fanouts[--s->n_fanouts];
}

/* Tokens: the fan-out's id and the chunk. */
bool fanout_acked(struct scheduler *s, uint64_t token)
{
        for (size_t i = 0; i < s->n_fanouts; i++) {
                struct fanout *f = s->fanouts[i];
                if (f->id != token >> 32)
                        continue;
                if (f->waiting[(uint32_t)token % CHUNKS_IN_FLIGHT] > 0)
                        f->waiting[(uint32_t)token % CHUNKS_IN_FLIGHT]--;
                return true;
        }
        return false;
}

/* ---- what there is to publish ---- */

static void add_lanes(struct scheduler *s)
{
        db_params_reset(s->params);
        db_array_begin(s->params, DB_TEXT, LANE_COUNT);
        for (size_t i = 0; i < LANE_COUNT; i++)
                db_element_text(s->params, span_of(s->service->topics[i]));
        db_array_end(s->params);
}

static int find_lost(struct scheduler *s, bool *ret_elsewhere, bool *ret_gaps, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        add_lanes(s);
        db_add_str(s->params, s->cluster);
        if (db_query(s->db, sql_find_lost, s->params, &r, e) < 0)
                return -1;
        *ret_elsewhere = db_bool(r, 0, 0);
        *ret_gaps = db_bool(r, 0, 1);
        return 0;
}

static int plan_follow_ups(struct scheduler *s, bool gaps, struct err *e)
{
        db_params_reset(s->params);
        db_add_str(s->params, s->cluster);
        db_add_bool(s->params, gaps);
        db_add_int8(s->params, s->service->scheduler.chunk);
        return db_query(s->db, sql_plan_lost_follow_ups, s->params, NULL, e);
}

/* `ret`: which runs, to be told once that is committed. */
static int publish_again(struct scheduler *s, bool gaps, struct db_result **ret, struct err *e)
{
        db_params_reset(s->params);
        db_add_str(s->params, s->cluster);
        db_add_bool(s->params, gaps);
        return db_query(s->db, sql_republish_lost, s->params, ret, e);
}

static void log_again(const struct scheduler *s, const struct db_result *r, bool gaps)
{
        for (int i = 0; i < db_rows(r); i++)
                log_warn("run is published again", RUN_Q " was_on=%s now_on=%s log_lost=%s",
                         RUN_VALUES(db_int(r, i, 0), db_str(r, i, 1), db_str(r, i, 2),
                                    db_str(r, i, 3)),
                         db_str(r, i, 4), s->cluster, gaps ? "true" : "false");
}

/* Tasks that went to another cluster are not on this one, and a log that was repaired may have lost
 * some: those without an outcome are published again, with the same ids. */
static int find_again(struct scheduler *s, struct err *e)
{
        struct db_result *again CLEANUP(db_result_cleanup) = NULL;
        bool elsewhere, gaps;
        if (find_lost(s, &elsewhere, &gaps, e) < 0)
                return -1;
        if (!elsewhere && !gaps)
                return 0;
        if (db_exec(s->db, "begin", e) < 0)
                return -1;
        add_lanes(s);
        /* first: one that is found meanwhile is the next look's */
        if (gaps && db_query(s->db, sql_gaps_repaired, s->params, NULL, e) < 0)
                return -1;
        if (gaps &&
            db_query(s->db, "select rollcall.republish_requests(null, null)", NULL, NULL, e) < 0)
                return -1;
        if (plan_follow_ups(s, gaps, e) < 0 || publish_again(s, gaps, &again, e) < 0)
                return -1;
        db_params_reset(s->params);
        db_add_str(s->params, s->cluster);
        if (db_query(
                    s->db,
                    "update rollcall.run set cluster = $1 where state in ('planned', 'published') and cluster is null",
                    s->params, NULL, e) < 0)
                return -1;
        int rc = scheduler_commit(s, e);
        if (rc == 0)
                log_again(s, again, gaps);
        if (rc == 0 && gaps) {
                fanout_reset(s);
                requests_reset(s);
        }
        return rc;
}

enum { RUN_NO, RUN_ID, CHUNKS, PUBLISHED, PLANNED, AGAIN };

static int add_fanout(struct scheduler *s, const struct db_result *r, int row, struct err *e)
{
        struct fanout *f = calloc(1, sizeof *f);
        if (!f)
                return err_oom(e);
        int rc = run_load(s->db, s->packs, db_uuid(r, row, RUN_ID), &f->run, e);
        if (rc != 0) {
                fanout_free(f);
                return rc < 0 ? -1 : 0;
        }
        f->chunks = (int)db_int(r, row, CHUNKS);
        f->planned = db_int(r, row, PLANNED);
        f->again = db_bool(r, row, AGAIN);
        f->next_chunk = f->published = f->noted = (int)db_int(r, row, PUBLISHED);
        f->id = ++s->next_id;
        f->seen = true;
        s->fanouts[s->n_fanouts++] = f;
        return 0;
}

/* What an operator has set back is begun anew. */
static bool known(struct scheduler *s, const struct db_result *r, int row)
{
        for (size_t i = 0; i < s->n_fanouts; i++) {
                if (s->fanouts[i]->run->run_no != db_int(r, row, RUN_NO))
                        continue;
                s->fanouts[i]->seen = db_int(r, row, PUBLISHED) == s->fanouts[i]->noted &&
                                      db_bool(r, row, AGAIN) == s->fanouts[i]->again;
                if (s->fanouts[i]->seen)
                        return true;
                drop(s, i);
                return false;
        }
        return false;
}

int fanout_look(struct scheduler *s, struct err *e)
{
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        int rc = find_again(s, e);
        if (rc != 0)
                return rc;
        if (db_query(s->db, sql_planned_runs, NULL, &r, e) < 0)
                return -1;
        for (size_t i = 0; i < s->n_fanouts; i++)
                s->fanouts[i]->seen = false;
        s->planned_soon = false;
        for (int i = 0; i < db_rows(r); i++) {
                /* else "published" may be told before "planned" */
                bool planning = take_planning(s, db_int(r, i, RUN_NO));
                s->planned_soon |= planning;
                if (!planning && !known(s, r, i) && s->n_fanouts < FANOUTS_MAX &&
                    add_fanout(s, r, i, e) < 0)
                        return -1;
        }
        for (size_t i = 0; i < s->n_fanouts;)
                if (s->fanouts[i]->seen)
                        i++;
                else
                        drop(s, i); /* cancelled */
        return 0;
}

/* ---- publishing ---- */

static const char CHUNK[] =
        "select subjects, items from rollcall.plan where run_no = $1 and chunk = $2";

static int load_chunk(struct scheduler *s, struct fanout *f, struct err *e)
{
        struct db_result *head CLEANUP(db_result_cleanup) = NULL;
        db_params_reset(s->params);
        db_add_int8(s->params, f->run->run_no);
        db_add_int4(s->params, f->next_chunk);
        if (db_query(s->db,
                     "select type_no, dry_run from rollcall.plan where run_no = $1 and chunk = $2",
                     s->params, &head, e) < 0)
                return -1;
        if (db_rows(head) != 1)
                return err_set(e, ERR_FATAL, "", "chunk %d of its plan is missing", f->next_chunk);
        f->type = type_by_number(s->types, (int)db_int(head, 0, 0));
        f->dry_run = db_bool(head, 0, 1);
        if (!f->type)
                return err_set(e, ERR_FATAL, "",
                               "a task type of its plan is not of this configuration");
        if (db_query_binary(s->db, f->again ? sql_chunk_without_outcome : CHUNK, s->params,
                            &f->chunk, e) < 0)
                return -1;
        f->subjects = db_texts(f->chunk, 0, 0);
        f->items = db_texts(f->chunk, 0, 1);
        f->ready = false;
        return 0;
}

static bool next_subject(struct fanout *f)
{
        if (f->ready)
                return true;
        if (!db_texts_next(&f->subjects, &f->subject))
                return false;
        if (!db_texts_next(&f->items, &f->item) || !f->item.ptr)
                f->item = SPAN_LIT("");
        return f->ready = true;
}

/* Publishes a part of the chunk in hand. 0 it is through, 1 held back at once, 2 there is more of
 * it, -1 error. */
static int publish_part(struct scheduler *s, struct fanout *f, struct err *e)
{
        struct task t = {
                .run_id = f->run->run_id,
                .type = span_of(f->type->full_name),
                .scheduled_at = f->run->scheduled_at,
                .dry_run = f->dry_run,
                .actor = span_of(f->run->requested_by),
        };
        uint64_t token = (uint64_t)f->id << 32 | (uint32_t)f->next_chunk;
        for (int i = 0; i < PART_ROWS; i++) {
                if (!next_subject(f))
                        return 0;
                t.subject = f->subject;
                t.item = f->item;
                t.task_id = task_id_of(t.run_id, t.type, t.subject, t.item);
                int rc = publish_task(s->publisher, &t, f->type->lane, token, e);
                if (rc != PUBLISH_QUEUED)
                        return rc < 0 ? -1 : i ? 2 : 1;
                f->ready = false;
                f->waiting[f->next_chunk % CHUNKS_IN_FLIGHT]++;
                FAILPOINT("fanout.task");
        }
        return 2;
}

/* Chunks are acknowledged in order: `published` is where a takeover goes on. */
static void advance(struct fanout *f)
{
        while (f->published < f->next_chunk && f->waiting[f->published % CHUNKS_IN_FLIGHT] == 0)
                f->published++;
}

/* 1 did something, 0 has to wait, -1 error. */
static int step(struct scheduler *s, struct fanout *f, struct err *e)
{
        advance(f);
        if (f->next_chunk == f->chunks || f->next_chunk - f->published >= CHUNKS_IN_FLIGHT)
                return 0;
        if (!f->chunk && load_chunk(s, f, e) < 0)
                return -1;
        int rc = publish_part(s, f, e);
        if (rc != 0)
                return rc < 0 ? -1 : rc == 2;
        FAILPOINT("fanout.chunk");
        db_result_free(f->chunk);
        f->chunk = NULL;
        f->next_chunk++;
        return 1;
}

static int note(struct scheduler *s, struct fanout *f, struct err *e)
{
        advance(f);
        bool whole = f->published == f->chunks;
        if (!whole && (f->published == f->noted || monotonic_ms() - f->noted_ms < NOTE_MS))
                return 0;
        db_params_reset(s->params);
        db_add_int8(s->params, f->run->run_no);
        db_add_int4(s->params, f->published);
        db_add_int4(s->params, f->noted);
        if (db_exec(s->db, "begin", e) < 0)
                return -1;
        if (db_query(s->db, sql_chunks_published, s->params, NULL, e) < 0)
                return -1;
        FAILPOINT("fanout.unnoted");
        f->noted = f->published;
        f->noted_ms = monotonic_ms();
        return scheduler_commit(s, e);
}

/* A run that cannot be published is closed; the others go on. */
static int give_up(struct scheduler *s, size_t i, struct err *e)
{
        struct err why = *e;
        struct run *run = s->fanouts[i]->run;
        if (why.class == ERR_RETRY || err_is_oom(&why) || !db_alive(s->db))
                return -1;
        int rc = run_close(s, run->run_no, RUN_FAILED, why.text, true, e);
        if (rc == 0)
                log_closed(&(struct run_name){ run->run_no, run->run_id, run->pack_name,
                                               run->job_name },
                           RUN_FAILED, why.text);
        drop(s, i);
        return rc;
}

static void finish(struct scheduler *s, size_t i)
{
        const struct fanout *f = s->fanouts[i];
        char id[UUID_TEXT_LEN + 1];
        uuid_to_text(f->run->run_id, id);
        log_info("run published", RUN_Q " tasks=%lld",
                 RUN_VALUES(f->run->run_no, id, f->run->pack_name, f->run->job_name),
                 (long long)f->planned);
        announce_state(s, f->run, RUN_PUBLISHED, f->planned);
        drop(s, i);
}

static int one_round(struct scheduler *s, struct err *e)
{
        int more = 0;
        for (size_t i = 0; i < s->n_fanouts;) {
                struct fanout *f = s->fanouts[i];
                int rc = step(s, f, e);
                if (rc < 0) {
                        rc = give_up(s, i, e);
                        if (rc != 0)
                                return rc < 0 ? -1 : 2;
                        continue;
                }
                more |= rc;
                rc = note(s, f, e);
                if (rc != 0)
                        return rc < 0 ? -1 : 2;
                if (f->noted == f->chunks)
                        finish(s, i);
                else
                        i++;
        }
        return more;
}

int fanout_work(struct scheduler *s, int ms, struct err *e)
{
        int64_t until = monotonic_ms() + ms;
        int more;
        do {
                more = one_round(s, e);
                if (more < 0 || more == 2)
                        return more;
                if (db_wait_notify(s->lease_db, 0, e) < 0) /* a request waits for no run */
                        return -1;
                int asked = requests_work(s, e);
                if (asked < 0 || asked == 2)
                        return asked;
                more |= asked;
                publisher_poll(s->publisher, 0);
        } while (more && !s->failed && monotonic_ms() < until);
        return more;
}

int fanout_note_all(struct scheduler *s, struct err *e)
{
        for (size_t i = 0; i < s->n_fanouts; i++) {
                s->fanouts[i]->noted_ms = 0;
                int rc = note(s, s->fanouts[i], e);
                if (rc != 0)
                        return rc;
        }
        return 0;
}
