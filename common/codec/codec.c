/* SPDX-License-Identifier: Apache-2.0 */
/* Decodes a message by its fingerprint or its schema id; knows our schemas and those of a folder.
 */
#include "codec/codec.h"

#include "codec/canonical.h"
#include "codec/decode.h"
#include "codec/foreign.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCHEMA_MAX = 1024 * 1024, FOREIGN_MAX = 256, IDS_MAX = 1024, CONFLUENT_LEN = 5 };

struct foreign_schema {
        uint64_t fingerprint;
        struct foreign *schema; /* owned */
};

struct codec {
        size_t count, n_ids;
        struct foreign_schema list[FOREIGN_MAX];
        struct known_id {
                uint32_t id;
                uint64_t fingerprint; /* of one of ours, or of `list` */
        } *ids;                       /* of the Confluent wire format; owned */
};

void codec_free(struct codec *c)
{
        if (!c)
                return;
        for (size_t i = 0; i < c->count; i++)
                foreign_free(c->list[i].schema);
        free(c->ids);
        free(c);
}

/* Our own kind with this fingerprint, or -1. */
static int own_kind(uint64_t fingerprint)
{
        for (int k = 0; k < MESSAGE_KIND_COUNT; k++)
                if (specs[k].fingerprint == fingerprint)
                        return k;
        return -1;
}

static struct foreign *find_foreign(const struct codec *c, uint64_t fingerprint)
{
        for (size_t i = 0; i < c->count; i++)
                if (c->list[i].fingerprint == fingerprint)
                        return c->list[i].schema;
        return NULL;
}

static void close_file(FILE **f)
{
        if (*f)
                fclose(*f);
}

static int read_file(const char *path, struct buf *out, struct err *e)
{
        FILE *f CLEANUP(close_file) = fopen(path, "re");
        if (!f)
                return err_set(e, ERR_FATAL, "", "%s", strerror(errno));
        char chunk[4096];
        for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
                buf_add(out, chunk, n);
        if (ferror(f))
                return err_set(e, ERR_FATAL, "", "cannot be read");
        return out->failed ? err_set(e, ERR_FATAL, "", "larger than %d bytes", SCHEMA_MAX) : 0;
}

/* Our own schemas, and one that was added before, are skipped. */
static int add_text(struct codec *c, struct span json, uint64_t *ret_fingerprint, struct err *e)
{
        struct buf canonical BUF_CLEANUP;
        buf_init(&canonical, SCHEMA_MAX);
        if (schema_canonical(json, &canonical, e) < 0)
                return -1;
        struct span form = { buf_str(&canonical), canonical.len };
        uint64_t fingerprint = *ret_fingerprint = schema_fingerprint(form);
        if (own_kind(fingerprint) >= 0 || find_foreign(c, fingerprint))
                return 0;
        if (c->count == FOREIGN_MAX)
                return err_set(e, ERR_FATAL, "", "more than %d schemas", FOREIGN_MAX);
        struct foreign *f;
        if (foreign_new(json, form, &f, e) < 0)
                return -1;
        c->list[c->count++] = (struct foreign_schema){ fingerprint, f };
        return 0;
}

static int add_schema(struct codec *c, const char *path, struct err *e)
{
        struct buf text BUF_CLEANUP;
        uint64_t fingerprint;
        buf_init(&text, SCHEMA_MAX);
        if (read_file(path, &text, e) < 0)
                return -1;
        return add_text(c, (struct span){ buf_str(&text), text.len }, &fingerprint, e);
}

static int is_schema(const struct dirent *d)
{
        size_t len = strlen(d->d_name);
        return len > 5 && strcmp(d->d_name + len - 5, ".avsc") == 0;
}

static int add_folder(struct codec *c, const char *folder, struct err *e)
{
        struct dirent **names;
        int n = scandir(folder, &names, is_schema, alphasort);
        if (n < 0)
                return err_set(e, ERR_FATAL, "", "schema folder %s: %s", folder, strerror(errno));
        int r = 0;
        for (int i = 0; i < n; i++) {
                char path[4096];
                snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
                if (r == 0 && (r = add_schema(c, path, e)) < 0)
                        err_prefix(e, "schema %s", path);
                free(names[i]);
        }
        free(names);
        if (r < 0 && e)
                e->class = ERR_FATAL;
        return r;
}

int codec_new(const char *folder, struct codec **ret, struct err *e)
{
        struct codec *c CLEANUP(codec_cleanup) = calloc(1, sizeof *c);
        if (!c)
                return err_oom(e);
        if (folder && add_folder(c, folder, e) < 0)
                return -1;
        *ret = TAKE(c);
        return 0;
}

const char *message_name(enum message_kind kind)
{
        return specs[kind].name;
}

/* ---- the Confluent wire format ---- */

static bool read_id(struct span bytes, uint32_t *ret)
{
        const uint8_t *p = (const uint8_t *)bytes.ptr;
        if (bytes.len < CONFLUENT_LEN || p[0] != 0)
                return false;
        *ret = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
        return true;
}

