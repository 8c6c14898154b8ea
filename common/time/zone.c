/* SPDX-License-Identifier: Apache-2.0 */
/* A zone's changes of its offset, read from the IANA database's file itself: the C library answers
 * for one zone at a time, and for one process. */
#include "time/zone.h"

#include "base/buf.h"
#include "time/tz_rule.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
        /* seconds: no offset is farther from UTC, at either end of the date line */
        OFFSET_MAX = 26 * 3600,
        CYCLE_YEARS = 400, /* the calendar repeats itself, weekdays included */
        RULE_MAX = 256,
        FILE_MAX = 1024 * 1024,
};

#define CYCLE (INT64_C(146097) * 86400 * INSTANT_SECOND)

struct zone {
        char *name;
        int first;    /* offset before at[0] */
        bool repeats; /* after the table's end its last 400 years come again */
        size_t n, cap;
        instant *at;
        int *offset;
};

static int64_t floor_div(int64_t a, int64_t b)
{
        return a / b - (a % b < 0);
}

void zone_free(struct zone *z)
{
        if (!z)
                return;
        free(z->name);
        free(z->at);
        free(z->offset);
        free(z);
}

static int zone_add(struct zone *z, instant at, int offset)
{
        if (z->n && z->at[z->n - 1] == at) { /* summer time that lasts to the next one's begin */
                z->offset[z->n - 1] = offset;
                return 0;
        }
        if (z->n == z->cap) {
                size_t cap = z->cap ? z->cap * 2 : 16;
                instant *a = reallocarray(z->at, cap, sizeof *a);
                if (!a)
                        return -1;
                z->at = a;
                int *o = reallocarray(z->offset, cap, sizeof *o);
                if (!o)
                        return -1;
                z->offset = o;
                z->cap = cap;
        }
        z->at[z->n] = at;
        z->offset[z->n++] = offset;
        return 0;
}

struct zone *zone_new(const char *name, int first, const instant *at, const int *offset, size_t n)
{
        struct zone *z CLEANUP(zone_cleanup) = calloc(1, sizeof *z);
        if (!z)
                return NULL;
        z->name = strdup(name);
        z->first = first;
        if (!z->name)
                return NULL;
        for (size_t i = 0; i < n; i++)
                if (zone_add(z, at[i], offset[i]) < 0)
                        return NULL;
        return TAKE(z);
}

/* ---- the IANA database's files (RFC 8536) ---- */

/* What is left of a file that is read from its beginning. */
struct reader {
        const unsigned char *p, *end;
};

static int64_t read_integer(struct reader *r, size_t size)
{
        uint64_t v = *r->p & 0x80 ? UINT64_MAX : 0;
        for (size_t i = 0; i < size; i++)
                v = v << 8 | *r->p++;
        return (int64_t)v;
}

enum { HEADER = 44, TYPE = 6, TYPES_MAX = 256 };

struct header {
        char version;
        size_t utc_flags, standard_flags, leaps, times, types, letters;
};

static bool read_header(struct reader *r, struct header *ret)
{
        if (r->end - r->p < HEADER || memcmp(r->p, "TZif", 4) != 0)
                return false;
        ret->version = (char)r->p[4];
        r->p += 20;
        size_t *const counts[] = { &ret->utc_flags, &ret->standard_flags, &ret->leaps,
                                   &ret->times,     &ret->types,          &ret->letters };
        for (size_t i = 0; i < ARRAY_LEN(counts); i++)
                *counts[i] = (size_t)(uint32_t)read_integer(r, 4);
        return ret->types <= TYPES_MAX;
}

/* Bytes of the data block after a header whose times have `size` bytes. */
static size_t block_size(const struct header *h, size_t size)
{
        return h->times * (size + 1) + h->types * TYPE + h->letters + h->leaps * (size + 4) +
               h->standard_flags + h->utc_flags;
}

