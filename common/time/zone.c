#include "time/zone.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
        PROBE_STEP = 6 * 3600, /* seconds; only a change taken back within so short a time would be missed */
        OFFSET_MAX = 26 * 3600, /* no offset is farther from UTC, at either end of the date line */
};

struct zone {
        char *name;
        int first; /* offset before at[0] */
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

struct zone *zone_make(const char *name, int first, const instant *at, const int *offset, size_t n)
{
        CLEANUP(zone_cleanup) struct zone *z = calloc(1, sizeof *z);
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

/* The C library takes an unknown name for UTC without a word, so the file is looked at first. */
static bool is_known(const char *name)
{
        if (!*name || *name == '/' || *name == ':' || strstr(name, ".."))
                return false;
        const char *folder = getenv("TZDIR");
        char path[PATH_MAX];
        int len = snprintf(path, sizeof path, "%s/%s", folder && *folder ? folder : "/usr/share/zoneinfo", name);
        struct stat st;
        if (len < 0 || (size_t)len >= sizeof path || stat(path, &st) < 0 || !S_ISREG(st.st_mode))
                return false;
        FILE *f = fopen(path, "re");
        if (!f)
                return false;
        char magic[4];
        bool ok = fread(magic, 1, sizeof magic, f) == sizeof magic && memcmp(magic, "TZif", sizeof magic) == 0;
        fclose(f);
        return ok;
}

static int system_offset(int64_t second)
{
        time_t t = (time_t)second;
        struct tm tm;
        return localtime_r(&t, &tm) ? (int)tm.tm_gmtoff : 0;
}

/* The first second in (lo, hi] with another offset than lo's, given that hi's is another. */
static int64_t bisect(int64_t lo, int64_t hi)
{
        int offset = system_offset(lo);
        while (hi - lo > 1) {
                int64_t mid = lo + (hi - lo) / 2;
                if (system_offset(mid) == offset)
                        lo = mid;
                else
                        hi = mid;
        }
        return hi;
}

/* With TZ set to the zone: fills the table for the seconds from..to. */
static int probe(struct zone *z, int64_t from, int64_t to)
{
        int offset = z->first = system_offset(from);
        int64_t at = from;
        while (at < to) {
                int64_t next = to - at > PROBE_STEP ? at + PROBE_STEP : to;
                if (system_offset(next) != offset) {
                        next = bisect(at, next);
                        offset = system_offset(next);
                        if (zone_add(z, next * INSTANT_SECOND, offset) < 0)
                                return -1;
                }
                at = next;
        }
        return 0;
}

static int with_tz(struct zone *z, int64_t from, int64_t to)
{
        const char *tz = getenv("TZ");
        CLEANUP(cleanup_free) char *old = tz ? strdup(tz) : NULL;
        if ((tz && !old) || setenv("TZ", z->name, 1) < 0)
                return -1;
        tzset();
        int r = probe(z, from, to);
        if (old ? setenv("TZ", old, 1) < 0 : unsetenv("TZ") < 0)
                r = -1;
        tzset();
        return r;
}

int zone_load(const char *name, instant from, instant to, struct zone **ret, struct err *e)
{
        if (!is_known(name))
                return err_set(e, ERR_FATAL, NULL,
                               "time zone \"%s\" is not in the system's IANA database: use a name such as America/Sao_Paulo or UTC", name);
        CLEANUP(zone_cleanup) struct zone *z = zone_make(name, 0, NULL, NULL, 0);
        if (!z || with_tz(z, floor_div(from, INSTANT_SECOND), floor_div(to, INSTANT_SECOND)) < 0)
                return err_oom(e);
        *ret = TAKE(z);
        return 0;
}

const char *zone_name(const struct zone *z)
{
        return z->name;
}

/* How many transitions are at or before t. */
static size_t passed(const struct zone *z, instant t)
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

int zone_offset(const struct zone *z, instant t)
{
        return offset_after(z, passed(z, t));
}

int zone_to_instant(const struct zone *z, int64_t local_seconds, instant *ret)
{
        instant as_utc = local_seconds * INSTANT_SECOND;
        size_t last = passed(z, as_utc + OFFSET_MAX * INSTANT_SECOND);
        instant gap_end = as_utc;
        int found = 0;
        bool in_gap = false;
        for (size_t i = passed(z, as_utc - OFFSET_MAX * INSTANT_SECOND); i <= last; i++) {
                instant t = as_utc - offset_after(z, i) * INSTANT_SECOND;
                bool begun = i == 0 || t >= z->at[i - 1];
                bool over = i < z->n && t >= z->at[i];
                if (begun && !over && found++ == 0)
                        *ret = t;
                if (!begun && !in_gap && as_utc - offset_after(z, i - 1) * INSTANT_SECOND >= z->at[i - 1]) {
                        in_gap = true;
                        gap_end = z->at[i - 1];
                }
        }
        if (found)
                return found > 1 ? 2 : 0;
        *ret = gap_end;
        return 1;
}

void zone_format(const struct zone *z, instant t, char text[INSTANT_TEXT_MAX])
{
        /* Whole minutes, as RFC 3339 wants them: the text names the same instant even for a local mean time of the 19th century. */
        int minutes = zone_offset(z, t) / 60;
        char utc[INSTANT_TEXT_MAX];
        instant_format((floor_div(t, INSTANT_SECOND) + minutes * 60) * INSTANT_SECOND, utc);
        int size = minutes < 0 ? -minutes : minutes;
        int len = (int)strlen(utc) - 1; /* without the Z */
        snprintf(text, INSTANT_TEXT_MAX, "%.*s%c%02d:%02d", len, utc, minutes < 0 ? '-' : '+', size / 60, size % 60);
}
