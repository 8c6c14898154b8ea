/* SPDX-License-Identifier: Apache-2.0 */
/* Requests as CloudEvents in JSON. */
#include "codec/json_event.h"

#include "base/utf8.h"
#include "codec/wire.h"

#include <jansson.h>

/* The namespace of ids that are made of other services' event ids,
 * 7e498cd6-7434-4ab6-a52f-2f26fd1480d8. Never changes. */
static const struct uuid event_space = { { 0x7e, 0x49, 0x8c, 0xd6, 0x74, 0x34, 0x4a, 0xb6, 0xa5,
                                           0x2f, 0x2f, 0x26, 0xfd, 0x14, 0x80, 0xd8 } };

static void json_free(json_t **j)
{
        json_decref(*j);
}

struct uuid event_task_id(struct span service, struct span source, struct span id)
{
        struct uuid u;
        const struct span parts[] = { service, source, id };
        return uuid_parse(id.ptr, id.len, &u)
                       ? u
                       : uuid_v5_joined(event_space, parts, ARRAY_LEN(parts));
}

/* ---- the text ---- */

/* Before the parser allocates for it. */
static const char *too_much(struct span json)
{
        size_t depth = 0, values = 0;
        bool quoted = false;
        if (json.len > JSON_EVENT_MAX)
                return "larger than 1 MiB";
        for (size_t i = 0; i < json.len; i++) {
                char c = json.ptr[i];
                if (quoted && c == '\\')
                        i++;
                else if (c == '"')
                        quoted = !quoted;
                else if (quoted)
                        continue;
                else if ((c == '{' || c == '[') && ++depth > JSON_DEPTH_MAX)
                        return "nested more than 8 deep";
                else if (depth && (c == '}' || c == ']'))
                        depth--;
                else if (c == ',' && ++values >= JSON_VALUES_MAX)
                        return "more than 1,024 values";
        }
        return NULL;
}

/* jansson's own sentences repeat what stands there. */
static const char *what_is_wrong(const json_error_t *error)
{
        switch (json_error_code(error)) {
        case json_error_duplicate_key:
                return "a name that is given twice";
        case json_error_null_character:
        case json_error_null_byte_in_key:
                return "U+0000";
        case json_error_invalid_utf8:
                return "text that is not UTF-8";
        case json_error_numeric_overflow:
                return "a number that is too large";
        case json_error_premature_end_of_input:
                return "it ends too early";
        case json_error_end_of_input_expected:
                return "something after its end";
        default:
                return "not well-formed";
        }
}

static json_t *parse(struct span text, struct err *e)
{
        json_error_t error;
        const char *limit = too_much(text);
        if (limit) {
                err_set(e, ERR_INPUT, "EBADMSG", "JSON: %s", limit);
                return NULL;
        }
        json_t *j = json_loadb(text.len ? text.ptr : "", text.len, JSON_REJECT_DUPLICATES, &error);
        if (!j && json_error_code(&error) == json_error_out_of_memory)
                err_oom(e);
        else if (!j)
                err_set(e, ERR_INPUT, "EBADMSG", "JSON: line %d, column %d: %s", error.line,
                        error.column, what_is_wrong(&error));
        else if (!json_is_object(j))
                err_set(e, ERR_INPUT, "EBADMSG", "JSON: expected an object");
        if (j && !json_is_object(j)) {
                json_decref(j);
                return NULL;
        }
        return j;
}

/* ---- values ---- */

/* A text, a whole number or a truth value as text; -1: another kind, with `e` saying so. */
static int text_of(const char *name, const json_t *v, struct arena *a, struct span *ret,
                   struct err *e)
{
        char number[32];
        struct span s = { 0 };
        if (json_is_string(v)) {
                s = (struct span){ json_string_value(v), json_string_length(v) };
        } else if (json_is_integer(v)) {
                snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
                s = span_of(number);
        } else if (json_is_boolean(v)) {
                s = json_is_true(v) ? SPAN_LIT("true") : SPAN_LIT("false");
        } else {
                return err_set(e, ERR_INPUT, "EBADMSG",
                               "%s is %s, expected a text, a whole number, true or false", name,
                               json_is_real(v)   ? "a number with a fraction or an exponent"
                               : json_is_null(v) ? "null"
                                                 : "not one value");
        }
        if (s.len > CODEC_TEXT_MAX)
                return err_set(e, ERR_INPUT, "EBADMSG", "%s is longer than %d bytes", name,
                               CODEC_TEXT_MAX);
        *ret = arena_span(a, s);
        return ret->ptr ? 0 : err_oom(e);
}

/* Absent and null are the same. */
static int optional_text(const json_t *object, const char *name, struct arena *a, struct span *ret,
                         struct err *e)
{
        const json_t *v = json_object_get(object, name);
        return v && !json_is_null(v) ? text_of(name, v, a, ret, e) : 0;
}

