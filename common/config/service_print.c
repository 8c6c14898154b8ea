/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the configuration in force and the reference of all properties, from the same table. */
#include "config/service.h"

#include "base/redact.h"
#include "base/roff.h"
#include "config/property.h"
#include "config/words.h"

#include <inttypes.h>
#include <string.h>

static void add_quoted(struct buf *out, const char *s, size_t len)
{
        buf_addc(out, '"');
        for (size_t i = 0; i < len; i++) {
                if (s[i] == '"' || s[i] == '\\')
                        buf_addc(out, '\\');
                if (s[i] == '\n')
                        buf_adds(out, "\\n");
                else
                        buf_addc(out, s[i]);
        }
        buf_addc(out, '"');
}

/* ---- secrets ---- */

static void add_redacted(const char *s, struct buf *out)
{
        BUF_CLEANUP struct buf shown = { .max = 64 * 1024 };
        redact(s, &shown);
        add_quoted(out, buf_str(&shown), shown.len);
        buf_merge_failure(out, &shown);
}

static void add_pair(const char *pair, struct buf *out)
{
        size_t name = strcspn(pair, "=");
        BUF_CLEANUP struct buf shown = { .max = 64 * 1024 };
        bool secret = redact_names_secret(pair, name);
        buf_add(&shown, pair, secret ? name + 1 : strlen(pair));
        if (secret)
                buf_adds(&shown, REDACTED);
        add_quoted(out, buf_str(&shown), shown.len);
        buf_merge_failure(out, &shown);
}

/* ---- the configuration in force ---- */

static void add_text(const char *s, struct buf *out)
{
        if (s)
                add_quoted(out, s, strlen(s));
}

static void add_list_item(struct buf *out, size_t *n)
{
        buf_adds(out, (*n)++ ? ", " : "");
}

static void add_value(const struct service *s, const struct property *p, struct buf *out)
{
        const void *at = property_value(s, p);
        size_t n = 0;
        switch (p->type) {
        case PROPERTY_SECRET:
                add_redacted(*(const char *const *)at, out);
                break;
        case PROPERTY_TEXT:
        case PROPERTY_PATH:
        case PROPERTY_CHOICE:
                add_text(*(const char *const *)at, out);
                break;
        case PROPERTY_INTEGER:
                buf_addf(out, "%" PRId64 "%s", *(const int64_t *)at,
                         *(const int64_t *)at > INT32_MAX ? "L" : "");
                break;
        case PROPERTY_DURATION:
                buf_addc(out, '"');
                duration_format(*(const int64_t *)at, out);
                buf_addc(out, '"');
                break;
        case PROPERTY_PROPERTIES:
                buf_addc(out, '[');
                for (size_t i = 0; i < *(const size_t *)(const void *)((const char *)s + p->count);
                     i++) {
                        add_list_item(out, &n);
                        add_pair((*(const char *const *const *)at)[i], out);
                }
                buf_addc(out, ']');
                break;
        case PROPERTY_NAMES:
        case PROPERTY_SECRET_FILES:
                buf_addc(out, '[');
                for (size_t i = 0; i < *(const size_t *)(const void *)((const char *)s + p->count);
                     i++) {
                        add_list_item(out, &n);
                        add_text((*(const char *const *const *)at)[i], out);
                }
                buf_addc(out, ']');
                break;
        case PROPERTY_BOOL:
                buf_adds(out, *(const bool *)at ? "true" : "false");
                break;
        case PROPERTY_LANES:
                buf_addc(out, '[');
                for (int i = 0; i < SERVED_COUNT; i++)
                        if (((const bool *)at)[i]) {
                                add_list_item(out, &n);
                                add_text(lane_name((enum lane)i), out);
                        }
                buf_addc(out, ']');
                break;
        }
}

static bool is_set(const struct service *s, const struct property *p)
{
        return p->type > PROPERTY_CHOICE || *(const char *const *)property_value(s, p);
}

