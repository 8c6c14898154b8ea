/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's protocol (docs/protocol.md, parts 3 to 6 and "Ownership") as a model for spin: two workers, one partition of four messages, three tasks.
 * FIRST and SECOND are about the same person, MAIL leaves the database; one of the messages is a repetition.
 *
 * One step below is what nobody can see the inside of: a transaction is one, since it holds the lock of the position's row from its compare-and-set to
 * its end. Between two steps anything else may happen, so a pause at each step, and a zombie's waking up, are ordinary interleavings.
 * Faults, as many as the limits say, whenever spin likes: a worker is killed; the group hands the partition over; and "trouble": a COMMIT that
 * failed or whose reply was lost, an SMTP answer that was lost, a producer that gave up.
 *
 * Checked: L E F A M, as in docs/reliability.md, and that the aggregator's fold by sequence counts each event once. -DBREAK_… takes one rule out of the
 * protocol; spin must then find an error, or the model would prove nothing.
 */
#ifndef KILLS
#define KILLS 2
#endif
#ifndef HANDOVERS
#define HANDOVERS 2
#endif
#ifndef TROUBLES
#define TROUBLES 1
#endif

#define MESSAGES 4
#define TASKS 3
#define FIRST 0
#define SECOND 1
#define MAIL 2
#define NOBODY 2

/* ---- PostgreSQL ------------------------------------------------------------------------------------------------------------------------- */

#define NONE 0
#define INTENT 1
#define DONE 2
byte ledger[TASKS]; /* NONE, INTENT or DONE */
byte numbered[TASKS]; /* the outcome's sequence */
byte attempted[TASKS]; /* the outcome's attempt; (task, attempt) is the event id */
byte epoch, next, sequence, published; /* rollcall.position */

/* ---- Kafka ------------------------------------------------------------------------------------------------------------------------------ */

byte message[MESSAGES]; /* the partition: the task of each offset */
byte assigned; /* the worker whom the group has given the partition to */
byte generation; /* of that assignment */
/* What each worker's producer holds: task, sequence, attempt, epoch of its maker. The producer is idempotent: in order, nothing twice. */
chan net[2] = [10] of { byte, byte, byte, byte };

/* ---- the world outside, and what only the proof knows ----------------------------------------------------------------------------------- */

byte mails; /* taken by the mail server */
byte effects[TASKS];
byte folded[TASKS]; /* how often the aggregator has counted the task's event */
byte highest; /* sequence the aggregator has seen */
byte owner = NOBODY; /* who claimed last: nobody else may write */
byte kills = KILLS, handovers = HANDOVERS, troubles = TROUBLES;
#define faults (KILLS + HANDOVERS + TROUBLES - kills - handovers - troubles)

#define complete (folded[FIRST] == 1 && folded[SECOND] == 1 && folded[MAIL] == 1 && \
                  ledger[FIRST] == DONE && ledger[SECOND] == DONE && ledger[MAIL] == DONE)

#ifdef BREAK_CAS
#define mine true
#else
#define mine (epoch == my_epoch && next == my_next)
#endif

inline check_owner()
{
#ifndef WITHOUT_F
        assert(owner == me); /* F: no write by an owner that lost its ownership */
#endif
        skip
}

inline take_effect(t)
{
        effects[t]++;
        assert(effects[t] == 1); /* E: one effect per task */
        assert(t != SECOND || effects[FIRST] == 1) /* one person's tasks take effect in order */
}

/* M: once the answer is in the ledger, only a zombie that was paused right before sending sends again, since SMTP knows no epochs; and each further mail
 * costs a fault. */
inline send_mail()
{
        assert(mails == 0 || ledger[MAIL] == INTENT || owner != me);
        assert(mails <= faults);
        mails++
}

/* The results topic takes an event, and the aggregator folds it; when it reads makes no difference. */
inline append(t, s, a)
{
        assert(ledger[t] == DONE && numbered[t] == s && attempted[t] == a); /* A: an event is its outcome's, with that id */
        if
        :: s > highest ->
                highest = s;
                folded[t]++;
                assert(folded[t] == 1) /* counted twice */
        :: else ->
                assert(folded[t] == 1) /* taken for a repetition, but never counted */
        fi
}

inline hand_over(t)
{
        assert(nfull(net[me]));
        net[me]!t, numbered[t], attempted[t], my_epoch
}