static int read_block(struct zone *z, struct reader *r, const struct header *h, size_t size)
{
        struct reader index = { r->p + h->times * size, r->end },
                      types = { index.p + h->times, r->end };
        int offsets[TYPES_MAX] = { 0 };
        for (size_t i = 0; i < h->types; i++) {
                offsets[i] = (int)read_integer(&types, 4);
                types.p += 2;
                if (offsets[i] < -OFFSET_MAX || offsets[i] > OFFSET_MAX)
                        return -1;
        }
        z->first = offsets[0];
        for (size_t i = 0; i < h->times; i++) {
                int64_t at = read_integer(r, size);
                int offset = offsets[*index.p++];
                if (at < INT64_MIN / INSTANT_SECOND) /* "since ever" */
                        z->first = offset;
                else if (at > INT64_MAX / INSTANT_SECOND ||
                         zone_add(z, at * INSTANT_SECOND, offset) < 0)
                        return -1;
        }
        return 0;
}

/* What the rule says from the table's end on, for so long as the calendar needs to repeat itself.
 */
static int add_rule(struct zone *z, const struct tz_rule *r)
{
        if (!r->has_summer)
                return 0;
        int year = 1970, month, day;
        instant last = z->n ? z->at[z->n - 1] : INT64_MIN;
        if (z->n)
                civil_from_days(floor_div(last, 86400 * INSTANT_SECOND), &year, &month, &day);
        for (int end = year + CYCLE_YEARS + 2; year < end; year++) {
                instant begins = tz_rule_change(r, year, true) * INSTANT_SECOND,
                        ends = tz_rule_change(r, year, false) * INSTANT_SECOND;
                bool north = begins < ends;
                instant at[] = { north ? begins : ends, north ? ends : begins };
                int offset[] = { north ? r->summer : r->standard, north ? r->standard : r->summer };
                for (size_t i = 0; i < ARRAY_LEN(at); i++)
                        if (at[i] > last && zone_add(z, at[i], offset[i]) < 0)
                                return -1;
        }
        z->repeats = true;
        return 0;
}

/* The file's text: version 1's block, or the second one, of 64 bits, and the rule after it. */
static int parse_file(struct zone *z, struct reader r)
{
        struct header h;
        size_t size = 4;
        if (!read_header(&r, &h))
                return -1;
        if (h.version >= '2') {
                if (block_size(&h, size) > (size_t)(r.end - r.p))
                        return -1;
                r.p += block_size(&h, size);
                size = 8;
                if (!read_header(&r, &h))
                        return -1;
        }
        if (h.types == 0 || block_size(&h, size) > (size_t)(r.end - r.p))
                return -1;
        struct reader footer = { r.p + block_size(&h, size), r.end };
        for (size_t i = 0; i < h.times; i++)
                if (r.p[h.times * size + i] >= h.types)
                        return -1;
        if (read_block(z, &r, &h, size) < 0)
                return -1;
        char text[RULE_MAX];
        /* "\nRULE\n" */
        size_t len = footer.end - footer.p > 1 ? (size_t)(footer.end - footer.p) - 1 : 0;
        if (size == 4 || len <= 1 || len > sizeof text)
                return 0; /* no rule: the last offset holds */
        memcpy(text, footer.p + 1, len - 1);
        text[len - 1] = '\0';
        struct tz_rule rule;
        return tz_rule_parse(text, &rule) ? add_rule(z, &rule) : -1;
}

static bool read_file(const char *name, struct buf *out)
{
        if (!*name || *name == '/' || *name == ':' || strstr(name, ".."))
                return false;
        const char *folder = getenv("TZDIR");
        char path[PATH_MAX], part[4096];
        int len = snprintf(path, sizeof path, "%s/%s",
                           folder && *folder ? folder : "/usr/share/zoneinfo", name);
        struct stat st;
        if (len < 0 || (size_t)len >= sizeof path || stat(path, &st) < 0 || !S_ISREG(st.st_mode))
                return false;
        FILE *f = fopen(path, "re");
        if (!f)
                return false;
        for (size_t n; (n = fread(part, 1, sizeof part, f)) > 0;)
                buf_add(out, part, n);
        fclose(f);
        return out->oom || (!out->failed && out->len > HEADER);
}

