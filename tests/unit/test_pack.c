/* SPDX-License-Identifier: Apache-2.0 */
#include "pack/pack_load.h"
#include "pack/statement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/rollcall-pack-XXXXXX";

static const char *const files[] = {
        "rollcall.cfg", "p/pack.cfg", "q/pack.cfg", "p/a.sql",  "p/empty.sql",
        "p/latin.sql",  "p/a.txt",    "p/bad.txt",  "p/a.html", NULL,
};

static void write_file(const char *name, const char *text)
{
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, name);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fputs(text, f);
        assert_int_equal(fclose(f), 0);
}

static int make_folder(void **state)
{
        char path[128];
        (void)state;
        if (!mkdtemp(folder))
                return -1;
        for (const char *name = "pq"; *name; name++) {
                snprintf(path, sizeof path, "%s/%c", folder, *name);
                if (mkdir(path, 0755) < 0)
                        return -1;
        }
        write_file("p/a.sql", "select 1 as subject\n");
        write_file("p/empty.sql", " \n\n");
        write_file("p/latin.sql", "select '\xE9'\n");
        write_file("p/a.txt", "Dear {{name}}\n");
        write_file("p/bad.txt", "Dear\n{{name\n");
        write_file("p/a.html", "<p>{{name}}</p>\n");
        return 0;
}

static int remove_folder(void **state)
{
        char path[128];
        (void)state;
        for (size_t i = 0; files[i]; i++) {
                snprintf(path, sizeof path, "%s/%s", folder, files[i]);
                unlink(path);
        }
        for (const char *name = "pq"; *name; name++) {
                snprintf(path, sizeof path, "%s/%c", folder, *name);
                rmdir(path);
        }
        return rmdir(folder);
}

/* ---- values ---- */

static void values(void **state)
{
        (void)state;
        static const struct {
                enum value_type type;
                const char *text;
                bool valid;
        } cases[] = {
                { VALUE_TEXT, "", true },
                { VALUE_TEXT, "a\n\"é漢😀", true },
                { VALUE_TEXT, "\xC3", false },
                { VALUE_TEXT, "\xC0\x80", false },
                { VALUE_TEXT, "\xED\xA0\x80", false },
                { VALUE_TEXT, "\xF4\x90\x80\x80", false },
                { VALUE_INTEGER, "0", true },
                { VALUE_INTEGER, "-5", true },
                { VALUE_INTEGER, "+5", true },
                { VALUE_INTEGER, "9223372036854775807", true },
                { VALUE_INTEGER, "9223372036854775808", false },
                { VALUE_INTEGER, "-9223372036854775808", true },
                { VALUE_INTEGER, "-9223372036854775809", false },
                { VALUE_INTEGER, "99999999999999999999999", false },
                { VALUE_INTEGER, "", false },
                { VALUE_INTEGER, "-", false },
                { VALUE_INTEGER, "1.0", false },
                { VALUE_INTEGER, " 1", false },
                { VALUE_INTEGER, "0x10", false },
                { VALUE_BOOLEAN, "true", true },
                { VALUE_BOOLEAN, "F", true },
                { VALUE_BOOLEAN, "0", true },
                { VALUE_BOOLEAN, "maybe", false },
                { VALUE_BOOLEAN, "", false },
                { VALUE_DATE, "2026-11-21", true },
                { VALUE_DATE, "2024-02-29", true },
                { VALUE_DATE, "2026-02-29", false },
                { VALUE_DATE, "2026-04-31", false },
                { VALUE_DATE, "2026-13-01", false },
                { VALUE_DATE, "0000-01-01", false },
                { VALUE_DATE, "2026-1-1", false },
                { VALUE_DATE, "2026-11-21 ", false },
                { VALUE_DATE, "today", false },
                { VALUE_TIMESTAMP, "2026-11-21", true },
                { VALUE_TIMESTAMP, "2026-11-21 08:00", true },
                { VALUE_TIMESTAMP, "2026-11-21 08:00:59", true },
                { VALUE_TIMESTAMP, "2026-11-21T08:00:00Z", true },
                { VALUE_TIMESTAMP, "2026-11-21T08:00:00.123456-03:00", true },
                { VALUE_TIMESTAMP, "2026-02-30T08:00:00Z", false },
                { VALUE_TIMESTAMP, "2026-11-21 24:00", false },
                { VALUE_TIMESTAMP, "2026-11-21 08:60", false },
                { VALUE_TIMESTAMP, "2026-11-21 08", false },
                { VALUE_TIMESTAMP, "2026-11-21T08:00:00.", false },
                { VALUE_TIMESTAMP, "2026-11-21T08:00:00+99:00", false },
                { VALUE_TIMESTAMP, "2026-11-21T08:00:00ZZ", false },
                { VALUE_UUID, "123e4567-e89b-12d3-a456-426614174000", true },
                { VALUE_UUID, "123e4567e89b12d3a456426614174000", false },
                { VALUE_INTEGER_ARRAY, "{}", true },
                { VALUE_INTEGER_ARRAY, "{1, -2,\"3\"}", true },
                { VALUE_INTEGER_ARRAY, "{1,}", false },
                { VALUE_INTEGER_ARRAY, "{1", false },
                { VALUE_INTEGER_ARRAY, "1,2", false },
                { VALUE_INTEGER_ARRAY, "{1}}", false },
                { VALUE_INTEGER_ARRAY, "{{1}}", false },
                { VALUE_INTEGER_ARRAY, "{a}", false },
                { VALUE_INTEGER_ARRAY, "{1 2}", false },
                { VALUE_INTEGER_ARRAY, "{NULL}", false },
                { VALUE_TEXT_ARRAY, "{a,\"b c\",\"d\\\"e\",\"\"}", true },
                { VALUE_TEXT_ARRAY, "{a b ,c}", true },
                { VALUE_TEXT_ARRAY, "{a,,b}", false },
                { VALUE_TEXT_ARRAY, "{\"a}", false },
                { VALUE_TEXT_ARRAY, "{\"a\"b}", false },
                { VALUE_TEXT_ARRAY, "{a\\", false },
                { VALUE_TEXT_ARRAY, "{\"\\", false },
        };
        for (size_t i = 0; i < ARRAY_LEN(cases); i++)
                if (value_valid(cases[i].type, span_of(cases[i].text)) != cases[i].valid)
                        fail_msg("%s as %s", cases[i].text, value_sql_type(cases[i].type));
        assert_false(value_valid(VALUE_TEXT, (struct span){ "a\0b", 3 }));
        assert_false(value_valid(VALUE_DATE, (struct span){ "2026-11-2", 9 }));
}

