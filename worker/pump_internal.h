#pragma once
/* The pump's parts, shared by the files that make it. */
#include "act.h"
#include "held.h"
#include "kafka/kafka.h"
#include "outbox.h"
#include "pump.h"
#include "recover.h"
#include "runs.h"
#include "schema_ids.h"

struct pump {
        const struct pump_options *o;
        char owner[128], group[128];
        char cluster[KAFKA_CLUSTER_ID_MAX];
        const char *topic; /* NULL: the intake topics */
        struct kafka_consumer *consumer;
        struct publisher *publisher;
        struct db *db;
        struct type_numbers *types;
        struct runs *runs;
        struct kafka_searches *searches;
        struct codec *codec;
        struct sources sources;
        struct schema_ids *schema_ids; /* intake */
        /* by source, intake: when to go on with a partition that waits for its service's limits; 0:
         * it does not wait */
        int64_t *resume_ms;
        bool *recover; /* by source: claimed, but not yet recovered */
        struct transactor transactor;
        struct outbox outbox;
        struct actor actor;
        struct batch batch;
        struct kafka_message *messages;
        size_t batch_max;
        /* now: batch_max, or fewer where mail is slow, since a crash leaves open what became of a
         * whole batch, and where results are large */
        size_t take;
        bool held; /* the lane has tasks set aside, as of looked_ms */
        int64_t looked_ms;
        /* when Kafka was last polled, acknowledgements last written, our positions last compared
         * with the table's */
        int64_t polled_ms, marked_ms, compared_ms;
        int64_t present_ms; /* when it was last written down that we are here */
        /* since when a partition is still ours by the table, but not by the group; 0: none is */
        int64_t left_over_ms;
        int64_t stop_ms; /* when a drain has lasted long enough; 0: none has begun */
        bool rejoin;     /* the group is to be left and joined anew */
        bool broken;     /* the Kafka clients cannot be used any more */
        /* in one of the group's own callbacks, which may use the database but must not be entered
         * again */
        bool in_callback;
        /* the group is served while a statement is waited for: nothing may use the connection */
        bool in_database;
        bool refused; /* partitions offered by the group were not taken up, in the latest poll */
        bool started; /* has worked once: from now on failures are waited out */
        char said[256], refusal[256]; /* the trouble that has been logged */
        int64_t said_ms;
        /* since when turns have failed again and again, 0: they do not; when one failed last */
        int64_t failing_ms, failed_ms;
        char failure[256]; /* the text of that last one */
};

/* ---- pump.c */
void pump_say(struct pump *p, const struct err *e); /* trouble that is waited for */

/* ---- pump_open.c: making and losing the parts */
int pump_open_base(struct pump *p, struct err *e) MUST_CHECK; /* once: codec, arena, memory */
int pump_open_database(struct pump *p, struct err *e) MUST_CHECK;
int pump_open_kafka(struct pump *p, struct err *e) MUST_CHECK;
void pump_close_session(struct pump *p); /* the batch is kept */
void pump_close_database(struct pump *p);
void pump_close_consumer(struct pump *p);
void pump_close_publisher(struct pump *p);
void pump_close(struct pump *p);

/* ---- pump_partitions.c: claims and recovery */
int pump_assigned(void *ctx, struct kafka_partition *list, size_t n, struct err *e) MUST_CHECK;
void pump_revoked(void *ctx, const struct kafka_partition *list, size_t n, bool lost);
/* Claims all owned partitions again on a new connection, and moves the consumer to where the table
 * says. 1: one is somebody else's. */
int pump_reclaim(struct pump *p, struct err *e) MUST_CHECK;
/* Everything handed to the publisher has been acknowledged: so has everything decided. */
void pump_note_landed(struct pump *p);
/* Lets go of what was taken away while a transaction was under way. */
void pump_let_go(struct pump *p);
/* Are publishing and acting still for this claim of the partition? They serve the group meanwhile,
 * which may take it away, or away and back. */
bool pump_owns(const struct source *s, int64_t epoch);
struct recovery pump_recovery(struct pump *p);
/* Publishes again and settles what claimed partitions left behind. */
int pump_recover(struct pump *p, struct err *e) MUST_CHECK;

