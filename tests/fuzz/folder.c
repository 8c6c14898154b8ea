/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <ftw.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/rollcall-fuzz-XXXXXX";
static pid_t maker;

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
        (void)st;
        (void)kind;
        (void)at;
        return remove(path);
}

static void remove_all(void)
{
        if (getpid() == maker)
                nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_folder(void)
{
        if (!maker) {
                maker = getpid();
                PROMISE(mkdtemp(folder));
                atexit(remove_all);
        }
        return folder;
}

const char *fuzz_write(const char *name, struct span content)
{
        static char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
        FILE *f = fopen(path, "we");
        PROMISE(f && (content.len == 0 || fwrite(content.ptr, 1, content.len, f) == content.len));
        PROMISE(fclose(f) == 0);
        return path;
}
