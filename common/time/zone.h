/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A time zone as a table of transitions, and the rule that applies after it: pure data once
 * loaded, right for every year.
 */
#include "base/err.h"
#include "base/instant.h"

struct zone;

/* `name`: an IANA name ("America/Sao_Paulo", "UTC"), looked up in $TZDIR or /usr/share/zoneinfo.
 * ERR_FATAL for a name that is not there. */
int zone_load(const char *name, struct zone **ret, struct err *e) MUST_CHECK;
void zone_free(struct zone *z);
DEFINE_CLEANUP(zone_cleanup, struct zone, zone_free)

/* A zone made of given transitions, for tests: at[i] is the first instant of offset[i] (seconds
 * east of UTC); before at[0] `first`. */
struct zone *zone_new(const char *name, int first, const instant *at, const int *offset, size_t n);

const char *zone_name(const struct zone *z);
int zone_offset(const struct zone *z, instant t); /* seconds east of UTC */

enum zone_occurrence {
        ZONE_ONCE,
        ZONE_SKIPPED, /* by a gap: the instant is the first after it */
        ZONE_TWICE,   /* the instant is the first of the two */
};

/* The instant of local wall-clock seconds since 1970-01-01T00:00:00 local. */
enum zone_occurrence zone_to_instant(const struct zone *z, int64_t local_seconds, instant *ret);

/* "2026-11-21T06:00:00-03:00" */
void zone_format(const struct zone *z, instant t, char text[INSTANT_TEXT_MAX]);
