/* SPDX-License-Identifier: Apache-2.0 */
/* The transport that writes each mail into a Maildir. */
#include "mail/maildir.h"

#include "mail/transport_ops.h"

#include "base/file.h"
#include "base/instant.h"
#include "base/uuid.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
        CHUNK = 512, /* messages that share one sync */
        /* up to so many, each file is synced on its own, which spares the file system's other dirty
           pages */
        SINGLES = 4,
        NAME_LIMIT = 200, /* a longer id becomes a hash; file names have at most 255 bytes */
};

struct maildir {
        struct transport base;
        char *folder;
        int tmp, new; /* folders */
        /* makes the names in tmp/ ours alone, in whatever container or thread we are */
        char tag[UUID_TEXT_LEN + 1];
        int (*tick)(void *ctx);
        void *ctx;
        int64_t ticked; /* monotonic, ms */
        bool stop;
};

static struct maildir *self(struct transport *t)
{
        return (struct maildir *)t;
}

/* The id with everything that has a meaning in file or Maildir names as %XX, so that different ids
 * keep different names. */
static void file_name(struct span id, char name[NAME_LIMIT + 1])
{
        size_t n = 0;
        for (size_t i = 0; i < id.len && n + 3 <= NAME_LIMIT; i++) {
                unsigned char c = (unsigned char)id.ptr[i];
                bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                             (c >= '0' && c <= '9') || (c && strchr("@-_+=", c)) ||
                             (c == '.' && i > 0);
                n += (size_t)snprintf(name + n, 4, plain ? "%c" : "%%%02X", c);
        }
        name[n] = '\0';
        if (n + 3 > NAME_LIMIT)
                uuid_to_text(uuid_v5((struct uuid){ { 0 } }, id.ptr, id.len), name);
}

static void tmp_name(const struct maildir *m, size_t i, char name[NAME_LIMIT + 1])
{
        snprintf(name, NAME_LIMIT + 1, "%s.%zu", m->tag, i);
}

static void defer(struct envelope *o, const char *what)
{
        char text[100];
        envelope_set(o, SEND_DEFERRED, 0, "Maildir: %s: %s", what,
                     strerror_r(errno, text, sizeof text));
}

static bool write_tmp(struct maildir *m, size_t i, struct envelope *o, bool sync)
{
        char name[NAME_LIMIT + 1];
        tmp_name(m, i, name);
        int fd = openat(m->tmp, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0) {
                defer(o, "tmp/ cannot be written");
                return false;
        }
        bool ok = file_write(fd, o->message.ptr, o->message.len) && (!sync || fsync(fd) == 0);
        int saved = errno;
        if (close(fd) < 0 && ok) {
                ok = false;
                saved = errno;
        }
        if (ok)
                return true;
        errno = saved;
        defer(o, "message cannot be written");
        unlinkat(m->tmp, name, 0);
        return false;
}

static bool should_stop(struct maildir *m)
{
        int64_t now = monotonic_ms();
        if (m->tick && !m->stop && now - m->ticked >= TICK_MS) {
                m->ticked = now;
                m->stop = m->tick(m->ctx) != 0;
        }
        return m->stop;
}

static void move_to_new(struct maildir *m, size_t i, struct envelope *o)
{
        char from[NAME_LIMIT + 1], to[NAME_LIMIT + 1];
        tmp_name(m, i, from);
        file_name(o->id, to);
        if (renameat(m->tmp, from, m->new, to) == 0)
                return;
        defer(o, "new/ cannot be written");
        unlinkat(m->tmp, from, 0);
}

/* Durable before reported: data, then names, then the folder; what was written but not synced is
 * deferred. */
static void send_chunk(struct maildir *m, struct envelope *list, size_t n)
{
        bool written[CHUNK] = { false }, singles = n <= SINGLES;
        for (size_t i = 0; i < n && !should_stop(m); i++)
                written[i] = list[i].state == SEND_PENDING && write_tmp(m, i, &list[i], singles);
        bool synced = singles || syncfs(m->tmp) == 0;
        int error = errno;
        for (size_t i = 0; i < n; i++) {
                if (!written[i])
                        continue;
                errno = error;
                if (synced)
                        move_to_new(m, i, &list[i]);
                else
                        defer(&list[i], "messages cannot be synced");
        }
        synced = fsync(m->new) == 0;
        error = errno;
        for (size_t i = 0; i < n; i++) {
                if (!written[i] || list[i].state != SEND_PENDING)
                        continue;
                errno = error;
                if (synced)
                        list[i].state = SEND_DONE;
                else
                        defer(&list[i], "new/ cannot be synced");
        }
}

static void maildir_send(struct transport *t, struct envelope *list, size_t n,
                         int (*tick)(void *ctx), void *ctx)
{
        struct maildir *m = self(t);
        m->tick = tick;
        m->ctx = ctx;
        m->stop = false;
        m->ticked = monotonic_ms();
        for (size_t i = 0; i < n && !m->stop; i += CHUNK)
                send_chunk(m, list + i, n - i < CHUNK ? n - i : CHUNK);
}

static int maildir_probe(struct transport *t, struct err *e)
{
        struct maildir *m = self(t);
        struct envelope probe = { .message = SPAN_LIT("probe") };
        if (!write_tmp(m, CHUNK, &probe, false))
                return err_set(e, ERR_RETRY, "", "%s: %s", m->folder, probe.reason);
        char name[NAME_LIMIT + 1];
        tmp_name(m, CHUNK, name);
        unlinkat(m->tmp, name, 0);
        return 0;
}

static void maildir_free(struct transport *t)
{
        struct maildir *m = self(t);
        cleanup_close(&m->tmp);
        cleanup_close(&m->new);
        free(m->folder);
        free(m);
}

static int open_folder(const char *folder, const char *name, struct err *e)
{
        char *path CLEANUP(cleanup_free) = NULL;
        if (asprintf(&path, "%s/%s", folder, name) < 0) {
                path = NULL;
                return err_oom(e);
        }
        int fd = mkdir(path, 0700) < 0 && errno != EEXIST
                         ? -1
                         : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? err_set(e, ERR_FATAL, "", "Maildir %s: %s", path, strerror(errno)) : fd;
}

int transport_maildir(const char *folder, struct transport **ret, struct err *e)
{
        static const struct transport_ops ops = { .free = maildir_free,
                                                  .send = maildir_send,
                                                  .probe = maildir_probe };
        struct transport *t CLEANUP(transport_cleanup) = NULL;
        struct maildir *m = calloc(1, sizeof *m);
        if (!m)
                return err_oom(e);
        *m = (struct maildir){ .base.ops = &ops, .folder = strdup(folder), .tmp = -1, .new = -1 };
        t = &m->base;
        if (!m->folder)
                return err_oom(e);
        uuid_to_text(uuid_random(), m->tag);
        if (mkdir(folder, 0700) < 0 && errno != EEXIST)
                return err_set(e, ERR_FATAL, "", "Maildir %s: %s", folder, strerror(errno));
        int cur CLEANUP(cleanup_close) = open_folder(folder, "cur", e);
        if (cur < 0 || (m->tmp = open_folder(folder, "tmp", e)) < 0 ||
            (m->new = open_folder(folder, "new", e)) < 0)
                return -1;
        *ret = TAKE(t);
        return 0;
}