/* A pack's overrides, as they stand in the file. */
static void add_node(const struct cfg_node *n, struct buf *out)
{
        bool group = cfg_is_group(n);
        BUF_CLEANUP struct buf text = { .max = 64 * 1024 };
        if (!group && !cfg_is_list(n)) {
                int rc = cfg_scalar_text(n, &text, NULL);
                buf_merge_failure(out, &text);
                if (rc == 0 && cfg_is_text(n))
                        add_quoted(out, buf_str(&text), text.len);
                else if (rc == 0)
                        buf_add_span(out, (struct span){ buf_str(&text), text.len });
                return;
        }
        buf_adds(out, group ? "{ " : "( ");
        for (int i = 0; i < cfg_count(n); i++) {
                if (group)
                        buf_addf(out, "%s = ", cfg_key(cfg_at(n, i)));
                else if (i > 0)
                        buf_adds(out, ", ");
                add_node(cfg_at(n, i), out);
                if (group)
                        buf_adds(out, "; ");
        }
        buf_adds(out, group ? "}" : " )");
}

static void add_packs(const struct service *s, struct buf *out)
{
        buf_adds(out, "packs = (\n");
        for (size_t i = 0; i < s->n_packs; i++) {
                const struct service_pack *p = &s->packs[i];
                buf_adds(out, "  { path = ");
                add_text(p->path, out);
                if (p->settings) {
                        buf_adds(out, "; settings = ");
                        add_node(p->settings, out);
                }
                if (p->jobs) {
                        buf_adds(out, "; jobs = ");
                        add_node(p->jobs, out);
                }
                buf_adds(out, i + 1 < s->n_packs ? "; },\n" : "; }\n");
        }
        buf_adds(out, ");\n");
}

static void add_intakes(const struct service *s, struct buf *out)
{
        buf_adds(out, "intake = (\n");
        for (size_t i = 0; i < s->n_intakes; i++) {
                const struct service_intake *x = &s->intakes[i];
                size_t n = 0;
                buf_adds(out, "  { service = ");
                add_text(x->service, out);
                buf_adds(out, "; topic = ");
                add_text(x->topic, out);
                buf_adds(out, "; types = [");
                for (size_t j = 0; j < x->n_types; j++) {
                        add_list_item(out, &n);
                        add_text(x->types[j], out);
                }
                buf_addf(out,
                         "]; rate = %" PRId64 "; burst = %" PRId64 "; open_max = %" PRId64
                         "; }%s\n",
                         x->rate, x->burst, x->open_max, i + 1 < s->n_intakes ? "," : "");
        }
        buf_adds(out, ");\n");
}

void service_print(const struct service *s, struct buf *out)
{
        const char *group = "";
        size_t len = 0;
        for (size_t i = 0; i < service_property_count; i++) {
                const struct property *p = &service_properties[i];
                if (strcspn(p->path, ".") != len || strncmp(p->path, group, len) != 0) {
                        buf_adds(out, len ? "};\n" : "");
                        group = p->path;
                        len = strcspn(group, ".");
                        buf_addf(out, "%.*s = {\n", (int)len, group);
                }
                buf_addf(out, is_set(s, p) ? "  %s = " : "  # %s is not set", p->path + len + 1);
                if (is_set(s, p)) {
                        add_value(s, p, out);
                        buf_addc(out, ';');
                }
                buf_addc(out, '\n');
        }
        buf_adds(out, "};\n");
        add_intakes(s, out);
        add_packs(s, out);
}

/* ---- the reference ---- */

static void add_type(const struct property *p, struct buf *out)
{
        static const char *const names[] = {
                "text",          "text",          "path",          NULL,
                "integer",       "time span",     "list of texts", "list of lanes",
                "true or false", "list of texts", "list of texts"
        };
        if (p->type != PROPERTY_CHOICE)
                buf_adds(out, names[p->type]);
        else
                words_join(p->choices, "`", out);
}

static void add_default(const struct property *p, struct buf *out)
{
        if (p->type == PROPERTY_INTEGER)
                buf_addf(out, "%" PRId64, p->number);
        else if (p->type == PROPERTY_DURATION)
                duration_format(p->number, out);
        else if (p->type == PROPERTY_LANES)
                buf_adds(out, "all");
        else if (p->type == PROPERTY_BOOL)
                buf_adds(out, "false");
        else if (p->text)
                buf_addf(out, "`\"%s\"`", p->text);
}

static void add_range(const struct property *p, struct buf *out)
{
        if (p->type == PROPERTY_INTEGER && p->max == INT64_MAX) {
                buf_addf(out, "from %" PRId64, p->min);
        } else if (p->type == PROPERTY_INTEGER) {
                buf_addf(out, "%" PRId64 " – %" PRId64, p->min, p->max);
        } else if (p->type == PROPERTY_DURATION) {
                duration_format(p->min, out);
                buf_adds(out, " – ");
                duration_format(p->max, out);
        }
}

