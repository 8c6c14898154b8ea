/* SPDX-License-Identifier: Apache-2.0 */
#include "config/service.h"

#include "base/redact.h"
#include "config/words.h"

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

static char folder[] = "/tmp/rollcall-config-XXXXXX";
static char file[64];

static void write_file(const char *name, const char *text, mode_t mode)
{
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, name);
        unlink(path); /* only root may write over one of mode 400 */
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fputs(text, f);
        assert_int_equal(fclose(f), 0);
        assert_int_equal(chmod(path, mode), 0);
}

static int make_folder(void **state)
{
        (void)state;
        snprintf(file, sizeof file, "%s/rollcall.cfg", mkdtemp(folder));
        return 0;
}

static int remove_folder(void **state)
{
        (void)state;
        static const char *const names[] = { "rollcall.cfg", "secret", "part.cfg" };
        char path[128];
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                snprintf(path, sizeof path, "%s/%s", folder, names[i]);
                unlink(path);
        }
        return rmdir(folder);
}

/* ---- words ---- */

static void durations(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                int64_t ms; /* -1: refused */
        } cases[] = {
                { "500ms", 500 },
                { "25s", 25000 },
                { "1h30m", 5400000 },
                { "90d", INT64_C(7776000000) },
                { "2w", 1209600000 },
                { "0s", 0 },
                { "1d2h3m4s5ms", 93784005 },
                { "", -1 },
                { "5", -1 },
                { "s", -1 },
                { "5 s", -1 },
                { "-5s", -1 },
                { "5x", -1 },
                { "1.5h", -1 },
                { "30m1h", -1 },
                { "1h1h", -1 },
                { "99999999999999d", -1 },
                { "9999999999999999s", -1 },
                { "5S", -1 },
        };
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                int64_t ms = -1;
                if (duration_parse(cases[i].text, &ms) != (cases[i].ms >= 0) || ms != cases[i].ms)
                        fail_msg("%s: %lld", cases[i].text, (long long)ms);
        }
        BUF_CLEANUP struct buf b = { .max = 100 };
        duration_format(93784005, &b);
        assert_string_equal(buf_str(&b), "1d2h3m4s5ms");
        buf_reset(&b);
        duration_format(0, &b);
        assert_string_equal(buf_str(&b), "0s");
}

static void nearest(void **state)
{
        (void)state;
        static const char *const known[] = { "batch_max", "threads", "lanes", NULL };
        assert_string_equal(word_nearest("batchmax", known), "batch_max");
        assert_string_equal(word_nearest("thread", known), "threads");
        assert_string_equal(word_nearest("laens", known), "lanes");
        assert_null(word_nearest("password", known));
        assert_null(word_nearest("x", known));
}

/* ---- good files ---- */

static struct service *load(const char *text)
{
        struct service *s = NULL;
        struct err e = ERR_INIT;
        write_file("rollcall.cfg", text, 0644);
        if (service_load(file, &s, &e) < 0)
                fail_msg("%s", e.text);
        return s;
}

