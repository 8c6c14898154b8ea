/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of a poll, batch by batch. */
#include "take.h"

#include "base/failpoint.h"
#include "deaths.h"
#include "decide.h"
#include "decode.h"
#include "finish.h"
#include "parked.h"
#include "places.h"
#include "type_pauses.h"
#include "unexpected.h"

#include <string.h>

/* Takes messages list[0..n) of owned partitions into the (reset) batch. */
static int fill(struct lane_worker *w, const struct kafka_message *list, size_t n, struct err *e)
{
        struct batch *b = &w->batch;
        batch_reset(b);
        run_cache_evict(w->runs);
        b->entries = arena_alloc(b->arena, (n + 1) * sizeof *b->entries);
        if (!b->entries)
                return err_oom(e);
        const struct kafka_message **last = arena_alloc(b->arena,
                                                        (w->partitions.n + 1) * sizeof *last);
        if (!last)
                return err_oom(e);
        memset(last, 0, (w->partitions.n + 1) * sizeof *last);
        int64_t now_ms = monotonic_ms();
        for (size_t i = 0; i < n; i++) {
                int index = lane_partitions_index(&w->partitions, w->topic, list[i].partition);
                struct lane_partition *x = lane_worker_consumed(w, index);
                if (!x || list[i].offset < x->taken)
                        /* what came back to us while we published comes again, after its recovery
                         */
                        continue;
                x->taken = list[i].offset + 1;
                last[index] = &list[i];
                struct entry *en = &b->entries[b->n++];
                *en = (struct entry){ .partition = index,
                                      .epoch = x->at.epoch,
                                      .offset = list[i].offset,
                                      .sequence = ++x->sequence,
                                      .key = list[i].key,
                                      .value = list[i].value };
                if (list[i].unreadable)
                        decode_unreadable(w, en, &list[i]);
                else if (decode_entry(w, en, now_ms, e) < 0)
                        return -1;
        }
        for (size_t i = 0; i < w->partitions.n; i++)
                if (last[i])
                        w->partitions.list[i].taken_digest = kafka_message_digest(last[i]);
        return 0;
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
static struct lane_partition *careful_partition(struct lane_worker *w,
                                                const struct kafka_message *m)
{
        for (size_t i = 0; i < w->partitions.n; i++) {
                struct lane_partition *s = &w->partitions.list[i];
                if (lane_partition_is_owned(s) && s->careful_to &&
                    s->at.partition == m->partition && m->offset < s->careful_to)
                        return s;
        }
        return NULL;
}

/* How many of list[0..n) fit into one batch: one at least. */
static size_t fitting(struct lane_worker *w, const struct kafka_message *list, size_t n)
{
        size_t bytes = 0, max = (size_t)w->o->service->worker.batch_max_bytes, count = 0;
        bool careful = false;
        if (careful_partition(w, list))
                return 1;
        for (size_t i = 0; i < w->partitions.n; i++)
                careful |= lane_partition_is_owned(&w->partitions.list[i]) &&
                           w->partitions.list[i].careful_to;
        for (; count < n && count < w->take; count++) {
                bytes += weight(list[count].value);
                if (count && (bytes > max || (careful && careful_partition(w, &list[count]))))
                        break;
        }
        return count;
}

int take_tasks(struct lane_worker *w, struct kafka_message *list, size_t n, struct err *e)
{
        for (size_t from = 0, to = 0; from < n; from = to) {
                to = from + fitting(w, list + from, n - from);
                if (fill(w, list + from, to - from, e) < 0)
                        return -1;
                if (unexpected_resolve(w, e) < 0)
                        return -1;
                int placed = places_find(w, e);
                if (placed < 0 || (placed == PLACES_FOUND && unexpected_resolve(w, e) < 0))
                        return -1;
                if (placed == PLACES_TAKE_AGAIN) {
                        lane_partitions_untake(&w->partitions);
                        to = from;
                        continue;
                }
                batch_park_unknown(&w->batch, w->o->service->retry.version_wait_ms);
                if (w->any_parked && parked_block(w->db, w->topic, &w->batch, e) < 0)
                        return -1;
                struct lane_partition *careful = careful_partition(w, &list[from]);
                if (careful && w->batch.n &&
                    deaths_begin_task(w, &w->batch.entries[0], ENTRY_DECIDED, e) < 0)
                        return -1;
                if (batch_group(&w->batch, ENTRY_READY, e) < 0)
                        return -1;
                int rc = decide_batch(&w->transactor, &w->batch, e);
                if (rc == TRANSACTION_TOO_LARGE) {
                        lane_partitions_untake(&w->partitions);
                        w->take = batch_fewer(to - from);
                        to = from;
                        continue;
                }
                if (rc == TRANSACTION_BY_TASK) {
                        run_cache_forget_all(w->runs);
                        lane_partitions_untake(&w->partitions);
                        to = from;
                        continue;
                }
                if (rc != 0)
                        return rc;
                places_committed(w->places);
                if (w->o->lane != LANE_MAIL)
                        w->take = batch_more(w->take, w->batch.result_bytes, w->batch_max);
                type_pauses_log_committed(&w->transactor, w->o->lane);
                w->any_parked = w->any_parked || parked_wrote(&w->batch);
                FAILPOINT("decide.committed");
                if (outbox_publish(&w->outbox, &w->batch, e) < 0)
                        return -1;
                FAILPOINT("outcomes.published");
                rc = finish_batch(w, e);
                if (rc != 0)
                        return rc;
                if (careful && deaths_end_task(w, careful, e) < 0)
                        return -1;
        }
        return 0;
}
