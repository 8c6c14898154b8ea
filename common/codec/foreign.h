/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Messages written with another schema than ours, read through avro-c's schema resolution. The
 * adapter of avro-c, together with avro_walk. */
#include "base/err.h"
#include "codec/spec.h"

struct foreign;

/* `json`: the writer's schema; `canonical`: its canonical form. Its record must carry the name of
 * one of our messages, or have it as an alias. */
int foreign_new(struct span json, struct span canonical, struct foreign **ret, struct err *e)
        MUST_CHECK;
void foreign_free(struct foreign *f);
DEFINE_CLEANUP(foreign_cleanup, struct foreign, foreign_free)

enum message_kind foreign_kind(const struct foreign *f);

/* `m`: the kind's struct, zeroed. */
int foreign_decode(struct foreign *f, struct span body, struct arena *a, void *m, struct err *e)
        MUST_CHECK;
