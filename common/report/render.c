/* SPDX-License-Identifier: Apache-2.0 */
/* A report's document rendered in one of the formats. */
#include "report/formats.h"
#include "report/report.h"

#include <strings.h>

enum { ROW_MAX = 16 * 1024 * 1024, OUT_MAX = 32 * 1024 * 1024 };

static const struct {
        const char *name;
        report_renderer *render;
} formats[] = {
#define REPORT_ROW(number, name, render) [number] = { name, render },
        REPORT_FORMATS(REPORT_ROW)
#undef REPORT_ROW
};

const char *report_format_name(enum report_format f)
{
        return formats[f].name;
}

bool report_format_parse(const char *name, enum report_format *ret)
{
        for (size_t i = 0; i < ARRAY_LEN(formats); i++)
                if (strcasecmp(name, formats[i].name) == 0) {
                        *ret = (enum report_format)i;
                        return true;
                }
        return false;
}

static int render_document(struct rendering *r, const char *title, enum report_format f)
{
        struct arena *a CLEANUP(arena_cleanup) = arena_new(ROW_MAX);
        struct json_node document;
        if (!a)
                return err_oom(r->err);
        if (json_document(r->text, a, &document, r->err) < 0)
                return -1;
        formats[f].render(r, title, &document);
        if (r->broken)
                return -1;
        if (r->out->failed)
                return r->out->oom ? err_oom(r->err)
                                   : err_set(r->err, ERR_INPUT, "", "%s than %zu bytes as %s",
                                             r->fd < 0 ? "the report is larger" : "a row is larger",
                                             r->out->max, report_format_name(f));
        if (r->fd >= 0)
                rendering_flush(r);
        return r->broken ? -1 : 0;
}

int report_render(const char *title, struct span json, enum report_format f, struct buf *out,
                  struct err *e)
{
        struct json_text text;
        json_text_memory(&text, json);
        struct rendering r = { .text = &text, .out = out, .fd = -1, .err = e };
        return render_document(&r, title, f);
}

int report_render_file(const char *title, int document, enum report_format f, int fd, struct err *e)
{
        struct json_text text CLEANUP(json_text_deinit);
        BUF_CLEANUP struct buf out = { .max = OUT_MAX };
        if (json_text_file(&text, document, e) < 0)
                return -1;
        struct rendering r = { .text = &text, .out = &out, .fd = fd, .err = e };
        return render_document(&r, title, f);
}
