#pragma once
/*
 * One pump: a thread that serves one lane as a member of its consumer group, with a database
 * connection and a producer of its own. Pumps share nothing but the configuration, which nobody
 * changes.
 */
#include "pack/pack.h"

struct pump_options {
        const struct service *service;
        const struct packs *packs;
        enum lane lane;
        int number;               /* of this lane's pumps, from 1 */
        void (*ready)(void *ctx); /* called once, when it has joined */
        void *ctx;
};

/* Runs until the daemon stops. 0, or -1 when it could not start at all (ERR_FATAL: configuration,
 * schema, a pack's statement). */
int pump_run(const struct pump_options *o, struct err *e) MUST_CHECK;