static void defaults(void **state)
{
        (void)state;
        struct service *s CLEANUP(service_cleanup) = load("kafka = { brokers = \"k:9092\"; };");
        assert_string_equal(s->file, file);
        assert_string_equal(s->database.conninfo, "");
        assert_string_equal(s->kafka.prefix, "rollcall");
        assert_int_equal(s->kafka.partitions, 8);
        assert_int_equal(s->kafka.replication, 1);
        assert_int_equal(s->kafka.in_flight_max_bytes, 0);
        for (int i = 0; i < LANE_COUNT; i++)
                assert_true(s->worker.lanes[i]);
        assert_int_equal(s->worker.threads, 1);
        assert_int_equal(s->worker.batch_max, 5000);
        assert_int_equal(s->worker.batch_max_bytes, 4 << 20);
        assert_int_equal(s->worker.drain_timeout_ms, 25000);
        assert_int_equal(s->scheduler.lease_ms, 10000);
        assert_int_equal(s->scheduler.tick_ms, 1000);
        assert_int_equal(s->scheduler.chunk, 10000);
        assert_int_equal(s->aggregator.batch_max, 20000);
        assert_int_equal(s->aggregator.errors_kept, 100);
        assert_string_equal(s->mail.transport, "smtp");
        assert_string_equal(s->mail.tls, "opportunistic");
        assert_int_equal(s->mail.connections, 16);
        assert_string_equal(s->log_level, "info");
        assert_null(s->mail.url);
        assert_string_equal(s->topics[LANE_JOBS], "rollcall.jobs");
        assert_string_equal(s->topics[LANE_TASKS], "rollcall.tasks");
        assert_string_equal(s->topics[LANE_URGENT], "rollcall.tasks.urgent");
        assert_string_equal(s->topics[LANE_MAIL], "rollcall.tasks.mail");
        assert_string_equal(s->topic_results, "rollcall.results");
        assert_string_equal(s->topic_dead_letters, "rollcall.dead-letters");
        assert_int_equal(s->n_packs, 0);
}

static const char everything[] =
        "database = { conninfo = \"host=db user=u password='p w' dbname=d\"; password_file = "
        "\"secret\"; };\n"
        "kafka = { embedded = \"run/broker\"; prefix = \"acme.roll\"; in_flight_max_bytes = "
        "99999999;\n"
        "  properties = [\"sasl.password=hunter2\", \"client.rack=a\"]; allow_plaintext = true; "
        "retention = \"2d\"; session_timeout = 6; };\n"
        "worker = { lanes = [\"mail\", \"jobs\"]; threads = 2; };\n"
        "mail = { transport = \"maildir\"; maildir = \"/var/mail/x\"; };\n"
        "reports = { folder = \"reports\"; };\n"
        "packs = ( { path = \"packs/a\"; settings = { days = 5; role = \"x\\\"y\"; };\n"
        "            jobs = ( { name = \"j\"; suspend = true; } ); },\n"
        "          { path = \"/opt/b\"; } );\n";

static void values(void **state)
{
        (void)state;
        struct service *s CLEANUP(service_cleanup) = load(everything);
        char path[128];
        snprintf(path, sizeof path, "%s/secret", folder);
        assert_string_equal(s->database.password_file, path);
        snprintf(path, sizeof path, "%s/run/broker", folder);
        assert_string_equal(s->kafka.embedded, path);
        snprintf(path, sizeof path, "%s/packs/a", folder);
        assert_string_equal(s->packs[0].path, path);
        assert_string_equal(s->packs[1].path, "/opt/b");
        assert_string_equal(s->mail.maildir, "/var/mail/x");
        assert_string_equal(s->topics[LANE_URGENT], "acme.roll.tasks.urgent");
        assert_int_equal(s->kafka.in_flight_max_bytes, 3 << 20);
        assert_int_equal(s->kafka.retention_ms, 2 * 86400000);
        assert_int_equal(s->kafka.session_timeout_ms, 6000);
        assert_int_equal(s->kafka.n_properties, 2);
        assert_string_equal(s->kafka.properties[1], "client.rack=a");
        assert_true(s->worker.lanes[LANE_MAIL] && s->worker.lanes[LANE_JOBS]);
        assert_false(s->worker.lanes[LANE_TASKS] || s->worker.lanes[LANE_URGENT]);
        assert_int_equal(s->n_packs, 2);
        assert_non_null(s->packs[0].settings);
        assert_null(s->packs[1].jobs);
        int64_t days;
        assert_int_equal(cfg_int(s->packs[0].settings, "days", 0, 1, 9, &days, NULL), 0);
        assert_int_equal(days, 5);
}

