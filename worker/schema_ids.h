/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Schema ids of the Confluent wire format: those that the configuration names, and those that a
 * schema registry knows. */
#include "codec/codec.h"
#include "config/service.h"

struct schema_ids;

/* Adds the configured ids to the codec. `s` and `c` must outlive it. */
int schema_ids_new(const struct service *s, struct codec *c, struct schema_ids **ret, struct err *e)
        MUST_CHECK;
void schema_ids_free(struct schema_ids *x);
DEFINE_CLEANUP(schema_ids_cleanup, struct schema_ids, schema_ids_free)

/* Asks the registry about an id that the codec wants; what it answers is kept, also that it does
 * not know the id, for a minute. 0: asked, or there is no registry: decoding finds out. ERR_RETRY:
 * the registry is unavailable. */
int schema_ids_ask(struct schema_ids *x, uint32_t id, struct err *e) MUST_CHECK;
