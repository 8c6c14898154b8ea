#pragma once
/* Shared by the two files of the store only. */
#include "aggregator/store.h"

struct store {
        struct db *db;
        struct db_params *params; /* of one statement at a time */
        struct store_limits limits;
};

/* Emptied: the parameters of the next statement. */
static inline struct db_params *store_params(struct store *s)
{
        db_params_reset(s->params);
        return s->params;
}
