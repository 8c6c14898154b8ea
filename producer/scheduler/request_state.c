/* SPDX-License-Identifier: Apache-2.0 */
/* Batches belong to the connection they were read from, and are forgotten with it. */
#include "request_state.h"

#include <stdlib.h>
#include <string.h>

void request_batch_clear(struct request_batch *b)
{
        for (size_t i = 0; i < b->n; i++)
                free(b->rows[i].actor);
        free(b->rows);
        db_result_free(b->arrays);
        arena_reset(b->memory);
        *b = (struct request_batch){ .memory = b->memory };
}

void request_state_reset(struct requests *q)
{
        for (size_t i = 0; i < LANE_COUNT; i++) {
                if (q->small[i].memory)
                        request_batch_clear(&q->small[i]);
                if (q->large[i].memory)
                        request_batch_clear(&q->large[i]);
        }
        memset(q->slots, 0, sizeof q->slots);
        q->n_tracked = q->n_published = 0;
        q->more = true;
        q->cluster_compared = false;
}
