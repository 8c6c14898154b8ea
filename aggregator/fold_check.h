#pragma once
/* What of an event PostgreSQL's tables cannot take. Part of the core. */
#include "aggregator/fold.h"

/* ERR_INPUT naming the field. */
int fold_check(const struct outcome_event *m, struct err *e) MUST_CHECK;
