#pragma once
/* Shared by the store's two files only. */
#include "aggregator/store.h"

struct store {
        struct db *db;
        struct db_params *params; /* of one statement at a time */
        struct store_limits limits;
};

struct db_params *store_params(struct store *s); /* emptied */
