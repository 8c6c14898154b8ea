/* What is in hand belongs to the connection it was read from: it is forgotten with it. */
#include "request_state.h"

#include <stdlib.h>
#include <string.h>

void request_hand_empty(struct request_hand *h)
{
        for (size_t i = 0; i < h->n; i++)
                free(h->rows[i].actor);
        free(h->rows);
        db_result_free(h->arrays);
        arena_reset(h->memory);
        *h = (struct request_hand){ .memory = h->memory };
}

void request_state_reset(struct requests *q)
{
        for (size_t i = 0; i < LANE_COUNT; i++) {
                if (q->small[i].memory)
                        request_hand_empty(&q->small[i]);
                if (q->large[i].memory)
                        request_hand_empty(&q->large[i]);
        }
        memset(q->slots, 0, sizeof q->slots);
        q->n_tracked = q->n_published = 0;
        q->more = true;
        q->cluster_compared = false;
}
