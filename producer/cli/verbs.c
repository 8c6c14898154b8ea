#include "verbs.h"

#include <string.h>

#define RUN_STATES \
        "requested planned held-for-review published succeeded completed-with-errors failed cancelled refused"
#define END { .name = NULL }

const struct flag global_flags[] = {
        { "config", "FILE",
          "the configuration file (else $ROLLCALL_CONFIG, ./rollcall.cfg, /etc/rollcall/rollcall.cfg)",
          "@file", 'c', false, false },
        { "json", NULL, "print JSON: one document, or one line per record for streams", NULL, 0,
          false, false },
        { "actor", "NAME",
          "on whose behalf you ask; needs the right act_for_others (who asks is the database user)",
          NULL, 0, false, false },
        { "help", NULL, "print this help", NULL, 'h', false, false },
        END,
};

static const struct flag check_flags[] = {
        { "offline", NULL, "leave out what needs Kafka and the mail relay", NULL, 0, false, false },
        END,
};

static const struct flag db_apply_flags[] = {
        { "new-prefix", NULL,
          "kafka.prefix was changed on purpose: the database goes on under the new one", NULL, 0,
          false, false },
        END,
};

static const struct flag topics_apply_flags[] = {
        { "dry-run", NULL, "say what would be done, change nothing", NULL, 'n', false, false },
        END,
};

static const struct flag topics_repair_flags[] = {
        { "dry-run", NULL, "say what does not fit, change nothing; exits with 1 when there is any",
          NULL, 'n', false, false },
        { "yes", NULL, "do not ask on the terminal", NULL, 'y', false, false },
        END,
};

static const struct flag jobs_list_flags[] = {
        { "next", "N", "how many due times to show (default 1, at most 20)", NULL, 0, false,
          false },
        { "after", "TIME", "due times after this instant instead of now (RFC 3339)", NULL, 0, false,
          false },
        END,
};

static const struct flag jobs_run_flags[] = {
        { "dry-run", NULL, "run the same statements and roll them back", NULL, 'n', false, false },
        { "force", NULL, "run also when the minimum interval since the last run is not over", NULL,
          0, false, false },
        { "wait", NULL, "follow the run until it is closed", NULL, 'w', false, false },
        { "timeout", "TIME", "with --wait: give up waiting after this long (the run goes on)", NULL,
          0, false, false },
        { "set", "NAME=VALUE", "a setting of the pack for this run; may be repeated", NULL, 0,
          false, true },
        { "at", "TIME",
          "the run's instant, which its statements see as :now (default now; RFC 3339); the future only with --dry-run",
          NULL, 0, false, false },
        { "yes", NULL, "do not ask on the terminal", NULL, 'y', false, false },
        END,
};

static const struct flag jobs_suspend_flags[] = {
        { "all", NULL, "every job of every pack", NULL, 0, false, false },
        { "reason", "TEXT", "why, shown by: rollcall jobs list, rollcall status", NULL, 0, false,
          false },
        END,
};

static const struct flag jobs_resume_flags[] = {
        { "all", NULL, "every job that --all has suspended", NULL, 0, false, false },
        END,
};

static const struct flag runs_list_flags[] = {
        { "job", "JOB", "only runs of this job", NULL, 0, false, false },
        { "state", "STATE", "only runs in this state", RUN_STATES, 0, false, false },
        { "limit", "N", "the newest N (default 20)", NULL, 0, false, false },
        END,
};

static const struct flag runs_show_flags[] = {
        { "missing", NULL, "list what was planned and has no outcome", NULL, 0, false, false },
        { "outcome", "OUTCOME", "list the subjects with this outcome",
          "applied skipped failed quarantined unknown pending waiting", 0, false, false },
        { "limit", "N", "length of each list (default 50)", NULL, 0, false, false },
        END,
};

static const struct flag runs_watch_flags[] = {
        { "timeout", "TIME", "give up waiting after this long", NULL, 0, false, false },
        END,
};

static const struct flag yes_flags[] = {
        { "yes", NULL, "do not ask on the terminal", NULL, 'y', false, false },
        END,
};

