/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Whether bytes are well-formed for a schema, before avro-c sees them: it allocates by declared
 * lengths and loses that memory on failure. */
#include "base/buf.h"

#include <avro.h>

/* NULL, or what is wrong: static text. */
const char *avro_walk(avro_schema_t writer, struct span body);
