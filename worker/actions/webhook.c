#include "act.h"

#include <stdlib.h>

static void post(struct actor *a, struct batch *b, const struct unit *u, const char *url, struct entry *en)
{
        struct outgoing answer = { 0 };
        int column = db_column(en->row_of, "body");
        struct span body = column < 0 ? (struct span){ 0 } : db_span(en->row_of, en->row, column);
        char id[UUID_TEXT_LEN + 1];
        uuid_to_text(en->task.task_id, id);
        struct webhook_options o = { url, a->service->mail.ca_file, (long)u->type->webhook.timeout_ms, id, u->type->full_name, instant_now() / INSTANT_SECOND };
        if (!body.ptr) {
                act_decide(b, en, OUTCOME_FAILED, "effect gives no body for the webhook");
                return;
        }
        (void)webhook_post(&o, body, &answer);
        if (answer.state == SEND_DONE)
                act_done(en);
        else
                act_missed(a, b, en, &answer, true, answer.reason);
}

int act_webhook(struct actor *a, struct batch *b, const struct unit *u, struct entry **list, size_t n, struct err *e)
{
        char *secret CLEANUP(cleanup_free) = NULL;
        const char *url = u->type->webhook.url;
        if (u->type->webhook.url_file) {
                if (secret_read(u->type->webhook.url_file, &secret, e) < 0) {
                        for (size_t i = 0; i < n; i++)
                                act_decide(b, list[i], OUTCOME_FAILED, "%s", e->text);
                        return 0;
                }
                url = secret;
        }
        for (size_t i = 0; i < n && !act_over(a); i++)
                post(a, b, u, url, list[i]);
        return 0;
}
