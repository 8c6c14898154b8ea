/* SPDX-License-Identifier: Apache-2.0 */
/* libconfig behind our own interface: files, includes, values, and errors with file and line. */
#include "config/cfg.h"

#include "config/characters.h"
#include "config/numbers.h"
#include "config/trust.h"
#include "config/words.h"

#include <errno.h>
#include <inttypes.h>
#include <libconfig.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A struct cfg_node is a config_setting_t seen from outside: libconfig's accessors of older
 * versions take no const. */
struct cfg {
        config_t config;
        char *path;
};

static config_setting_t *setting(const struct cfg_node *n)
{
        return (config_setting_t *)(uintptr_t)n;
}

static const struct cfg_node *node(const config_setting_t *s)
{
        return (const struct cfg_node *)s;
}

void cfg_free(struct cfg *c)
{
        if (!c)
                return;
        config_destroy(&c->config);
        free(c->path);
        free(c);
}

/* Length of the folder's part of the path, with the slash. */
static size_t folder_length(const char *path)
{
        const char *slash = strrchr(path, '/');
        return slash ? (size_t)(slash + 1 - path) : 0;
}

/* @include names are relative to the file that is loaded. */
static void set_include_folder(struct cfg *c)
{
        size_t len = folder_length(c->path);
        char *folder = len > 0 ? strndup(c->path, len) : NULL;
        if (folder)
                config_set_include_dir(&c->config, folder);
        free(folder);
}

/* libconfig names an included file as it stands in the @include (1.5) or with the folder (1.7). */
static int visit_file(const struct cfg *c, const char *file,
                      int (*visit)(const char *path, struct err *e), struct err *e)
{
        char joined[PATH_MAX];
        int len = snprintf(joined, sizeof joined, "%.*s%s", (int)folder_length(c->path), c->path,
                           file);
        bool relative = *file != '/' && len > 0 && (size_t)len < sizeof joined &&
                        access(joined, F_OK) == 0;
        return visit(relative ? joined : file, e);
}

/* Visits every file that settings came from; `last` is the one that was visited before. */
static int visit_files(const struct cfg *c, const struct cfg_node *n, const char **last,
                       int (*visit)(const char *path, struct err *e), struct err *e)
{
        const char *file = config_setting_source_file(setting(n));
        if (file && file != *last && visit_file(c, file, visit, e) < 0)
                return -1;
        *last = file ? file : *last;
        for (int i = 0; i < cfg_count(n); i++)
                if (visit_files(c, cfg_at(n, i), last, visit, e) < 0)
                        return -1;
        return 0;
}

int cfg_trusted(const struct cfg *c, struct err *e)
{
        const char *last = NULL;
        return trust_check(c->path, e) < 0 ? -1
                                           : visit_files(c, cfg_root(c), &last, trust_check, e);
}

int cfg_load(const char *path, struct cfg **ret, struct err *e)
{
        struct stat st;
        if (stat(path, &st) < 0)
                return err_set(e, ERR_FATAL, "", "%s: cannot be read: %s", path, strerror(errno));
        if (S_ISDIR(st.st_mode)) /* libconfig's scanner would end the process */
                return err_set(e, ERR_FATAL, "", "%s: is a folder, expected a file", path);
        struct cfg *c CLEANUP(cfg_cleanup) = calloc(1, sizeof *c);
        if (!c)
                return err_oom(e);
        config_init(&c->config);
        c->path = strdup(path);
        if (!c->path)
                return err_oom(e);
        set_include_folder(c);
        if (config_read_file(&c->config, path) == CONFIG_TRUE) {
                const char *last = NULL;
                if (visit_files(c, cfg_root(c), &last, characters_check, e) < 0)
                        return -1;
                last = NULL;
                if (visit_files(c, cfg_root(c), &last, numbers_check, e) < 0)
                        return -1;
                *ret = TAKE(c);
                return 0;
        }
        const char *file = config_error_file(&c->config), *text = config_error_text(&c->config);
        if (config_error_type(&c->config) == CONFIG_ERR_FILE_IO)
                return err_set(e, ERR_FATAL, "", "%s: cannot be read: %s", path, strerror(errno));
        bool syntax = text && strcmp(text, "syntax error") == 0;
        return err_set(e, ERR_FATAL, "", "%s:%d: %s%s", file ? file : path,
                       config_error_line(&c->config), text ? text : "cannot be read",
                       syntax ? ", here or on the line before: expected \"key = value;\"" : "");
}

const struct cfg_node *cfg_root(const struct cfg *c)
{
        return node(config_root_setting(&c->config));
}