static void declared_values(void **state)
{
        (void)state;
        static const char *roles[] = { "resident", "all", NULL };
        struct parameter role = { .name = "role",
                                  .type = VALUE_TEXT,
                                  .values = roles,
                                  .n_values = 2,
                                  .min = INT64_MIN,
                                  .max = INT64_MAX };
        struct parameter several = role,
                         days = { .name = "days", .type = VALUE_INTEGER, .min = 1, .max = 90 },
                         list = days;
        struct parameter why = { .name = "reason", .type = VALUE_TEXT, .required = true },
                         note = why, nobody = why;
        several.type = VALUE_TEXT_ARRAY;
        list.type = VALUE_INTEGER_ARRAY;
        list.min_items = 1;
        note.allow_blank = true;
        nobody.required = false;
        const struct {
                const struct parameter *declared;
                const char *text, *error; /* NULL: fits */
        } cases[] = {
                { &role, "all", NULL },
                { &role, "nurse", "role: \"nurse\" is not one of \"resident\", \"all\"" },
                { &several, "{all,resident}", NULL },
                { &several, "{all,x}", "role: \"x\" is not one of \"resident\", \"all\"" },
                { &days, "90", NULL },
                { &days, "0", "days: 0 is less than 1" },
                { &days, "91", "days: 91 is more than 90" },
                { &days, "soon", "days: \"soon\" is not a whole number" },
                { &list, "{1,90}", NULL },
                { &list, "{1,91}", "days: 91 is more than 90" },
                { &list, "{-1}", "days: -1 is less than 1" },
                { &list, "{}", "days: has 0 elements, at least 1 are needed" },
                { &list, " { } ", "days: has 0 elements, at least 1 are needed" },
                { &several, "{}", NULL },
                { &why, "left", NULL },
                { &why, "", "reason: must not be empty" },
                { &why, " \t\n", "reason: must not be empty" },
                { &why, "\xC2\xA0\xE2\x80\x8B\xE3\x80\x80", "reason: must not be empty" },
                { &why, "\xC2\xA0.", NULL },
                { &note, "", NULL },
                { &nobody, "", NULL },
                { &list, "1", "days: \"1\" is not an array of whole numbers such as {30,14,7}" },
        };
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                struct err e = ERR_INIT;
                assert_int_equal(parameter_check(cases[i].declared, span_of(cases[i].text), &e),
                                 cases[i].error ? -1 : 0);
                assert_string_equal(e.text, cases[i].error ? cases[i].error : "");
                assert_int_equal(e.class, cases[i].error ? ERR_INPUT : ERR_NONE);
        }
}

/* ---- a good pack ---- */

