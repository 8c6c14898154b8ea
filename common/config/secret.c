/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets from files that only their reader may read, and the connection string with its
 * password. */
#include "config/service.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECRET_MAX = 4096 };

static ssize_t read_all(int fd, char *data, size_t max)
{
        size_t len = 0;
        while (len < max) {
                ssize_t n = read(fd, data + len, max - len);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -1;
                if (n == 0)
                        break;
                len += (size_t)n;
        }
        return (ssize_t)len;
}

int secret_read(const char *path, char **ret, struct err *e)
{
        struct stat st;
        char data[SECRET_MAX + 1];
        int fd CLEANUP(cleanup_close) = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0)
                return err_set(e, ERR_FATAL, "", "%s: cannot be read: %s", path, strerror(errno));
        if (!S_ISREG(st.st_mode))
                return err_set(e, ERR_FATAL, "", "%s: is not a file", path);
        if (st.st_uid != 0 && st.st_uid != geteuid())
                return err_set(e, ERR_FATAL, "",
                               "%s: belongs to user id %u, expected the user who runs this (%u) or "
                               "root: chown it",
                               path, (unsigned)st.st_uid, (unsigned)geteuid());
        /* As PostgreSQL has it: a service manager's credentials and mounted secrets are root's, and
         * reach us through the group or an access list. */
        mode_t group = st.st_uid == 0 && geteuid() != 0 ? S_IWGRP | S_IXGRP : S_IRWXG;
        if (st.st_mode & (group | S_IRWXO))
                return err_set(e, ERR_FATAL, "",
                               "%s: its mode is %03o, expected one that only the owner may read: "
                               "chmod 600",
                               path, (unsigned)st.st_mode & 0777U);
        ssize_t n = read_all(fd, data, sizeof data);
        if (n < 0)
                return err_set(e, ERR_FATAL, "", "%s: cannot be read: %s", path, strerror(errno));
        size_t len = (size_t)n;
        if (len > 0 && len <= SECRET_MAX && data[len - 1] == '\n')
                len--;
        if (len > 0 && len <= SECRET_MAX && data[len - 1] == '\r')
                len--;
        bool one_line = len > 0 && len <= SECRET_MAX && !memchr(data, '\n', len) &&
                        !memchr(data, '\0', len);
        char *secret = one_line ? strndup(data, len) : NULL;
        explicit_bzero(data, sizeof data);
        if (!one_line)
                return err_set(e, ERR_FATAL, "", "%s: expected one line of 1 to %d bytes", path,
                               SECRET_MAX);
        if (!secret)
                return err_oom(e);
        *ret = secret;
        return 0;
}

static void add_as_keyword(struct buf *out, const char *password)
{
        buf_adds(out, out->len ? " password='" : "password='");
        for (const char *p = password; *p; p++) {
                if (*p == '\'' || *p == '\\')
                        buf_addc(out, '\\');
                buf_addc(out, *p);
        }
        buf_addc(out, '\'');
}

/* In a URI everything but letters and digits is escaped. The last `password` wins, so one in the
 * text gives way. */
static void add_as_parameter(struct buf *out, const char *conninfo, const char *password)
{
        buf_adds(out, strchr(conninfo, '?') ? "&password=" : "?password=");
        for (const char *p = password; *p; p++) {
                bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                             (*p >= '0' && *p <= '9');
                buf_addf(out, plain ? "%c" : "%%%02X", (unsigned char)*p);
        }
}

int service_conninfo(const struct service *s, char **ret, struct err *e)
{
        const char *conninfo = s->database.conninfo;
        bool uri = strncmp(conninfo, "postgresql://", 13) == 0 ||
                   strncmp(conninfo, "postgres://", 11) == 0;
        char *password CLEANUP(cleanup_free) = NULL;
        BUF_CLEANUP struct buf out = { .max = 64 * 1024 };
        buf_adds(&out, conninfo);
        if (s->database.password_file) {
                if (secret_read(s->database.password_file, &password, e) < 0)
                        return err_prefix(e, "database.password_file");
                if (uri)
                        add_as_parameter(&out, conninfo, password);
                else
                        add_as_keyword(&out, password);
                explicit_bzero(password, strlen(password));
        }
        if (out.failed)
                return err_oom(e);
        *ret = TAKE(out.data);
        return 0;
}
