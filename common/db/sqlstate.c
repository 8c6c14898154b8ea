#include "db/internal.h"

#include <string.h>

/* PostgreSQL's documentation, appendix A. Longer prefixes first. */
static const struct {
        const char *prefix;
        enum err_class class;
} classes[] = {
        { "55P03", ERR_RETRY }, /* lock_not_available */
        { "57014", ERR_RETRY }, /* query_canceled: a time limit */
        { "57P", ERR_RETRY }, /* the server shuts down, or has just started */
        { "25006", ERR_RETRY }, /* read_only_sql_transaction: a standby, until the failover is over */
        { "25P03", ERR_RETRY }, /* idle_in_transaction_session_timeout */
        { "08", ERR_RETRY }, /* connection exception */
        { "40", ERR_RETRY }, /* serialization failure, deadlock */
        { "53", ERR_RETRY }, /* out of disk, memory, connections */
        { "58", ERR_RETRY }, /* system error, outside PostgreSQL */
        { "21", ERR_POISON }, /* cardinality violation */
        { "22", ERR_POISON }, /* data exception */
        { "23", ERR_POISON }, /* integrity constraint violation */
        { "27", ERR_POISON }, /* triggered data change violation */
        { "44", ERR_POISON }, /* WITH CHECK OPTION violation */
        { "54", ERR_POISON }, /* program limit exceeded: a value too long for an index */
        { "P0", ERR_POISON }, /* raised by PL/pgSQL */
        { "09", ERR_POISON }, /* triggered action exception */
        { "38", ERR_POISON }, /* external routine exception */
};

static enum err_class class_of(const char *sqlstate)
{
        for (size_t i = 0; i < ARRAY_LEN(classes); i++)
                if (strncmp(sqlstate, classes[i].prefix, strlen(classes[i].prefix)) == 0)
                        return classes[i].class;
        return ERR_FATAL;
}

int db_error(PGconn *conn, const PGresult *r, struct err *e)
{
        const char *state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
        const char *primary = r ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;
        if (r && PQresultStatus(r) == PGRES_PIPELINE_ABORTED)
                return err_set(e, ERR_RETRY, "pipeline", "an earlier statement of the same pipeline failed");
        if (!state || PQstatus(conn) == CONNECTION_BAD) {
                const char *text = primary ? primary : PQerrorMessage(conn);
                size_t len = strcspn(text, "\n");
                return err_set(e, ERR_RETRY, state ? state : "08006", "database connection lost: %.*s", (int)len, text);
        }
        const char *position = PQresultErrorField(r, PG_DIAG_STATEMENT_POSITION);
        const char *hint = PQresultErrorField(r, PG_DIAG_MESSAGE_HINT);
        return err_set(e, class_of(state), state, "%s%s%s%s%s (SQLSTATE %s)", primary ? primary : "error", position ? ", at character " : "",
                       position ? position : "", hint ? "; hint: " : "", hint ? hint : "", state);
}
