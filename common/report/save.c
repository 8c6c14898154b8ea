/* SPDX-License-Identifier: Apache-2.0 */
/* Report files: written under a temporary name, and renamed when they are complete. */
#include "report/report.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MODE = 0640, FOLDER_MODE = 0750, TRIES = 100 };

/* Distinguishes what may work later from what will never work at this path. */
static int failed(const char *folder, const char *path, const char *doing, struct err *e)
{
        static const int passing[] = { ENOSPC, EDQUOT, EIO,    EINTR,  EMFILE,
                                       ENFILE, ENOMEM, EAGAIN, ESTALE, EROFS };
        int code = errno;
        enum err_class class = ERR_INPUT;
        for (size_t i = 0; i < ARRAY_LEN(passing); i++)
                if (code == passing[i])
                        class = ERR_RETRY;
        return err_set(e, class, "", "report file %s in %s: %s: %s", path, folder, doing,
                       strerror(code));
}

static bool path_ok(const char *path)
{
        for (const char *p = path;; p++) {
                size_t n = strcspn(p, "/");
                if (n == 0 || n > 200 || (n == 1 && p[0] == '.') ||
                    (n == 2 && p[0] == '.' && p[1] == '.'))
                        return false;
                p += n;
                if (!*p)
                        return true;
        }
}

static int make_folder(const char *folder)
{
        char *copy CLEANUP(cleanup_free) = strdup(folder);
        if (!copy)
                return -1;
        for (char *p = copy + 1; *copy && *p; p++) {
                if (*p != '/')
                        continue;
                *p = '\0';
                if (mkdir(copy, FOLDER_MODE) < 0 && errno != EEXIST)
                        return -1;
                *p = '/';
        }
        return mkdir(folder, FOLDER_MODE) < 0 && errno != EEXIST ? -1 : 0;
}

/* Opens the parent of `path`'s last component, made as needed, never through a symbolic link. Takes
 * `*at` over. */