/* What is printed can be read again, and holds no secret. */
static void printing(void **state)
{
        (void)state;
        struct service *s CLEANUP(service_cleanup) = load(everything);
        BUF_CLEANUP struct buf out = { .max = 1 << 20 };
        service_print(s, &out);
        const char *text = buf_str(&out);
        assert_null(strstr(text, "hunter2"));
        assert_null(strstr(text, "p w"));
        assert_non_null(strstr(text, "conninfo = \"host=db user=u password=*** dbname=d\";"));
        assert_non_null(strstr(text, "properties = [\"sasl.password=***\", \"client.rack=a\"];"));
        assert_non_null(strstr(text, "lanes = [\"jobs\", \"mail\"];"));
        assert_non_null(strstr(text, "retention = \"2d\";"));
        assert_non_null(strstr(text, "settings = { days = 5; role = \"x\\\"y\"; }"));
        assert_non_null(strstr(text, "# brokers is not set"));
        struct service *again CLEANUP(service_cleanup) = load(text);
        assert_int_equal(again->n_packs, 2);
        assert_string_equal(again->kafka.embedded, s->kafka.embedded);
}

static void redaction(void **state)
{
        (void)state;
        static const struct {
                const char *conninfo, *shown;
        } cases[] = {
                { "postgresql://u:s3cret@h:5432/d?application_name=x",
                  "postgresql://u:***@h:5432/d?application_name=x" },
                { "postgresql://u:s3@cr/et@h/d", "postgresql://u:***@h/d" },
                { "postgresql://u@h/d?sslmode=require&password=s3cret&x=y",
                  "postgresql://u@h/d?sslmode=require&password=***&x=y" },
                { "postgresql://h:5432/d", "postgresql://h:5432/d" },
                { "password = s3cret host=h", "password = *** host=h" },
                { "host=h password='a\\'s3cret b' user=u", "host=h password=*** user=u" },
                { "host=h password=http://s3cret sslpassword=s3cret",
                  "host=h password=*** sslpassword=***" },
                { "host='un closed", "host='un closed" },
        };
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                char text[512];
                BUF_CLEANUP struct buf out = { .max = 1 << 20 }, conninfo = { .max = 512 };
                for (const char *p = cases[i].conninfo; *p; p++)
                        buf_addf(&conninfo, *p == '\\' ? "\\%c" : "%c", *p);
                snprintf(text, sizeof text,
                         "database = { conninfo = \"%s\"; }; kafka = { brokers = \"k\"; };",
                         buf_str(&conninfo));
                struct service *s CLEANUP(service_cleanup) = load(text);
                service_print(s, &out);
                snprintf(text, sizeof text, "conninfo = \"%s\";", cases[i].shown);
                if (!strstr(buf_str(&out), text) || strstr(buf_str(&out), "s3"))
                        fail_msg("%s: %s", cases[i].conninfo, buf_str(&out));
        }
}

static void reference(void **state)
{
        (void)state;
        BUF_CLEANUP struct buf out = { .max = 1 << 20 };
        service_reference(&out);
        assert_non_null(strstr(buf_str(&out), "| `worker.batch_max` | integer | 5000 | 1 – 100000 "
                                              "| SIGHUP | Tasks in one transaction, at most. |\n"));
        assert_non_null(strstr(buf_str(&out), "| `kafka.retention` | time span | 7d | 1m – 3660d | "
                                              "`rollcall topics apply` |"));
        assert_non_null(
                strstr(buf_str(&out), "| `mail.tls` | `none`, `opportunistic`, `required` |  |"));
}

static void includes(void **state)
{
        (void)state;
        write_file("part.cfg", "kafka = {\n  brokers = 5;\n};\n", 0644);
        write_file("rollcall.cfg", "\n@include \"part.cfg\"\n", 0644);
        struct service *s;
        struct err e = ERR_INIT;
        assert_int_equal(service_load(file, &s, &e), -1);
        assert_non_null(
                strstr(e.text, "part.cfg:2: kafka.brokers: found 5, expected a text in quotes"));
}

/* ---- bad files ---- */

#define KAFKA "kafka = { brokers = \"k\"; };\n"

