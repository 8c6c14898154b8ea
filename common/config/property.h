/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The table of the service's properties (service.c), shared with what prints it. Private to this
 * room. */
#include "config/service.h"

enum property_type {
        PROPERTY_TEXT,         /* const char *; default `text` */
        PROPERTY_SECRET,       /* the same; may hold a password, shown without it */
        PROPERTY_PATH,         /* the same; joined with the configuration file's folder */
        PROPERTY_CHOICE,       /* the same; one of `choices` */
        PROPERTY_INTEGER,      /* int64_t; default `number`, from `min` to `max` */
        PROPERTY_DURATION,     /* int64_t in milliseconds; the same */
        PROPERTY_PROPERTIES,   /* const char ** of "name=value" with its length at `count` */
        PROPERTY_LANES,        /* bool[LANE_COUNT] */
        PROPERTY_BOOL,         /* bool; default false */
        PROPERTY_SECRET_FILES, /* as PROPERTY_PROPERTIES, of "name=path" */
        PROPERTY_NAMES,        /* const char ** with its length at `count` */
};

struct property {
        const char *path; /* "group.key" */
        enum property_type type;
        size_t offset; /* in struct service */
        size_t count;  /* in struct service: where a list's length lies */
        const char *text;
        int64_t number, min, max;
        const char *const *choices; /* NULL-terminated */
        bool applied; /* not by SIGHUP: the daemons do not use it, `rollcall topics apply` does */
        const char *help;
};

extern const struct property service_properties[];
extern const size_t service_property_count;

/* Takes `text` over; NULL when that is what it is, or out of memory. */
const char *service_own(struct service *s, char *text);
/* Loads the file. `found`: nobody named it, so it and what it includes must be the caller's or
 * root's alone. */
int service_read(const char *path, bool found, struct service **ret, struct err *e) MUST_CHECK;
/* Splits librdkafka's properties into names and values, and reads those whose values are in files
 * (kafka_properties.c). */
int service_name_kafka(struct service *s, struct err *e) MUST_CHECK;
/* Checks librdkafka's properties: none that loads code, no password without TLS
 * (kafka_properties.c). */
int service_check_kafka(const struct service *s, struct err *e) MUST_CHECK;

/* Where the property's value lies. */
static inline const void *property_value(const struct service *s, const struct property *p)
{
        return (const char *)s + p->offset;
}
