/* SPDX-License-Identifier: Apache-2.0 */
/* Who can have written a file: owners and modes from the file up to the root folder, as sshd's
 * StrictModes has it. */
#include "config/trust.h"

#include "base/buf.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_folder(DIR **d)
{
        if (*d)
                (void)closedir(*d);
}

/* Why `path` could be somebody else's doing, or NULL. `above`: entries of others in it do no harm,
 * if they cannot replace ours. */
static const char *fault_of(const char *path, bool above)
{
        struct stat st;
        if (lstat(path, &st) < 0)
                return strerror(errno);
        if (st.st_uid != 0 && st.st_uid != geteuid())
                return "belongs to another user";
        if (S_ISLNK(st.st_mode) || (above && (st.st_mode & S_ISVTX)))
                return NULL;
        return st.st_mode & (S_IWGRP | S_IWOTH) ? "can be written by other users" : NULL;
}

static int refuse(const char *path, const char *at, const char *why, struct err *e)
{
        if (strcmp(path, at) == 0)
                return err_set(e, ERR_FATAL, "", "%s: not trusted, because it %s", path, why);
        return err_set(e, ERR_FATAL, "", "%s: not trusted, because %s %s", path, at, why);
}

int trust_check(const char *path, struct err *e)
{
        char *real CLEANUP(cleanup_free) = realpath(path, NULL);
        if (!real)
                return err_set(e, ERR_FATAL, "", "%s: cannot be read: %s", path, strerror(errno));
        const char *why = fault_of(path, false); /* a link of somebody else's */
        if (why)
                return refuse(path, path, why, e);
        if ((why = fault_of(real, false)))
                return refuse(path, real, why, e);
        bool parent = false;
        for (char *slash; (slash = strrchr(real, '/')) && real[1]; parent = true) {
                slash[slash == real] = '\0'; /* the folder above; "/" at the end */
                if ((why = fault_of(real, parent)))
                        return refuse(path, real, why, e);
        }
        return 0;
}

int trust_check_folder(const char *path, struct err *e)
{
        if (trust_check(path, e) < 0)
                return -1;
        DIR *d CLEANUP(close_folder) = opendir(path);
        if (!d)
                return err_set(e, ERR_FATAL, "", "%s: cannot be read: %s", path, strerror(errno));
        for (const struct dirent *entry; (entry = readdir(d));) {
                BUF_CLEANUP struct buf file = { .max = PATH_MAX };
                buf_addf(&file, "%s/%s", path, entry->d_name);
                if (file.failed)
                        return err_oom(e);
                if (strcmp(entry->d_name, "..") != 0 && trust_check(buf_str(&file), e) < 0)
                        return -1;
        }
        return 0;
}
