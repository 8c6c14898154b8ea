/* SPDX-License-Identifier: Apache-2.0 */
/* The newest files in the folder of reports. */
#include "status_files.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_LEN = 4096, DEPTH_MAX = 4 };

void newest_deinit(struct newest *w)
{
        for (size_t i = 0; i < w->n; i++)
                free(w->list[i].path);
}

static void keep_if_newest(struct newest *w, const char *path, const struct stat *st)
{
        size_t at = 0;
        while (at < w->n && w->list[at].at >= st->st_mtime)
                at++;
        char *copy = at < NEWEST_FILES ? strdup(path) : NULL;
        if (!copy)
                return;
        if (w->n == NEWEST_FILES)
                free(w->list[--w->n].path);
        memmove(&w->list[at + 1], &w->list[at], (w->n - at) * sizeof w->list[0]);
        w->list[at].path = copy;
        w->list[at].at = st->st_mtime;
        w->list[at].size = st->st_size;
        w->n++;
}

void newest_scan(struct newest *w, const char *folder, int depth)
{
        DIR *d = opendir(folder);
        char path[PATH_LEN];
        for (struct dirent *f; d && (f = readdir(d));) {
                struct stat st;
                snprintf(path, sizeof path, "%s/%s", folder, f->d_name);
                if (f->d_name[0] == '.' || lstat(path, &st) != 0)
                        continue;
                if (S_ISREG(st.st_mode))
                        keep_if_newest(w, path, &st);
                else if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
                        newest_scan(w, path, depth + 1);
        }
        if (d)
                closedir(d);
}

void newest_print(const struct cli *c, const struct newest *w)
{
        putchar('\n');
        print_title(c, "Newest reports");
        for (size_t i = 0; i < w->n; i++) {
                char at[INSTANT_TEXT_MAX];
                format_instant(NULL, (instant)w->list[i].at * INSTANT_SECOND, at);
                printf("%s  %s\n", at, w->list[i].path);
        }
        if (!w->n)
                printf("None in %s.\n", c->service->reports.folder);
}

json_t *newest_json(const struct newest *w)
{
        json_t *list = json_array();
        for (size_t i = 0; i < w->n; i++)
                json_array_append_new(
                        list, json_pack("{s:s, s:o, s:I}", "path", w->list[i].path, "written_at",
                                        json_instant((instant)w->list[i].at * INSTANT_SECOND),
                                        "bytes", (json_int_t)w->list[i].size));
        return list;
}
