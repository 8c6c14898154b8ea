/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A schema registry with Confluent's API, over HTTP. Stands in this room because libcurl's adapter
 * does. */
#include "base/buf.h"
#include "base/err.h"

/* The schema's JSON text. `base`: "https://host:port/apis/ccompat/v7". ERR_RETRY: nobody answered,
 * or not now; ERR_INPUT: there is no such id. */
int registry_schema(const char *base, uint32_t id, long timeout_ms, struct buf *ret, struct err *e)
        MUST_CHECK;