static void complaints(void **state)
{
        (void)state;
        static const struct {
                const char *text, *error; /* the error after FILE */
        } cases[] = {
                { KAFKA "worker = {\n  batch_max = 0;\n};",
                  ":3: worker.batch_max: found 0, expected a whole number from 1 to 100000" },
                { KAFKA "worker = { batch_max = 5000000000L; };",
                  ":2: worker.batch_max: found 5000000000, expected a whole number from 1" },
                { KAFKA "/* 9999999999\n */ # 9999999999\n// \" 9999999999\nlog = { level = "
                        "\"in\\\"\\\\fo 9999999999\"; };\nx9999999999 = 4294967297;",
                  ":6: found 4294967297, expected 4294967297L" },
                { KAFKA "worker = { batch_max = 1.5; };",
                  ":2: worker.batch_max: found 1.5, expected a whole number" },
                { KAFKA "worker = { threads = \"2\"; };",
                  ":2: worker.threads: found \"2\", expected a whole number from 1 to 64" },
                { KAFKA "worker = { batchmax = 1; };",
                  ":2: worker.batchmax: unknown key, did you mean \"batch_max\"? Known here: "
                  "lanes, threads," },
                { KAFKA "wroker = { };", ":2: wroker: unknown key, did you mean \"worker\"? Known "
                                         "here: database, kafka, worker," },
                { KAFKA "colour = 1;",
                  ":2: colour: unknown key, expected one of: database, kafka," },
                { KAFKA "worker = 5;", ":2: worker: found 5, expected a group { key = value; }" },
                { KAFKA "worker = { lanes = [\"tasks\", \"fast\"]; };",
                  ":2: worker.lanes[1]: found \"fast\", expected one of \"jobs\", \"tasks\"," },
                { KAFKA "worker = { lanes = []; };",
                  ":2: worker.lanes: is empty, expected at least one of" },
                { KAFKA "worker = { lanes = \"tasks\"; };",
                  ":2: worker.lanes: found \"tasks\", expected a list of texts" },
                { KAFKA "worker = { lanes = (1); };",
                  ":2: worker.lanes[0]: found 1, expected a text in quotes" },
                { KAFKA "scheduler = { lease = \"soon\"; };",
                  ":2: scheduler.lease: found \"soon\", expected a time span such as" },
                { KAFKA "scheduler = { lease = -1; };",
                  ":2: scheduler.lease: found -1, expected a whole number of seconds" },
                { KAFKA "scheduler = { lease = true; };",
                  ":2: scheduler.lease: found true, expected a whole number of seconds" },
                { KAFKA "scheduler = { lease = \"2h\"; };",
                  ":2: scheduler.lease: found \"2h\", expected a time span from 1s to 1h" },
                { KAFKA "scheduler = { tick = \"5s\"; };",
                  ":2: scheduler: found a tick of 5000 ms, expected less than half the lease of "
                  "10000 ms" },
                { KAFKA "log = { level = \"loud\"; };",
                  ":2: log.level: found \"loud\", expected one of \"debug\", \"info\", \"warn\", "
                  "\"error\"" },
                { KAFKA "mail = { transport = \"pigeon\"; };",
                  ":2: mail.transport: found \"pigeon\", expected one of \"smtp\", \"maildir\"" },
                { KAFKA "mail = { transport = \"maildir\"; };",
                  ":2: mail: mail.maildir is missing" },
                { KAFKA "mail = { helo = \"x\"; };", ":2: mail: mail.url is missing" },
                { KAFKA "mail = { url = \"http://x\"; };", ":2: mail.url: found another scheme" },
                { KAFKA "mail = { url = \"smtp://x\"; user = \"u\"; };",
                  ":2: mail: mail.password_file is missing" },
                { KAFKA "database = { conninfo = ( ); };",
                  ":2: database.conninfo: found a list, expected a text in quotes" },
                { KAFKA "packs = 5;", ":2: packs: found 5, expected a list of groups" },
                { KAFKA "packs = ( { } );",
                  ":2: packs[0].path: missing, expected a text in quotes" },
                { KAFKA "packs = ( { path = \"\"; } );", ":2: packs[0].path: is empty" },
                { KAFKA "packs = ( \"x\" );", ":2: packs[0]: found \"x\", expected a group" },
                { KAFKA "packs = ( { path = \"x\"; setings = { }; } );",
                  ":2: packs[0].setings: unknown key, did you mean \"settings\"?" },
                { KAFKA "packs = ( { path = \"x\"; settings = 1; } );",
                  ":2: packs[0].settings: found 1, expected a group" },
                { KAFKA "packs = ( { path = \"x\"; jobs = { }; } );",
                  ":2: packs[0].jobs: found a group { }, expected a list of groups" },
                { KAFKA "packs = ( { path = \"x\"; jobs = ( { } ); } );",
                  ":2: packs[0].jobs[0].name: missing" },
                { KAFKA "intake = 5;", ":2: intake: found 5, expected a list of groups" },
                { KAFKA "intake = ( 5 );", ":2: intake[0]: found 5, expected a group" },
                { KAFKA "intake = ( { types = [ \"p.a\" ]; } );",
                  ":2: intake[0].service: missing" },
                { KAFKA "intake = ( { service = \"HR Portal\"; types = [ \"p.a\" ]; } );",
                  ":2: intake[0].service: found \"HR Portal\", expected 1 to 63 lower-case" },
                { KAFKA "intake = ( { service = \"a\"; } );",
                  ":2: intake[0]: types is missing or empty" },
                { KAFKA "intake = ( { service = \"a\"; types = [ ]; } );",
                  ":2: intake[0]: types is missing or empty" },
                { KAFKA "intake = ( { service = \"a\"; types = [ \"p.a\" ]; rate = 0; } );",
                  ":2: intake[0].rate: found 0, expected a whole number from 1" },
                { KAFKA "intake = ( { service = \"a\"; types = [ \"p.a\" ]; open_max = 0; } );",
                  ":2: intake[0].open_max: found 0, expected" },
                { KAFKA "intake = ( { service = \"a\"; types = [ \"p.a\" ]; limit = 1; } );",
                  ":2: intake[0].limit: unknown key" },
                { KAFKA "intake = ( { service = \"a\"; types = [ \"p.a\" ]; topic = \"a b\"; } );",
                  ":2: intake[0].topic: found \"a b\", expected 1 to 249" },
                { KAFKA "intake = ( { service = \"a\"; types = [ \"p.a\" ]; topic = "
                        "\"rollcall.tasks\"; } );",
                  ":2: intake[0]: found \"rollcall.tasks\", a topic of Rollcall's own" },
                { KAFKA "intake = ( { service = \"a\"; types = [ \"p.a\" ]; },\n { service = "
                        "\"a\"; topic = \"x\"; types = [ \"p.a\" ]; } );",
                  ":3: intake[1].service: found \"a\", expected a name that is not taken" },
                { KAFKA "intake = ( { service = \"a\"; topic = \"x\"; types = [ \"p.a\" ]; },\n { "
                        "service = \"b\"; topic = \"x\"; types = [ \"p.a\" ]; } );",
                  ":3: intake[1]: found the topic \"x\" of service a" },
                { KAFKA "worker = { lanes = [ \"intake\" ]; };",
                  ":2: worker.lanes: found \"intake\", expected it only with a list of services" },
                { "kafka = { };", ":1: kafka: kafka.brokers is missing, expected \"host:port" },
                { "log = { };", ": kafka.brokers is missing" },
                { "", ": kafka.brokers is missing" },
                { "kafka = { brokers = \"k\"; embedded = \"e\"; };",
                  ":1: kafka.embedded: given together with kafka.brokers" },
                { "kafka = { brokers = \"k\"; prefix = \"a b\"; };",
                  ":1: kafka.prefix: found \"a b\", expected 1 to 200 letters" },
                { "kafka = { brokers = \"k\";\n properties = [\"=x\"]; };",
                  ":2: kafka.properties[0]: found \"=x\", expected \"name=value\"" },
                { "kafka = { brokers = \"k\";\n properties = [\"client.rack=a\",\n "
                  "\"plugin.library.paths=/tmp/x.so\"]; };",
                  ":3: kafka.properties[1]: plugin.library.paths loads code or runs a program" },
                { "kafka = { brokers = \"k\";\n properties = [\"sasl.kerberos.kinit.cmd=id\"]; };",
                  ":2: kafka.properties[0]: sasl.kerberos.kinit.cmd loads code" },
                { "kafka = { brokers = \"k\";\n properties = [\"ssl.engine.location=/x\"]; };",
                  ":2: kafka.properties[0]: ssl.engine.location loads code" },
                { "kafka = { brokers = \"k\";\n properties = [\"ssl.providers=x\"]; };",
                  ":2: kafka.properties[0]: ssl.providers loads code" },
                { "kafka = { brokers = \"k\";\n properties = [\"rebalance_cb=1\"]; };",
                  ":2: kafka.properties[0]: rebalance_cb loads code" },
                { "kafka = { brokers = \"k\";\n secret_files = [\"ssl.engine.id=/x\"]; };",
                  ":2: kafka.secret_files[0]: ssl.engine.id loads code" },
                { "kafka = { brokers = \"k\";\n properties = [\"sasl.password=hunter2\"]; };",
                  ":2: kafka.properties[0]: sasl.password is given, but security.protocol is "
                  "plaintext (the default)" },
                { "kafka = { brokers = \"k\";\n properties = "
                  "[\"security.protocol=SASL_PLAINTEXT\"]; secret_files = [\"sasl.password=p\"]; "
                  "};",
                  ":2: kafka.secret_files[0]: sasl.password is given, but security.protocol is "
                  "SASL_PLAINTEXT" },
                { "kafka = {\n  brokers k;\n};",
                  ":2: syntax error, here or on the line before: expected \"key = value;\"" },
                { "log = { };\nlog = { };", ":2: duplicate setting name" },
                { "@include \"absent.cfg\"\n", ":1: cannot open include file" },
        };
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                struct service *s = NULL;
                struct err e = ERR_INIT;
                write_file("rollcall.cfg", cases[i].text, 0644);
                int rc = service_load(file, &s, &e);
                if (rc != -1 || s || e.class != ERR_FATAL || !strstr(e.text, cases[i].error))
                        fail_msg("case %zu: %s\n  expected %s", i, rc < 0 ? e.text : "loaded",
                                 cases[i].error);
                if (*cases[i].text && strncmp(e.text, file, strlen(file)) != 0)
                        fail_msg("case %zu: %s does not begin with %s", i, e.text, file);
        }
}

