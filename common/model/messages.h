/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The four messages that Rollcall puts on Kafka, as plain values. The .avsc files in schemas/ are
 * their wire form; docs/messages.md is the reference for other services. Text is UTF-8 without
 * U+0000. All spans of a decoded message point into the arena or into the bytes it was decoded
 * from.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "base/instant.h"
#include "base/uuid.h"
#include "model/outcome.h"

/* The four messages. */
enum message_kind {
        MESSAGE_TASK,
        MESSAGE_OUTCOME,
        MESSAGE_RUN,
        MESSAGE_DEAD_LETTER,
        MESSAGE_KIND_COUNT
};

struct argument {
        struct span name, value;
};

/* One subject's share of a run, or an ad-hoc request (run_id nil). */
struct task {
        struct uuid task_id; /* task_id_of(...) within a run; the requester's own id otherwise */
        struct uuid run_id;  /* nil: ad-hoc */
        struct span type;    /* "pack.task-type" */
        struct span subject;
        /* what of the subject ("tutor", "7"), part of the identity; "" when the type has none */
        struct span item;
        instant scheduled_at; /* the run's instant; for an ad-hoc task the moment of the request */
        bool dry_run;
        struct span actor; /* who asked: "scheduler", "cli:alice", a service's name */
        struct argument *arguments;
        size_t n_arguments;
};

/* What became of a task: an audit event. */
struct outcome_event {
        struct uuid event_id; /* event_id_of(...) */
        struct uuid task_id;
        struct uuid run_id;    /* nil: ad-hoc */
        struct span pack, job; /* job "" for ad-hoc */
        struct span type, subject, item;
        enum outcome outcome;
        struct span reason;        /* "" when there is nothing to say */
        struct span before, after; /* absent: not a change of a value */
        instant at;
        bool dry_run;
        struct span actor;
        int32_t attempt; /* from 1 */
        /* Where the task was taken from. `sequence` numbers the outcomes of one source partition
         * without repeating: a reader that has seen n of (source_topic, source_partition) drops
         * every event of it with a sequence <= n as a repetition. */
        struct span source_topic;
        int32_t source_partition;
        int64_t source_offset, sequence;
        /* absent, or the name of the outcome that this one takes the place of */
        struct span replaces;
};

/* A run's change of state, announced on the jobs topic. */
struct run_event {
        struct uuid event_id;
        struct uuid run_id;
        struct span pack, job;
        instant scheduled_at;
        struct span state; /* as in rollcall.run.state */
        bool dry_run;
        struct span actor;
        int64_t planned, counts[OUTCOME_COUNT]; /* planned includes follow-up tasks */
        struct span reason;
        instant at;
};

/* A message that could not be taken. */
struct dead_letter {
        struct uuid event_id;
        struct span topic;
        int32_t partition;
        int64_t offset;
        struct span reason;
        int32_t attempts;
        instant at;
        struct span key, value; /* the original bytes; absent when they were null */
};

/* UUIDv5(pack, job, scheduled instant): two schedulers that both fire make the same run.
 * docs/messages.md has the exact names. */
struct uuid run_id_of(struct span pack, struct span job, instant scheduled_at);
/* UUIDv5(run id, type, subject, item). */
struct uuid task_id_of(struct uuid run_id, struct span type, struct span subject, struct span item);
/* UUIDv5(task id, attempt, outcome). */
struct uuid event_id_of(struct uuid task_id, int32_t attempt, enum outcome outcome);