const struct cfg_node *cfg_get(const struct cfg_node *n, const char *path)
{
        while (n && *path) {
                char key[128];
                size_t len = strcspn(path, ".");
                if (len >= sizeof key || !config_setting_is_group(setting(n)))
                        return NULL;
                memcpy(key, path, len);
                key[len] = '\0';
                n = node(config_setting_get_member(setting(n), key));
                path += path[len] ? len + 1 : len;
        }
        return n;
}

int cfg_count(const struct cfg_node *n)
{
        return n && config_setting_is_aggregate(setting(n)) ? config_setting_length(setting(n)) : 0;
}

const struct cfg_node *cfg_at(const struct cfg_node *n, int i)
{
        return n && i >= 0 ? node(config_setting_get_elem(setting(n), (unsigned)i)) : NULL;
}

const char *cfg_key(const struct cfg_node *n)
{
        return n ? config_setting_name(setting(n)) : NULL;
}

bool cfg_is_group(const struct cfg_node *n)
{
        return n && config_setting_is_group(setting(n));
}

bool cfg_is_list(const struct cfg_node *n)
{
        return n && (config_setting_is_list(setting(n)) || config_setting_is_array(setting(n)));
}

bool cfg_is_text(const struct cfg_node *n)
{
        return n && config_setting_type(setting(n)) == CONFIG_TYPE_STRING;
}

/* ---- complaints ---- */

static void add_path(const config_setting_t *s, struct buf *out)
{
        config_setting_t *parent = config_setting_parent(s);
        if (!parent)
                return;
        add_path(parent, out);
        const char *name = config_setting_name(s);
        if (name)
                buf_addf(out, "%s%s", out->len ? "." : "", name);
        else
                buf_addf(out, "[%d]", config_setting_index(s));
}

/* The file of the root is not known to libconfig: an element's is taken, which is the same unless
 * the file begins with @include. */
static const char *file_of(const config_setting_t *s)
{
        const char *file = config_setting_source_file(s);
        if (!file && config_setting_is_aggregate(s) && config_setting_length(s) > 0)
                file = config_setting_source_file(
                        config_setting_get_elem((config_setting_t *)(uintptr_t)s, 0));
        return file ? file : "configuration";
}

/* "FILE:LINE: PATH.key: text"; `key` NULL: the node itself. */
static int complain(const struct cfg_node *n, const char *key, struct err *e, const char *text)
{
        const config_setting_t *s = setting(n);
        BUF_CLEANUP struct buf path = { .max = 512 };
        add_path(s, &path);
        if (key)
                buf_addf(&path, "%s%s", path.len ? "." : "", key);
        unsigned line = config_setting_source_line(s);
        return err_set(e, ERR_FATAL, "", "%s:%u: %s%s%s", file_of(s), line ? line : 1,
                       buf_str(&path), path.len ? ": " : "", text);
}

int cfg_error(const struct cfg_node *n, struct err *e, const char *fmt, ...)
{
        char text[sizeof e->text];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(text, sizeof text, fmt, ap);
        va_end(ap);
        return complain(n, NULL, e, text);
}

static int missing(const struct cfg_node *n, const char *key, const char *expected, struct err *e)
{
        char text[200];
        snprintf(text, sizeof text, "missing, expected %s", expected);
        return complain(n, key, e, text);
}

static void describe(const config_setting_t *s, struct buf *out)
{
        switch (config_setting_type(s)) {
        case CONFIG_TYPE_GROUP:
                buf_adds(out, "a group { }");
                break;
        case CONFIG_TYPE_ARRAY:
        case CONFIG_TYPE_LIST:
                buf_adds(out, "a list");
                break;
        case CONFIG_TYPE_STRING:
                buf_addf(out, "\"%.60s\"", config_setting_get_string(s));
                break;
        case CONFIG_TYPE_FLOAT:
                buf_addf(out, "%g", config_setting_get_float(s));
                break;
        case CONFIG_TYPE_BOOL:
                buf_adds(out, config_setting_get_bool(s) ? "true" : "false");
                break;
        default:
                buf_addf(out, "%lld", config_setting_get_int64(s));
        }
}

int cfg_unexpected(const struct cfg_node *n, struct err *e, const char *expected)
{
        BUF_CLEANUP struct buf found = { .max = 200 };
        describe(setting(n), &found);
        return cfg_error(n, e, "found %s, expected %s", buf_str(&found), expected);
}

/* ---- values ---- */

int cfg_str(const struct cfg_node *n, const char *key, const char *fallback, const char **ret,
            struct err *e)
{
        const struct cfg_node *v = cfg_get(n, key);
        if (v && !cfg_is_text(v))
                return cfg_unexpected(v, e, "a text in quotes");
        *ret = v ? config_setting_get_string(setting(v)) : fallback;
        return 0;
}