static void services_that_may_ask(void **state)
{
        (void)state;
        BUF_CLEANUP struct buf out = { .max = 1 << 20 };
        struct service *none CLEANUP(service_cleanup) = load(KAFKA);
        assert_true(none->n_intakes == 0 && !none->worker.lanes[LANE_INTAKE] &&
                    none->n_sources == LANE_COUNT);
        struct service *s CLEANUP(service_cleanup) = load(
                "kafka = { brokers = \"k\"; prefix = \"rc\"; }; mail = { url = \"smtp://h\"; };\n"
                "intake = ( { service = \"hr\"; types = [ \"p.a\", \"p.b\" ]; rate = 7; }, { "
                "service = \"crm\"; types = [ \"p.a\" ]; topic = \"crm-in\"; burst = 3; } );");
        assert_true(s->n_intakes == 2 && s->worker.lanes[LANE_INTAKE]);
        assert_true(strcmp(s->intakes[0].topic, "rc.intake.hr") == 0 &&
                    s->intakes[0].n_types == 2 && s->intakes[0].rate == 7 &&
                    s->intakes[0].burst == 7);
        assert_true(strcmp(s->intakes[1].topic, "crm-in") == 0 && s->intakes[1].rate == 100 &&
                    s->intakes[1].burst == 3 && s->intakes[1].open_max == 10000);
        assert_true(s->n_sources == LANE_COUNT + 2 &&
                    strcmp(s->sources[LANE_COUNT + 1], "crm-in") == 0);
        service_print(s, &out);
        write_file("rollcall.cfg", buf_str(&out), 0644); /* what is printed can be read */
        struct service *again CLEANUP(service_cleanup) = NULL;
        struct err e = ERR_INIT;
        if (service_load(file, &again, &e) < 0)
                fail_msg("%s", e.text);
        assert_true(again->n_intakes == 2 && again->intakes[1].burst == 3 &&
                    strcmp(again->intakes[0].types[1], "p.b") == 0);
}