static const struct known_id *find_id(const struct codec *c, uint32_t id)
{
        for (size_t i = 0; i < c->n_ids; i++)
                if (c->ids[i].id == id)
                        return &c->ids[i];
        return NULL;
}

bool codec_wants_id(const struct codec *c, struct span bytes, uint32_t *ret_id)
{
        return read_id(bytes, ret_id) && !find_id(c, *ret_id);
}

int codec_add_id(struct codec *c, uint32_t id, struct span schema, struct err *e)
{
        struct known_id new = { id, 0 };
        if (c->n_ids == IDS_MAX)
                return err_set(e, ERR_INPUT, "EPROTO",
                               "schema id %" PRIu32 ": more than %d schema ids", id, IDS_MAX);
        if (add_text(c, schema, &new.fingerprint, e) < 0)
                return err_prefix(e, "schema id %" PRIu32, id);
        struct known_id *grown = reallocarray(c->ids, c->n_ids + 1, sizeof *grown);
        if (!grown)
                return err_oom(e);
        c->ids = grown;
        c->ids[c->n_ids++] = new;
        return 0;
}

/* `ret_len`: bytes before the body. */
static int read_frame(const struct codec *c, struct span bytes, uint64_t *ret_fingerprint,
                      size_t *ret_len, struct err *e)
{
        const uint8_t *p = (const uint8_t *)bytes.ptr;
        uint32_t id;
        if (read_id(bytes, &id)) {
                const struct known_id *known = find_id(c, id);
                if (!known)
                        return err_set(e, ERR_INPUT, "EPROTO",
                                       "Confluent wire format with schema id %" PRIu32
                                       ", which is not configured here: send Avro single-object "
                                       "encoding, or see "
                                       "schemas.ids and schemas.registry",
                                       id);
                *ret_fingerprint = known->fingerprint;
                *ret_len = CONFLUENT_LEN;
                return 0;
        }
        *ret_len = FRAME_LEN;
        if (bytes.len < FRAME_LEN || p[0] != 0xc3 || p[1] != 0x01)
                return err_set(e, ERR_INPUT, "EPROTO",
                               "%zu bytes that are not Avro single-object encoding", bytes.len);
        uint64_t fingerprint = 0;
        for (unsigned i = 0; i < 8; i++)
                fingerprint |= (uint64_t)p[2 + i] << 8 * i;
        *ret_fingerprint = fingerprint;
        return 0;
}

/* `ret_foreign`: NULL when it is our own schema. */
static int identify(const struct codec *c, struct span bytes, enum message_kind *ret,
                    struct foreign **ret_foreign, size_t *ret_len, struct err *e)
{
        uint64_t fingerprint = 0;
        if (read_frame(c, bytes, &fingerprint, ret_len, e) < 0)
                return -1;
        int own = own_kind(fingerprint);
        struct foreign *f = own < 0 ? find_foreign(c, fingerprint) : NULL;
        if (own < 0 && !f)
                return err_set(e, ERR_INPUT, "EPROTO",
                               "written with an unknown schema, fingerprint %016" PRIx64
                               ": put its .avsc into the schema folder",
                               fingerprint);
        *ret = f ? foreign_kind(f) : (enum message_kind)own;
        *ret_foreign = f;
        return 0;
}

int codec_kind(const struct codec *c, struct span bytes, enum message_kind *ret, struct err *e)
{
        struct foreign *f;
        size_t len;
        return identify(c, bytes, ret, &f, &len, e);
}

static int decode(struct codec *c, enum message_kind want, struct span bytes, struct arena *a,
                  void *m, struct err *e)
{
        enum message_kind kind = want;
        struct foreign *f = NULL;
        size_t len = 0;
        if (identify(c, bytes, &kind, &f, &len, e) < 0)
                return -1;
        if (kind != want)
                return err_set(e, ERR_INPUT, "EPROTO", "a %s, but a %s is expected here",
                               specs[kind].name, specs[want].name);
        struct span body = { bytes.ptr + len, bytes.len - len };
        return f ? foreign_decode(f, body, a, m, e) : decode_body(&specs[kind], body, a, m, e);
}

#define DEFINE_DECODE(name, T, kind)                                                          \
        int name##_decode(struct codec *c, struct span bytes, struct arena *a, struct T *ret, \
                          struct err *e)                                                      \
        {                                                                                     \
                struct T m = { 0 };                                                           \
                if (decode(c, kind, bytes, a, &m, e) < 0)                                     \
                        return -1;                                                            \
                *ret = m;                                                                     \
                return 0;                                                                     \
        }

DEFINE_DECODE(task, task, MESSAGE_TASK)
DEFINE_DECODE(outcome, outcome_event, MESSAGE_OUTCOME)
DEFINE_DECODE(run, run_event, MESSAGE_RUN)
DEFINE_DECODE(dead_letter, dead_letter, MESSAGE_DEAD_LETTER)
