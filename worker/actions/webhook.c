/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of webhooks, one a task, identified, signed and traced by headers. */
#include "actions/actions.h"
#include "codec/cloudevents.h"
#include "mail/webhook.h"

#include <stdlib.h>
#include <string.h>

/* Where the calls of a group go, and what signs them. */
struct target {
        const char *url;
        char *secret_url;
        struct signing_key key;
};

static void target_cleanup(struct target *t)
{
        free(t->secret_url);
        explicit_bzero(&t->key, sizeof t->key);
}

static int read_key(const char *path, struct signing_key *ret, struct err *e)
{
        char *text CLEANUP(cleanup_free) = NULL;
        if (secret_read(path, &text, e) < 0)
                return -1;
        int rc = signing_key_read(text, ret, e);
        explicit_bzero(text, strlen(text));
        return rc < 0 ? err_prefix(e, "%s", path) : 0;
}

static int read_target(const struct task_type *type, struct target *ret, struct err *e)
{
        if (type->webhook.url_file && secret_read(type->webhook.url_file, &ret->secret_url, e) < 0)
                return -1;
        ret->url = ret->secret_url ? ret->secret_url : type->webhook.url;
        return type->webhook.secret_file ? read_key(type->webhook.secret_file, &ret->key, e) : 0;
}

static void post(struct actor *a, struct batch *b, const struct statement_group *g,
                 const struct target *to, struct entry *en)
{
        struct envelope answer = { 0 };
        int column = db_column(en->row_of, "body");
        struct span body = column < 0 ? (struct span){ 0 } : db_span(en->row_of, en->row, column);
        char id[UUID_TEXT_LEN + 1], trace[TRACE_PARENT_MAX];
        bool traced = trace_parent(uuid_is_nil(en->task.run_id) ? en->task.task_id
                                                                : en->task.run_id,
                                   en->task.task_id, trace);
        uuid_to_text(en->task.task_id, id);
        struct webhook_options o = {
                .url = to->url,
                .ca_file = a->service->mail.ca_file,
                .timeout_ms = (long)g->type->webhook.timeout_ms,
                .id = id,
                .type = g->type->full_name,
                .second = instant_now() / INSTANT_SECOND,
                .key = to->key.len ? &to->key : NULL,
                .trace = traced ? trace : NULL,
        };
        if (!body.ptr) {
                actor_decide(b, en, OUTCOME_FAILED, "effect gives no body for the webhook");
                return;
        }
        (void)webhook_post(&o, body, &answer);
        if (answer.state == SEND_DONE)
                actor_done(en);
        else
                actor_failed(a, b, en, &answer, true, answer.reason);
}

int act_webhook(struct actor *a, struct batch *b, const struct statement_group *g,
                struct entry **list, size_t n, struct err *e)
{
        struct target to CLEANUP(target_cleanup) = { 0 };
        if (read_target(g->type, &to, e) < 0) {
                for (size_t i = 0; i < n; i++)
                        actor_decide(b, list[i], OUTCOME_FAILED, "%s", e->text);
                return 0;
        }
        for (size_t i = 0; i < n && !actor_round_expired(a); i++)
                post(a, b, g, &to, list[i]);
        return 0;
}