/* A password makes TLS the rule; another rule must be written. */
static void tls_with_a_password(void **state)
{
        (void)state;
        static const struct {
                const char *mail, *tls;
        } cases[] = {
                { "url = \"smtp://h\";", "opportunistic" },
                { "url = \"smtp://h\"; user = \"u\"; password_file = \"f\";", "required" },
                { "url = \"smtp://u:p@h\";", "required" },
                { "url = \"smtp://h\"; user = \"u\"; password_file = \"f\"; tls = "
                  "\"opportunistic\";",
                  "opportunistic" },
                { "url = \"smtp://h\"; user = \"u\"; password_file = \"f\"; tls = \"none\";",
                  "none" },
        };
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                char text[300];
                snprintf(text, sizeof text, KAFKA "mail = { %s };", cases[i].mail);
                struct service *s CLEANUP(service_cleanup) = load(text);
                assert_string_equal(s->mail.tls, cases[i].tls);
        }
        struct service *s CLEANUP(service_cleanup) = load(
                "kafka = { brokers = \"k\"; properties = [\"security.protocol=sasl_ssl\"]; "
                "secret_files = [\"sasl.password=secret\"]; };");
        assert_int_equal(s->kafka.n_secret_files, 1);
}

/* What the other side defers is retried for hours, unless one pace of all retries is given. */
static void deferred(void **state)
{
        (void)state;
        struct service *usual CLEANUP(service_cleanup) = load(KAFKA);
        struct service *quick CLEANUP(service_cleanup) = load(
                KAFKA "retry = { attempts = 2; base = \"100ms\"; max = \"200ms\"; };");
        struct service *own CLEANUP(service_cleanup) = load(
                KAFKA "retry = { attempts = 2; put_off_attempts = 3; base = "
                      "\"100ms\"; put_off_base = \"1s\"; };");
        int64_t least = 0, wait = usual->retry.put_off_base_ms;
        for (int64_t i = 1; i < usual->retry.put_off_attempts; i++, wait *= 2)
                least += (wait < usual->retry.put_off_max_ms ? wait : usual->retry.put_off_max_ms) /
                         2;
        assert_true(least >= 4 * INT64_C(3600000));
        assert_int_equal(quick->retry.put_off_attempts, 2);
        assert_int_equal(quick->retry.put_off_base_ms, 100);
        assert_int_equal(quick->retry.put_off_max_ms, 200);
        assert_int_equal(own->retry.put_off_attempts, 3);
        assert_int_equal(own->retry.put_off_base_ms, 1000);
}

