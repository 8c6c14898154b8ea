/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Actions outside the database, done between a batch's two transactions. */
#include "actor.h"

/* One round, of some seconds at most: does what pending entries request. Those that came to an
 * outcome are ACTED, with its reason; the others stay PENDING, for another round after a->pause_ms.
 * So that whoever sends for long can write down what it has sent, and see whether the partitions
 * are still its own. */
int act_round(struct actor *a, struct batch *b, struct err *e) MUST_CHECK;
