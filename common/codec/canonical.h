/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Avro's Parsing Canonical Form and its CRC-64-AVRO fingerprint, as the specification has them
 * ("Schema Fingerprints"). */
#include "base/buf.h"
#include "base/err.h"

/* `json`: a schema's text. `out`: its canonical form. ERR_INPUT, saying what is wrong, when it is
 * not a schema. */
int schema_canonical(struct span json, struct buf *out, struct err *e) MUST_CHECK;
uint64_t schema_fingerprint(struct span canonical);

/* Full names that the schema gives itself: its own, then its aliases, separated by spaces. */
int schema_names(struct span json, struct buf *out, struct err *e) MUST_CHECK;