static const char good[] =
        "name = \"club\";\n" /* line 1 */
        "time_zone = \"America/Sao_Paulo\"; subject_type = \"integer\";\n"
        "schema = \"a.sql\";\n"
        "mail = { from_address = \"club@example.org\"; };\n"
        "settings = ( { name = \"days\"; type = \"integer\"; default = 30; min = 1; max = 90; },\n"
        "  { name = \"role\"; type = \"text\"; default = \"all\"; values = [ \"all\", \"member\" "
        "]; },\n"
        "  { name = \"steps\"; type = \"integer[]\"; default = [ 7, 3, 1 ]; } );\n"
        "task_types = (\n" /* line 8 */
        "  { name = \"expire\"; action = \"sql\"; due = \"a.sql\"; statement = \"a.sql\"; "
        "follow_ups = [ \"warn\" ]; },\n"
        "  { name = \"warn\"; action = \"email\"; statement = \"a.sql\"; record = \"a.sql\";\n"
        "    email = { subject = \"Hello {{name}}\"; text = \"a.txt\"; html = \"a.html\"; "
        "lost_answer = \"hold\"; }; },\n"
        "  { name = \"extend\"; action = \"sql\"; lane = \"urgent\"; statement = \"a.sql\";\n"
        "    arguments = ( { name = \"days\"; type = \"integer\"; required = true; } ); },\n"
        "  { name = \"file\"; action = \"report\"; report = { report = \"members\"; format = "
        "\"csv\"; file = \"m_%Y.csv\"; }; },\n"
        "  { name = \"prune\"; action = \"files\"; files = { folder = \"old\"; older_than = "
        "\"90d\"; do = \"delete\"; }; },\n"
        "  { name = \"tell\"; action = \"webhook\"; scope = \"run\"; statement = \"a.sql\"; "
        "webhook = { url_file = \"secret\"; secret_file = \"key\"; }; } );\n"
        "jobs = (\n" /* line 17 */
        "  { name = \"nightly\"; schedule = \"0 6 * * *\"; tasks = [ \"expire\" ]; settings = { "
        "role = \"member\"; };\n"
        "    min_interval = \"23h\"; requires = \"a.sql\"; on_finish = [ \"file\" ]; on_failure = "
        "[ \"tell\" ]; },\n"
        "  { name = \"tidy\"; time_zone = \"UTC\"; tasks = ( \"prune\", { type = \"expire\"; "
        "dry_run = true; } ); } );\n"
        "commands = (\n" /* line 21 */
        "  { name = \"extend\"; task_type = \"extend\"; subject = \"MEMBER\"; lookup = \"a.sql\"; "
        "} );\n"
        "reports = ( { name = \"members\"; statement = \"a.sql\"; parameters = ( { name = \"run\"; "
        "type = \"uuid\"; } ); } );\n";

#define SERVICE "kafka = { brokers = \"k\"; };\n"

static int try_load(const char *service, const char *pack, struct service **s, struct packs **p,
                    struct err *e)
{
        char path[64];
        snprintf(path, sizeof path, "%s/rollcall.cfg", folder);
        write_file("rollcall.cfg", service);
        write_file("p/pack.cfg", pack);
        if (service_load(path, s, e) < 0)
                fail_msg("%s", e->text);
        return packs_load(*s, p, e);
}

static void loads(void **state)
{
        (void)state;
        struct service *s CLEANUP(service_cleanup) = NULL;
        struct packs *p CLEANUP(packs_cleanup) = NULL;
        struct err e = ERR_INIT;
        if (try_load(SERVICE "packs = ( { path = \"p/\"; settings = { days = 60; };\n"
                             "  jobs = ( { name = \"nightly\"; schedule = \"@weekly\"; time_zone = "
                             "\"Europe/Berlin\"; suspend = true;\n"
                             "    settings = { days = 5; role = \"all\"; }; } ); } );",
                     good, &s, &p, &e) < 0)
                fail_msg("%s", e.text);
        const struct pack *pack = p->list[0];
        assert_string_equal(pack->title, "club");
        assert_string_equal(pack->settings[0].default_value, "60");
        assert_string_equal(pack->settings[1].default_value, "all");
        assert_string_equal(pack->settings[2].default_value, "{\"7\",\"3\",\"1\"}");
        const struct task_type *expire = packs_type(p, SPAN_LIT("club.expire")),
                               *warn = packs_type(p, SPAN_LIT("club.warn"));
        assert_int_equal(expire->lane, LANE_TASKS);
        assert_int_equal(expire->subject_type, VALUE_INTEGER);
        assert_string_equal(expire->follow_ups[0], "club.warn");
        assert_string_equal(expire->due.text, "select 1 as subject\n");
        assert_non_null(strstr(expire->due.path, "/p/a.sql"));
        assert_int_equal(warn->lane, LANE_MAIL);
        assert_true(warn->email.hold_unknown && warn->email.subject && warn->email.text &&
                    warn->email.html);
        assert_non_null(warn->record.text);
        assert_int_equal(packs_type(p, SPAN_LIT("club.extend"))->lane, LANE_URGENT);
        const struct task_type *file = packs_type(p, SPAN_LIT("club.file")),
                               *prune = packs_type(p, SPAN_LIT("club.prune"));
        assert_int_equal(file->lane, LANE_JOBS);
        assert_int_equal(file->scope, SCOPE_RUN);
        assert_int_equal(file->subject_type, VALUE_TEXT);
        assert_int_equal(file->report.format, REPORT_CSV);
        assert_true(prune->files.delete && prune->files.older_than_days == 90);
        assert_string_equal(prune->files.pattern, "*");
        assert_non_null(
                strstr(packs_type(p, SPAN_LIT("club.tell"))->webhook.url_file, "/p/secret"));
        assert_non_null(
                strstr(packs_type(p, SPAN_LIT("club.tell"))->webhook.secret_file, "/p/key"));
        assert_null(packs_type(p, SPAN_LIT("club.absent")));
        const struct job *nightly = packs_job(p, "nightly"), *tidy = packs_job(p, "club.tidy");
        assert_string_equal(nightly->full_name, "club.nightly");
        assert_string_equal(nightly->schedule, "@weekly");
        assert_string_equal(zone_name(nightly->zone), "Europe/Berlin");
        assert_true(nightly->suspend);
        assert_int_equal(nightly->min_interval_ms, 23 * 3600000);
        assert_int_equal(nightly->n_settings, 2);
        assert_string_equal(nightly->settings[0].name, "role");
        assert_string_equal(nightly->settings[0].value, "all");
        assert_string_equal(nightly->settings[1].value, "5");
        assert_string_equal(nightly->precondition.text, "select 1 as subject\n");
        assert_ptr_equal(nightly->on_finish[0], file);
        assert_null(tidy->schedule);
        assert_ptr_equal(tidy->tasks[1].type, expire);
        assert_true(tidy->tasks[1].dry_run && !tidy->tasks[0].dry_run);
        assert_string_equal(packs_command(p, "extend")->subject_label, "MEMBER");
        assert_true(packs_command(p, "club.extend")->confirm);
        assert_null(packs_command(p, "other.extend"));
        assert_string_equal(packs_report(p, "members")->parameters[0].name, "run");
        assert_null(pack_setting(pack, SPAN_LIT("absent")));
}