int zone_load(const char *name, struct zone **ret, struct err *e)
{
        BUF_CLEANUP struct buf file = { .max = FILE_MAX };
        bool found = read_file(name, &file);
        struct zone *z CLEANUP(zone_cleanup) = zone_new(name, 0, NULL, NULL, 0);
        if (!z || file.oom)
                return err_oom(e);
        const unsigned char *data = (const unsigned char *)buf_str(&file);
        if (!found || memcmp(data, "TZif", 4) != 0)
                return err_set(
                        e, ERR_FATAL, "",
                        "time zone \"%s\" is not in the system's IANA database: use a name such as "
                        "America/Sao_Paulo or UTC",
                        name);
        if (parse_file(z, (struct reader){ data, data + file.len }) < 0)
                return err_set(
                        e, ERR_FATAL, "",
                        "time zone \"%s\": its file in the system's IANA database cannot be read",
                        name);
        *ret = TAKE(z);
        return 0;
}

const char *zone_name(const struct zone *z)
{
        return z->name;
}

/* How many transitions are at or before t. */
static size_t count_passed(const struct zone *z, instant t)
{
        size_t lo = 0, hi = z->n;
        while (lo < hi) {
                size_t mid = lo + (hi - lo) / 2;
                if (z->at[mid] <= t)
                        lo = mid + 1;
                else
                        hi = mid;
        }
        return lo;
}

static int offset_after(const struct zone *z, size_t transitions)
{
        return transitions ? z->offset[transitions - 1] : z->first;
}

/* How far to go back, in whole cycles, to come from `t` into the table. */
static instant cycles_beyond(const struct zone *z, instant t)
{
        instant end = z->repeats ? z->at[z->n - 1] - 2 * OFFSET_MAX * INSTANT_SECOND : t;
        return t > end ? ((t - end - 1) / CYCLE + 1) * CYCLE : 0;
}

int zone_offset(const struct zone *z, instant t)
{
        return offset_after(z, count_passed(z, t - cycles_beyond(z, t)));
}

enum zone_occurrence zone_to_instant(const struct zone *z, int64_t local_seconds, instant *ret)
{
        instant back = cycles_beyond(z, local_seconds * INSTANT_SECOND),
                as_utc = local_seconds * INSTANT_SECOND - back;
        size_t last = count_passed(z, as_utc + OFFSET_MAX * INSTANT_SECOND);
        instant gap_end = as_utc;
        int found = 0;
        bool in_gap = false;
        for (size_t i = count_passed(z, as_utc - OFFSET_MAX * INSTANT_SECOND); i <= last; i++) {
                instant t = as_utc - offset_after(z, i) * INSTANT_SECOND;
                bool begun = i == 0 || t >= z->at[i - 1];
                bool over = i < z->n && t >= z->at[i];
                if (begun && !over && found++ == 0)
                        *ret = t + back;
                if (!begun && !in_gap &&
                    as_utc - offset_after(z, i - 1) * INSTANT_SECOND >= z->at[i - 1]) {
                        in_gap = true;
                        gap_end = z->at[i - 1];
                }
        }
        if (found)
                return found > 1 ? ZONE_TWICE : ZONE_ONCE;
        *ret = gap_end + back;
        return ZONE_SKIPPED;
}

void zone_format(const struct zone *z, instant t, char text[INSTANT_TEXT_MAX])
{
        /* Whole minutes, as RFC 3339 wants them: the text names the same instant even for a local
         * mean time of the 19th century. */
        int minutes = zone_offset(z, t) / 60;
        char utc[INSTANT_TEXT_MAX];
        instant_format((floor_div(t, INSTANT_SECOND) + minutes * 60) * INSTANT_SECOND, utc);
        int size = minutes < 0 ? -minutes : minutes;
        int len = (int)strlen(utc) - 1; /* without the Z */
        snprintf(text, INSTANT_TEXT_MAX, "%.*s%c%02d:%02d", len, utc, minutes < 0 ? '-' : '+',
                 size / 60, size % 60);
}
