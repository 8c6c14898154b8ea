/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What comes in through the services' intake topics: distinguished, read, checked. An entry comes
 * out FILED (to be written as a row of rollcall.request), or refused: with an answer (DECIDED as
 * failed) when it says which task it requests, and a dead letter in any case.
 */
#include "batch.h"
#include "kafka/kafka.h"

enum { INTAKE_REASON_MAX = 1500 };

/* Which of Kafka's headers say what a message is. ptr NULL: absent. */
struct intake_headers {
        struct span content_type, specversion, id, source, type, subject;
};
void intake_headers_read(const struct kafka_message *m, struct intake_headers *ret);

/* The service whose topic it is; NULL: none of the configuration's. */
const struct service_intake *intake_of(const struct service *s, const char *topic);

/* Reads and checks en->value as a request of that service: en is FILED, or DECIDED (the answer), or
 * DEAD. Its reason begins with "refused: ". -1 only when out of memory. */
int intake_admit(struct entry *en, const struct intake_headers *h,
                 const struct service_intake *from, struct codec *c, const struct packs *packs,
                 const struct type_numbers *numbers, struct arena *a, struct err *e) MUST_CHECK;
