#include "report/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MODE = 0640, FOLDER_MODE = 0750, TRIES = 100 };

/* What may be better later is told from what will never work at this path. */
static int failed(const char *folder, const char *path, const char *doing, struct err *e)
{
        static const int passing[] = { ENOSPC, EDQUOT, EIO, EINTR, EMFILE, ENFILE, ENOMEM, EAGAIN, ESTALE, EROFS };
        int code = errno;
        enum err_class class = ERR_POISON;
        for (size_t i = 0; i < ARRAY_LEN(passing); i++)
                if (code == passing[i])
                        class = ERR_RETRY;
        return err_set(e, class, "", "report file %s in %s: %s: %s", path, folder, doing, strerror(code));
}

static bool path_ok(const char *path)
{
        for (const char *p = path;; p++) {
                size_t n = strcspn(p, "/");
                if (n == 0 || n > 200 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
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

/* Opens the parent of `path`'s last component, made as needed, never through a symbolic link. Takes `*at` over. */
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

static int write_all(int fd, struct span content)
{
        for (size_t at = 0; at < content.len;) {
                ssize_t n = write(fd, content.ptr + at, content.len - at);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return -1;
                at += (size_t)n;
        }
        return fsync(fd);
}

/* A name of its own per process and try: two writers never share a temporary file. */
static int open_temporary(int dir, const char *name, char temporary[256])
{
        for (int i = 0; i < TRIES; i++) {
                snprintf(temporary, 256, ".%s.%ld-%d.tmp", name, (long)getpid(), i);
                int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
                if (fd >= 0 || errno != EEXIST)
                        return fd;
        }
        return -1;
}

static int replace(int dir, const char *name, struct span content)
{
        char temporary[256];
        int fd CLEANUP(cleanup_close) = open_temporary(dir, name, temporary);
        if (fd < 0)
                return -1;
        if (write_all(fd, content) == 0 && renameat(dir, temporary, dir, name) == 0)
                return fsync(dir);
        int code = errno;
        unlinkat(dir, temporary, 0);
        errno = code;
        return -1;
}

int report_save(const char *folder, const char *path, struct span content, char **ret_path, struct err *e)
{
        if (!path_ok(path))
                return err_set(e, ERR_POISON, "", "report file \"%s\": a path within the report folder is expected, without \"..\"", path);
        if (make_folder(folder) < 0)
                return failed(folder, path, "making the folder", e);
        int dir CLEANUP(cleanup_close) = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const char *name = NULL;
        if (dir < 0 || descend(&dir, path, &name) < 0)
                return failed(folder, path, "opening its folder", e);
        if (replace(dir, name, content) < 0)
                return failed(folder, path, "writing", e);
        if (!ret_path)
                return 0;
        size_t n = strlen(folder);
        if (asprintf(ret_path, "%s%s%s", folder, n && folder[n - 1] == '/' ? "" : "/", path) < 0) {
                *ret_path = NULL;
                return err_oom(e);
        }
        return 0;
}
