#include "pack/load.h"
#include "pack/statement.h"

#include <string.h>

#define DAY_MS INT64_C(86400000)

static const char *const actions[] = { "sql", "email", "webhook", "report", "files", NULL };
static const char *const scopes[] = { "subject", "run", NULL };
static const char *const lanes[] = { "jobs", "tasks", "urgent", "mail", NULL };
#define REPORT_FORMAT_NAME(number, name, render) name,
static const char *const formats[] = { REPORT_FORMATS(REPORT_FORMAT_NAME) NULL };
#undef REPORT_FORMAT_NAME
static const enum lane default_lanes[] = { LANE_TASKS, LANE_MAIL, LANE_MAIL, LANE_JOBS, LANE_JOBS };

static bool acts_by_statement(const struct task_type *t)
{
        return t->action == ACTION_SQL || t->action == ACTION_EMAIL || t->action == ACTION_WEBHOOK;
}

/* Another text, another version. */
static void add_to_version(struct task_type *t, const char *text)
{
        if (text)
                t->version = uuid_v5(t->version, text, strlen(text));
}

/* ---- email ---- */

static int load_template(struct loader *l, const struct cfg_node *n, const char *key, bool required,
                         enum template_escape escape, struct task_type *t, struct template **ret,
                         struct err *e)
{
        struct sql_file file;
        struct err bad = ERR_INIT;
        if (load_file(l, n, key, required, &file, e) < 0)
                return -1;
        if (file.text && template_parse(file.path, span_of(file.text), escape, ret, &bad) < 0)
                return cfg_error(cfg_get(n, key), e, "%s", bad.text);
        add_to_version(t, file.text);
        return 0;
}

static int load_email(struct loader *l, const struct cfg_node *n, struct task_type *t,
                      struct err *e)
{
        static const char *const known[] = { "subject", "text", "html", "lost_answer", NULL };
        static const char *const answers[] = { "resend", "hold", NULL };
        const char *subject;
        struct err bad = ERR_INIT;
        int answer;
        if (cfg_only(n, known, e) < 0 || cfg_str_required(n, "subject", &subject, e) < 0)
                return -1;
        if (strpbrk(subject, "\r\n"))
                return cfg_error(cfg_get(n, "subject"), e, "found a line break, expected one line");
        if (template_parse("template", span_of(subject), TEMPLATE_PLAIN, &t->email.subject, &bad) <
            0)
                return cfg_error(cfg_get(n, "subject"), e, "%s", bad.text);
        if (load_template(l, n, "text", true, TEMPLATE_PLAIN, t, &t->email.text, e) < 0 ||
            load_template(l, n, "html", false, TEMPLATE_HTML, t, &t->email.html, e) < 0 ||
            cfg_choice(n, "lost_answer", answers, 0, &answer, e) < 0)
                return -1;
        add_to_version(t, subject);
        t->email.hold_unknown = answer == 1;
        if (!l->pack->mail.from_address)
                return cfg_error(
                        n, e,
                        "mail is sent, expected a group mail = { from_address = \"…\"; } at the top of the pack");
        return 0;
}

/* ---- webhook, report, files ---- */

static int load_webhook(struct loader *l, const struct cfg_node *n, struct task_type *t,
                        struct err *e)
{
        static const char *const known[] = { "url", "url_file", "secret_file", "timeout", NULL };
        const char *file, *key_file;
        if (cfg_only(n, known, e) < 0 || cfg_str(n, "url", NULL, &t->webhook.url, e) < 0 ||
            cfg_str(n, "url_file", NULL, &file, e) < 0 ||
            cfg_str(n, "secret_file", NULL, &key_file, e) < 0 ||
            cfg_duration(n, "timeout", 10000, &t->webhook.timeout_ms, e) < 0)
                return -1;
        if (!t->webhook.url == !file)
                return cfg_error(n, e, "expected either url or url_file");
        if (t->webhook.url && strncmp(t->webhook.url, "http://", 7) != 0 &&
            strncmp(t->webhook.url, "https://", 8) != 0)
                return cfg_unexpected(cfg_get(n, "url"), e, "\"https://…\" or \"http://…\"");
        if (t->webhook.timeout_ms < 1 || t->webhook.timeout_ms > 600000)
                return cfg_unexpected(cfg_get(n, "timeout"), e, "a time span from 1ms to 10m");
        if (file && !(t->webhook.url_file = load_path(l, file)))
                return err_oom(e);
        if (key_file && !(t->webhook.secret_file = load_path(l, key_file)))
                return err_oom(e);
        return 0;
}

