/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files that load a pack share. The load_*.h are private to this room. */
#include "base/arena.h"
#include "config/cfg_words.h"
#include "pack/pack.h"

enum { NAME_MAX_LEN = 63, PACK_FILE_MAX = 1024 * 1024 };

struct loader {
        struct pack *pack;
        const struct cfg_node *root;                          /* of pack.cfg */
        const struct service_pack *service;                   /* the overrides */
        const char **type_names, **report_names, **job_names; /* NULL-terminated, for complaints */
};

/* The zone, or an error at `at`. The caller frees it. */
int load_zone(const struct cfg_node *at, const char *name, struct zone **ret, struct err *e)
        MUST_CHECK;
/* zeroed, in the pack's arena; never NULL for a count of 0; NULL: out of memory */
void *load_array(struct loader *l, int count, size_t size);
/* The list at `key`, NULL when absent; must be a list. */
int load_list(const struct loader *l, const char *key, const struct cfg_node **ret, struct err *e)
        MUST_CHECK;
/* A name of lower-case letters, digits and dashes, that none of `taken` (NULL-terminated) is. */
int load_name(const struct cfg_node *n, const char *const *taken, const char **ret, struct err *e)
        MUST_CHECK;
/* `requires_role`: the name of a database role; NULL when it is not there. */
int load_role(const struct cfg_node *n, const char **ret, struct err *e) MUST_CHECK;
/* The text of a file named by `key`; absent: `ret` is zeroed, or an error when it is required. */
int load_file(struct loader *l, const struct cfg_node *n, const char *key, bool required,
              struct sql_file *ret, struct err *e) MUST_CHECK;
/* Error at `n`: "no WHAT "NAME" here, did you mean …?". Returns -1. */
int load_unknown(const struct cfg_node *n, const char *what, const char *name,
                 const char *const *known, struct err *e) MUST_CHECK;
/* as seen from the pack's folder; NULL: out of memory */
char *load_path(const struct loader *l, const char *path);
char *load_full_name(struct loader *l, const char *name); /* "pack.name"; NULL: out of memory */
/* Another text (NULL: none), another version of the type. */
void load_version(struct task_type *t, const char *text);
/* Can the path not leave the folder that it is seen from? */
bool load_stays_inside(const char *path);