static void edit(const char *from, const char *to, struct buf *out);

/* Of a pack whose file says `to` instead of `from`. */
static void load_edited(const char *from, const char *to, struct service **s, struct packs **p)
{
        BUF_CLEANUP struct buf text = { .max = 100000 };
        struct err e = ERR_INIT;
        edit(from, to, &text);
        if (try_load(SERVICE "packs = ( { path = \"p\"; jobs = ( { name = \"nightly\"; max_percent "
                             "= 0.5; population = \"a.sql\"; } ); } );",
                     buf_str(&text), s, p, &e) < 0)
                fail_msg("%s: %s", to, e.text);
}

static void destructive_jobs(void **state)
{
        (void)state;
        static const struct {
                const char *from, *to;
                bool nightly, tidy;
        } rows[] = {
                /* prune deletes files */
                { "name = \"expire\"; action", "name = \"expire\"; action", false, true },
                { "do = \"delete\"; };", "do = \"delete\"; }; destructive = false;", false, false },
                { "do = \"delete\"", "do = \"compress\"", false, false },
                { "name = \"expire\"; action", "name = \"expire\"; destructive = true; action",
                  true, true },
                /* a follow-up */
                { "name = \"warn\"; action", "name = \"warn\"; destructive = true; action", true,
                  true },
                { "name = \"nightly\";", "name = \"nightly\"; destructive = true;", true, true },
                { "\"prune\", { type = \"expire\"; dry_run = true; }",
                  "{ type = \"prune\"; dry_run = true; }", false, false },
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct service *s CLEANUP(service_cleanup) = NULL;
                struct packs *p CLEANUP(packs_cleanup) = NULL;
                load_edited(rows[i].from, rows[i].to, &s, &p);
                assert_int_equal(job_destructive(packs_job(p, "nightly")), rows[i].nightly);
                assert_int_equal(job_destructive(packs_job(p, "tidy")), rows[i].tidy);
                assert_true(packs_job(p, "nightly")->max_percent == 0.5 &&
                            packs_job(p, "nightly")->population.text);
                assert_true(packs_job(p, "tidy")->max_percent == LIMIT_NONE &&
                            packs_job(p, "tidy")->max_subjects == LIMIT_NONE);
        }
}

static void locked_settings(void **state)
{
        (void)state;
        struct service *s CLEANUP(service_cleanup) = NULL;
        struct packs *p CLEANUP(packs_cleanup) = NULL;
        struct arena *memory CLEANUP(arena_cleanup) = arena_new(100000);
        struct err e = ERR_INIT;
        struct setting_value given = { "role", "all" }, *all;
        size_t n;
        load_edited("name = \"role\";", "name = \"role\"; locked = true;", &s, &p);
        const struct job *nightly = packs_job(p, "nightly");
        /* the job's own value */
        assert_int_equal(settings_resolve(nightly->pack, nightly, NULL, 0, memory, &all, &n, &e),
                         0);
        assert_string_equal(all[1].value, "member");
        assert_int_equal(settings_resolve(nightly->pack, nightly, &given, 1, memory, &all, &n, &e),
                         -1);
        assert_int_equal(e.class, ERR_INPUT);
        assert_non_null(strstr(e.text, "\"role\" is locked"));
}

/* A follow-up that two types lead to, or that is planned as well. */
static void shared_follow_ups(void **state)
{
        (void)state;
        static const struct {
                const char *tasks;
                size_t takes, shared;
        } cases[] = {
                { "\"a\"", 3, 0 },
                { "\"a\", \"b\"", 4, 1 },
                { "\"a\", \"c\"", 3, 1 },
                { "\"a\", \"b\", \"c\", \"d\"", 4, 2 },
        };
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                struct service *s CLEANUP(service_cleanup) = NULL;
                struct packs *p CLEANUP(packs_cleanup) = NULL;
                struct err e = ERR_INIT;
                char text[2000];
#define EXPIRE "action = \"sql\"; due = \"a.sql\"; statement = \"a.sql\"; "
                snprintf(text, sizeof text,
                         "name = \"club\"; time_zone = \"UTC\"; task_types = ("
                         "  { name = \"a\"; " EXPIRE "follow_ups = [ \"c\" ]; },"
                         "  { name = \"b\"; " EXPIRE "follow_ups = [ \"c\" ]; },"
                         "  { name = \"c\"; " EXPIRE "follow_ups = [ \"d\" ]; },"
                         "  { name = \"d\"; " EXPIRE "} ); "
                         "jobs = ( { name = \"nightly\"; tasks = [ %s ]; } );",
                         cases[i].tasks);
                if (try_load(SERVICE "packs = ( { path = \"p/\"; } );", text, &s, &p, &e) < 0)
                        fail_msg("%s", e.text);
                const struct job *j = &p->list[0]->jobs[0];
                if (j->n_takes != cases[i].takes || j->n_shared != cases[i].shared)
                        fail_msg("%s: takes %zu, shares %zu", cases[i].tasks, j->n_takes,
                                 j->n_shared);
                assert_int_equal(job_shares(j, SPAN_LIT("club.c")), j->n_shared > 0);
                assert_false(job_shares(j, SPAN_LIT("club.a")));
        }
}

