#pragma once
/* rollcall.held: tasks that were set aside, in the order in which a subject's have to be done. */
#include "recover.h"
#include "transact.h"

/* In the transaction of the batch: notes what it set aside or quarantined, forgets what came to
 * another outcome, and wakes who stood behind. */
int held_write(struct transactor *t, struct batch *b, struct err *e) MUST_CHECK;

/* Did the batch's latest transaction set anything aside? */
bool held_wrote(const struct batch *b);

/* READY entries whose subject has a task set aside in this lane stand behind it. */
int held_stand_behind(struct db *d, const char *topic, struct batch *b, struct err *e) MUST_CHECK;

/* Has the lane anything set aside, and is any of it due in partitions of ours? One look. */
int held_look(struct db *d, const char *topic, const struct sources *sources, bool *ret_any,
              bool *ret_due, struct err *e) MUST_CHECK;

/* Fills the (reset) batch with what is due of source `index`: PENDING what has to be tried, ACTED
 * what has been decided without it (dropped, or behind a quarantined task). Gives their number. */
int held_due(struct recovery *r, int index, struct batch *b, struct err *e) MUST_CHECK;

/* After a claim: what its earlier owner did not know is looked at again. */
int held_wake_unknown(struct db *d, const struct source *s, struct err *e) MUST_CHECK;
