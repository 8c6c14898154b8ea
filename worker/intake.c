/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of the services' intake topics: their form, and whether the service may request that. */
#include "intake.h"

#include "admit.h"

#include "codec/json_event.h"

#include <string.h>
#include <strings.h>

void intake_headers_read(const struct kafka_message *m, struct intake_headers *ret)
{
        *ret = (struct intake_headers){
                .content_type = kafka_message_header(m, "content-type"),
                .specversion = kafka_message_header(m, "ce_specversion"),
                .id = kafka_message_header(m, "ce_id"),
                .source = kafka_message_header(m, "ce_source"),
                .type = kafka_message_header(m, "ce_type"),
                .subject = kafka_message_header(m, "ce_subject"),
        };
}

const struct service_intake *intake_of(const struct service *s, const char *topic)
{
        for (size_t i = 0; i < s->n_intakes; i++)
                if (strcmp(s->intakes[i].topic, topic) == 0)
                        return &s->intakes[i];
        return NULL;
}

/* ---- which form it has ---- */

static bool has_media_type(struct span content_type, const char *name)
{
        size_t len = strlen(name);
        if (content_type.len < len || strncasecmp(content_type.ptr, name, len) != 0)
                return false;
        return content_type.len == len || strchr("; \t", content_type.ptr[len]);
}

static bool looks_like_json(struct span value)
{
        size_t i = 0;
        while (i < value.len && value.ptr[i] && strchr(" \t\r\n", value.ptr[i]))
                i++;
        return i < value.len && value.ptr[i] == '{';
}

static int decode_json(struct entry *en, const struct intake_headers *h,
                       const struct service_intake *from, struct arena *a, struct err *e)
{
        const struct event_attributes binary = { h->specversion, h->id, h->source, h->type,
                                                 h->subject };
        if (has_media_type(h->content_type, "application/cloudevents-batch+json"))
                return err_set(e, ERR_INPUT, "EPROTO",
                               "a batch of CloudEvents: send each as a message of its own");
        bool structured = has_media_type(h->content_type, "application/cloudevents+json") ||
                          !h->specversion.ptr;
        return json_event_task(en->value, structured ? NULL : &binary, span_of(from->service), a,
                               &en->task, e);
}

/* Avro is known by its framing, whatever the headers say; JSON by its first letter. */
static int decode(struct entry *en, const struct intake_headers *h,
                  const struct service_intake *from, struct codec *c, struct arena *a,
                  struct err *e)
{
        if (!en->value.ptr)
                return err_set(e, ERR_INPUT, "EPROTO", "the message has no value");
        if (looks_like_json(en->value) ||
            has_media_type(h->content_type, "application/cloudevents+json") ||
            has_media_type(h->content_type, "application/json") ||
            has_media_type(h->content_type, "application/cloudevents-batch+json"))
                return decode_json(en, h, from, a, e);
        return task_decode(c, en->value, a, &en->task, e);
}

/* ---- what the service may request ---- */

static bool may_request(const struct service_intake *from, struct span type)
{
        for (size_t i = 0; i < from->n_types; i++)
                if (span_is(type, from->types[i]))
                        return true;
        return false;
}

static int refuse(struct entry *en, struct span why, struct arena *a, struct err *e)
{
        BUF_CLEANUP struct buf text;
        buf_init(&text, INTAKE_REASON_MAX);
        buf_adds(&text, "refused: ");
        buf_add(&text, why.ptr,
                why.len < INTAKE_REASON_MAX - 100 ? why.len : INTAKE_REASON_MAX - 100);
        en->reason = arena_span(a, (struct span){ buf_str(&text), text.len });
        en->outcome = OUTCOME_FAILED;
        return en->reason.ptr ? 0 : err_oom(e);
}

/* The argument by which the service would act for somebody else; NULL: there is none. */
static const char *argument_for_others(const struct entry *en)
{
        for (size_t i = 0; en->type && i < en->type->n_arguments; i++)
                for (size_t k = 0; en->type->arguments[i].for_others && k < en->task.n_arguments;
                     k++)
                        if (span_is(en->task.arguments[k].name, en->type->arguments[i].name))
                                return en->type->arguments[i].name;
        return NULL;
}

int intake_admit(struct entry *en, const struct intake_headers *h,
                 const struct service_intake *from, struct codec *c, const struct packs *packs,
                 const struct type_numbers *numbers, struct arena *a, struct err *e)
{
        struct err why = ERR_INIT;
        bool readable = decode(en, h, from, c, a, &why) == 0;
        if (!readable && err_is_oom(&why)) {
                *e = why;
                return -1;
        }
        struct uuid run_id = en->task.run_id;
        en->task.run_id = (struct uuid){ { 0 } };
        /* who may write to this topic, whatever the message says */
        en->task.actor = span_of(from->service);
        admit_entry(en, packs, numbers, NULL, a);
        if (readable && !uuid_is_nil(run_id)) {
                readable = false;
                err_set(&why, ERR_INPUT, "",
                        "the task names a run, whose tasks only the scheduler publishes");
        } else if (readable && en->state != ENTRY_DEAD && !may_request(from, en->task.type)) {
                readable = false;
                err_set(&why, ERR_INPUT, "", "the service %s may not request %.*s", from->service,
                        SPAN_FMT(en->task.type));
        } else if (readable && argument_for_others(en)) {
                readable = false;
                err_set(&why, ERR_INPUT, "",
                        "argument %s is filled in with who asks: a service cannot give it",
                        argument_for_others(en));
        }
        if (readable && en->state == ENTRY_READY) {
                en->state = ENTRY_FILED;
                return 0;
        }
        if (en->state != ENTRY_DEAD)
                en->state = ENTRY_DECIDED;
        return refuse(en, readable ? en->reason : span_of(why.text), a, e);
}