static void two_packs(void **state)
{
        (void)state;
        struct service *s CLEANUP(service_cleanup) = NULL;
        struct packs *p CLEANUP(packs_cleanup) = NULL;
        struct err e = ERR_INIT;
        write_file("q/pack.cfg",
                   "name = \"other\"; task_types = ( { name = \"t\"; action = \"files\"; files = { "
                   "folder = \".\"; older_than = \"1d\"; do = "
                   "\"delete\"; }; } ); jobs = ( { name = \"tidy\"; tasks = [ \"t\" ]; } );");
        if (try_load(SERVICE "packs = ( { path = \"p\"; }, { path = \"q\"; } );", good, &s, &p,
                     &e) < 0)
                fail_msg("%s", e.text);
        assert_int_equal(p->n, 2);
        assert_null(packs_job(p, "tidy"));
        assert_string_equal(packs_job(p, "other.tidy")->full_name, "other.tidy");
        assert_string_equal(packs_job(p, "nightly")->full_name, "club.nightly");
}

/* ---- bad packs: the good one with one thing changed ---- */

static void edit(const char *from, const char *to, struct buf *out)
{
        const char *at = strstr(good, from);
        if (!at)
                fail_msg("not in the pack: %s", from);
        buf_add(out, good, (size_t)(at - good));
        buf_adds(out, to);
        buf_adds(out, at + strlen(from));
}

