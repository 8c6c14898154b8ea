#include "act.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { COPY_BYTES = 64 * 1024, NAME_BYTES = 512 };

static int system_error(struct err *e, const char *what, const char *name)
{
        return err_set(e, ERR_POISON, "", "%s %s: %s", what, name, strerror(errno));
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
                        return err_set(e, ERR_POISON, "", "cannot compress %s: no room?", name);
                }
        if (gzclose(gz) != Z_OK || n < 0)
                return system_error(e, "cannot compress", name);
        return 0;
}

/* NAME becomes NAME.gz with the same times: written under another name, synced, renamed, and only then the original goes. */
static int compress_file(int dir, const char *name, const struct stat *st, struct err *e)
{
        char part[NAME_BYTES], final[NAME_BYTES];
        snprintf(part, sizeof part, "%s.gz.part", name);
        snprintf(final, sizeof final, "%s.gz", name);
        int in CLEANUP(cleanup_close) = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        int out = in < 0 ? -1 : openat(dir, part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, st->st_mode & 0777);
        if (out < 0)
                return system_error(e, "cannot open", in < 0 ? name : part);
        if (compress_into(in, out, e, name) < 0) {
                unlinkat(dir, part, 0);
                return -1;
        }
        int written CLEANUP(cleanup_close) = openat(dir, part, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        const struct timespec times[2] = { st->st_atim, st->st_mtim };
        if (written < 0 || fsync(written) < 0 || futimens(written, times) < 0 || renameat(dir, part, dir, final) < 0 || fsync(dir) < 0 ||
            unlinkat(dir, name, 0) < 0) {
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
        if (fnmatch(t->files.pattern, name, FNM_PERIOD) != 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return;
        if (!S_ISREG(st.st_mode) || st.st_mtim.tv_sec >= s->before || strlen(name) > NAME_BYTES - 16)
                return;
        int rc = t->files.delete ? (unlinkat(dir, name, 0) < 0 ? system_error(&e, "cannot delete", name) : 0) : compress_file(dir, name, &st, &e);
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
                return err_set(e, ERR_POISON, "", "reports.folder is not configured");
        snprintf(path, sizeof path, "%s%s%s", absolute ? "" : a->service->reports.folder, absolute ? "" : "/", t->files.folder);
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

int act_files(struct actor *a, struct batch *b, const struct unit *u, struct entry **list, size_t n, struct err *e)
{
        for (size_t i = 0; i < n; i++) {
                instant now = u->run ? u->run->scheduled_at : instant_now();
                struct sweep s = { .before = now / INSTANT_SECOND - u->type->files.older_than_days * 86400 };
                const char *verb = u->type->files.delete ? "deleted" : "compressed";
                int rc = sweep_folder(a, u->type, &s, e);
                if (rc == 0 && err_is_oom(&s.first)) {
                        *e = s.first;
                        return -1;
                }
                if (rc < 0)
                        act_decide(b, list[i], OUTCOME_FAILED, "%s", e->text);
                else if (s.failed)
                        act_decide(b, list[i], OUTCOME_FAILED, "%zu files %s, %zu failed: %s", s.done, verb, s.failed, s.first.text);
                else
                        act_decide(b, list[i], OUTCOME_APPLIED, "%zu files %s", s.done, verb);
        }
        return 0;
}
