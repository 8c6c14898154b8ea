#pragma once
/* Follow-ups of ad-hoc tasks: requests of Rollcall's own, filed in the batch's transaction and
 * published by the scheduler, so that none is lost. A run's follow-ups go straight to their lane:
 * the run's count tells when one is missing. */
#include "batch.h"
#include "db/db.h"

/* How many the entries that are DONE have. */
size_t follow_ups_count(const struct batch *b);
/* The parameters of sql_follow_ups_request, for that many. */
void follow_ups_params(const struct batch *b, size_t n, struct db_params *p);