/* What no property of the table describes. */
static const struct {
        const char *name, *help;
} lists[] = {
        { "intake",
          "The services that may request tasks: each `service` (its name, the actor of its "
          "tasks), `topic` "
          "(PREFIX.intake.SERVICE), `types` (the task types that it may request), `rate` (100 a "
          "second, over all workers), `burst` (as `rate`), `open_max` "
          "(10000 tasks without an outcome)." },
        { "packs",
          "The packs: each `path` (its folder), and what this service changes in it: "
          "`settings` (a group of values) and `jobs` (a list of groups with `name` and the keys "
          "of a pack's job)." },
};

void service_reference(struct buf *out)
{
        buf_adds(out, "| Property | Type | Default | Range | In force | Meaning "
                      "|\n|---|---|---|---|---|---|\n");
        for (size_t i = 0; i < service_property_count; i++) {
                const struct property *p = &service_properties[i];
                buf_addf(out, "| `%s` | ", p->path);
                add_type(p, out);
                buf_adds(out, " | ");
                add_default(p, out);
                buf_adds(out, " | ");
                add_range(p, out);
                buf_addf(out, " | %s | %s |\n", p->applied ? "`rollcall topics apply`" : "SIGHUP",
                         p->help);
        }
        for (size_t i = 0; i < ARRAY_LEN(lists); i++)
                buf_addf(out, "| `%s` | list of groups | | | SIGHUP | %s |\n", lists[i].name,
                         lists[i].help);
}

/* ---- rollcall.cfg(5) ---- */

/* "integer from 1 to 1000, default 16" */
static void add_summary(const struct property *p, struct buf *out)
{
        BUF_CLEANUP struct buf range = { .max = 1024 };
        BUF_CLEANUP struct buf fallback = { .max = 16 * 1024 };
        add_type(p, out);
        add_range(p, &range);
        add_default(p, &fallback);
        if (range.len)
                buf_addf(out, ", %s", buf_str(&range));
        if (fallback.len)
                buf_addf(out, ", default %s", buf_str(&fallback));
        buf_merge_failure(out, &range);
        buf_merge_failure(out, &fallback);
}

static void add_property(const struct property *p, struct buf *out)
{
        BUF_CLEANUP struct buf text = { .max = 16 * 1024 };
        add_summary(p, &text);
        buf_addf(&text, ".\n%s%s", p->help,
                 p->applied ? "\nIn force after: rollcall topics apply." : "");
        roff_item(out, p->path, buf_str(&text));
        buf_merge_failure(out, &text);
}

void service_man(struct buf *out)
{
        roff_begin(out, "rollcall.cfg", 5, "configuration of Rollcall");
        roff_heading(out, "DESCRIPTION");
        roff_paragraph(out, "One file configures all programs of a service. It is looked for in "
                            "$ROLLCALL_CONFIG, "
                            "./rollcall.cfg and /etc/rollcall/rollcall.cfg; the option --config "
                            "names another "
                            "one.");
        roff_paragraph(
                out,
                "The format is libconfig's: group = { key = value; }; lists of groups are "
                "( { … }, { … } ), lists of texts are [ \"a\", \"b\" ]. Unknown keys are errors. "
                "Paths are "
                "relative to the file's folder. Time spans are written as \"500ms\", \"30s\", "
                "\"5m\", \"2h\" "
                "or \"90d\".");
        roff_paragraph(out, "SIGHUP has a daemon check a changed file, and restart with it; "
                            "rollcall check "
                            "checks "
                            "more. rollcall config print shows the configuration in force.");
        roff_heading(out, "PROPERTIES");
        for (size_t i = 0; i < service_property_count; i++)
                add_property(&service_properties[i], out);
        for (size_t i = 0; i < ARRAY_LEN(lists); i++)
                roff_item(out, lists[i].name, lists[i].help);
        roff_heading(out, "FILES");
        roff_item(out, "/etc/rollcall/rollcall.cfg", "the configuration");
        roff_heading(out, "SEE ALSO");
        roff_paragraph(out, "rollcall(1), rollcall-scheduler(8), rollcall-worker(8), "
                            "rollcall-aggregator(8)");
}
