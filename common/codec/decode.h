/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The body of a message that was written with our own schema. */
#include "base/err.h"
#include "codec/spec.h"

/* `m`: the kind's struct, zeroed. */
int decode_body(const struct spec *spec, struct span body, struct arena *a, void *m, struct err *e)
        MUST_CHECK;
