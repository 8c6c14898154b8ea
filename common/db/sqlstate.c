/* SPDX-License-Identifier: Apache-2.0 */
/* What an SQLSTATE says: whether the same call may succeed later, and whether it is the server's
 * own state. */
#include "db/db.h"

#include "db/internal.h"

#include <string.h>

/* PostgreSQL's documentation, appendix A. Longer prefixes first. Unlisted: ERR_FATAL. */
static const struct {
        const char *prefix;
        enum err_class class;
        bool server; /* says nothing about the query: see db_server_state */
} classes[] = {
        { "57014", ERR_RETRY, false }, /* query_canceled: a time limit */
        { "57P", ERR_RETRY, true },    /* the server shuts down, or has just started */
        /* read_only_sql_transaction: a standby, until the failover is over */
        { "25006", ERR_RETRY, true },
        { DB_RESULT_TOO_LARGE, ERR_RETRY, false }, /* with fewer tasks */
        { "08", ERR_RETRY, true },                 /* connection exception */
        { "40", ERR_RETRY, true },                 /* serialization failure, deadlock */
        { "53", ERR_RETRY, true },                 /* out of disk, memory, connections */
        { "55P03", ERR_RETRY, false },             /* lock_not_available */
        { "58", ERR_RETRY, false },                /* system error, outside PostgreSQL */
        { "21", ERR_INPUT, false },                /* cardinality violation */
        { "22", ERR_INPUT, false },                /* data exception */
        { "23", ERR_INPUT, false },                /* integrity constraint violation */
        { "27", ERR_INPUT, false },                /* triggered data change violation */
        { "44", ERR_INPUT, false },                /* WITH CHECK OPTION violation */
        { "54", ERR_INPUT, false }, /* program limit exceeded: a value too long for an index */
        { "RC", ERR_INPUT, false }, /* ours: ledger/compose.h */
        { "P0", ERR_INPUT, false }, /* raised by PL/pgSQL */
        { "09", ERR_INPUT, false }, /* triggered action exception */
        { "38", ERR_INPUT, false }, /* external routine exception */
};

static bool has_prefix(const char *sqlstate, size_t i)
{
        return strncmp(sqlstate, classes[i].prefix, strlen(classes[i].prefix)) == 0;
}

static enum err_class class_of(const char *sqlstate)
{
        for (size_t i = 0; i < ARRAY_LEN(classes); i++)
                if (has_prefix(sqlstate, i))
                        return classes[i].class;
        return ERR_FATAL;
}

bool db_server_state(const struct err *e)
{
        for (size_t i = 0; i < ARRAY_LEN(classes); i++)
                if (has_prefix(e->code, i))
                        return classes[i].server;
        return false;
}

/* The server ends the connection with such an error, whatever its code. */
static bool ends_connection(const PGresult *r)
{
        const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);
        return severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}

int db_error(PGconn *conn, const PGresult *r, struct err *e)
{
        const char *state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
        const char *primary = r ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;
        if (r && PQresultStatus(r) == PGRES_PIPELINE_ABORTED)
                return err_set(e, ERR_RETRY, "pipeline",
                               "an earlier statement of the same pipeline failed");
        if (!state || PQstatus(conn) == CONNECTION_BAD || ends_connection(r)) {
                const char *text = primary ? primary : PQerrorMessage(conn);
                size_t len = strcspn(text, "\n");
                return err_set(e, ERR_RETRY, "08006", "database connection lost: %.*s", (int)len,
                               text);
        }
        const char *position = PQresultErrorField(r, PG_DIAG_STATEMENT_POSITION);
        const char *hint = PQresultErrorField(r, PG_DIAG_MESSAGE_HINT);
        return err_set(e, class_of(state), state, "%s%s%s%s%s (SQLSTATE %s)",
                       primary ? primary : "error", position ? ", at character " : "",
                       position ? position : "", hint ? "; hint: " : "", hint ? hint : "", state);
}
