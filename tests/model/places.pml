/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger's two forms (docs/protocol.md) as a model for spin: a run of three tasks in one
 * partition, two schedulers that publish it chunk by chunk, two workers that take by place, and
 * whatever makes messages come twice, late or never.
 *
 * One step below is what nobody can see the inside of: a transaction, an append to the topic.
 * Between two steps anything else may happen, so a process that pauses, and continues when it does
 * not lead or own any more, is an ordinary interleaving. Faults, as many as the limits say,
 * whenever spin likes: the lead or the partition is handed over; a stray copy of a task is
 * published; the run is published again; a task's type is paused, so that its task is passed over;
 * a message is lost with its topic; a message is refused, and a later one overtakes it.
 *
 * Checked: no task is done twice; when everything is published and read, each is done. -DBREAK_…
 * takes one rule out of the protocol; spin must then find an error.
 */
#ifndef LEADS
#define LEADS 1
#endif
#ifndef HANDOVERS
#define HANDOVERS 1
#endif
#ifndef STRAYS
#define STRAYS 0
#endif
#ifndef REPUBLISHED
#define REPUBLISHED 0
#endif
#ifndef PAUSES
#define PAUSES 0
#endif
#ifndef LOSSES
#define LOSSES 0
#endif
#ifndef GAPS
#define GAPS 0
#endif

#define TASKS 3
#define CHUNK 2
#define EACH 7
#define MESSAGES 16
#define bit_of(t) (1 << (t - 1))

/* ---- PostgreSQL ---- */

byte published; /* run.chunks_published, counted in tasks */
bool again;     /* run.again: only what has no row is published */
bool by_task;   /* run.by_task */
byte batches;   /* tasks in rows of outcome_batch, a bit for each */
byte rows;      /* tasks with rows of their own */
byte epoch, next;
byte place; /* progress.place; task t has place t */
bool owed;  /* a log_gap, or a type that resumed: the run is to be published again */

/* ---- Kafka ---- */

byte message[MESSAGES], high; /* the partition: the task of each offset */
bool leader, assigned;

/* ---- what only the proof knows ---- */

byte effects;
byte leads = LEADS, handovers = HANDOVERS, strays = STRAYS, republished = REPUBLISHED;
byte pauses = PAUSES, losses = LOSSES, gaps = GAPS;

inline append(t)
{
        assert(high < MESSAGES);
        message[high] = t;
        high++
}

inline take_effect(t)
{
        assert(!(effects & bit_of(t))); /* E: done twice */
        effects = effects | bit_of(t)
}

inline keep_by_task()
{
        if
        :: !by_task ->
                rows = rows | batches;
                batches = 0;
                by_task = true
        :: else
        fi
}

/* One transaction. */
inline publish_again()
{
#ifndef BREAK_KEEP
        keep_by_task();
#endif
        published = 0;
        again = true
}

#define lowest(set) (set & 1 -> 1 : (set & 2 -> 2 : 3))

proctype scheduler(bool me)
{
        byte from, left; /* of the chunk, what is still to be sent: a bit for each task */
        bool sending, refused;

end:
        do
        :: d_step { !sending && leader == me && owed -> publish_again(); owed = false }
        :: d_step { !sending && leader == me && !owed && published < TASKS ->
                from = published;
                left = EACH & (3 << from);
                left = (again -> left & ~(rows | batches) : left);
                sending = true
        }
        :: d_step { sending && left ->
                append(lowest(left));
                left = left & (left - 1)
        }
        /* refused, and the next one gets through */
        :: d_step { sending && left && gaps ->
                gaps--;
                left = left & (left - 1);
                refused = true
        }
        /* all of it is acknowledged, and the lease holds; otherwise it is published again */
        :: d_step { sending && !left ->
                if
                :: !refused && leader == me && published == from ->
                        published = (from + CHUNK > TASKS -> TASKS : from + CHUNK)
                :: else
                fi;
                sending = false;
                refused = false;
                from = 0
        }
        od
}

#ifdef BREAK_CAS
#define mine true
#else
#define mine (epoch == my_epoch && next == my_next)
#endif