static int read_arguments(const json_t *object, struct arena *a, struct task *t, struct err *e)
{
        const char *name;
        json_t *v, *list = json_object_get(object, "arguments");
        if (!list || json_is_null(list))
                return 0;
        if (!json_is_object(list) || json_object_size(list) > CODEC_ARGUMENTS_MAX)
                return err_set(e, ERR_INPUT, "EBADMSG",
                               "arguments: expected an object of at most %d", CODEC_ARGUMENTS_MAX);
        t->arguments = arena_alloc(a, (json_object_size(list) + 1) * sizeof *t->arguments);
        if (!t->arguments)
                return err_oom(e);
        json_object_foreach(list, name, v)
        {
                struct argument *x = &t->arguments[t->n_arguments];
                char called[128];
                snprintf(called, sizeof called, "argument %.100s", name);
                x->name = arena_span(a, span_of(name));
                if (!x->name.ptr)
                        return err_oom(e);
                if (text_of(called, v, a, &x->value, e) < 0)
                        return -1;
                t->n_arguments++;
        }
        return 0;
}

/* ---- the event ---- */

/* What the data holds. `actor` and `task_id` are not taken: who asks is known by the topic, and the
 * id is the event's. */
static int check_fields(const json_t *data, struct err *e)
{
        static const char *const known[] = { "type", "subject", "item", "dry_run", "arguments" };
        const char *name;
        json_t *v;
        json_object_foreach((json_t *)(uintptr_t)data, name, v)
        {
                size_t i = 0;
                while (i < ARRAY_LEN(known) && strcmp(known[i], name) != 0)
                        i++;
                if (i == ARRAY_LEN(known))
                        return err_set(e, ERR_INPUT, "EBADMSG",
                                       "data has a field \"%.60s\", expected only type, subject, "
                                       "item, dry_run, arguments",
                                       name);
        }
        return 0;
}

static int read_data(const json_t *data, struct arena *a, struct task *t, struct err *e)
{
        const json_t *dry = json_object_get(data, "dry_run");
        t->item = SPAN_LIT("");
        if (check_fields(data, e) < 0 || optional_text(data, "type", a, &t->type, e) < 0 ||
            optional_text(data, "subject", a, &t->subject, e) < 0 ||
            optional_text(data, "item", a, &t->item, e) < 0)
                return -1;
        if (dry && !json_is_boolean(dry))
                return err_set(e, ERR_INPUT, "EBADMSG", "dry_run is not true or false");
        t->dry_run = json_is_true(dry);
        return read_arguments(data, a, t, e);
}

static int check_attributes(const struct event_attributes *x, struct err *e)
{
        if (!x->specversion.ptr || !span_is(x->specversion, "1.0"))
                return err_set(e, ERR_INPUT, "EBADMSG", "not a CloudEvent: specversion is not 1.0");
        if (!x->id.len || !x->source.len || !x->type.len)
                return err_set(e, ERR_INPUT, "EBADMSG", "not a CloudEvent: %s is missing",
                               !x->id.len       ? "id"
                               : !x->source.len ? "source"
                                                : "type");
        const struct span given[] = { x->id, x->source, x->type, x->subject };
        for (size_t i = 0; i < ARRAY_LEN(given); i++)
                if (given[i].len > CODEC_TEXT_MAX || !utf8_valid(given[i].ptr, given[i].len))
                        return err_set(e, ERR_INPUT, "EBADMSG",
                                       "an attribute of the event is not UTF-8, holds U+0000, or "
                                       "is longer than %d bytes",
                                       CODEC_TEXT_MAX);
        return 0;
}

static int read_structured(const json_t *event, struct event_attributes *x, const json_t **ret_data,
                           struct arena *a, struct err *e)
{
        *ret_data = json_object_get(event, "data");
        if (json_object_get(event, "data_base64"))
                return err_set(e, ERR_INPUT, "EBADMSG",
                               "data_base64 is not taken: give data as an object");
        if (!json_is_object(*ret_data))
                return err_set(e, ERR_INPUT, "EBADMSG", "data is missing or no object");
        return optional_text(event, "specversion", a, &x->specversion, e) < 0 ||
                               optional_text(event, "id", a, &x->id, e) < 0 ||
                               optional_text(event, "source", a, &x->source, e) < 0 ||
                               optional_text(event, "type", a, &x->type, e) < 0 ||
                               optional_text(event, "subject", a, &x->subject, e) < 0
                       ? -1
                       : 0;
}

int json_event_task(struct span json, const struct event_attributes *attributes,
                    struct span service, struct arena *a, struct task *ret, struct err *e)
{
        json_t *root CLEANUP(json_free) = parse(json, e);
        struct event_attributes x = { 0 };
        const json_t *data = root;
        if (!root)
                return -1;
        if (attributes)
                x = *attributes;
        else if (read_structured(root, &x, &data, a, e) < 0)
                return -1;
        if (check_attributes(&x, e) < 0)
                return -1;
        *ret = (struct task){ .task_id = event_task_id(service, x.source, x.id),
                              .type = x.type,
                              .subject = x.subject.ptr ? x.subject : SPAN_LIT("") };
        return read_data(data, a, ret, e);
}
