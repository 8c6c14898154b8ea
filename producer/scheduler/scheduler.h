#pragma once
/* The scheduler's shell: what its parts share. One thread, but for the planners. */
#include "alert/watch.h"
#include "lease.h"
#include "ledger/ledger.h"
#include "planner.h"
#include "publish/publish.h"

enum { FANOUTS_MAX = 64, CHUNKS_IN_FLIGHT = 8, ANNOUNCED_MAX = 32, RETRIES_MAX = 32 };

/* A run that is being published: resumable at any task. */
struct fanout {
        struct run *run;
        int chunks, next_chunk, published; /* published: chunks whose tasks are all acknowledged */
        int noted;                         /* `published`, as the table has it */
        int64_t noted_ms;
        int64_t planned;
        bool again;                      /* only what has no outcome */
        struct db_result *chunk;         /* in hand; NULL: none */
        struct db_texts subjects, items; /* of it, that are left */
        struct span subject, item;       /* the next to be published, when `ready` */
        bool ready;
        const struct task_type *type;
        bool dry_run;
        size_t waiting[CHUNKS_IN_FLIGHT]; /* tasks of chunk i (modulo) without acknowledgement */
        uint32_t id;                      /* upper half of the tokens */
        bool seen;                        /* by the latest look at the table */
};

/* A run's end on its way to Kafka. */
struct announced {
        int64_t run_no, at_ms;
        uint32_t id;    /* upper half of the tokens */
        size_t waiting; /* messages without acknowledgement */
        bool held;      /* not its end: it is held for review */
        bool whole;     /* all of them have been handed over */
};

struct requests; /* requests.c */

struct scheduler {
        const struct service *service;
        const struct packs *packs;
        struct db *db, *lease_db;
        struct lease lease;
        bool leading; /* as was said */
        struct watch *watch;
        int64_t progress_ms; /* when to write down again how far runs have come */
        int64_t present_ms;  /* when it was last written down that we are here */
        struct type_numbers *types;
        struct publisher *publisher;
        /* for requests of a few tasks: nothing waits there behind a run */
        struct publisher *prompt;
        const char *cluster; /* the publisher's */
        struct planner *planners[PLANNERS_MAX];
        struct retry { /* runs whose planning met trouble of the world */
                int64_t run_no, at_ms;
        } retries[RETRIES_MAX];
        struct fanout *fanouts[FANOUTS_MAX];
        size_t n_fanouts;
        bool planned_soon; /* a planner has committed, and is about to end */
        struct announced announced[ANNOUNCED_MAX];
        size_t n_announced;
        struct requests *requests;
        bool look_now; /* something about runs was notified */
        uint32_t next_id;
        bool failed; /* a delivery failed: begin again with a new producer from what is committed */
        char failure[200];
        int64_t acked_ms; /* when Kafka last acknowledged something, or nothing was on its way */
        bool stalled;     /* it has been said that Kafka does not acknowledge */
        int64_t slots_ms; /* monotonic: when to look at the schedules again */
        instant *waits;   /* per job, in the packs' order: the slot that was said to wait */
        struct db_params *params;
        char said[256];
};

/* Inside a transaction of s->db: checks the lease and commits. 0, 1 the lead is lost (rolled back),
 * -1 error. */
int scheduler_commit(struct scheduler *s, struct err *e) MUST_CHECK;

/* slots.c: due slots become requested runs; sets slots_ms. 0; 1 the lead is lost; -1. */
int slots_request(struct scheduler *s, struct err *e) MUST_CHECK;

/* take.c: requested runs are refused or given to a planner. 0; 1 the lead is lost; -1. */
int take_requested(struct scheduler *s, struct err *e) MUST_CHECK;
/* What the planners have come to. `ret_any`: one of them ended. */
int take_planned(struct scheduler *s, bool *ret_any, struct err *e) MUST_CHECK;
/* take_planned has not seen the end of it yet */
bool take_planning(struct scheduler *s, int64_t run_no);
/* a planner is at work, or has ended and is not looked at yet */
bool take_any(const struct scheduler *s);
/* asks all planning to end; what was planned in part is rolled back */
void take_stop(struct scheduler *s);
bool take_stopped(struct scheduler *s); /* it has */

