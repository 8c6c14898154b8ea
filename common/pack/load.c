/* SPDX-License-Identifier: Apache-2.0 */
/* Names, files and lists of pack.cfg. */
#include "pack/load.h"

#include "base/utf8.h"
#include "config/trust.h"
#include "config/words.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void *load_array(struct loader *l, int count, size_t size)
{
        return arena_alloc(l->pack->arena, ((size_t)count + 1) * size);
}

int load_list(const struct loader *l, const char *key, const struct cfg_node **ret, struct err *e)
{
        const struct cfg_node *list = cfg_get(l->root, key);
        if (list && !cfg_is_list(list))
                return cfg_unexpected(list, e, "a list of groups ( { name = \"…\"; … } )");
        *ret = list;
        return 0;
}

static bool name_valid(const char *name)
{
        size_t len = strlen(name);
        return len > 0 && len <= NAME_MAX_LEN && *name >= 'a' && *name <= 'z' &&
               strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

int load_name(const struct cfg_node *n, const char *const *taken, const char **ret, struct err *e)
{
        if (cfg_str_required(n, "name", ret, e) < 0)
                return -1;
        const struct cfg_node *at = cfg_get(n, "name");
        if (!name_valid(*ret))
                return cfg_unexpected(
                        at, e,
                        "1 to 63 lower-case letters, digits or '-', beginning with a letter");
        for (; taken && *taken; taken++)
                if (strcmp(*taken, *ret) == 0)
                        return cfg_unexpected(at, e, "a name that is not taken above");
        return 0;
}

char *load_full_name(struct loader *l, const char *name)
{
        size_t size = strlen(l->pack->name) + strlen(name) + 2;
        char *full = arena_alloc(l->pack->arena, size);
        if (full)
                snprintf(full, size, "%s.%s", l->pack->name, name);
        return full;
}

int load_unknown(const struct cfg_node *n, const char *what, const char *name,
                 const char *const *known, struct err *e)
{
        BUF_CLEANUP struct buf list = { .max = 600 };
        const char *nearest = word_nearest(name, known);
        words_join(known, NULL, &list);
        return cfg_error(n, e, "pack has no %s \"%s\", %s%s%s %s", what, name,
                         nearest ? "did you mean \"" : "expected one of:", nearest ? nearest : "",
                         nearest ? "\"? It has:" : "", buf_str(&list));
}

char *load_path(const struct loader *l, const char *path)
{
        const char *folder = *path == '/' ? "" : l->pack->folder, *slash = *path == '/' ? "" : "/";
        size_t size = strlen(folder) + strlen(path) + 2;
        char *joined = arena_alloc(l->pack->arena, size);
        if (joined)
                snprintf(joined, size, "%s%s%s", folder, slash, path);
        return joined;
}

/* Why the file could not be read, or NULL. */
static const char *read_file(const char *path, struct buf *out)
{
        struct stat st;
        int fd CLEANUP(cleanup_close) = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0)
                return strerror(errno);
        if (!S_ISREG(st.st_mode))
                return "is not a file";
        if (st.st_size > PACK_FILE_MAX)
                return "is larger than 1 MiB";
        char part[4096];
        ssize_t n;
        while ((n = read(fd, part, sizeof part)) > 0)
                buf_add(out, part, (size_t)n);
        if (n < 0)
                return strerror(errno);
        if (out->failed)
                return "is larger than 1 MiB";
        return NULL;
}

int load_file(struct loader *l, const struct cfg_node *n, const char *key, bool required,
              struct sql_file *ret, struct err *e)
{
        const char *path = NULL;
        *ret = (struct sql_file){ 0 };
        if (!cfg_get(n, key) && !required)
                return 0;
        if (cfg_str_required(n, key, &path, e) < 0)
                return -1;
        const struct cfg_node *at = cfg_get(n, key);
        BUF_CLEANUP struct buf text = { .max = PACK_FILE_MAX };
        ret->path = load_path(l, path);
        if (!ret->path)
                return err_oom(e);
        if (l->service->guarded && trust_check(ret->path, e) < 0)
                return -1;
        const char *why = read_file(ret->path, &text);
        if (why)
                return cfg_error(at, e, "%s: %s", ret->path, why);
        struct span content = { buf_str(&text), text.len };
        if (strspn(content.ptr, " \t\r\n") == content.len)
                return cfg_error(at, e, "%s: is empty", ret->path);
        if (!utf8_valid(content.ptr, content.len))
                return cfg_error(at, e, "%s: is not UTF-8 text", ret->path);
        ret->text = arena_strndup(l->pack->arena, content.ptr, content.len);
        return ret->text ? 0 : err_oom(e);
}

int load_zone(const struct cfg_node *at, const char *name, struct zone **ret, struct err *e)
{
        struct err bad = ERR_INIT;
        if (zone_load(name, ret, &bad) < 0)
                return cfg_error(at, e, "%s", bad.text);
        return 0;
}

/* As PostgreSQL has names. */
int load_role(const struct cfg_node *n, const char **ret, struct err *e)
{
        if (cfg_str(n, "requires_role", NULL, ret, e) < 0)
                return -1;
        if (*ret && (!**ret || strlen(*ret) > 63))
                return cfg_unexpected(cfg_get(n, "requires_role"), e,
                                      "the name of a database role");
        return 0;
}

void load_version(struct task_type *t, const char *text)
{
        if (text)
                t->version = uuid_v5(t->version, text, strlen(text));
}

bool load_stays_inside(const char *path)
{
        for (const char *p = path;; p++) {
                size_t len = strcspn(p, "/");
                if (len == 2 && strncmp(p, "..", 2) == 0)
                        return false;
                p += len;
                if (!*p)
                        return true;
        }
}
