/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of an event before it is aggregated, and the copies of its texts. */
#include "aggregator/fold_check.h"

#include <string.h>

/* A text in PostgreSQL cannot hold NUL, and a name must fit into an index. */
static int check_text(const char *field, struct span s, size_t max, struct err *e)
{
        if (s.len > max)
                return err_set(e, ERR_INPUT, "", "%s: %zu bytes, but at most %zu are allowed",
                               field, s.len, max);
        if (s.len && memchr(s.ptr, '\0', s.len))
                return err_set(e, ERR_INPUT, "", "%s contains a NUL character", field);
        return 0;
}

int fold_check(const struct outcome_event *m, struct err *e)
{
        static const instant first = INT64_C(-62135596800) * INSTANT_SECOND,
                             end = INT64_C(253402300800) * INSTANT_SECOND;
        if (m->sequence < 1)
                return err_set(e, ERR_INPUT, "", "sequence: %lld, but the first one is 1",
                               (long long)m->sequence);
        if (m->source_partition < 0)
                return err_set(e, ERR_INPUT, "", "source_partition: %d", (int)m->source_partition);
        if (m->at < first || m->at >= end)
                return err_set(e, ERR_INPUT, "",
                               "at: %lld us since 1970 is outside the years 1 to 9999",
                               (long long)m->at);
        if ((unsigned)m->outcome >= OUTCOME_COUNT)
                return err_set(e, ERR_INPUT, "", "outcome: %d", (int)m->outcome);
        if (m->source_topic.len == 0 || m->type.len == 0)
                return err_set(e, ERR_INPUT, "", "%s is empty",
                               m->type.len ? "source_topic" : "type");
        if (check_text("source_topic", m->source_topic, FOLD_TOPIC_MAX, e) < 0 ||
            check_text("pack", m->pack, FOLD_NAME_MAX, e) < 0 ||
            check_text("job", m->job, FOLD_NAME_MAX, e) < 0 ||
            check_text("type", m->type, FOLD_NAME_MAX, e) < 0 ||
            check_text("reason", m->reason, SIZE_MAX, e) < 0 ||
            check_text("subject", m->subject, SIZE_MAX, e) < 0)
                return -1;
        return check_text("item", m->item, SIZE_MAX, e);
}

bool fold_copy(struct arena *memory, struct span s, struct span *ret)
{
        *ret = (struct span){ arena_strndup(memory, s.ptr, s.len), s.len };
        return ret->ptr != NULL;
}