static void messages_without_secrets(void **state)
{
        (void)state;
        static const struct {
                const char *text, *message, *shown;
        } cases[] = {
                { "postgresql://u:p@ss@h/d", "could not translate host name \"ss@h\" to address",
                  "could not translate host name \"***\" to address" },
                { "password=a b", "missing \"=\" after \"b\" in \"a\"",
                  "missing \"=\" after \"b\" in \"a\"" },
                { "host=h password='q w' x", "bad \"q w\", \"h\"", "bad \"***\", \"h\"" },
                { "hots=h password=zz", "invalid connection option \"hots\"",
                  "invalid connection option \"hots\"" },
                { "password=z7", "an open \"z7", "an open \"z7" },
                { "password=z7", "short \"z7\"", "short \"**\"" },
        };
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                char message[200];
                snprintf(message, sizeof message, "%s", cases[i].message);
                redact_message(cases[i].text, message);
                assert_string_equal(message, cases[i].shown);
        }
}

static void unreadable(void **state)
{
        (void)state;
        struct service *s;
        struct err e = ERR_INIT;
        assert_int_equal(service_load("/nowhere/rollcall.cfg", &s, &e), -1);
        assert_string_equal(e.text,
                            "/nowhere/rollcall.cfg: cannot be read: No such file or directory");
        assert_int_equal(service_load(folder, &s, &e), -1);
        assert_non_null(strstr(e.text, ": is a folder, expected a file"));
}

