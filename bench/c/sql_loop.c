/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Rollcall is measured against: the same SQL driven by hand, on one connection or several.
 *   bench-sql CONNINFO batch    FILE FROM TO CONNECTIONS SIZE             $1 a bigint array of SIZE
 * ids; each statement commits bench-sql CONNINFO rows     FILE FROM TO CONNECTIONS 1 the file's
 * statements, separated by ";\n", $1 one id; each commits bench-sql CONNINFO whole    FILE FROM TO
 * 1 1                          the statement, once bench-sql CONNINFO composed FILE FROM TO
 * CONNECTIONS SIZE DAY RUN_NO [PARAMETER]...   a worker's own statement, with its parameters
 * Connecting and preparing is not counted. Prints the seconds.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
        STATEMENTS_MAX = 8,
        FIXED = 10,
        PARAMETERS_MAX = 64,
        INT4 = 23,
        INT8 = 20,
        TEXT = 25,
        UUID = 2950
};

struct job {
        const char *conninfo, *mode;
        char *statements[STATEMENTS_MAX];
        int n_statements;
        int64_t size;
        char **extra; /* composed: day, run number, further parameters as text */
        int n_extra;
        pthread_barrier_t start;
};

struct lane {
        struct job *job;
        int64_t from, to; /* inclusive, exclusive */
        pthread_t thread;
};

struct array {
        char *bytes;
        size_t len;
};

static void die(const char *what, const char *why)
{
        fprintf(stderr, "bench-sql: %s: %s\n", what, why);
        exit(1);
}