static void complaints(void **state)
{
        (void)state;
        static const struct {
                const char *from, *to, *error;
        } cases[] = {
                { "name = \"club\"", "name = \"Club\"",
                  "/p/pack.cfg:1: name: found \"Club\", expected 1 to 63 lower-case letters" },
                { "name = \"club\";", "", "/p/pack.cfg:1: name: missing, expected a text" },
                { "schema =", "shema =", ":3: shema: unknown key, did you mean \"schema\"?" },
                { "schema = \"a.sql\"", "schema = \"b.sql\"", ":3: schema: " },
                { "schema = \"a.sql\"", "schema = \"b.sql\"",
                  "/p/b.sql: No such file or directory" },
                { "schema = \"a.sql\"", "schema = \"empty.sql\"", "/p/empty.sql: is empty" },
                { "schema = \"a.sql\"", "schema = \"latin.sql\"",
                  "/p/latin.sql: is not UTF-8 text" },
                { "schema = \"a.sql\"", "schema = \".\"", "/p/.: is not a file" },
                { "America/Sao_Paulo", "America/Sao_Paolo", ":2: time_zone: " },
                { "subject_type = \"integer\"", "subject_type = \"date\"",
                  ":2: subject_type: found \"date\", expected one of \"text\", \"integer\"" },
                { "club@example.org", "club",
                  ":4: mail.from_address: found \"club\", expected an address" },
                { "mail = { from_address = \"club@example.org\"; };", "",
                  ":11: task_types[1].email: mail is sent, expected a group mail" },
                /* settings */
                { "default = 30", "default = 300",
                  ":5: settings[0].default: days: 300 is more than 90" },
                { "default = 30", "default = \"soon\"",
                  ":5: settings[0].default: days: \"soon\" is not a whole number" },
                { "default = \"all\"", "default = \"none\"",
                  ":6: settings[1].default: role: \"none\" is not one of \"all\", \"member\"" },
                { "default = [ 7, 3, 1 ]", "default = [ \"a\" ]",
                  ":7: settings[2].default: steps: \"{\"a\"}\" is not an array of whole" },
                { "min = 1; max = 90", "min = 9; max = 1",
                  ":5: settings[0].max: found 1, expected a whole number of at least 9" },
                { "type = \"text\"; default = \"all\";", "type = \"text\"; min = 1;",
                  ":6: settings[1].min: found with type \"text\"" },
                { "default = [ 7, 3, 1 ]", "default = [ ]; min_items = 1",
                  ":7: settings[2].default: steps: has 0 elements, at least 1" },
                { "default = 30; min", "default = 30; min_items = 1; min",
                  ":5: settings[0].min_items: found with type \"integer\", expected only with" },
                { "default = 30; min", "default = 30; allow_blank = true; min",
                  ":5: settings[0].allow_blank: unknown key" },
                { "required = true; } ); },", "required = true; allow_blank = true; } ); },",
                  "allow_blank: found with type \"integer\"" },
                { "required = true; } ); },", "required = true; locked = true; } ); },",
                  "locked: unknown key" },
                { "min_interval = \"23h\"", "max_subjects = -2",
                  "jobs[0].max_subjects: found -2, expected a whole number" },
                { "min_interval = \"23h\"", "max_percent = 100.5",
                  "jobs[0].max_percent: found 100.5, expected a number from 0 to 100" },
                { "min_interval = \"23h\"", "max_percent = \"5\"",
                  "jobs[0].max_percent: found \"5\", expected a number of per cent" },
                { "min_interval = \"23h\"", "max_percent = 5",
                  "jobs[0].max_percent: max_percent needs a population" },
                { "min_interval = \"23h\"", "destructive = 1", "jobs[0].destructive: found 1" },
                { "type = \"integer[]\"", "type = \"numbers\"",
                  ":7: settings[2].type: found \"numbers\", expected one of \"text\", "
                  "\"integer\"" },
                { "name = \"steps\"; type = \"integer[]\"; default = [ 7, 3, 1 ];",
                  "name = \"steps\";", ":7: settings[2]: type is missing" },
                { "name = \"steps\"", "name = \"today\"",
                  ":7: settings[2].name: found \"today\", expected another name" },
                { "name = \"steps\"", "name = \"a-b\"",
                  ":7: settings[2].name: found \"a-b\", expected 1 to 63 lower-case" },
                { "name = \"steps\"", "name = \"days\"",
                  ":7: settings[2].name: found \"days\", expected a name that is not taken above" },
                { "name = \"steps\";", "name = \"steps\"; required = true;",
                  ":7: settings[2].required: unknown key" },
                { "required = true;", "required = true; default = 1;",
                  ":13: task_types[2].arguments[0].default: found together with required" },
                { "required = true;", "for_others = true;",
                  ":13: task_types[2].arguments[0].for_others: found without from" },
                { "type = \"integer\"; required = true;",
                  "type = \"text\"; from = \"actor\"; for_others = 1;",
                  ":13: task_types[2].arguments[0].for_others: " },
                { "arguments = ( { name = \"days\"", "arguments = ( { name = \"item\"",
                  ":13: task_types[2].arguments[0].name: found \"item\", expected another" },
                /* task types */
                { "name = \"extend\"; action", "name = \"warn\"; action",
                  ":12: task_types[2].name: found \"warn\", expected a name that is not taken" },
                { "lane = \"urgent\"", "lane = \"fast\"",
                  ":12: task_types[2].lane: found \"fast\", expected one of \"jobs\", \"tasks\"" },
                { "lane = \"urgent\"", "lanes = \"urgent\"",
                  ":12: task_types[2].lanes: unknown key, did you mean \"lane\"?" },
                { "action = \"sql\"; lane", "action = \"run\"; lane",
                  ":12: task_types[2].action: found \"run\", expected one of \"sql\", \"email\"" },
                { "action = \"sql\"; lane", "lane",
                  ":12: task_types[2]: action is missing, expected \"sql\"" },
                { "lane = \"urgent\"; statement = \"a.sql\";", "lane = \"urgent\";",
                  ":12: task_types[2].statement: missing" },
                { "lane = \"urgent\";", "record = \"a.sql\";",
                  ":12: task_types[2].record: found with action \"sql\", expected only with "
                  "\"email\"" },
                { "lane = \"urgent\";", "email = { };", ":12: task_types[2].email: unknown key" },
                { "scope = \"run\";", "scope = \"run\"; due = \"a.sql\";",
                  ":16: task_types[5].due: found with scope \"run\", expected only with scope" },
                { "action = \"files\";", "action = \"files\"; scope = \"subject\";",
                  ":15: task_types[4].scope: found \"subject\", expected \"run\"" },
                { "text = \"a.txt\";", "", ":11: task_types[1].email.text: missing" },
                { "subject = \"Hello {{name}}\";", "",
                  ":11: task_types[1].email.subject: missing" },
                { "Hello {{name}}", "Hello {{name",
                  ":11: task_types[1].email.subject: template:1: " },
                { "Hello {{name}}", "Hello\\nyou",
                  ":11: task_types[1].email.subject: found a line break" },
                { "text = \"a.txt\"", "text = \"bad.txt\"", "/p/bad.txt:2: " },
                { "html = \"a.html\"", "html = \"b.html\"", "/p/b.html: No such file" },
                { "lost_answer = \"hold\"", "lost_answer = \"drop\"",
                  ":11: task_types[1].email.lost_answer: found \"drop\", expected one of "
                  "\"resend\"" },
                { "webhook = { url_file = \"secret\"; secret_file = \"key\"; };", "",
                  ":16: task_types[5]: webhook is missing, expected a group" },
                { "url_file = \"secret\";", "",
                  ":16: task_types[5].webhook: expected either url or url_file" },
                { "url_file = \"secret\";", "url = \"ftp://x\";",
                  ":16: task_types[5].webhook.url: found \"ftp://x\", expected \"https://" },
                { "url_file = \"secret\";", "url = \"http://x\"; timeout = 0;",
                  ":16: task_types[5].webhook.timeout: found 0, expected a time span from" },
                { "report = \"members\"", "report = \"member\"",
                  ":14: task_types[3].report.report: pack has no report \"member\", did you mean "
                  "\"members\"?" },
                { "m_%Y.csv", "../m.csv",
                  ":14: task_types[3].report.file: found \"../m.csv\", expected a file within" },
                { "format = \"csv\"", "format = \"pdf\"",
                  ":14: task_types[3].report.format: found \"pdf\"" },
                { "folder = \"old\"", "folder = \"a/../../b\"",
                  ":15: task_types[4].files.folder: found \"a/../../b\", expected a folder "
                  "without" },
                { "older_than = \"90d\"", "older_than = \"36h\"",
                  ":15: task_types[4].files.older_than: found \"36h\", expected whole days" },
                { "older_than = \"90d\";", "", ":15: task_types[4].files: older_than is missing" },
                { "do = \"delete\";", "", ":15: task_types[4].files: do is missing" },
                { "follow_ups = [ \"warn\" ]", "follow_ups = [ \"warm\" ]",
                  ":9: task_types[0].follow_ups[0]: pack has no task type \"warm\", did you mean "
                  "\"warn\"?" },
                { "follow_ups = [ \"warn\" ]", "follow_ups = [ \"tell\" ]",
                  ":9: task_types[0].follow_ups[0]: found \"tell\" of scope \"run\", expected one "
                  "of" },
                { "follow_ups = [ \"warn\" ]", "follow_ups = [ \"extend\" ]",
                  ":9: task_types[0].follow_ups[0]: found \"extend\", expected a task type "
                  "without" },
                { "follow_ups = [ \"warn\" ]", "follow_ups = [ \"warn\", \"warn\" ]",
                  ":9: task_types[0].follow_ups[1]: found \"warn\" a second time" },
                { "follow_ups = [ \"warn\" ]", "follow_ups = [ \"expire\" ]",
                  ":9: task_types[0].follow_ups: found a circle: \"expire\" leads to itself" },
                { "record = \"a.sql\";", "record = \"a.sql\"; follow_ups = [ \"expire\" ];",
                  ":9: task_types[0].follow_ups: found a circle: \"expire\"" },
                /* jobs */
                { "0 6 * * *", "0 25 * * *", ":18: jobs[0].schedule: cron" },
                { "0 6 * * *", "0 6 30 2 *", ":18: jobs[0].schedule: cron" },
                { "time_zone = \"UTC\"", "time_zone = \"Mars\"", ":20: jobs[1].time_zone: " },
                { "tasks = [ \"expire\" ];", "", ":18: jobs[0]: tasks is missing" },
                { "tasks = [ \"expire\" ]", "tasks = [ ]",
                  ":18: jobs[0].tasks: found a list, expected a list with the names" },
                { "tasks = [ \"expire\" ]", "tasks = [ \"expiry\" ]",
                  ":18: jobs[0].tasks[0]: pack has no task type \"expiry\", did you mean "
                  "\"expire\"?" },
                { "tasks = [ \"expire\" ]", "tasks = [ \"warn\" ]",
                  ":18: jobs[0].tasks[0]: found \"warn\" without a due statement" },
                { "tasks = [ \"expire\" ]", "tasks = [ \"extend\" ]",
                  ":18: jobs[0].tasks[0]: found \"extend\", expected a task type without "
                  "required" },
                { "tasks = [ \"expire\" ]", "tasks = [ \"expire\", \"expire\" ]",
                  ":18: jobs[0].tasks[1]: found \"expire\" a second time" },
                { "type = \"expire\"; dry_run", "type = \"expire\"; dryrun",
                  ":20: jobs[1].tasks[1].dryrun: unknown key, did you mean \"dry_run\"?" },
                { "role = \"member\"", "roles = \"member\"",
                  ":18: jobs[0].settings.roles: pack has no setting \"roles\", did you mean "
                  "\"role\"? It has: days," },
                { "role = \"member\"", "role = \"nurse\"",
                  ":18: jobs[0].settings.role: role: \"nurse\" is not one of \"all\", \"member\"" },
                { "min_interval = \"23h\"", "min_interval = \"23\"",
                  ":19: jobs[0].min_interval: found \"23\", expected a time span" },
                { "min_interval = \"23h\"", "concurrency_policy = \"deny\"",
                  ":19: jobs[0].concurrency_policy: found \"deny\", expected one of \"forbid\"" },
                { "min_interval = \"23h\"", "catch_up = true",
                  ":19: jobs[0].catch_up: found true, expected one of \"latest\", \"none\", "
                  "\"all\"" },
                { "min_interval = \"23h\"", "alert_on = \"sometimes\"",
                  ":19: jobs[0].alert_on: found \"sometimes\", expected \"errors\", \"failed\", "
                  "\"never\"" },
                { "min_interval = \"23h\"", "alert_on = \"0%\"",
                  ":19: jobs[0].alert_on: found \"0%\"" },
                { "min_interval = \"23h\"", "alert_on = \"101%\"",
                  ":19: jobs[0].alert_on: found \"101%\"" },
                { "min_interval = \"23h\"", "alert_on = \"5\"",
                  ":19: jobs[0].alert_on: found \"5\"" },
                { "min_interval = \"23h\"", "alert_on = \"nan%\"",
                  ":19: jobs[0].alert_on: found \"nan%\"" },
                { "min_interval = \"23h\"", "alert_on = 5", ":19: jobs[0].alert_on: found 5" },
                { "min_interval = \"23h\"", "min_planned = -1",
                  ":19: jobs[0].min_planned: found -1" },
                { "requires = \"a.sql\"", "requires = \"b.sql\"", ":19: jobs[0].requires: " },
                { "on_finish = [ \"file\" ]", "on_finish = [ \"warn\" ]",
                  ":19: jobs[0].on_finish[0]: found \"warn\" of scope \"subject\"" },
                { "on_failure = [ \"tell\" ]", "on_failure = [ \"told\" ]",
                  ":19: jobs[0].on_failure[0]: pack has no task type \"told\"" },
                { "name = \"tidy\"", "name = \"nightly\"",
                  ":20: jobs[1].name: found \"nightly\", expected a name that is not taken above" },
                /* commands, reports */
                { "task_type = \"extend\"", "task_type = \"tell\"",
                  ":22: commands[0].task_type: found \"tell\" of scope \"run\"" },
                { "task_type = \"extend\"", "task_type = \"extent\"",
                  ":22: commands[0].task_type: pack has no task type \"extent\", did you mean "
                  "\"extend\"?" },
                { "lookup = \"a.sql\";", "", ":22: commands[0].lookup: missing" },
                { "name = \"members\"; statement = \"a.sql\";", "name = \"members\";",
                  ":23: reports[0].statement: missing" },
                { "name = \"run\"; type", "name = \"now\"; type",
                  ":23: reports[0].parameters[0].name: found \"now\", expected another name" },
                { "reports = (", "reports = 5; x = (", ":23: x: unknown key" },
        };
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                struct service *s CLEANUP(service_cleanup) = NULL;
                struct packs *p = NULL;
                struct err e = ERR_INIT;
                BUF_CLEANUP struct buf text = { .max = 1 << 20 };
                edit(cases[i].from, cases[i].to, &text);
                int rc = try_load(SERVICE "packs = ( { path = \"p\"; } );", buf_str(&text), &s, &p,
                                  &e);
                if (rc != -1 || p || e.class != ERR_FATAL || !strstr(e.text, cases[i].error))
                        fail_msg("%s -> %s: %s\n  expected %s", cases[i].from, cases[i].to,
                                 rc < 0 ? e.text : "loaded", cases[i].error);
        }
}

