/* SPDX-License-Identifier: Apache-2.0 */
/* Single values of a document as text. */
#include "report/value.h"
#include "report/json_format.h"
#include "report/rows.h"

void value_text(struct rendering *r, const struct json_node *v, const struct value_words *w,
                struct buf *out)
{
        if (!v || v->kind == JSON_NULL_VALUE) {
                buf_adds(out, w->null);
        } else if (v->kind == JSON_TEXT || v->kind == JSON_NUMBER) {
                buf_add_span(out, v->text);
        } else if (v->kind == JSON_YES || v->kind == JSON_NO) {
                buf_adds(out, v->kind == JSON_YES ? w->yes : w->no);
        } else if (v->kind == JSON_LIST && !report_is_table(v)) {
                struct rows list ROWS_CLEANUP = rows_of(r, v);
                for (size_t i = 0; rows_next(&list); i++) {
                        buf_adds(out, i ? w->between : "");
                        value_text(r, &list.row, w, out);
                }
        } else {
                json_add(r, v, -1, out);
        }
}