/* ---- pump_pause.c: task types that are paused */
int pump_read_pauses(struct pump *p, struct err *e) MUST_CHECK;
/* After the commit: says which types it has paused. */
void pump_note_pauses(struct pump *p);
/* Says, once a minute and type, how many notices statements have raised. */
void pump_note_notices(struct pump *p);
/* Tries the lane's types again whose time has come. */
int pump_try_paused(struct pump *p, struct err *e) MUST_CHECK;

/* ---- pump_deaths.c */
bool pump_careful(const struct source *s); /* is one task to be done at a time? */
/* a source just claimed, whose log ends at `high` */
void pump_be_careful(struct pump *p, struct source *s, int64_t high);
/* A task is about to be done alone: noted, or quarantined (in state `decided`) when it killed its
 * workers. */
int pump_try(struct pump *p, struct entry *en, enum entry_state decided, struct err *e) MUST_CHECK;
/* it is done: is care at an end? */
int pump_tried(struct pump *p, struct source *s, struct err *e) MUST_CHECK;
void pump_leave_in_order(struct pump *p);

/* ---- pump_held.c */
/* Now and then: takes up what was set aside and is due. Returns 0, 1 when fenced, -1 error. */
int pump_take_held(struct pump *p, struct err *e) MUST_CHECK;

/* ---- pump_log.c */
/* A source just claimed: 0 it fits, and `ret_start` is where to begin: with the message before
 * `next` when there is one to compare; 1 it stands still; 2 its position has been put right: claim
 * it again; -1. */
int pump_check_log(struct pump *p, struct source *s, int64_t *ret_start, struct err *e) MUST_CHECK;
/* by its offsets; false: error */
bool pump_log_fits(struct pump *p, const struct source *s, bool *ret_fits, struct err *e)
        MUST_CHECK;
/* The first messages of sources just claimed: are they of the same log? 0; 1: a position has been
 * put right, join anew; -1. */
int pump_compare(struct pump *p, const struct kafka_message *list, size_t n, struct err *e)
        MUST_CHECK;
/* Have logs been made anew, and filled beyond our positions, while we read on? 0; 1: join anew; -1.
 */
int pump_look_at_logs(struct pump *p, struct err *e) MUST_CHECK;
/* Now and then: are all positions where we left them, and has the group given away what it took
 * from us? 1: join it anew. */
int pump_look(struct pump *p, struct err *e) MUST_CHECK;

/* ---- pump_intake.c: the services' intake topics */
int pump_open_intake(struct pump *p, struct err *e) MUST_CHECK; /* once */
/* Reads, checks, writes requests and answers; publishes the answers. Returns 0, 1 when fenced, -1
 * error. */
int pump_take_intake(struct pump *p, struct kafka_message *list, size_t n, struct err *e)
        MUST_CHECK;
/* Goes on with partitions whose wait is over. */
int pump_resume_intake(struct pump *p, struct err *e) MUST_CHECK;

/* The index of a partition of ours among the sources; -1: there are too many. */
int pump_source(struct pump *p, const char *topic, int32_t partition);

/* ---- pump_unexpected.c */
/* Asks the ledger about the batch's UNEXPECTED entries: each becomes one of the others. */
int pump_take_unexpected(struct pump *p, struct err *e) MUST_CHECK;

/* ---- pump_batch.c */
/* Reads the message of an entry, and admits its task; it comes out as a dead letter, or decided,
 * where that fails. */
int pump_decode(struct pump *p, struct entry *en, int64_t now_ms, struct err *e) MUST_CHECK;
/* The entry of a batch that Kafka gave, but that cannot be read, is a dead letter; it is logged. */
void pump_bury_unreadable(struct pump *p, struct entry *en, const struct kafka_message *m);
/* Decodes, decides, publishes, acts, settles, publishes. Returns 0, 1 when fenced, -1 error. */
int pump_take(struct pump *p, struct kafka_message *list, size_t n, struct err *e) MUST_CHECK;

/* ---- pump_act.c */
/* The second half of it, also for recovered intents: acts, settles and publishes in rounds until
 * nothing of ours is pending. The batch has been divided. */
int pump_finish(struct pump *p, struct err *e) MUST_CHECK;
/* Keeps the group membership while publishing has to wait; non-zero: give up. */
int pump_tick(void *ctx);
/* The same while a statement is waited for. */
void pump_database_tick(void *ctx);
/* Non-zero when the process is to stop at once. */
int pump_stopping(void *ctx);
