/* SPDX-License-Identifier: Apache-2.0 */
/* The action `files`: compresses or deletes old files of a folder. */
#include "actions/actions.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { COPY_BYTES = 64 * 1024, NAME_BYTES = 512, ARCHIVES_MAX = 1000 };

static bool ends_in(const char *name, const char *end)
{
        size_t n = strlen(name), len = strlen(end);
        return n >= len && strcmp(name + n - len, end) == 0;
}

static int system_error(struct err *e, const char *what, const char *name)
{
        return err_set(e, ERR_INPUT, "", "%s %s: %s", what, name, strerror(errno));
}

static int compress_into(int in, int out, struct err *e, const char *name)
{
        char data[COPY_BYTES];
        gzFile gz = gzdopen(out, "wb"); /* owns `out` */
        if (!gz) {
                close(out);
                return err_oom(e);
        }
        ssize_t n;
        while ((n = read(in, data, sizeof data)) > 0)
                if (gzwrite(gz, data, (unsigned)n) != (int)n) {
                        gzclose(gz);
                        return err_set(e, ERR_INPUT, "", "cannot compress %s: no room?", name);
                }
        if (gzclose(gz) != Z_OK || n < 0)
                return system_error(e, "cannot compress", name);
        return 0;
}

/* Gives `part` the name `final`, unless that is taken. */
static int rename_new(int dir, const char *part, const char *final)
{
        if (renameat2(dir, part, dir, final, RENAME_NOREPLACE) == 0)
                return 0;
        if (errno != EINVAL) /* else: a file system without that */
                return -1;
        return linkat(dir, part, dir, final, 0) < 0 ? -1 : unlinkat(dir, part, 0);
}

/* NAME.gz, or NAME.1.gz, NAME.2.gz … where that is taken: an archive is never written over. */
static int name_archive(int dir, const char *part, const char *name)
{
        char final[NAME_BYTES];
        for (int i = 0; i < ARCHIVES_MAX; i++) {
                snprintf(final, sizeof final, i ? "%s.%d.gz" : "%s.gz", name, i);
                if (rename_new(dir, part, final) == 0)
                        return 0;
                if (errno != EEXIST)
                        return -1;
        }
        return -1;
}

/* A crash came between the archive's name and the original's end: the archive has the file's time
 * and, in its last bytes, its length. */
static bool is_archived(int dir, const char *name, const struct stat *st)
{
        char final[NAME_BYTES];
        unsigned char tail[4];
        struct stat gz;
        for (int i = 0; i < ARCHIVES_MAX; i++) {
                snprintf(final, sizeof final, i ? "%s.%d.gz" : "%s.gz", name, i);
                int fd CLEANUP(cleanup_close) = openat(
                        dir, final, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
                if (fd < 0 || fstat(fd, &gz) < 0)
                        return false;
                if (gz.st_mtim.tv_sec != st->st_mtim.tv_sec ||
                    gz.st_mtim.tv_nsec != st->st_mtim.tv_nsec || gz.st_size < 18 ||
                    pread(fd, tail, sizeof tail, gz.st_size - 4) != sizeof tail)
                        continue;
                uint32_t length = (uint32_t)tail[0] | (uint32_t)tail[1] << 8 |
                                  (uint32_t)tail[2] << 16 | (uint32_t)tail[3] << 24;
                if (length == (uint32_t)st->st_size)
                        return true;
        }
        return false;
}

/* NAME becomes NAME.gz with the same times: written under another name, synced, renamed, and only
 * then the original goes. */
static int compress_file(int dir, const char *name, const struct stat *st, struct err *e)
{
        char part[NAME_BYTES];
        snprintf(part, sizeof part, "%s.gz.part", name);
        if (is_archived(dir, name, st))
                return unlinkat(dir, name, 0) < 0 ? system_error(e, "cannot delete", name) : 0;
        int in CLEANUP(cleanup_close) = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        int out = in < 0 ? -1
                         : openat(dir, part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                                  st->st_mode & 0777);
        if (out < 0)
                return system_error(e, "cannot open", in < 0 ? name : part);
        if (compress_into(in, out, e, name) < 0) {
                unlinkat(dir, part, 0);
                return -1;
        }
        int written CLEANUP(cleanup_close) = openat(dir, part, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        const struct timespec times[2] = { st->st_atim, st->st_mtim };
        if (written < 0 || fsync(written) < 0 || futimens(written, times) < 0 ||
            name_archive(dir, part, name) < 0 || fsync(dir) < 0 || unlinkat(dir, name, 0) < 0) {
                system_error(e, "cannot compress", name);
                unlinkat(dir, part, 0);
                return -1;
        }
        return 0;
}

struct sweep {
        int64_t before; /* seconds: files last changed before this */
        size_t done, failed;
        struct err first; /* what the first failure was */
};

static void sweep_file(int dir, const char *name, const struct task_type *t, struct sweep *s)
{
        struct stat st;
        struct err e = ERR_INIT;
        if (fnmatch(t->files.pattern, name, FNM_PERIOD) != 0)
                return;
        /* NOLINTNEXTLINE(clang-analyzer-unix.StdCLibraryFunctions): the folder is open */
        if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return;
        if (!S_ISREG(st.st_mode) || st.st_mtim.tv_sec >= s->before ||
            strlen(name) > NAME_BYTES - 16)
                return;
        /* whatever the pattern says: it is an archive */
        if (!t->files.delete && (ends_in(name, ".gz") || ends_in(name, ".gz.part")))
                return;
        int rc = t->files.delete
                         ? (unlinkat(dir, name, 0) < 0 ? system_error(&e, "cannot delete", name)
                                                       : 0)
                         : compress_file(dir, name, &st, &e);
        if (rc == 0)
                s->done++;
        else if (s->failed++ == 0)
                s->first = e;
}

static int sweep_folder(struct actor *a, const struct task_type *t, struct sweep *s, struct err *e)
{
        char path[4096];
        bool absolute = t->files.folder[0] == '/';
        if (!absolute && !a->service->reports.folder)
                return err_set(e, ERR_INPUT, "", "reports.folder is not configured");
        snprintf(path, sizeof path, "%s%s%s", absolute ? "" : a->service->reports.folder,
                 absolute ? "" : "/", t->files.folder);
        DIR *d = opendir(path);
        if (!d && errno == ENOENT)
                return 0; /* nothing has been written there yet */
        if (!d)
                return system_error(e, "cannot open", path);
        for (struct dirent *f; (f = readdir(d));)
                sweep_file(dirfd(d), f->d_name, t, s);
        closedir(d);
        return 0;
}

int act_files(struct actor *a, struct batch *b, const struct statement_group *g,
              struct entry **list, size_t n, struct err *e)
{
        for (size_t i = 0; i < n; i++) {
                instant now = g->run ? g->run->scheduled_at : instant_now();
                struct sweep s = { .before = now / INSTANT_SECOND -
                                             g->type->files.older_than_days * 86400 };
                const char *verb = g->type->files.delete ? "deleted" : "compressed";
                int rc = sweep_folder(a, g->type, &s, e);
                if (rc == 0 && err_is_oom(&s.first)) {
                        *e = s.first;
                        return -1;
                }
                if (rc < 0)
                        actor_decide(b, list[i], OUTCOME_FAILED, "%s", e->text);
                else if (s.failed)
                        actor_decide(b, list[i], OUTCOME_FAILED, "%zu files %s, %zu failed: %s",
                                     s.done, verb, s.failed, s.first.text);
                else
                        actor_decide(b, list[i], OUTCOME_APPLIED, "%zu files %s", s.done, verb);
        }
        return 0;
}