/* What the batch's transaction sees of the run, which it has locked. */
#if defined(BREAK_LOCK)
#define stale false
#elif defined(BREAK_REPEATED)
#define stale (as == IN_TURN && by_task)
#else
#define stale (as != BY_ROW && by_task)
#endif

mtype = { OUT, TAKING, DECIDING, LOOKED };
mtype = { BY_ROW, IN_TURN, REPEATED };
#ifdef BREAK_LOCK
#define COMMITTING LOOKED
#else
#define COMMITTING DECIDING
#endif

inline leave()
{
        at = OUT;
        my_epoch = 0;
        my_next = 0;
        my_place = 0;
        as = 0;
        task = 0
}

/* The task's type is paused: it is passed over, and the position and the place move on. */
#define paused_now (pauses && !owed && \
                    (as == IN_TURN || as == BY_ROW && !(rows & bit_of(task))))

inline again_later()
{
        at = TAKING;
        my_by_task = true;
        as = 0;
        task = 0
}

inline commit()
{
        place = my_place;
        my_next++;
        next = my_next;
        at = TAKING;
        as = 0;
        task = 0
}

proctype worker(bool me)
{
        mtype at = OUT, as;
        byte my_epoch, my_next, my_place, task;
        bool my_by_task; /* as the worker has read it some time before */

end:
        do
        :: d_step { at == OUT && assigned == me ->
                epoch++;
                my_epoch = epoch;
                my_next = next;
                my_place = place;
                my_by_task = by_task;
                at = TAKING
        }
        /* reads the run */
        :: d_step { at == TAKING && my_by_task != by_task -> my_by_task = by_task }
        /* a message is compared with the task whose turn it is, outside of any transaction */
        :: d_step { at == TAKING && my_next < high ->
                task = message[my_next];
                if
                :: my_by_task -> as = BY_ROW; at = DECIDING
                :: !my_by_task && task <= my_place -> as = REPEATED; at = DECIDING
#ifdef BREAK_TURN
                :: !my_by_task && task > my_place -> as = IN_TURN; at = DECIDING
#else
                :: !my_by_task && task == my_place + 1 -> as = IN_TURN; at = DECIDING
                :: !my_by_task && task > my_place + 1 -> /* early */
                        keep_by_task();
                        my_by_task = true;
                        task = 0
#endif
                fi
        }
        :: d_step { at == TAKING && !mine -> leave() } /* noticed before, or below */
#ifdef BREAK_LOCK
        /* by_task is read, and may change before the commit */
        :: d_step { at == DECIDING && mine ->
                if
                :: as != BY_ROW && by_task -> again_later()
                :: else -> at = LOOKED
                fi
        }
#endif
        /* the batch's transaction: the position's compare-and-set, the run's lock, the outcome */
        :: d_step { at == COMMITTING && mine && stale -> again_later() }
        :: d_step { at == COMMITTING && mine && !stale && paused_now ->
                pauses--;
                owed = true;
                my_place = (as == IN_TURN -> task : my_place);
                commit()
        }
        :: d_step { at == COMMITTING && mine && !stale ->
                if
                :: as == IN_TURN ->
                        take_effect(task);
                        batches = batches | bit_of(task);
                        my_place = task
                :: as == BY_ROW && !(rows & bit_of(task)) ->
                        take_effect(task);
                        rows = rows | bit_of(task)
                :: else
                fi;
                commit()
        }
        :: d_step { (at == DECIDING || at == LOOKED) && !mine -> leave() } /* fenced */
        od
}

active proctype faults()
{
end:
        do
        :: d_step { leads -> leads--; leader = !leader }
        :: d_step { handovers -> handovers--; assigned = !assigned }
        :: d_step { strays && high -> strays--; append(1) }
        :: d_step { strays && high -> strays--; append(2) }
        :: d_step { strays && high -> strays--; append(3) }
        :: d_step { republished && published -> republished--; publish_again() }
        /* deleted before it was read: the position moves, with a new epoch */
        :: d_step { losses && next < high && !owed -> losses--; next++; epoch++; owed = true }
        od
}

init {
        atomic {
                run scheduler(0);
                run scheduler(1);
                run worker(0);
                run worker(1)
        }
        (timeout);
        assert(published == TASKS && next == high && !owed);
        assert(effects == EACH) /* L: lost */
}