inline forget()
{
        my_epoch = 0;
        my_next = 0;
        my_sequence = 0;
        my_published = 0;
        delivered = 0;
        acked = 0;
        size = 0;
        attempt = 0
}

/* What both transactions begin with, and what both change of the position. */
inline move_position(to, last)
{
        check_owner();
        next = to;
        sequence = last;
        published = (acked > published -> acked : published)
}

inline read_position()
{
        my_epoch = epoch;
        my_next = next;
        my_sequence = sequence;
        my_published = published
}

/* Outcomes, intents, the position: one transaction. Task numbers and sequences follow the offsets, of repetitions too. */
inline write_batch()
{
        i = 0;
        do
        :: i < size ->
                task = message[my_next + i];
                if
#ifdef BREAK_LEDGER
                :: task != MAIL ->
#else
                :: ledger[task] == NONE && task != MAIL ->
#endif
                        ledger[task] = DONE;
                        numbered[task] = my_sequence + i + 1;
                        attempted[task] = 1;
                        take_effect(task)
                :: ledger[task] == NONE && task == MAIL ->
                        ledger[MAIL] = INTENT;
                        attempted[MAIL] = 1;
                        attempt = 1
                :: else
                fi;
                i++
        :: else -> break
        od
}

inline publish_batch()
{
        i = 0;
        do
        :: i < size ->
                task = message[my_next + i];
                if
                :: ledger[task] == DONE && numbered[task] == my_sequence + i + 1 -> hand_over(task)
                :: else
                fi;
                i++
        :: else -> break
        od;
        i = 0;
        task = 0
}

mtype = { DOWN, JOINING, CLAIMED, SETTLING_OLD, TAKING, HALF_DECIDED, ACTING, SETTLING, LOST };

