/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The services' intake topics, as the configuration has them. */
#include "config/service.h"

void service_intake_free(struct service_intake *list, size_t n);

/* Reads the list `intake` into s->intakes, and makes s->sources. The topics of Rollcall's own have
 * their names already. */
int service_intakes(struct service *s, struct err *e) MUST_CHECK;