static void override_complaints(void **state)
{
        (void)state;
        static const struct {
                const char *pack, *error;
        } cases[] = {
                { "path = \"absent\";", "rollcall.cfg:2: packs[0].path: " },
                { "path = \"absent\";", "/absent: found no such folder, expected a pack's" },
                { "path = \"p\"; settings = { days = 91; };",
                  "rollcall.cfg:2: packs[0].settings.days: days: 91 is more than 90" },
                { "path = \"p\"; settings = { day = 9; };",
                  "rollcall.cfg:2: packs[0].settings.day: pack has no setting \"day\", did you "
                  "mean \"days\"?" },
                { "path = \"p\";\n jobs = ( { name = \"night\"; } );",
                  "rollcall.cfg:3: packs[0].jobs[0].name: pack has no job \"night\"" },
                { "path = \"p\";\n jobs = ( { name = \"tidy\";\n schedule = \"x\"; } );",
                  "rollcall.cfg:4: packs[0].jobs[0].schedule: cron" },
                { "path = \"p\";\n jobs = ( { name = \"tidy\";\n cron = \"x\"; } );",
                  "rollcall.cfg:4: packs[0].jobs[0].cron: unknown key" },
                { "path = \"p\";\n jobs = ( { name = \"tidy\";\n settings = { days = 0; }; } );",
                  "rollcall.cfg:4: packs[0].jobs[0].settings.days: days: 0" },
                { "path = \"p\"; }, { path = \"p\";", "rollcall.cfg:2: packs[1]: " },
                { "path = \"p\"; }, { path = \"p\";", "/p has the name \"club\", as " },
        };
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                struct service *s CLEANUP(service_cleanup) = NULL;
                struct packs *p = NULL;
                struct err e = ERR_INIT;
                char text[512];
                snprintf(text, sizeof text, SERVICE "packs = ( { %s } );", cases[i].pack);
                if (try_load(text, good, &s, &p, &e) != -1 || p || !strstr(e.text, cases[i].error))
                        fail_msg("case %zu: %s\n  expected %s", i, e.text, cases[i].error);
        }
}

