/* SPDX-License-Identifier: Apache-2.0 */
/* The action "email": a statement says to whom, templates say what. */
#include "pack/action_ops.h"

#include "pack/load.h"

#include <string.h>

static int load_template(struct loader *l, const struct cfg_node *n, const char *key, bool required,
                         enum template_escape escape, struct task_type *t, struct template **ret,
                         struct err *e)
{
        struct sql_file file;
        struct err bad = ERR_INIT;
        if (load_file(l, n, key, required, &file, e) < 0)
                return -1;
        if (file.text && template_parse(file.path, span_of(file.text), escape, ret, &bad) < 0)
                return cfg_error(cfg_get(n, key), e, "%s", bad.text);
        load_version(t, file.text);
        return 0;
}

static int load_email(struct loader *l, const struct cfg_node *n, struct task_type *t,
                      struct err *e)
{
        static const char *const known[] = { "subject", "text", "html", "lost_answer", NULL };
        static const char *const answers[] = { "resend", "hold", NULL };
        const char *subject;
        struct err bad = ERR_INIT;
        int answer;
        if (cfg_only(n, known, e) < 0 || cfg_str_required(n, "subject", &subject, e) < 0)
                return -1;
        if (strpbrk(subject, "\r\n"))
                return cfg_error(cfg_get(n, "subject"), e, "found a line break, expected one line");
        if (template_parse("template", span_of(subject), TEMPLATE_PLAIN, &t->email.subject, &bad) <
            0)
                return cfg_error(cfg_get(n, "subject"), e, "%s", bad.text);
        if (load_template(l, n, "text", true, TEMPLATE_PLAIN, t, &t->email.text, e) < 0 ||
            load_template(l, n, "html", false, TEMPLATE_HTML, t, &t->email.html, e) < 0 ||
            cfg_choice(n, "lost_answer", answers, 0, &answer, e) < 0)
                return -1;
        load_version(t, subject);
        t->email.hold_unknown = answer == 1;
        if (!l->pack->mail.from_address)
                return cfg_error(n, e,
                                 "mail is sent, expected a group mail = { from_address = \"…\"; } "
                                 "at the top of the pack");
        return 0;
}

static void free_email(struct task_type *t)
{
        template_free(t->email.subject);
        template_free(t->email.text);
        template_free(t->email.html);
}

static int64_t email_longest_ms(const struct service *s, const struct task_type *t)
{
        (void)t;
        return s->mail.message_timeout_ms;
}

const struct action_ops action_email = {
        .name = "email",
        .default_lane = LANE_MAIL,
        .by_statement = true,
        .records = true,
        .done = "send",
        .effect_column = "to_address",
        .effect_type = "text",
        .load = load_email,
        .free = free_email,
        .longest_ms = email_longest_ms,
};
