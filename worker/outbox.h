#pragma once
/*
 * Publishes what a transaction has committed: outcomes, follow-up tasks, dead letters. When all
 * messages of a batch are acknowledged, and those of all batches before it, its sources' `acked`
 * marks move; the next transaction writes them.
 */
#include "batch.h"
#include "publish/publish.h"
#include "source.h"

enum { FLIGHTS_MAX = 8 }; /* batches that wait for acknowledgements at once */

struct outbox {
        struct publisher *publisher; /* replaced by the pump after a fatal error */
        struct sources *sources;
        const char *cluster; /* whose logs they are */
        const struct packs *packs;
        struct flight {
                uint64_t id;
                size_t waiting;
                bool sealed; /* everything has been handed to the publisher */
                size_t n;
                struct mark {
                        int64_t epoch, sequence; /* 0: the flight has nothing of this source */
                } *marks;                        /* by source; malloc'ed */
        } flights[FLIGHTS_MAX];
        size_t first, n;
        uint64_t next_id;
        /* a message was not accepted: what was committed must be published again from the ledger,
         * by another publisher */
        bool failed;
        /* Called while publishing has to wait; non-zero gives up (the process is to stop at once).
         */
        int (*tick)(void *ctx);
        void *ctx;
};

/* To be called for each acknowledgement; the token is the flight's. */
void outbox_acked(struct outbox *o, uint64_t token, const struct err *e);

/* Publishes all entries that are DONE or DEAD and opens their flight. The batch may be reset
 * afterwards. */
int outbox_publish(struct outbox *o, const struct batch *b, struct err *e) MUST_CHECK;

/* Forgets all flights: after a failure, before recovery. */
void outbox_reset(struct outbox *o);
