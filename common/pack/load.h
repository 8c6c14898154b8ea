#pragma once
/* What the files that load a pack share. Private to this room. */
#include "base/arena.h"
#include "pack/pack.h"

enum { NAME_MAX_LEN = 63, PACK_FILE_MAX = 1024 * 1024 };

struct loader {
        struct pack *pack;
        const struct cfg_node *root;                          /* of pack.cfg */
        const struct service_pack *service;                   /* the overrides */
        const char **type_names, **report_names, **job_names; /* NULL-terminated, for complaints */
};

/* as pack.cfg names them, by enum value_type; NULL-terminated */
extern const char *const value_type_names[];

/* pack_load.c */
/* into l->pack, which the caller frees in any case */
int load_pack(struct loader *l, struct err *e) MUST_CHECK;
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

/* declared.c */
enum declared_kind { DECLARED_SETTING, DECLARED_ARGUMENT, DECLARED_PARAMETER };
int load_declared(struct loader *l, const struct cfg_node *parent, const char *key,
                  enum declared_kind kind, struct declared **ret, size_t *ret_n, struct err *e)
        MUST_CHECK;
/* A node's value as text, checked; a list becomes an array's text. The text lives in the arena. */
int load_value(struct loader *l, const struct cfg_node *n, const struct declared *d,
               const char **ret, struct err *e) MUST_CHECK;
/* The pack's setting that `n` gives a value to. */
int load_setting(struct loader *l, const struct cfg_node *n, const struct declared **ret,
                 const char **value, struct err *e) MUST_CHECK;

/* task_type.c */
int load_types(struct loader *l, struct err *e) MUST_CHECK;
/* what refers to other parts of the pack; sets follow_ups */
int check_types(struct loader *l, struct err *e) MUST_CHECK;
void free_types(struct pack *p);
/* The type named `name`; `n` is where the name stands. */
int load_type_of(const struct loader *l, const struct cfg_node *n, const char *name,
                 const struct task_type **ret, struct err *e) MUST_CHECK;
/* Error at `n` when the type has an argument that must be given: nobody gives one where no person
 * asks. */
int check_no_arguments(const struct cfg_node *n, const struct task_type *t, struct err *e)
        MUST_CHECK;

/* job.c */
int load_jobs(struct loader *l, struct err *e) MUST_CHECK;
void free_jobs(struct pack *p);

/* command.c */
int load_commands(struct loader *l, struct err *e) MUST_CHECK;
int load_reports(struct loader *l, struct err *e) MUST_CHECK;