proctype worker(byte me)
{
        mtype at = JOINING;
        byte my_generation, my_epoch, my_next, my_sequence, my_published;
        byte delivered, acked; /* of what this epoch handed to the producer */
        byte size, attempt; /* messages in the batch; the mail's attempt, 0: nothing to act on */
        byte i, task, s, a, e;

end:
        do
        /* ---- taking the partition over */
        :: d_step { at == JOINING && assigned == me ->
                my_generation = generation;
#ifndef BREAK_EPOCH
                epoch++;
#endif
                owner = me;
                read_position();
                acked = my_published;
                delivered = my_published;
                at = CLAIMED
        }
        /* after trouble of our own: what is ours is claimed anew, and read back */
        :: d_step { at == LOST && epoch == my_epoch ->
                e = my_sequence;
#ifndef BREAK_EPOCH
                epoch++;
#endif
                read_position();
#ifdef BREAK_SEQUENCE
                my_sequence = e;
#endif
                if
                :: acked < my_published || acked > my_sequence -> acked = my_published
                :: else
                fi;
                delivered = acked;
                e = 0;
                size = 0;
                attempt = 0;
                at = CLAIMED
        }
        :: d_step { at == LOST && epoch != my_epoch -> forget(); at = JOINING }

        /* what was committed but is not known to be on the results topic goes there again, in order */
        :: atomic { at == CLAIMED ->
                s = acked + 1;
                do
                :: s <= sequence ->
                        task = 0;
                        do
                        :: task < TASKS ->
                                if
                                :: ledger[task] == DONE && numbered[task] == s -> hand_over(task)
                                :: else
                                fi;
                                task++
                        :: else -> break
                        od;
                        s++
                :: else -> break
                od;
                s = 0;
                task = 0;
                at = SETTLING_OLD
        }
        :: d_step { at == SETTLING_OLD ->
                if
                :: ledger[MAIL] == INTENT -> attempt = attempted[MAIL] + 1; at = ACTING
                :: else -> at = TAKING
                fi
        }

        /* ---- a batch */
        :: d_step { at == TAKING && generation != my_generation -> forget(); at = JOINING } /* seen at a poll */
        :: atomic { at == TAKING && my_next < MESSAGES && mine ->
                if
                :: size = 1
                :: my_next + 1 < MESSAGES -> size = 2
                fi;
                move_position(my_next + size, my_sequence + size);
#ifdef BREAK_POSITION
                at = HALF_DECIDED
        }
        :: atomic { at == HALF_DECIDED ->
#endif
                write_batch();
                if
                :: publish_batch();
                        my_next = my_next + size;
                        my_sequence = my_sequence + size;
                        my_published = (acked > my_published -> acked : my_published);
                        at = (attempt -> ACTING : TAKING)
                :: troubles -> troubles--; attempt = 0; at = LOST /* committed, but the reply is lost */
                fi;
                size = 0
        }
        :: d_step { (at == TAKING || at == SETTLING) && troubles -> troubles--; attempt = 0; at = LOST } /* rolled back */
        :: d_step { at == TAKING && my_next < MESSAGES && !mine -> forget(); at = JOINING } /* fenced */

        /* ---- a mail */
        :: d_step { at == ACTING ->
                send_mail();
                at = SETTLING
        }
        :: d_step { at == ACTING && troubles -> send_mail(); troubles--; attempt++ } /* the answer is lost: sent again */
        :: atomic { at == SETTLING && mine && ledger[MAIL] == INTENT ->
                move_position(my_next, my_sequence + 1);
                ledger[MAIL] = DONE;
                numbered[MAIL] = my_sequence + 1;
                attempted[MAIL] = attempt;
                take_effect(MAIL);
                if
                :: hand_over(MAIL);
                        my_sequence++;
                        my_published = (acked > my_published -> acked : my_published);
                        at = TAKING
                :: troubles -> troubles--; at = LOST
                fi;
                attempt = 0
        }
        :: d_step { at == SETTLING && mine && ledger[MAIL] != INTENT -> attempt = 0; at = LOST } /* settled by somebody else: rolled back */
        :: d_step { at == SETTLING && !mine -> forget(); at = JOINING }

        /* ---- acknowledgements */
        :: atomic { net[me]?task, s, a, e ->
#ifdef BREAK_ORDER
                if
                :: true
                :: nempty(net[me]) -> net[me]!task, s, a, e; net[me]?task, s, a, e
                fi;
#endif
                append(task, s, a);
                delivered = (at != DOWN && e == my_epoch && s > delivered -> s : delivered);
                task = 0;
                s = 0;
                a = 0;
                e = 0
        }
        :: d_step { at != DOWN && acked < delivered -> acked = delivered } /* late, or never */
        :: d_step { at == TAKING && empty(net[me]) && acked == delivered && acked < my_sequence -> acked = my_sequence; delivered = my_sequence }
#ifdef BREAK_PUBLISHED
        :: d_step { at == TAKING && acked < my_sequence -> acked = my_sequence; delivered = my_sequence }
#endif
        :: d_step { at == TAKING && acked > my_published && mine -> move_position(next, sequence); my_published = acked }
        :: d_step { at == TAKING && acked > my_published && !mine -> forget(); at = JOINING }
        /* the producer gives up: what it held is gone, and will be read from the ledger */
        :: atomic { (at == TAKING || at == ACTING) && nempty(net[me]) && troubles ->
                troubles--;
                attempt = 0;
                do
                :: net[me]?_, _, _, _
                :: empty(net[me]) -> break
                od;
                at = LOST
        }

        /* ---- death: what is on the wire may arrive later, or not at all */
        :: d_step { kills && at != DOWN && at != JOINING ->
                kills--;
                forget();
                my_generation = 0;
                at = DOWN
        }
        :: atomic { at == DOWN && nempty(net[me]) ->
                do
                :: net[me]?_, _, _, _
                :: empty(net[me]) -> break
                od
        }
        :: d_step { at == DOWN && empty(net[me]) -> at = JOINING }
        od
}

active proctype group()
{
end:
        do
        :: d_step { handovers -> handovers--; generation++; assigned = 1 - assigned }
        od
}

init {
        atomic {
                if
                :: message[0] = FIRST; message[1] = MAIL; message[2] = SECOND; message[3] = MAIL
                :: message[0] = FIRST; message[1] = FIRST; message[2] = MAIL; message[3] = SECOND
                :: message[0] = MAIL; message[1] = FIRST; message[2] = SECOND; message[3] = FIRST
                fi;
                run worker(0);
                run worker(1)
        }
        (timeout);
        assert(complete) /* L: when nothing is left to do, everything is done, and told */
}

#ifdef LIVE
ltl L { <> complete }
#endif
