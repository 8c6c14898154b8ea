/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of our messages as tables, from which encode.c, decode.c and foreign.c work. */
#include "codec/spec.h"

#include "codec_schemas.h"

#define FIELD(T, member, type, has_default) \
        { #member, type, offsetof(struct T, member), has_default }
#define COUNT(outcome) offsetof(struct run_event, counts) + (outcome) * sizeof(int64_t)

static const struct field task_fields[] = {
        FIELD(task, task_id, FIELD_UUID, false),       FIELD(task, run_id, FIELD_UUID_NULL, true),
        FIELD(task, type, FIELD_TEXT, false),          FIELD(task, subject, FIELD_TEXT, false),
        FIELD(task, item, FIELD_TEXT, true),           FIELD(task, scheduled_at, FIELD_LONG, false),
        FIELD(task, dry_run, FIELD_BOOL, true),        FIELD(task, actor, FIELD_TEXT, true),
        FIELD(task, arguments, FIELD_ARGUMENTS, true),
};

static const struct field outcome_fields[] = {
        FIELD(outcome_event, event_id, FIELD_UUID, false),
        FIELD(outcome_event, task_id, FIELD_UUID, false),
        FIELD(outcome_event, run_id, FIELD_UUID_NULL, true),
        FIELD(outcome_event, pack, FIELD_TEXT, false),
        FIELD(outcome_event, job, FIELD_TEXT, true),
        FIELD(outcome_event, type, FIELD_TEXT, false),
        FIELD(outcome_event, subject, FIELD_TEXT, false),
        FIELD(outcome_event, item, FIELD_TEXT, true),
        FIELD(outcome_event, outcome, FIELD_OUTCOME, false),
        FIELD(outcome_event, reason, FIELD_TEXT, true),
        FIELD(outcome_event, before, FIELD_TEXT_NULL, true),
        FIELD(outcome_event, after, FIELD_TEXT_NULL, true),
        FIELD(outcome_event, at, FIELD_LONG, false),
        FIELD(outcome_event, dry_run, FIELD_BOOL, true),
        FIELD(outcome_event, actor, FIELD_TEXT, true),
        FIELD(outcome_event, attempt, FIELD_INT, false),
        FIELD(outcome_event, source_topic, FIELD_TEXT, false),
        FIELD(outcome_event, source_partition, FIELD_INT, false),
        FIELD(outcome_event, source_offset, FIELD_LONG, false),
        FIELD(outcome_event, sequence, FIELD_LONG, false),
        FIELD(outcome_event, replaces, FIELD_TEXT_NULL, true),
};

static const struct field run_fields[] = {
        FIELD(run_event, event_id, FIELD_UUID, false),
        FIELD(run_event, run_id, FIELD_UUID, false),
        FIELD(run_event, pack, FIELD_TEXT, false),
        FIELD(run_event, job, FIELD_TEXT, false),
        FIELD(run_event, scheduled_at, FIELD_LONG, false),
        FIELD(run_event, state, FIELD_TEXT, false),
        FIELD(run_event, dry_run, FIELD_BOOL, true),
        FIELD(run_event, actor, FIELD_TEXT, true),
        FIELD(run_event, planned, FIELD_LONG, true),
        { "applied", FIELD_LONG, COUNT(OUTCOME_APPLIED), true },
        { "skipped", FIELD_LONG, COUNT(OUTCOME_SKIPPED), true },
        { "failed", FIELD_LONG, COUNT(OUTCOME_FAILED), true },
        { "quarantined", FIELD_LONG, COUNT(OUTCOME_QUARANTINED), true },
        { "unknown", FIELD_LONG, COUNT(OUTCOME_UNKNOWN), true },
        FIELD(run_event, reason, FIELD_TEXT, true),
        FIELD(run_event, at, FIELD_LONG, false),
};

static const struct field dead_letter_fields[] = {
        FIELD(dead_letter, event_id, FIELD_UUID, false),
        FIELD(dead_letter, topic, FIELD_TEXT, false),
        FIELD(dead_letter, partition, FIELD_INT, false),
        FIELD(dead_letter, offset, FIELD_LONG, false),
        FIELD(dead_letter, reason, FIELD_TEXT, false),
        FIELD(dead_letter, attempts, FIELD_INT, true),
        FIELD(dead_letter, at, FIELD_LONG, false),
        FIELD(dead_letter, key, FIELD_BYTES_NULL, true),
        FIELD(dead_letter, value, FIELD_BYTES_NULL, true),
};

/* A changed schema needs its new fingerprint here (test_codec prints it) and its old text in the
 * schema folder of whoever still reads it. */
const struct spec specs[MESSAGE_KIND_COUNT] = {
        { "rollcall.Task", "rollcall.task.v1", schema_task, UINT64_C(0x5c6a92b8cecbea2a),
          task_fields, ARRAY_LEN(task_fields) },
        { "rollcall.Outcome", "rollcall.outcome.v1", schema_outcome, UINT64_C(0xe47c01e3a455df60),
          outcome_fields, ARRAY_LEN(outcome_fields) },
        { "rollcall.Run", "rollcall.run.v1", schema_run, UINT64_C(0xf3f7902f6ae24318), run_fields,
          ARRAY_LEN(run_fields) },
        { "rollcall.DeadLetter", "rollcall.dead-letter.v1", schema_dead_letter,
          UINT64_C(0x51560704b19971f9), dead_letter_fields, ARRAY_LEN(dead_letter_fields) },
};
