/* Who asked for what, and when: rollcall.request. */
#include "output.h"
#include "verbs.h"

int verb_requests_list(struct cli *c, const struct args *a)
{
        static const char *const heads[] = { "REQUEST", "AT",    "ACTOR", "ON BEHALF OF", "ORIGIN", "WHAT",
                                             "ABOUT",   "TASKS", "DRY RUN", "PUBLISHED",  NULL };
        struct db_result *r CLEANUP(db_result_cleanup) = NULL;
        const char *limit = args_get(a, "limit") ? args_get(a, "limit") : "20";
        int64_t n;
        int rc = args_number(a, "limit", 20, 1, 1000000, &n);
        if (rc == 0)
                rc = cli_db(c);
        if (rc == 0)
                rc = cli_query(c,
                               "select request_no, requested_at, actor, on_behalf_of, origin, kind, about, n_tasks, dry_run, "
                               "published_at, detail from rollcall.request order by request_no desc limit $1::bigint",
                               &limit, 1, &r);
        if (rc)
                return rc;
        if (c->json)
                return print_json(json_rows(r));
        TABLE_CLEANUP struct table t;
        table_init(&t, heads);
        for (int i = 0; i < db_rows(r); i++) {
                char at[INSTANT_TEXT_MAX], published[INSTANT_TEXT_MAX];
                format_instant(NULL, db_instant(r, i, 1), at);
                format_instant(NULL, db_instant(r, i, 9), published);
                table_add(&t, db_str(r, i, 0));
                table_add(&t, at);
                for (int k = 2; k < 8; k++)
                        table_add(&t, db_str(r, i, k));
                table_add(&t, db_bool(r, i, 8) ? "yes" : "");
                table_add(&t, published);
        }
        table_print(c, &t);
        return CODE_OK;
}
