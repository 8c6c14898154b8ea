/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Shared by the files of this room only. */
#include "base/buf.h"
#include "base/err.h"
#include <libpq-fe.h>

enum { PREPARED_MAX = 512, NOTICE_MAX = 300 };

struct db {
        PGconn *conn;
        void (*tick)(void *ctx);
        void *tick_ctx;
        /* db_cancel: when it was called first, and when the server was asked last; 0: never */
        int64_t cancelled_ms, cancel_ms;
        void (*notified)(void *ctx, const char *channel);
        void *notified_ctx;
        size_t notices;          /* since they were last read */
        char notice[NOTICE_MAX]; /* the first of them */
        char *prepared[PREPARED_MAX];
        size_t n_prepared;
};

struct db_params {
        struct buf data; /* all values, one after another */
        struct param {
                Oid type;
                size_t at, len;
                int format; /* 0 text, 1 binary */
                bool null;
        } *list;
        size_t n, cap;
        size_t array_at; /* where the array under construction begins */
        bool failed;
        /* what libpq takes, rebuilt by params_bind */
        const char **values;
        int *lengths, *formats;
        Oid *types;
};

/* Fills the arrays that libpq takes. */
int params_bind(struct db_params *p, struct err *e) MUST_CHECK;

/* Classes a failed result or a broken connection into `e`. Returns -1. */
int db_error(PGconn *conn, const PGresult *r, struct err *e);

/* libpq's notice receiver; `ctx` is the struct db. */
void db_note_notice(void *ctx, const PGresult *r);

/* Waits for the socket, ticking meanwhile. 1 ready, 0 timed out, -1 the socket is gone. */
int db_wait_socket(struct db *d, short events, int timeout_ms, struct err *e) MUST_CHECK;