/* fanout.c: planned runs are published. */
/* what is there to publish; 1: the lead is lost */
int fanout_look(struct scheduler *s, struct err *e) MUST_CHECK;
/* Publishes a part of each for up to `ms`. 1 there is more to do; 0 all wait for acknowledgements
 * or workers; -1; 2 the lead is lost. */
int fanout_work(struct scheduler *s, int ms, struct err *e) MUST_CHECK;
bool fanout_acked(struct scheduler *s, uint64_t token);
void fanout_reset(struct scheduler *s); /* forgets what is in hand; the table knows the rest */
/* writes down what is acknowledged by now */
int fanout_note_all(struct scheduler *s, struct err *e) MUST_CHECK;

/* resume.c: what open runs and requests owe of task types that were paused, and are not any more,
 * is published again. 0; 1 the lead is lost; -1. */
int resume_look(struct scheduler *s, struct err *e) MUST_CHECK;
/* requests.c: requested tasks are published. */
struct requests *requests_new(void); /* NULL: out of memory */
void requests_free(struct requests *q);
void requests_notified(struct requests *q); /* there may be new ones */
/* Publishes for a moment what there is, and notes what is acknowledged. 1 there is more to do; 0
 * nothing, or all wait; -1; 2 the lead is lost. */
int requests_work(struct scheduler *s, struct err *e) MUST_CHECK;
bool requests_acked(struct scheduler *s, uint64_t token);
bool requests_waiting(const struct requests *q); /* something is handed over, or could not be yet */
void requests_reset(struct scheduler *s); /* forgets what is in hand; the table knows the rest */
/* writes down what is acknowledged by now */
int requests_note_all(struct scheduler *s, struct err *e) MUST_CHECK;
/* Published requests whose tasks all have an outcome are marked, a few at a time. */
int requests_settle(struct scheduler *s, struct err *e) MUST_CHECK;

/* close.c: complete runs and those out of time are closed. 0; 1 the lead is lost; -1. */
int close_complete(struct scheduler *s, struct err *e) MUST_CHECK;
/* now and then: how far open runs have come, for rollcall.troubles */
int close_note_progress(struct scheduler *s, struct err *e) MUST_CHECK;
/* Sets the end of a run that is open. `alert`: on_failure is for it. */
int run_close(struct scheduler *s, int64_t run_no, enum run_state state, const char *reason,
              bool alert, struct err *e) MUST_CHECK;
struct run_name { /* for the log */
        int64_t run_no;
        struct uuid run_id;
        const char *pack, *job;
};
/* The beginning of every line about a run, and its values: the number is the database's, the id is
 * what people and the tool use. */
#define RUN_Q "run_no=%lld run_id=%s job=%s.%s"
#define RUN_VALUES(run_no_, id_, pack_, job_) (long long)(run_no_), (id_), (pack_), (job_)
void log_closed(const struct run_name *n, enum run_state state, const char *reason);

/* recount.c: closed runs whose counts have changed get the state that fits. 0; 1 the lead is lost;
 * -1. */
int recount_closed(struct scheduler *s, struct err *e) MUST_CHECK;

/* announce.c: run events, and the tasks that follow on a run's end. */
int announce_ends(struct scheduler *s, struct err *e) MUST_CHECK; /* 1: the lead is lost */
/* announce_tasks.c: inside the transaction that notes the run's end: asks for what follows on it.
 */
int announce_tasks(struct scheduler *s, const struct announced *a, struct err *e) MUST_CHECK;
void announce_acked(struct scheduler *s, uint64_t token);
/* "planned", "published": told once, not repeated after a crash; the table is the truth. */
void announce_state(struct scheduler *s, const struct run *run, enum run_state state,
                    int64_t planned);
/* A closed run's state has changed: told once, likewise, with an id of its own. */
int announce_changed(struct scheduler *s, struct uuid run_id, struct err *e) MUST_CHECK;