/* Names that cannot leave the folder they are seen from. */
static bool stays_inside(const char *path)
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

static int load_report_file(struct loader *l, const struct cfg_node *n, struct task_type *t,
                            struct err *e)
{
        static const char *const known[] = { "report", "format", "file", NULL };
        int format;
        (void)l;
        if (cfg_only(n, known, e) < 0 || cfg_str_required(n, "report", &t->report.report, e) < 0 ||
            cfg_choice(n, "format", formats, REPORT_TABLE, &format, e) < 0 ||
            cfg_str_required(n, "file", &t->report.file, e) < 0)
                return -1;
        t->report.format = (enum report_format)format;
        const char *file = t->report.file;
        if (*file == '/' || file[strlen(file) - 1] == '/' || !stays_inside(file))
                return cfg_unexpected(
                        cfg_get(n, "file"), e,
                        "a file within the folder of reports, such as \"lifecycle_%Y%m%d.csv\"");
        return 0;
}

static int load_files(struct loader *l, const struct cfg_node *n, struct task_type *t,
                      struct err *e)
{
        static const char *const known[] = { "folder", "pattern", "older_than", "do", NULL };
        static const char *const deeds[] = { "compress", "delete", NULL };
        int64_t age;
        int deed;
        (void)l;
        if (cfg_only(n, known, e) < 0 || cfg_str_required(n, "folder", &t->files.folder, e) < 0 ||
            cfg_str(n, "pattern", "*", &t->files.pattern, e) < 0 ||
            cfg_duration(n, "older_than", -1, &age, e) < 0 ||
            cfg_choice(n, "do", deeds, -1, &deed, e) < 0)
                return -1;
        if (!stays_inside(t->files.folder))
                return cfg_unexpected(cfg_get(n, "folder"), e, "a folder without \"..\"");
        if (!*t->files.pattern || strchr(t->files.pattern, '/'))
                return cfg_unexpected(cfg_get(n, "pattern"), e,
                                      "a pattern of file names such as \"*.log\"");
        if (age < 0)
                return cfg_error(n, e,
                                 "older_than is missing, expected whole days such as \"90d\"");
        if (age < DAY_MS || age % DAY_MS)
                return cfg_unexpected(cfg_get(n, "older_than"), e, "whole days such as \"90d\"");
        if (deed < 0)
                return cfg_error(n, e, "do is missing, expected \"compress\" or \"delete\"");
        t->files.older_than_days = age / DAY_MS;
        t->files.delete = deed == 1;
        return 0;
}

/* ---- one type ---- */

