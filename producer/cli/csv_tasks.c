/* SPDX-License-Identifier: Apache-2.0 */
/* A CSV file as requests for tasks. */
#include "csv_tasks.h"
#include "args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The hash is a chain of UUIDv5 over the blocks, the type, what --set gave and whether it is a dry
 * run: another request has other ids. */
static int hash_file(struct csv_tasks *f)
{
        static const struct uuid root = { { 0x5f, 0x1b, 0x8d, 0x0e, 0x0c, 0x35, 0x47, 0x52, 0x9a,
                                            0x6e, 0x3c, 0x27, 0xd4, 0x61, 0xb0, 0x93 } };
        char block[65536];
        f->space = uuid_v5(root, f->type->full_name, strlen(f->type->full_name));
        for (size_t n; (n = fread(block, 1, sizeof block, f->stream)) > 0;)
                f->space = uuid_v5(f->space, block, n);
        if (ferror(f->stream))
                return cli_error(CODE_FAILED, "tasks submit: --csv: reading failed: %s",
                                 strerror(errno));
        for (size_t i = 0; i < f->type->n_arguments; i++)
                f->space = uuid_v5(f->space, f->fixed[i] ? f->fixed[i] : "",
                                   f->fixed[i] ? strlen(f->fixed[i]) + 1 : 0);
        f->space = uuid_v5(f->space, &f->dry_run, 1);
        if (f->label)
                f->space = uuid_v5(f->space, f->label, strlen(f->label));
        return 0;
}

/* The file is read more than once: a pipe is kept in a temporary file. */
static int keep(const char *path, FILE *in, FILE **ret)
{
        char block[65536];
        FILE *copy = tmpfile();
        for (size_t n; copy && (n = fread(block, 1, sizeof block, in)) > 0;)
                if (fwrite(block, 1, n, copy) != n)
                        break;
        if (!copy || ferror(copy) || ferror(in) || fseek(copy, 0, SEEK_SET) != 0) {
                int error = errno;
                if (copy)
                        fclose(copy);
                return cli_error(CODE_FAILED, "tasks submit: --csv %s: keeping it failed: %s", path,
                                 strerror(error));
        }
        *ret = copy;
        return 0;
}

static int open_stream(const char *path, FILE **ret)
{
        struct stat st;
        if (strcmp(path, "-") == 0)
                return keep(path, stdin, ret);
        FILE *file = fopen(path, "re");
        if (!file)
                return cli_error(CODE_NOT_FOUND, "tasks submit: --csv %s: %s", path,
                                 strerror(errno));
        if (fstat(fileno(file), &st) == 0 && S_ISREG(st.st_mode)) {
                *ret = file;
                return 0;
        }
        int rc = keep(path, file, ret);
        fclose(file);
        return rc;
}

static int read_header(struct csv_tasks *f, const char *const *fields, size_t n)
{
        f->n_columns = n;
        f->subject = f->item = -1;
        for (size_t i = 0; i < f->type->n_arguments; i++)
                f->columns[i] = -1;
        for (size_t i = 0; i < n; i++) {
                size_t k = 0;
                while (k < f->type->n_arguments &&
                       strcmp(fields[i], f->type->arguments[k].name) != 0 &&
                       !flag_is(fields[i], f->type->arguments[k].name))
                        k++;
                int *at = k < f->type->n_arguments            ? &f->columns[k]
                          : strcmp(fields[i], "subject") == 0 ? &f->subject
                          : strcmp(fields[i], "item") == 0    ? &f->item
                                                              : NULL;
                if (!at)
                        return cli_error(
                                CODE_USAGE,
                                "tasks submit: --csv: column \"%.100s\" is neither subject, item "
                                "nor an argument of %s",
                                fields[i], f->type->full_name);
                if (*at >= 0)
                        return cli_error(
                                CODE_USAGE,
                                "tasks submit: --csv: column \"%.100s\" stands twice in the first "
                                "line",
                                fields[i]);
                *at = (int)i;
        }
        return f->subject < 0 ? cli_error(CODE_USAGE, "tasks submit: --csv: the first line must "
                                                      "name the columns, with "
                                                      "\"subject\" among them")
                              : 0;
}

int csv_tasks_begin(struct csv_tasks *f)
{
        struct err e = ERR_INIT;
        const char *const *fields;
        size_t n;
        if (fseek(f->stream, 0, SEEK_SET) != 0)
                return cli_error(CODE_FAILED, "tasks submit: --csv: reading it again failed: %s",
                                 strerror(errno));
        f->row = 0;
        csv_free(f->reader);
        f->reader = csv_new(f->stream);
        if (!f->reader)
                return cli_oom();
        int rc = csv_next(f->reader, &fields, &n, &e);
        if (rc <= 0)
                return cli_error(CODE_USAGE,
                                 "tasks submit: --csv: the first line must name the columns: %s",
                                 rc < 0 ? e.text : "the file is empty");
        return read_header(f, fields, n);
}

static int read_row(struct csv_tasks *f, const char *const *fields, size_t n,
                    struct task_request *ret, struct err *e)
{
        char name[32];
        snprintf(name, sizeof name, "%zu", f->row);
        if (n != f->n_columns)
                return err_set(e, ERR_INPUT, "", "it has %zu fields, the first line has %zu", n,
                               f->n_columns);
        for (size_t i = 0; i < f->type->n_arguments; i++) {
                const char *cell = f->columns[i] >= 0 && *fields[f->columns[i]]
                                           ? fields[f->columns[i]]
                                           : NULL;
                f->values[i] = cell ? cell : f->fixed[i];
        }
        *ret = (struct task_request){
                .type = f->type,
                .id = uuid_v5(f->space, name, strlen(name)),
                .subject = fields[f->subject],
                .item = f->item >= 0 ? fields[f->item] : "",
                .values = f->values,
                .dry_run = f->dry_run,
        };
        return task_request_check(ret, e);
}

enum csv_row csv_tasks_next(struct csv_tasks *f, struct task_request *ret, struct err *e)
{
        const char *const *fields;
        size_t n;
        int rc = csv_next(f->reader, &fields, &n, e);
        if (rc == 0)
                return CSV_ROW_END;
        f->row++;
        return rc < 0 || read_row(f, fields, n, ret, e) < 0 ? CSV_ROW_BAD : CSV_ROW_TASK;
}

size_t csv_tasks_line(const struct csv_tasks *f)
{
        return csv_line(f->reader);
}

int csv_tasks_open(struct csv_tasks *f, const char *path)
{
        f->columns = calloc(f->type->n_arguments + 1, sizeof *f->columns);
        f->values = calloc(f->type->n_arguments + 1, sizeof *f->values);
        if (!f->columns || !f->values)
                return cli_oom();
        int rc = open_stream(path, &f->stream);
        return rc ? rc : hash_file(f);
}

void csv_tasks_close(struct csv_tasks *f)
{
        csv_free(f->reader);
        if (f->stream)
                fclose(f->stream);
        free(f->columns);
        free(f->values);
}
