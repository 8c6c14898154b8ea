/* SPDX-License-Identifier: Apache-2.0 */
/* Schemas by their id: configured, or from a registry. */
#include "schema_ids.h"

#include "mail/registry.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCHEMA_MAX = 1024 * 1024, UNKNOWN_MAX = 64, UNKNOWN_MS = 60000, TIMEOUT_MS = 5000 };

struct schema_ids {
        const struct service *service;
        struct codec *codec;
        struct unknown {
                uint32_t id;
                int64_t until_ms;
        } unknown[UNKNOWN_MAX]; /* the oldest is written over */
        size_t next;
};

void schema_ids_free(struct schema_ids *x)
{
        free(x);
}

static void close_file(FILE **f)
{
        if (*f)
                fclose(*f);
}

static int read_file(const char *path, struct buf *out, struct err *e)
{
        FILE *f CLEANUP(close_file) = fopen(path, "re");
        char chunk[4096];
        if (!f)
                return err_set(e, ERR_FATAL, "", "%s: %s", path, strerror(errno));
        for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
                buf_add(out, chunk, n);
        return ferror(f) || out->failed
                       ? err_set(e, ERR_FATAL, "", "%s: cannot be read, or is larger than %d bytes",
                                 path, SCHEMA_MAX)
                       : 0;
}

/* "ID=FILE", the file as seen from the configuration's folder. */
static int add_configured(struct schema_ids *x, const char *pair, struct err *e)
{
        char *path CLEANUP(cleanup_free) = NULL, *end;
        struct buf text BUF_CLEANUP = { .max = SCHEMA_MAX };
        const char *slash = strrchr(x->service->file, '/'), *file = strchr(pair, '=') + 1;
        errno = 0;
        unsigned long id = strtoul(pair, &end, 10);
        if (*pair < '0' || *pair > '9' || *end != '=' || errno || id > UINT32_MAX)
                return err_set(e, ERR_FATAL, "",
                               "%s: schemas.ids: found \"%s\", expected \"ID=FILE\" with a whole "
                               "number from 0 to %" PRIu32,
                               x->service->file, pair, UINT32_MAX);
        int folder = *file == '/' || !slash ? 0 : (int)(slash + 1 - x->service->file);
        if (asprintf(&path, "%.*s%s", folder, x->service->file, file) < 0)
                return err_oom(e);
        if (read_file(path, &text, e) < 0)
                return err_prefix(e, "%s: schemas.ids", x->service->file);
        if (codec_add_id(x->codec, (uint32_t)id, (struct span){ buf_str(&text), text.len }, e) == 0)
                return 0;
        e->class = ERR_FATAL;
        return err_prefix(e, "%s: schemas.ids: %s", x->service->file, path);
}

int schema_ids_new(const struct service *s, struct codec *c, struct schema_ids **ret, struct err *e)
{
        struct schema_ids *x CLEANUP(schema_ids_cleanup) = calloc(1, sizeof *x);
        if (!x)
                return err_oom(e);
        x->service = s;
        x->codec = c;
        for (size_t i = 0; i < s->schemas.n_ids; i++)
                if (add_configured(x, s->schemas.ids[i], e) < 0)
                        return -1;
        *ret = TAKE(x);
        return 0;
}

static bool is_unknown(const struct schema_ids *x, uint32_t id)
{
        for (size_t i = 0; i < UNKNOWN_MAX; i++)
                if (x->unknown[i].id == id && monotonic_ms() < x->unknown[i].until_ms)
                        return true;
        return false;
}

int schema_ids_ask(struct schema_ids *x, uint32_t id, struct err *e)
{
        struct buf schema BUF_CLEANUP = { .max = SCHEMA_MAX };
        struct err why = ERR_INIT;
        if (!x->service->schemas.registry || is_unknown(x, id))
                return 0;
        if (registry_schema(x->service->schemas.registry, id, TIMEOUT_MS, &schema, &why) == 0 &&
            codec_add_id(x->codec, id, (struct span){ buf_str(&schema), schema.len }, &why) == 0)
                return 0;
        if (why.class == ERR_RETRY) {
                *e = why;
                return -1;
        }
        x->unknown[x->next++ % UNKNOWN_MAX] = (struct unknown){ id, monotonic_ms() + UNKNOWN_MS };
        return 0;
}