static int descend(int *at, const char *path, const char **ret_name)
{
        for (const char *slash; (slash = strchr(path, '/')); path = slash + 1) {
                char name[256];
                snprintf(name, sizeof name, "%.*s", (int)(slash - path), path);
                bool made = mkdirat(*at, name, FOLDER_MODE) == 0;
                if (!made && errno != EEXIST)
                        return -1;
                if (made && fsync(*at) < 0)
                        return -1;
                int next = openat(*at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (next < 0)
                        return -1;
                close(*at);
                *at = next;
        }
        *ret_name = path;
        return 0;
}

/* A name of its own per process and try: two writers never share a temporary file. */
static int open_temporary(int dir, const char *name, char temporary[256])
{
        for (int i = 0; i < TRIES; i++) {
                snprintf(temporary, 256, ".%s.%ld-%d.tmp", name, (long)getpid(), i);
                int fd = openat(dir, temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                                FILE_MODE);
                if (fd >= 0 || errno != EEXIST)
                        return fd;
        }
        return -1;
}

struct report_file {
        char *folder, *path; /* as given */
        int dir, fd;
        char name[256], temporary[256];
        bool renamed;
};

void report_file_free(struct report_file *f)
{
        if (!f)
                return;
        if (f->fd >= 0) {
                close(f->fd);
                if (!f->renamed)
                        unlinkat(f->dir, f->temporary, 0);
        }
        if (f->dir >= 0)
                close(f->dir);
        free(f->folder);
        free(f->path);
        free(f);
}

int report_create(const char *folder, const char *path, struct report_file **ret, struct err *e)
{
        if (!path_ok(path))
                return err_set(
                        e, ERR_INPUT, "",
                        "report file \"%s\": a path within the report folder is expected, without "
                        "\"..\"",
                        path);
        struct report_file *f CLEANUP(report_file_cleanup) = calloc(1, sizeof *f);
        if (!f)
                return err_oom(e);
        f->fd = f->dir = -1;
        f->folder = strdup(folder);
        f->path = strdup(path);
        if (!f->folder || !f->path)
                return err_oom(e);
        if (make_folder(folder) < 0)
                return failed(folder, path, "making the folder", e);
        f->dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const char *name = NULL;
        if (f->dir < 0 || descend(&f->dir, path, &name) < 0)
                return failed(folder, path, "opening its folder", e);
        snprintf(f->name, sizeof f->name, "%s", name);
        f->fd = open_temporary(f->dir, name, f->temporary);
        if (f->fd < 0)
                return failed(folder, path, "writing", e);
        *ret = TAKE(f);
        return 0;
}

int report_fd(const struct report_file *f)
{
        return f->fd;
}

/* A file carries its run in its time: the run's instant, and below the microsecond three digits of
 * its id. */
static struct timespec stamp(const struct report_owner *of)
{
        long low = (of->run.b[14] << 8 | of->run.b[15]) % 1000;
        instant second = of->at / INSTANT_SECOND - (of->at % INSTANT_SECOND < 0);
        return (struct timespec){ .tv_sec = (time_t)second,
                                  .tv_nsec = (long)(of->at - second * INSTANT_SECOND) * 1000 +
                                             low };
}

static bool taken(int dir, const char *name, struct timespec ours)
{
        struct stat st;
        if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
                return false;
        return st.st_mtim.tv_sec != ours.tv_sec || st.st_mtim.tv_nsec != ours.tv_nsec;
}

/* "weekly.csv" -> "weekly-1b2c3d4e.csv", with the run's id; in the path, too. */
static int rename_apart(struct report_file *f, const struct report_owner *of, struct err *e)
{
        char id[UUID_TEXT_LEN + 1], *path = NULL;
        uuid_to_text(of->run, id);
        const char *name = strrchr(f->path, '/') ? strrchr(f->path, '/') + 1 : f->path,
                   *dot = strrchr(name, '.');
        size_t stem = dot && dot != name ? (size_t)(dot - f->path) : strlen(f->path);
        if (asprintf(&path, "%.*s-%.8s%s", (int)stem, f->path, id, f->path + stem) < 0)
                return err_oom(e);
        free(f->path);
        f->path = path;
        snprintf(f->name, sizeof f->name, "%s", strrchr(path, '/') ? strrchr(path, '/') + 1 : path);
        return 0;
}

int report_commit(struct report_file *f, const struct report_owner *of, char **ret_path,
                  struct err *e)
{
        if (of) {
                struct timespec times[2] = { stamp(of), stamp(of) };
                if (taken(f->dir, f->name, times[1]) && rename_apart(f, of, e) < 0)
                        return -1;
                if (futimens(f->fd, times) < 0)
                        return failed(f->folder, f->path, "writing", e);
        }
        if (fsync(f->fd) < 0 || renameat(f->dir, f->temporary, f->dir, f->name) < 0)
                return failed(f->folder, f->path, "writing", e);
        f->renamed = true;
        if (fsync(f->dir) < 0)
                return failed(f->folder, f->path, "writing", e);
        size_t n = strlen(f->folder);
        if (ret_path && asprintf(ret_path, "%s%s%s", f->folder,
                                 n && f->folder[n - 1] == '/' ? "" : "/", f->path) < 0) {
                *ret_path = NULL;
                return err_oom(e);
        }
        return 0;
}

int report_save(const char *folder, const char *path, struct span content, char **ret_path,
                struct err *e)
{
        struct report_file *f CLEANUP(report_file_cleanup) = NULL;
        if (report_create(folder, path, &f, e) < 0)
                return -1;
        if (!file_write(f->fd, content.ptr, content.len))
                return failed(folder, path, "writing", e);
        return report_commit(f, NULL, ret_path, e);
}

int report_spool(const char *folder, int *ret_fd, struct err *e)
{
        const char *temporary = getenv("TMPDIR");
        const char *where = folder ? folder : temporary && *temporary ? temporary : "/tmp";
        if (folder && make_folder(folder) < 0)
                return failed(folder, "", "making the folder", e);
        *ret_fd = open(where, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (*ret_fd >= 0)
                return 0;
        char *name CLEANUP(cleanup_free) = NULL; /* a file system without such files */
        if (asprintf(&name, "%s/.rollcall-report-XXXXXX", where) < 0)
                return err_oom(e);
        *ret_fd = mkostemp(name, O_CLOEXEC);
        if (*ret_fd < 0)
                return failed(where, "", "keeping its document", e);
        unlink(name);
        return 0;
}