/* ---- the packs that are shipped ---- */

static void load_shipped(const char *name)
{
        struct service *s CLEANUP(service_cleanup) = NULL;
        struct packs *p CLEANUP(packs_cleanup) = NULL;
        struct err e = ERR_INIT;
        char path[512], text[1024];
        snprintf(path, sizeof path, "%s/config/packs/%s", SOURCE_DIR, name);
        snprintf(text, sizeof text, SERVICE "packs = ( { path = \"%s\"; } );", path);
        if (try_load(text, good, &s, &p, &e) < 0)
                fail_msg("%s", e.text);
        assert_string_equal(p->list[0]->name, name);
        assert_true(p->list[0]->n_jobs > 0);
}

static void equipemed(void **state)
{
        (void)state;
        load_shipped("equipemed");
}

static void astegni(void **state)
{
        (void)state;
        load_shipped("astegni");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(destructive_jobs),
                cmocka_unit_test(locked_settings),
                cmocka_unit_test(values),
                cmocka_unit_test(declared_values),
                cmocka_unit_test(loads),
                cmocka_unit_test(two_packs),
                cmocka_unit_test(shared_follow_ups),
                cmocka_unit_test(complaints),
                cmocka_unit_test(override_complaints),
                cmocka_unit_test(equipemed),
                cmocka_unit_test(astegni),
        };
        return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
