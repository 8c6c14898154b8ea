#pragma once
/* The table of the service's properties (service.c), shared with what prints it. Private to this room. */
#include "config/service.h"

enum property_type {
        PROPERTY_TEXT, /* const char *; default `text` */
        PROPERTY_SECRET, /* the same; may hold a password, shown without it */
        PROPERTY_PATH, /* the same; joined with the configuration file's folder */
        PROPERTY_CHOICE, /* the same; one of `choices` */
        PROPERTY_INTEGER, /* int64_t; default `number`, from `min` to `max` */
        PROPERTY_DURATION, /* int64_t in milliseconds; the same */
        PROPERTY_PROPERTIES, /* const char ** of "name=value" with its length at `count` */
        PROPERTY_LANES, /* bool[LANE_COUNT] */
};

struct property {
        const char *path; /* "group.key" */
        enum property_type type;
        size_t offset; /* in struct service */
        size_t count; /* in struct service: where a list's length lies */
        const char *text;
        int64_t number, min, max;
        const char *const *choices; /* NULL-terminated */
        bool applied; /* not by SIGHUP: the daemons do not use it, `rollcall topics apply` does */
        const char *help;
};

extern const struct property service_properties[];
extern const size_t service_property_count;

/* Where the property's value lies. */
static inline const void *property_value(const struct service *s, const struct property *p)
{
        return (const char *)s + p->offset;
}