/* ---- secrets ---- */

static void secrets(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                mode_t mode;
                const char *secret, *error;
        } cases[] = {
                { "s3cret\n", 0600, "s3cret", NULL },
                { "s3cret\r\n", 0400, "s3cret", NULL },
                { " s p ", 0600, " s p ", NULL },
                { "s3cret\n", 0640, NULL, "its mode is 640" },
                { "s3cret\n", 0604, NULL, "its mode is 604" },
                { "", 0600, NULL, "expected one line" },
                { "\n", 0600, NULL, "expected one line" },
                { "a\nb\n", 0600, NULL, "expected one line" },
        };
        char path[128];
        snprintf(path, sizeof path, "%s/secret", folder);
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                char *secret CLEANUP(cleanup_free) = NULL;
                struct err e = ERR_INIT;
                write_file("secret", cases[i].text, cases[i].mode);
                int rc = secret_read(path, &secret, &e);
                if ((rc == 0) != (cases[i].secret != NULL) ||
                    (rc < 0 && !strstr(e.text, cases[i].error)))
                        fail_msg("case %zu: %d %s", i, rc, e.text);
                if (rc == 0)
                        assert_string_equal(secret, cases[i].secret);
        }
}

static void conninfo(void **state)
{
        (void)state;
        static const struct {
                const char *conninfo, *password, *full;
        } cases[] = {
                { "", "x", "password='x'" },
                { "host=h dbname=d", "it's \\ me", "host=h dbname=d password='it\\'s \\\\ me'" },
                { "postgresql://u@h/d", "a b&/é", "postgresql://u@h/d?password=a%20b%26%2F%C3%A9" },
                { "postgres://u@h/d?sslmode=require", "x",
                  "postgres://u@h/d?sslmode=require&password=x" },
        };
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                char text[512];
                char *full CLEANUP(cleanup_free) = NULL;
                struct err e = ERR_INIT;
                write_file("secret", cases[i].password, 0600);
                snprintf(text, sizeof text,
                         KAFKA "database = { conninfo = \"%s\"; password_file = \"secret\"; };",
                         cases[i].conninfo);
                struct service *s CLEANUP(service_cleanup) = load(text);
                if (service_conninfo(s, &full, &e) < 0)
                        fail_msg("%s", e.text);
                assert_string_equal(full, cases[i].full);
        }
        struct service *s CLEANUP(service_cleanup) = load(KAFKA "database = { conninfo = \"\"; };");
        char *full CLEANUP(cleanup_free) = NULL;
        assert_int_equal(service_conninfo(s, &full, NULL), 0);
        assert_string_equal(full, "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(durations),
                cmocka_unit_test(nearest),
                cmocka_unit_test(defaults),
                cmocka_unit_test(values),
                cmocka_unit_test(printing),
                cmocka_unit_test(redaction),
                cmocka_unit_test(reference),
                cmocka_unit_test(includes),
                cmocka_unit_test(complaints),
                cmocka_unit_test(services_that_may_ask),
                cmocka_unit_test(unreadable),
                cmocka_unit_test(secrets),
                cmocka_unit_test(conninfo),
                cmocka_unit_test(tls_with_a_password),
                cmocka_unit_test(messages_without_secrets),
                cmocka_unit_test(deferred),
        };
        return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
