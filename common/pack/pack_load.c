#include "pack/load.h"

#include "base/utf8.h"
#include "config/trust.h"
#include "config/words.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ARENA_MAX = 64 * 1024 * 1024 };

/* ---- what the loading files share ---- */

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
        CLEANUP(cleanup_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
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

/* ---- a pack's own keys ---- */

static int load_mail(struct loader *l, struct err *e)
{
        static const char *const known[] = { "from_address", "from_name",        "reply_to",
                                             "list_id",      "list_unsubscribe", NULL };
        const struct cfg_node *n = cfg_get(l->root, "mail");
        struct pack *p = l->pack;
        if (!n)
                return 0;
        if (cfg_only(n, known, e) < 0 ||
            cfg_str_required(n, "from_address", &p->mail.from_address, e) < 0 ||
            cfg_str(n, "from_name", NULL, &p->mail.from_name, e) < 0 ||
            cfg_str(n, "reply_to", NULL, &p->mail.reply_to, e) < 0 ||
            cfg_str(n, "list_id", NULL, &p->mail.list_id, e) < 0 ||
            cfg_str(n, "list_unsubscribe", NULL, &p->mail.list_unsubscribe, e) < 0)
                return -1;
        const char *at = strchr(p->mail.from_address, '@');
        if (!at || at == p->mail.from_address || !at[1] ||
            strpbrk(p->mail.from_address, " <>\t\r\n"))
                return cfg_unexpected(cfg_get(n, "from_address"), e,
                                      "an address such as \"noreply@example.org\"");
        return 0;
}

static int load_top(struct loader *l, struct err *e)
{
        static const char *const known[] = { "name",        "title",        "time_zone",
                                             "search_path", "subject_type", "schema",
                                             "mail",        "settings",     "task_types",
                                             "jobs",        "commands",     "reports",
                                             NULL };
        static const char *const subject_types[] = { "text", "integer", "uuid", NULL };
        static const enum value_type types[] = { VALUE_TEXT, VALUE_INTEGER, VALUE_UUID };
        struct pack *p = l->pack;
        const struct cfg_node *n = l->root, *zone = cfg_get(n, "time_zone");
        int choice;
        if (cfg_only(n, known, e) < 0 || load_name(n, NULL, &p->name, e) < 0 ||
            cfg_str(n, "title", p->name, &p->title, e) < 0 ||
            cfg_str(n, "time_zone", "UTC", &p->time_zone, e) < 0 ||
            cfg_str(n, "search_path", "public", &p->search_path, e) < 0 ||
            cfg_choice(n, "subject_type", subject_types, 0, &choice, e) < 0 ||
            load_file(l, n, "schema", false, &p->schema, e) < 0)
                return -1;
        p->subject_type = types[choice];
        return load_zone(zone ? zone : n, p->time_zone, &p->zone, e) < 0 ? -1 : load_mail(l, e);
}

/* The service's values take the place of the pack's defaults. */
static int override_settings(struct loader *l, struct err *e)
{
        struct pack *p = l->pack;
        for (int i = 0; i < cfg_count(l->service->settings); i++) {
                const struct declared *d;
                const char *value;
                if (load_setting(l, cfg_at(l->service->settings, i), &d, &value, e) < 0)
                        return -1;
                p->settings[d - p->settings].fallback = value;
        }
        return 0;
}

int load_pack(struct loader *l, struct err *e)
{
        struct pack *p = l->pack;
        char *file;
        size_t len = strlen(l->service->path);
        while (len > 1 && l->service->path[len - 1] == '/')
                len--;
        p->arena = arena_new(ARENA_MAX);
        p->folder = p->arena ? arena_strndup(p->arena, l->service->path, len) : NULL;
        if (!p->folder)
                return err_oom(e);
        struct stat st;
        if (stat(p->folder, &st) < 0 || !S_ISDIR(st.st_mode))
                return cfg_error(cfg_get(l->service->node, "path"), e,
                                 "%s: found no such folder, expected a pack's", p->folder);
        file = load_path(l, "pack.cfg");
        if (!file)
                return err_oom(e);
        if (l->service->guarded && trust_check(p->folder, e) < 0)
                return -1;
        if (cfg_load(file, &p->cfg, e) < 0 || (l->service->guarded && cfg_trusted(p->cfg, e) < 0))
                return -1;
        l->root = cfg_root(p->cfg);
        if (load_top(l, e) < 0 ||
            load_declared(l, l->root, "settings", DECLARED_SETTING, &p->settings, &p->n_settings,
                          e) < 0 ||
            override_settings(l, e) < 0)
                return -1;
        if (load_types(l, e) < 0 || load_reports(l, e) < 0 || check_types(l, e) < 0)
                return -1;
        return load_jobs(l, e) < 0 ? -1 : load_commands(l, e);
}
