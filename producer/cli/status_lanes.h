/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* How far the workers are in the lanes and the intake topics, and who serves them. */
#include "output.h"

struct topic_state {
        bool exists;
        int64_t taken, waiting; /* messages */
        int64_t since_seconds;  /* age of the last movement; -1: never moved */
};

struct lanes {
        struct topic_state list[LANE_COUNT + 1]; /* the lanes, then the results topic */
        struct topic_state *intakes;             /* in the configuration's order */
        size_t n_intakes;
        struct db_result *unserved; /* names of lanes without a worker, LANE_INTAKE's among them */
        struct db_result *services; /* per intake: open, refused_last_day, last_refused_at */
        int rc; /* not 0: Kafka cannot be asked, which has been said; only the database's part is
                 * there
                 */
};

/* 0, or an exit code after saying why. Kafka being unavailable is no failure: see lanes.rc. */
int lanes_read(struct cli *c, struct lanes *ret) MUST_CHECK;
void lanes_deinit(struct lanes *l);

/* Messages that wait in a lane (LANE_INTAKE: in all intake topics) that no worker serves. */
int64_t lanes_unserved(const struct cli *c, const struct lanes *l, enum lane lane);

void lanes_print(const struct cli *c, const struct lanes *l);
json_t *lanes_json(const struct cli *c, const struct lanes *l);
/* Nothing when no intake is configured. */
void lanes_print_intakes(const struct cli *c, const struct lanes *l);
json_t *lanes_json_intakes(const struct cli *c, const struct lanes *l);
