/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A service's intake topic, as the configuration has it. Part of struct service. */
#include "config/cfg.h"

enum { INTAKES_MAX = 256 };

struct service_intake {
        const struct cfg_node *node; /* for errors */
        const char *service;         /* becomes the actor of its tasks */
        char *topic;                 /* owned; PREFIX.intake.SERVICE unless given */
        const char **types;          /* full names that it may request; owned, the texts are not */
        size_t n_types;
        /* tasks a second that are accepted on average, and at once; over all workers */
        int64_t rate, burst;
        int64_t open_max; /* tasks without an outcome; more are not accepted */
};

void service_intake_free(struct service_intake *list, size_t n);

struct service;
/* Reads the list `intake` into s->intakes, and makes s->sources. The topics of Rollcall's own have
 * their names already. */
int service_intakes(struct service *s, struct err *e) MUST_CHECK;
