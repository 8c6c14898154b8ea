/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of structs as column-major parameters: the same bytes as arrays built by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "db/columns.h"
#include "db/internal.h"

enum colour { RED, GREEN };

struct row {
        bool flag;
        int16_t small;
        int32_t number;
        enum colour colour;
        int64_t large;
        uint64_t digest;
        instant at;
        struct uuid id;
        struct span text;
        const char *word;
        struct row *next;
};

static struct row rows[] = {
        { true, -7, 70000, GREEN, INT64_MIN, UINT64_MAX, 5, { { 1 } }, { "a", 1 }, "w", &rows[1] },
        { false, 1, -1, RED, 2, 3, INSTANT_NONE, { { 2 } }, { NULL, 0 }, NULL, &rows[2] },
        { true, 2, 3, GREEN, 4, 5, 6, { { 3 } }, { "", 0 }, "", NULL },
};

static void assert_same(const struct db_params *a, const struct db_params *b)
{
        assert_int_equal(a->n, b->n);
        for (size_t i = 0; i < a->n; i++) {
                assert_int_equal(a->list[i].type, b->list[i].type);
                assert_int_equal(a->list[i].at, b->list[i].at);
                assert_int_equal(a->list[i].len, b->list[i].len);
        }
        assert_int_equal(a->data.len, b->data.len);
        assert_memory_equal(a->data.data, b->data.data, a->data.len);
}

#define BY_HAND(p, type, n, add)                        \
        do {                                            \
                db_array_begin(p, type, n);             \
                for (size_t i = 0; i < (n); i++) {      \
                        const struct row *r = &rows[i]; \
                        add;                            \
                }                                       \
                db_array_end(p);                        \
        } while (0)

static void each_kind_of_field(void **state)
{
        static const struct db_column columns[] = {
                DB_FIELD(DB_BOOL, struct row, flag),
                DB_FIELD(DB_INT2, struct row, small),
                DB_FIELD(DB_INT4, struct row, number),
                DB_FIELD(DB_INT2, struct row, colour),
                DB_FIELD(DB_INT8, struct row, large),
                DB_FIELD(DB_INT8, struct row, digest),
                DB_FIELD(DB_INT4, struct row, digest),
                DB_FIELD(DB_TIMESTAMPTZ, struct row, at),
                DB_FIELD(DB_UUID, struct row, id),
                DB_FIELD(DB_TEXT, struct row, text),
                DB_FIELD_NOT_NULL(DB_TEXT, struct row, text),
                DB_FIELD(DB_BYTEA, struct row, text),
                DB_FIELD(DB_TEXT, struct row, word),
                DB_FIELD_NOT_NULL(DB_TEXT, struct row, word),
        };
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(10000);
        struct db_params *q CLEANUP(db_params_cleanup) = db_params_new(10000);
        const struct db_rowset set = DB_ARRAY(rows, ARRAY_LEN(rows));
        (void)state;
        db_add_columns(p, &set, columns, ARRAY_LEN(columns));
        BY_HAND(q, DB_BOOL, 3, db_element_int(q, r->flag));
        BY_HAND(q, DB_INT2, 3, db_element_int(q, r->small));
        BY_HAND(q, DB_INT4, 3, db_element_int(q, r->number));
        BY_HAND(q, DB_INT2, 3, db_element_int(q, r->colour));
        BY_HAND(q, DB_INT8, 3, db_element_int(q, r->large));
        BY_HAND(q, DB_INT8, 3, db_element_int(q, (int64_t)r->digest));
        BY_HAND(q, DB_INT4, 3, db_element_int(q, (int64_t)r->digest));
        BY_HAND(q, DB_TIMESTAMPTZ, 3, db_element_instant(q, r->at));
        BY_HAND(q, DB_UUID, 3, db_element_uuid(q, &r->id));
        BY_HAND(q, DB_TEXT, 3, db_element_text(q, r->text));
        BY_HAND(q, DB_TEXT, 3, db_element_text(q, r->text.ptr ? r->text : SPAN_LIT("")));
        BY_HAND(q, DB_BYTEA, 3, db_element_text(q, r->text));
        BY_HAND(q, DB_TEXT, 3, db_element_text(q, span_of(r->word)));
        BY_HAND(q, DB_TEXT, 3, db_element_text(q, span_of(r->word ? r->word : "")));
        assert_same(p, q);
}

static const void *next_of(const void *row, void *first)
{
        return row ? ((const struct row *)row)->next : first;
}

static bool is_green(const void *row, void *ctx)
{
        (void)ctx;
        return ((const struct row *)row)->colour == GREEN;
}

static void add_sum(struct db_params *p, const void *row, void *first)
{
        db_element_int(p, ((const struct row *)row)->number + ((const struct row *)first)->number);
}

static void each_kind_of_list(void **state)
{
        static const struct db_column number = DB_FIELD(DB_INT4, struct row, number),
                                      sum = DB_CALL(DB_INT8, add_sum);
        struct row *const pointers[] = { &rows[0], &rows[2] };
        const struct db_rowset green_array = { rows, 3, sizeof rows[0], .wanted = is_green },
                               green_list = { .next = next_of, .wanted = is_green, .ctx = rows },
                               all = { .next = next_of, .ctx = rows }, none = DB_ARRAY(rows, 0),
                               picked = DB_POINTERS(pointers, 2);
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(10000);
        struct db_params *q CLEANUP(db_params_cleanup) = db_params_new(10000);
        (void)state;
        db_add_columns(p, &green_array, &number, 1);
        db_add_columns(p, &green_list, &number, 1);
        db_add_columns(p, &picked, &number, 1);
        for (int k = 0; k < 3; k++) {
                db_array_begin(q, DB_INT4, 2);
                db_element_int(q, rows[0].number);
                db_element_int(q, rows[2].number);
                db_array_end(q);
        }
        db_add_columns(p, &all, &sum, 1);
        BY_HAND(q, DB_INT8, 3, db_element_int(q, r->number + rows[0].number));
        db_add_columns(p, &none, &number, 1);
        db_array_begin(q, DB_INT4, 0);
        db_array_end(q);
        assert_same(p, q);
}

static void lists_of_plain_values(void **state)
{
        static const struct db_column itself = DB_ITSELF(DB_INT8, int32_t);
        const int32_t numbers[] = { 3, -4 };
        const char *const words[] = { "a", "b" };
        const struct db_rowset set = DB_ARRAY(numbers, 2);
        struct db_params *p CLEANUP(db_params_cleanup) = db_params_new(10000);
        struct db_params *q CLEANUP(db_params_cleanup) = db_params_new(10000);
        (void)state;
        db_add_columns(p, &set, &itself, 1);
        db_add_strings(p, words, 2);
        BY_HAND(q, DB_INT8, 2, (void)r; db_element_int(q, numbers[i]));
        BY_HAND(q, DB_TEXT, 2, (void)r; db_element_text(q, span_of(words[i])));
        assert_same(p, q);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_kind_of_field),
                cmocka_unit_test(each_kind_of_list),
                cmocka_unit_test(lists_of_plain_values),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