static const struct flag runs_cancel_flags[] = {
        { "reason", "TEXT", "why, kept with the run", NULL, 0, false, false },
        { "yes", NULL, "do not ask on the terminal", NULL, 'y', false, false },
        END,
};

static const struct flag tasks_submit_flags[] = {
        { "type", "TYPE", "the task type, \"pack.type\" or a name that only one pack has", NULL,
          't', true, false },
        { "subject", "SUBJECT", "whom the task is about", NULL, 's', false, false },
        { "item", "ITEM", "what of the subject, for types that use items", NULL, 0, false, false },
        { "set", "NAME=VALUE",
          "an argument of the type; may be repeated; with --csv for rows whose column is empty",
          NULL, 0, false, true },
        { "csv", "FILE", "one task per row: columns subject, item, and arguments", "@file", 0,
          false, false },
        { "again", "LABEL",
          "with --csv: ask anew for a file that was asked for before; the same label again does nothing twice",
          NULL, 0, false, false },
        { "id", "UUID",
          "the task's id: repeating a request with its id is harmless (default random)", NULL, 0,
          false, false },
        { "dry-run", NULL, "do the work and roll it back", NULL, 'n', false, false },
        { "wait", NULL, "wait for the outcome", NULL, 'w', false, false },
        { "timeout", "TIME", "with --wait: give up after this long without news (default 60s)",
          NULL, 0, false, false },
        { "yes", NULL, "do not ask on the terminal", NULL, 'y', false, false },
        END,
};

static const struct flag results_tail_flags[] = {
        { "from", "WHERE", "beginning, end, or an instant (default beginning; with --follow end)",
          "beginning end", 0, false, false },
        { "run", "RUN", "only events of this run", NULL, 0, false, false },
        { "count", "N", "stop after N events", NULL, 0, false, false },
        { "follow", NULL, "go on with events to come", NULL, 'f', false, false },
        END,
};

static const struct flag results_totals_flags[] = {
        { "by", "WHAT", "day (the default) or run", "day run", 0, false, false },
        { "days", "N", "of the last N days (default 7)", NULL, 0, false, false },
        END,
};

static const struct flag dead_letters_flags[] = {
        { "limit", "N", "the newest N (default 20)", NULL, 0, false, false },
        END,
};

#define HELD_FILTERS                                                                                \
        { "job", "JOB", "only tasks of this job's runs", NULL, 0, false, false },                   \
                { "type", "TYPE", "only tasks of this type", NULL, 't', false, false },             \
                { "subject", "SUBJECT", "only tasks about this subject", NULL, 's', false, false }, \
                { "reason", "TEXT", "only tasks whose last error contains TEXT", NULL, 0,           \
                  false,    false },                                                                \
        {                                                                                           \
                "since", "TIME", "only tasks set aside after this instant (RFC 3339)", NULL, 0,     \
                        false, false                                                                \
        }

static const struct flag quarantine_list_flags[] = {
        HELD_FILTERS,
        { "state", "STATE",
          "quarantined, behind, record, retry, waiting or all (default: the first three)",
          "quarantined behind record retry waiting unknown all", 0, false, false },
        { "limit", "N", "the oldest N (default 50)", NULL, 0, false, false },
        END,
};

static const struct flag quarantine_act_flags[] = {
        HELD_FILTERS,
        { "all", NULL, "every quarantined task", NULL, 0, false, false },
        { "yes", NULL, "do not ask on the terminal", NULL, 'y', false, false },
        END,
};

static const struct flag quarantine_drop_flags[] = {
        HELD_FILTERS,
        { "state", "STATE",
          "only tasks in this state (default: quarantined, and those behind them)",
          "quarantined behind retry waiting unknown", 0, false, false },
        { "all", NULL, "every quarantined task", NULL, 0, false, false },
        { "yes", NULL, "do not ask on the terminal", NULL, 'y', false, false },
        END,
};

static const struct flag report_flags[] = {
        { "format", "FORMAT", "table, json or csv (default table)", "table json csv", 0, false,
          false },
        { "output-file", "FILE", "write to FILE, all or nothing", "@file", 'o', false, false },
        END,
};

