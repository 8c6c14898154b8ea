/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The formats of reports: number, name, and the function of common/report that renders it. A new
 * format is a row here and the file of its function. */
#define REPORT_FORMATS(X)                      \
        X(REPORT_TABLE, "table", table_render) \
        X(REPORT_JSON, "json", json_render)    \
        X(REPORT_CSV, "csv", csv_render)

#define REPORT_FORMAT_NUMBER(number, name, render) number,
enum report_format { REPORT_FORMATS(REPORT_FORMAT_NUMBER) };
#undef REPORT_FORMAT_NUMBER