static double seconds(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void check(PGconn *c, PGresult *r)
{
        ExecStatusType s = PQresultStatus(r);
        if (s != PGRES_COMMAND_OK && s != PGRES_TUPLES_OK)
                die("statement", PQerrorMessage(c));
        PQclear(r);
}

/* ---- binary arrays ---- */

static void put32(struct array *a, int32_t v)
{
        uint32_t x = htonl((uint32_t)v);
        memcpy(a->bytes + a->len, &x, sizeof x);
        a->len += sizeof x;
}

static void put64(struct array *a, int64_t v)
{
        uint64_t x = htobe64((uint64_t)v);
        memcpy(a->bytes + a->len, &x, sizeof x);
        a->len += sizeof x;
}

static void begin(struct array *a, int type, int64_t n)
{
        a->len = 0;
        put32(a, n ? 1 : 0);
        put32(a, 0);
        put32(a, type);
        if (!n)
                return;
        put32(a, (int32_t)n);
        put32(a, 1);
}

static struct array numbers(int type, int64_t from, int64_t n, int64_t step)
{
        struct array a = { malloc((size_t)n * 12 + 20), 0 };
        begin(&a, type, n);
        for (int64_t i = 0; i < n; i++) {
                put32(&a, type == INT8 ? 8 : 4);
                if (type == INT8)
                        put64(&a, from + i * step);
                else
                        put32(&a, (int32_t)(from + i * step));
        }
        return a;
}

static struct array texts(int type, const char *text, int64_t n)
{
        size_t len = strlen(text);
        struct array a = { malloc((size_t)n * (4 + len) + 20), 0 };
        begin(&a, type, n);
        for (int64_t i = 0; i < n; i++) {
                put32(&a, (int32_t)len);
                memcpy(a.bytes + a.len, text, len);
                a.len += len;
        }
        return a;
}

/* ---- the loops ---- */

static void run_batch(PGconn *c, int64_t from, int64_t n)
{
        struct array ids = numbers(INT8, from, n, 1);
        const char *values[] = { ids.bytes };
        const int lengths[] = { (int)ids.len }, formats[] = { 1 };
        check(c, PQexecPrepared(c, "s0", 1, values, lengths, formats, 0));
        free(ids.bytes);
}

static void run_composed(PGconn *c, const struct job *j, int64_t from, int64_t n)
{
        struct array a[FIXED] = {
                numbers(INT8, from, n, 1),
                texts(TEXT, "", n),
                numbers(INT4, 1, n, 0),
                numbers(INT8, from, n, 1),
                numbers(INT8, from, n, 1),
                texts(UUID, "", 0),
                texts(TEXT, "scheduler", n),
                { 0 },
                { 0 },
                texts(TEXT, "", 0),
        };
        const char *values[PARAMETERS_MAX];
        int lengths[PARAMETERS_MAX] = { 0 }, formats[PARAMETERS_MAX] = { 0 },
            count = FIXED + j->n_extra - 2;
        for (int i = 0; i < FIXED; i++) {
                values[i] = a[i].bytes;
                lengths[i] = (int)a[i].len;
                formats[i] = 1;
        }
        for (int i = 0; i < 2; i++) {
                values[7 + i] = j->extra[i];
                formats[7 + i] = 0;
        }
        for (int i = 2; i < j->n_extra; i++)
                values[FIXED + i - 2] = j->extra[i];
        check(c, PQexecPrepared(c, "s0", count, values, lengths, formats, 0));
        for (int i = 0; i < FIXED; i++)
                free(a[i].bytes);
}

static void run_row(PGconn *c, const struct job *j, int64_t id)
{
        char text[32];
        const char *values[] = { text };
        snprintf(text, sizeof text, "%lld", (long long)id);
        for (int i = 0; i < j->n_statements; i++) {
                char name[16];
                snprintf(name, sizeof name, "s%d", i);
                check(c, PQexecPrepared(c, name, 1, values, NULL, NULL, 0));
        }
}

static void *run_lane(void *arg)
{
        struct lane *l = arg;
        struct job *j = l->job;
        PGconn *c = PQconnectdb(j->conninfo);
        if (PQstatus(c) != CONNECTION_OK)
                die("connect", PQerrorMessage(c));
        for (int i = 0; i < j->n_statements; i++) {
                char name[16];
                snprintf(name, sizeof name, "s%d", i);
                check(c, PQprepare(c, name, j->statements[i], 0, NULL));
        }
        pthread_barrier_wait(&j->start);
        if (strcmp(j->mode, "whole") == 0) {
                check(c, PQexecPrepared(c, "s0", 0, NULL, NULL, NULL, 0));
                l->from = l->to;
        }
        for (int64_t at = l->from; at < l->to; at += j->size) {
                int64_t n = l->to - at < j->size ? l->to - at : j->size;
                if (strcmp(j->mode, "rows") == 0)
                        run_row(c, j, at);
                else if (strcmp(j->mode, "composed") == 0)
                        run_composed(c, j, at, n);
                else
                        run_batch(c, at, n);
        }
        PQfinish(c);
        return NULL;
}

static void read_statements(struct job *j, const char *path)
{
        static char text[1024 * 1024];
        FILE *f = fopen(path, "re");
        size_t len = f ? fread(text, 1, sizeof text - 1, f) : 0;
        if (!f || !len)
                die(path, "cannot be read");
        fclose(f);
        for (char *p = text; p && j->n_statements < STATEMENTS_MAX;) {
                char *end = strcmp(j->mode, "rows") == 0 ? strstr(p, ";\n") : NULL;
                j->statements[j->n_statements++] = p;
                if (end)
                        *end = '\0';
                p = end ? end + 2 : NULL;
        }
}

int main(int argc, char **argv)
{
        if (argc < 8)
                die("usage", "see the head of sql_loop.c");
        struct job j = { .conninfo = argv[1],
                         .mode = argv[2],
                         .size = atoll(argv[7]),
                         .extra = argv + 8,
                         .n_extra = argc - 8 };
        int64_t from = atoll(argv[4]), to = atoll(argv[5]), n = atoll(argv[6]);
        if (strcmp(j.mode, "composed") == 0 &&
            (j.n_extra < 2 || j.n_extra > PARAMETERS_MAX - FIXED))
                die("composed", "wants the day and the run's number");
        read_statements(&j, argv[3]);
        pthread_barrier_init(&j.start, NULL, (unsigned)n + 1);
        struct lane *lanes = calloc((size_t)n, sizeof *lanes);
        for (int64_t i = 0; i < n; i++) {
                lanes[i] = (struct lane){ &j, from + (to - from) * i / n,
                                          from + (to - from) * (i + 1) / n, 0 };
                if (pthread_create(&lanes[i].thread, NULL, run_lane, &lanes[i]) != 0)
                        die("thread", "cannot be made");
        }
        pthread_barrier_wait(&j.start);
        double t = seconds();
        for (int64_t i = 0; i < n; i++)
                pthread_join(lanes[i].thread, NULL);
        printf("%.6f\n", seconds() - t);
        free(lanes);
        return 0;
}