const struct verb verbs[] = {
        { "check", "", 0, 0, "validate configuration, packs, SQL, templates, topics and mail relay",
          "Prints a line per finding and goes on after failures; exits with 1 when there was any.",
          check_flags, NULL, verb_check },
        { "db apply", "", 0, 0,
          "create or update Rollcall's own tables and the packs' schemas; register jobs and task types",
          "Can be repeated: what is there already is left alone.", db_apply_flags, NULL,
          verb_db_apply },
        { "topics apply", "", 0, 0, "create the Kafka topics, or add partitions to them", NULL,
          topics_apply_flags, NULL, verb_topics_apply },
        { "topics list", "", 0, 0,
          "the topics with their partitions, as they are and as configured", NULL, NULL, NULL,
          verb_topics_list },
        { "topics repair", "", 0, 0,
          "compare every position with its log, put right what does not fit, and publish again what was lost",
          "For topics that were made anew, cut off, or whose messages were deleted before they were taken. Of open runs the tasks without an outcome are\n"
          "published again by the scheduler, with the same ids; the aggregator folds what it lacks from the ledger.",
          topics_repair_flags, NULL, verb_topics_repair },
        { "jobs list", "", 0, 0, "jobs with schedule, next due times, suspension and last run",
          NULL, jobs_list_flags, NULL, verb_jobs_list },
        { "jobs run", "JOB", 1, 1, "ask for a run of a job now",
          "A destructive job says how many subjects are due, and asks first. With --wait the exit code tells the run's end: 0 succeeded, 1 completed with errors or failed, 7 refused, cancelled or held for review,\n"
          "6 still running when the time was over.",
          jobs_run_flags, NULL, verb_jobs_run },
        { "jobs suspend", "[JOB]", 0, 1, "start no scheduled runs of a job, or with --all of any",
          NULL, jobs_suspend_flags, NULL, verb_jobs_suspend },
        { "jobs resume", "[JOB]", 0, 1, "start scheduled runs again",
          "With --all those that --all has suspended: a job that was suspended by its own name stays so, and is named.",
          jobs_resume_flags, NULL, verb_jobs_resume },
        { "runs list", "", 0, 0, "the newest runs with their counts", NULL, runs_list_flags, NULL,
          verb_runs_list },
        { "runs show", "RUN", 1, 1,
          "a run's counts, proof of completeness, reasons, changes and failures",
          "RUN is an id, its first characters (at least 4), or a job's name for the job's newest run.",
          runs_show_flags, NULL, verb_runs_show },
        { "runs watch", "RUN", 1, 1, "follow a run until it is closed",
          "The exit code tells the run's end, as in: rollcall jobs run --wait.", runs_watch_flags,
          NULL, verb_runs_watch },
        { "runs cancel", "RUN", 1, 1,
          "stop an open run: what has not been done yet is not done any more",
          "Says how much is done and asks first. Tasks that are published already are skipped as \"run cancelled\"; workers notice within half a second,\n"
          "and a batch of mails that is being sent goes out. What is done stays done.",
          runs_cancel_flags, NULL, verb_runs_cancel },
        { "runs release", "RUN", 1, 1, "let a run that is held for review go on as it was planned",
          "Says why it is held and how many tasks it has, and asks first.", yes_flags, NULL,
          verb_runs_release },
        { "runs republish", "RUN", 1, 1,
          "have the scheduler publish again what has no outcome of an open run, with the same ids",
          "Harmless for what is done already: a task id is worked on once.", NULL, NULL,
          verb_runs_republish },
        { "tasks submit", "", 0, 0, "ask for ad-hoc tasks, one or a CSV file of them",
          "A CSV file's tasks get ids made from the file's content and the row: submitting the same file again does nothing twice. Bad rows are\n"
          "reported with their line and skipped, the others are submitted; the exit code is then 1.",
          tasks_submit_flags, NULL, verb_tasks_submit },
        { "requests list", "", 0, 0, "who asked for what and when, the newest first", NULL,
          dead_letters_flags, NULL, verb_requests_list },
        { "results tail", "", 0, 0, "audit events from the results topic as JSON lines", NULL,
          results_tail_flags, NULL, verb_results_tail },
        { "results totals", "", 0, 0,
          "how many outcomes of each kind, by day or by run, as the aggregator counted them",
          "Dry runs are counted apart. The ledger tells more of a run: rollcall runs show.",
          results_totals_flags, NULL, verb_results_totals },
        { "dead-letters list", "", 0, 0, "messages that could not be taken, with the reason",
          "With --json the original key and value are added as base64.", dead_letters_flags, NULL,
          verb_dead_letters_list },
        { "quarantine list", "", 0, 0,
          "tasks that failed for the last time, and those that wait behind them",
          "States: quarantined, after the last attempt; behind, a later task of the same subject; record, done but not\n"
          "recorded, which is tried again alone; retry, to be tried again; waiting, behind such a one.",
          quarantine_list_flags, NULL, verb_quarantine_list },
        { "quarantine show", "TASK", 1, 1,
          "a task that was set aside, with the history of its errors",
          "TASK is a task's id or its first characters (at least 4).", NULL, NULL,
          verb_quarantine_show },
        { "quarantine replay", "[TASK]...", 0, ARGS_MAX,
          "have quarantined tasks tried again, and then those behind them, in order",
          "Name them by id or by options. Says how many there are and asks first.",
          quarantine_act_flags, NULL, verb_quarantine_replay },
        { "quarantine drop", "[TASK]...", 0, ARGS_MAX,
          "give quarantined tasks up: their outcome becomes skipped; those behind them go on",
          "Name them by id or by options; with --state retry also those that are to be tried again. Says how many there are and asks first.",
          quarantine_drop_flags, NULL, verb_quarantine_drop },
        { "types list", "", 0, 0,
          "task types, and which of them are paused: since when, why, and when they are tried again",
          "A type is paused when its statement fails whatever it is given. Its tasks wait; other types go on.",
          NULL, NULL, verb_types_list },
        { "types resume", "TYPE", 1, 1, "have the tasks of a paused type done again now",
          "TYPE is \"pack.type\", or a name that only one pack has. What open runs and requests owe of it is published again.",
          NULL, NULL, verb_types_resume },
        { "report", "[NAME]", 0, 1, "render a pack's report; without NAME list them",
          "A report's parameters are options: rollcall report NAME --help shows them.",
          report_flags, report_declare, verb_report },
        { "workers", "", 0, 0,
          "the programs that run: where, version, lanes, partitions, when each was last seen",
          "Each writes itself down every few seconds. One that left without a word is listed as gone, for a day.",
          NULL, NULL, verb_workers },
        { "status", "", 0, 0,
          "last runs, next due times, open runs, recent errors, newest reports, lag",
          "A pack's report of the name \"status\" is shown as well: who is due now, say.", NULL,
          NULL, verb_status },
        { "commands", "", 0, 0, "list the packs' own commands",
          "They are used as: rollcall COMMAND …, or rollcall PACK COMMAND … when several packs have it.",
          NULL, NULL, pack_commands_list },
        { "config print", "", 0, 0, "the configuration in force, secrets left out", NULL, NULL,
          NULL, verb_config_print },
        { "config reference", "", 0, 0,
          "every property of the configuration with type, range, default and meaning", NULL, NULL,
          NULL, verb_config_reference },
        { "completion", "SHELL", 1, 1, "print a completion script (SHELL: bash)",
          "For a session: source <(rollcall completion bash)", NULL, NULL, verb_completion },
        { "version", "", 0, 0, "print the program's version", NULL, NULL, NULL, verb_version },
        { NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL },
};

const struct verb *verb_find(const char *first, const char *second, int *ret_words, bool *ret_group)
{
        size_t len = strlen(first);
        *ret_group = false;
        for (const struct verb *v = verbs; v->name; v++) {
                if (strcmp(v->name, first) == 0) {
                        *ret_words = 1;
                        return v;
                }
                if (strncmp(v->name, first, len) != 0 || v->name[len] != ' ')
                        continue;
                *ret_group = true;
                if (second && strcmp(v->name + len + 1, second) == 0) {
                        *ret_words = 2;
                        return v;
                }
        }
        return NULL;
}
