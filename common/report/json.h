/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A JSON text that may be larger than memory: arrays are not loaded but walked through, as often as
 * needed, where they stand in a file. Numbers stay the texts that they are: no digit is lost.
 */
#include "base/arena.h"
#include "base/err.h"

struct json_text { /* in memory (`mem`), or in a file (`fd`) that is read through a window */
        const char *mem;
        int fd;
        int64_t size;
        char *window; /* owned */
        int64_t window_at;
        size_t window_len;
        bool failed; /* the file could not be read */
};

enum json_kind { JSON_NULL_VALUE, JSON_YES, JSON_NO, JSON_NUMBER, JSON_TEXT, JSON_LIST, JSON_MAP };

struct json_node {
        enum json_kind kind;
        const char *key;  /* within an object */
        struct span text; /* of a text (decoded, NUL-terminated) or a number (as it stands) */
        struct json_node *first, *next; /* an object's members; the next one of the same object */
        int64_t at;                     /* of an array: behind its '[' */
        size_t count;                   /* of an array: its elements */
        bool has_map;                   /* of an array: one of them is an object */
};

void json_text_memory(struct json_text *t, struct span s);
/* the whole file; `fd` stays the caller's */
int json_text_file(struct json_text *t, int fd, struct err *e) MUST_CHECK;
void json_text_deinit(struct json_text *t);

/* The whole text as one value, checked to its end. ERR_INPUT for what is no JSON object or array.
 */
int json_document(struct json_text *t, struct arena *a, struct json_node *ret, struct err *e)
        MUST_CHECK;

/* Walks through an array: each element's memory is the arena's. */
struct json_walk {
        struct json_text *text;
        int64_t at;
        size_t left;
};
struct json_walk json_walk(struct json_text *t, const struct json_node *list);
/* 1 an element, 0 no more, -1 error. */
int json_next(struct json_walk *w, struct arena *a, struct json_node *ret, struct err *e)
        MUST_CHECK;

/* NULL: none */
const struct json_node *json_member(const struct json_node *object, const char *key);