int cfg_str_required(const struct cfg_node *n, const char *key, const char **ret, struct err *e)
{
        const struct cfg_node *v = cfg_get(n, key);
        if (!v)
                return missing(n, key, "a text in quotes", e);
        if (!cfg_is_text(v))
                return cfg_unexpected(v, e, "a text in quotes");
        const char *text = config_setting_get_string(setting(v));
        if (!*text)
                return cfg_error(v, e, "is empty, expected a text");
        *ret = text;
        return 0;
}

static void describe_range(int64_t min, int64_t max, struct buf *out)
{
        buf_adds(out, "a whole number");
        if (min != INT64_MIN && max != INT64_MAX)
                buf_addf(out, " from %" PRId64 " to %" PRId64, min, max);
        else if (min != INT64_MIN)
                buf_addf(out, " of at least %" PRId64, min);
        else if (max != INT64_MAX)
                buf_addf(out, " of at most %" PRId64, max);
}

int cfg_int(const struct cfg_node *n, const char *key, int64_t fallback, int64_t min, int64_t max,
            int64_t *ret, struct err *e)
{
        const struct cfg_node *v = cfg_get(n, key);
        if (!v) {
                *ret = fallback;
                return 0;
        }
        int type = config_setting_type(setting(v));
        int64_t number = type == CONFIG_TYPE_INT ? config_setting_get_int(setting(v))
                                                 : config_setting_get_int64(setting(v));
        if ((type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64) || number < min ||
            number > max) {
                BUF_CLEANUP struct buf expected = { .max = 200 };
                describe_range(min, max, &expected);
                return cfg_unexpected(v, e, buf_str(&expected));
        }
        *ret = number;
        return 0;
}

int cfg_bool(const struct cfg_node *n, const char *key, bool fallback, bool *ret, struct err *e)
{
        const struct cfg_node *v = cfg_get(n, key);
        if (v && config_setting_type(setting(v)) != CONFIG_TYPE_BOOL)
                return cfg_unexpected(v, e, "true or false");
        *ret = v ? config_setting_get_bool(setting(v)) : fallback;
        return 0;
}

int cfg_duration(const struct cfg_node *n, const char *key, int64_t fallback_ms, int64_t *ret_ms,
                 struct err *e)
{
        const struct cfg_node *v = cfg_get(n, key);
        int64_t ms = fallback_ms;
        if (cfg_is_text(v)) {
                if (!duration_parse(config_setting_get_string(setting(v)), &ms))
                        return cfg_unexpected(
                                v, e,
                                "a time span such as \"500ms\", \"25s\", \"1h30m\" or \"90d\"");
        } else if (v) {
                int type = config_setting_type(setting(v));
                int64_t seconds = type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64
                                          ? config_setting_get_int64(setting(v))
                                          : -1;
                if (seconds < 0 || seconds > INT64_MAX / 1000)
                        return cfg_unexpected(v, e,
                                              "a whole number of seconds, or a time span such as "
                                              "\"25s\" or \"1h30m\"");
                ms = seconds * 1000;
        }
        *ret_ms = ms;
        return 0;
}

int cfg_scalar_text(const struct cfg_node *n, struct buf *out, struct err *e)
{
        if (config_setting_is_aggregate(setting(n)))
                return cfg_unexpected(n, e, "a text, a number, true or false");
        if (cfg_is_text(n))
                buf_adds(out, config_setting_get_string(setting(n)));
        else if (config_setting_type(setting(n)) == CONFIG_TYPE_FLOAT)
                buf_addf(out, "%.15g", config_setting_get_float(setting(n)));
        else
                describe(setting(n), out);
        return out->failed ? err_oom(e) : 0;
}

int cfg_str_list(const struct cfg_node *n, const char *key, const char ***ret, size_t *ret_n,
                 struct err *e)
{
        const struct cfg_node *v = cfg_get(n, key);
        if (v && !cfg_is_list(v))
                return cfg_unexpected(v, e, "a list of texts: [\"…\", \"…\"]");
        int count = cfg_count(v);
        const char **list CLEANUP(cleanup_free) = count > 0 ? calloc((size_t)count, sizeof *list)
                                                            : NULL;
        if (count > 0 && !list)
                return err_oom(e);
        for (int i = 0; i < count; i++) {
                const struct cfg_node *item = cfg_at(v, i);
                if (!cfg_is_text(item))
                        return cfg_unexpected(item, e, "a text in quotes");
                list[i] = config_setting_get_string(setting(item));
        }
        *ret = TAKE(list);
        *ret_n = (size_t)count;
        return 0;
}