/* The group of keys that belongs to the action has the action's name. */
static int load_action(struct loader *l, const struct cfg_node *n, struct task_type *t,
                       struct err *e)
{
        static int (*const load[])(struct loader *, const struct cfg_node *, struct task_type *,
                                   struct err *) = {
                [ACTION_EMAIL] = load_email,
                [ACTION_WEBHOOK] = load_webhook,
                [ACTION_REPORT] = load_report_file,
                [ACTION_FILES] = load_files,
        };
        const struct cfg_node *group = cfg_get(n, actions[t->action]);
        if (t->action == ACTION_SQL)
                return 0;
        if (!group)
                return cfg_error(n, e,
                                 "%s is missing, expected a group { … } because action is \"%s\"",
                                 actions[t->action], actions[t->action]);
        return load[t->action](l, group, t, e);
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

static int check_keys(const struct cfg_node *n, const struct task_type *t, struct err *e)
{
        const char *known[16] = { "name", "help",        "action",   "scope",
                                  "lane", "destructive", "requires", "requires_role" };
        size_t count = 8;
        if (t->scope == SCOPE_SUBJECT)
                known[count++] = "due";
        if (acts_by_statement(t)) {
                known[count++] = "statement";
                known[count++] = "arguments";
                known[count++] = "follow_ups";
        }
        if (t->action == ACTION_EMAIL)
                known[count++] = "record";
        if (t->action != ACTION_SQL)
                known[count++] = actions[t->action];
        /* a known key in the wrong place gets a better sentence than an unknown one */
        for (int i = 0; i < cfg_count(n); i++) {
                const char *key = cfg_key(cfg_at(n, i));
                if (strcmp(key, "due") == 0 && t->scope == SCOPE_RUN)
                        return cfg_error(
                                cfg_at(n, i), e,
                                "found with scope \"run\", expected only with scope \"subject\"");
                if (strcmp(key, "record") == 0 && t->action != ACTION_EMAIL)
                        return cfg_error(cfg_at(n, i), e,
                                         "found with action \"%s\", expected only with \"email\"",
                                         actions[t->action]);
        }
        return cfg_only(n, known, e);
}

static int load_type(struct loader *l, const struct cfg_node *n, struct task_type *t, struct err *e)
{
        int action, scope, lane;
        if (!cfg_is_group(n))
                return cfg_unexpected(n, e, "a group { name = \"…\"; action = \"…\"; … }");
        if (load_name(n, l->type_names, &t->name, e) < 0 ||
            cfg_choice(n, "action", actions, -1, &action, e) < 0)
                return -1;
        if (action < 0)
                return cfg_error(
                        n, e,
                        "action is missing, expected \"sql\", \"email\", \"webhook\", \"report\" or \"files\"");
        t->action = (enum action)action;
        t->pack = l->pack;
        if (cfg_choice(n, "scope", scopes, acts_by_statement(t) ? SCOPE_SUBJECT : SCOPE_RUN, &scope,
                       e) < 0 ||
            cfg_choice(n, "lane", lanes, (int)default_lanes[action], &lane, e) < 0 ||
            cfg_str(n, "help", NULL, &t->help, e) < 0 || load_role(n, &t->requires_role, e) < 0)
                return -1;
        t->scope = (enum scope)scope;
        t->lane = (enum lane)lane;
        t->subject_type = t->scope == SCOPE_RUN ? VALUE_TEXT : l->pack->subject_type;
        if (t->scope == SCOPE_SUBJECT && !acts_by_statement(t))
                return cfg_unexpected(cfg_get(n, "scope"), e,
                                      "\"run\": reports and files belong to no subject");
        t->full_name = load_full_name(l, t->name);
        if (!t->full_name)
                return err_oom(e);
        if (check_keys(n, t, e) < 0 || load_file(l, n, "due", false, &t->due, e) < 0 ||
            load_file(l, n, "requires", false, &t->requires, e) < 0 ||
            load_file(l, n, "statement", acts_by_statement(t), &t->statement, e) < 0 ||
            load_file(l, n, "record", false, &t->record, e) < 0 ||
            load_declared(l, n, "arguments", DECLARED_ARGUMENT, &t->arguments, &t->n_arguments, e) <
                    0 ||
            load_action(l, n, t, e) < 0)
                return -1;
        add_to_version(t, t->statement.text);
        add_to_version(t, t->record.text);
        add_to_version(t, t->requires.text);
        t->by_actor = sql_names(&t->statement, "actor") || sql_names(&t->requires, "actor") ||
                      sql_names(&t->record, "actor");
        return cfg_bool(n, "destructive", t->action == ACTION_FILES && t->files.delete,
                        &t->destructive, e);
}

int load_types(struct loader *l, struct err *e)
{
        const struct cfg_node *list;
        struct pack *p = l->pack;
        if (load_list(l, "task_types", &list, e) < 0)
                return -1;
        p->types = load_array(l, cfg_count(list), sizeof *p->types);
        l->type_names = load_array(l, cfg_count(list), sizeof *l->type_names);
        if (!p->types || !l->type_names)
                return err_oom(e);
        for (int i = 0; i < cfg_count(list); i++) {
                p->n_types++; /* before the loading, so that a half loaded type is freed too */
                if (load_type(l, cfg_at(list, i), &p->types[i], e) < 0)
                        return -1;
                l->type_names[i] = p->types[i].name;
        }
        return 0;
}

void free_types(struct pack *p)
{
        for (size_t i = 0; i < p->n_types; i++) {
                template_free(p->types[i].email.subject);
                template_free(p->types[i].email.text);
                template_free(p->types[i].email.html);
        }
}

/* ---- what refers to other parts of the pack ---- */

int load_type_of(const struct loader *l, const struct cfg_node *n, const char *name,
                 const struct task_type **ret, struct err *e)
{
        for (size_t i = 0; i < l->pack->n_types; i++)
                if (strcmp(l->pack->types[i].name, name) == 0) {
                        *ret = &l->pack->types[i];
                        return 0;
                }
        return load_unknown(n, "task type", name, l->type_names, e);
}

int check_no_arguments(const struct cfg_node *n, const struct task_type *t, struct err *e)
{
        for (size_t i = 0; i < t->n_arguments; i++)
                if (t->arguments[i].required)
                        return cfg_error(
                                n, e,
                                "found \"%s\", expected a task type without required arguments: nobody gives it \"%s\" here",
                                t->name, t->arguments[i].name);
        return 0;
}

static int check_follow_ups(struct loader *l, const struct cfg_node *n, struct task_type *t,
                            struct err *e)
{
        CLEANUP(cleanup_free) const char **names = NULL;
        const struct cfg_node *list = cfg_get(n, "follow_ups");
        size_t count;
        if (cfg_str_list(n, "follow_ups", &names, &count, e) < 0)
                return -1;
        t->follow_ups = load_array(l, (int)count, sizeof *t->follow_ups);
        if (!t->follow_ups)
                return err_oom(e);
        for (size_t i = 0; i < count; i++) {
                const struct task_type *next = NULL;
                const struct cfg_node *at = cfg_at(list, (int)i);
                if (load_type_of(l, at, names[i], &next, e) < 0 ||
                    check_no_arguments(at, next, e) < 0)
                        return -1;
                if (next->scope != t->scope)
                        return cfg_error(
                                at, e,
                                "found \"%s\" of scope \"%s\", expected one of scope \"%s\" as this type has",
                                next->name, scopes[next->scope], scopes[t->scope]);
                for (size_t k = 0; k < i; k++)
                        if (strcmp(t->follow_ups[k], next->full_name) == 0)
                                return cfg_error(
                                        at, e,
                                        "found \"%s\" a second time, expected each follow-up once",
                                        next->name);
                t->follow_ups[i] = next->full_name;
        }
        t->n_follow_ups = count;
        return 0;
}

static size_t type_index(const struct pack *p, const char *full_name)
{
        size_t i = 0;
        while (i < p->n_types && strcmp(p->types[i].full_name, full_name) != 0)
                i++;
        return i;
}

/* Does the type lead to itself, over any number of follow-ups? `reached`, `list`: room for one of
 * each type. */
static bool leads_to_itself(const struct pack *p, size_t type, bool *reached, size_t *list)
{
        size_t n = 0;
        memset(reached, 0, p->n_types * sizeof *reached);
        list[n++] = type;
        for (size_t i = 0; i < n; i++)
                for (size_t f = 0; f < p->types[list[i]].n_follow_ups; f++) {
                        size_t next = type_index(p, p->types[list[i]].follow_ups[f]);
                        if (next == type)
                                return true;
                        if (!reached[next])
                                list[n++] = next;
                        reached[next] = true;
                }
        return false;
}

static int check_circles(struct loader *l, struct err *e)
{
        const struct pack *p = l->pack;
        bool *reached = load_array(l, (int)p->n_types, sizeof *reached);
        size_t *list = load_array(l, (int)p->n_types, sizeof *list);
        if (!reached || !list)
                return err_oom(e);
        for (size_t i = 0; i < p->n_types; i++)
                if (leads_to_itself(p, i, reached, list))
                        return cfg_error(
                                cfg_get(cfg_at(cfg_get(l->root, "task_types"), (int)i),
                                        "follow_ups"),
                                e,
                                "found a circle: \"%s\" leads to itself, expected follow-ups that come to an end",
                                p->types[i].name);
        return 0;
}

int check_types(struct loader *l, struct err *e)
{
        const struct cfg_node *list = cfg_get(l->root, "task_types");
        for (size_t i = 0; i < l->pack->n_types; i++) {
                struct task_type *t = &l->pack->types[i];
                const struct cfg_node *n = cfg_at(list, (int)i);
                if (check_follow_ups(l, n, t, e) < 0)
                        return -1;
                const char *const *name = l->report_names;
                while (t->action == ACTION_REPORT && *name && strcmp(*name, t->report.report) != 0)
                        name++;
                if (t->action == ACTION_REPORT && !*name)
                        return load_unknown(cfg_get(n, "report.report"), "report", t->report.report,
                                            l->report_names, e);
        }
        return check_circles(l, e);
}
