/* SPDX-License-Identifier: Apache-2.0 */
/* The commands: one row each, with its options. */
#include "verbs.h"
#include "commands.h"

#define RUN_STATES                                               \
        "requested planned held-for-review published succeeded " \
        "completed-with-errors failed cancelled refused"
#define END { .name = NULL }
#define FORMAT_WORD(number, name, render) name " "

static const struct flag check_flags[] = {
        { "offline", NULL, "leave out what needs Kafka and the mail relay", NULL, 0, false, false },
        END,
};

static const struct flag db_apply_flags[] = {
        { "new-prefix", NULL, "kafka.prefix was changed on purpose: the database takes the new one",
          NULL, 0, false, false },
        END,
};

static const struct flag topics_apply_flags[] = {
        { "dry-run", NULL, "print what would be done, change nothing", NULL, 'n', false, false },
        END,
};

static const struct flag topics_repair_flags[] = {
        { "dry-run", NULL,
          "list the partitions to repair, change nothing; exits with 1 when there are any", NULL,
          'n', false, false },
        { "yes", NULL, "do not ask on the terminal", NULL, 'y', false, false },
        END,
};

static const struct flag jobs_list_flags[] = {
        { "next", "N", "how many due times to show (default 1, at most 20)", NULL, 0, false,
          false },
        { "after", "TIME", "due times after this instant (RFC 3339; default now)", NULL, 0, false,
          false },
        END,
};

static const struct flag jobs_run_flags[] = {
        { "dry-run", NULL, "run the same statements and roll them back", NULL, 'n', false, false },
        { "force", NULL, "run even if the minimum interval since the last run has not passed", NULL,
          0, false, false },
        { "wait", NULL, "follow the run until it is closed", NULL, 'w', false, false },
        { "timeout", "TIME", "with --wait: stop waiting after this long (the run continues)", NULL,
          0, false, false },
        { "set", "NAME=VALUE", "a setting of the pack for this run; may be repeated", NULL, 0,
          false, true },
        { "at", "TIME",
          "the run's instant, which its statements see as :now (default now; RFC 3339); the "
          "future only with --dry-run",
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
        { "missing", NULL, "list planned tasks without an outcome", NULL, 0, false, false },
        { "outcome", "OUTCOME", "list the subjects with this outcome",
          "applied skipped failed quarantined unknown pending waiting", 0, false, false },
        { "limit", "N", "length of each list (default 50)", NULL, 0, false, false },
        END,
};

static const struct flag runs_watch_flags[] = {
        { "timeout", "TIME", "stop waiting after this long", NULL, 0, false, false },
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
          "with --csv: request a file once more that was requested before; the same label does "
          "nothing twice",
          NULL, 0, false, false },
        { "id", "UUID",
          "the task's id (default random); a request repeated with its id does nothing twice", NULL,
          0, false, false },
        { "dry-run", NULL, "do the work and roll it back", NULL, 'n', false, false },
        { "wait", NULL, "wait for the outcome", NULL, 'w', false, false },
        { "timeout", "TIME", "with --wait: stop after this long without an outcome (default 60s)",
          NULL, 0, false, false },
        { "yes", NULL, "do not ask on the terminal", NULL, 'y', false, false },
        END,
};

static const struct flag results_tail_flags[] = {
        { "from", "WHERE", "beginning, end, or an instant (default beginning; with --follow end)",
          "beginning end", 0, false, false },
        { "run", "RUN", "only events of this run", NULL, 0, false, false },
        { "count", "N", "stop after N events", NULL, 0, false, false },
        { "follow", NULL, "keep printing new events", NULL, 'f', false, false },
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

/* Which parked tasks: of all commands about them. */
static const struct flag held_filters[] = {
        { "job", "JOB", "only tasks of this job's runs", NULL, 0, false, false },
        { "type", "TYPE", "only tasks of this type", NULL, 't', false, false },
        { "subject", "SUBJECT", "only tasks about this subject", NULL, 's', false, false },
        { "reason", "TEXT", "only tasks whose last error contains TEXT", NULL, 0, false, false },
        { "since", "TIME", "only tasks parked after this instant (RFC 3339)", NULL, 0, false,
          false },
        END,
};

static const struct flag quarantine_list_flags[] = {
        { "state", "STATE", "the state, or all (default: quarantined, behind, record)",
          "quarantined behind record retry waiting unknown all", 0, false, false },
        { "limit", "N", "the oldest N (default 50)", NULL, 0, false, false },
        END,
};

static const struct flag quarantine_act_flags[] = {
        { "all", NULL, "every quarantined task", NULL, 0, false, false },
        { "yes", NULL, "do not ask on the terminal", NULL, 'y', false, false },
        END,
};

static const struct flag quarantine_drop_flags[] = {
        { "state", "STATE", "only tasks in this state (default: quarantined and behind)",
          "quarantined behind retry waiting unknown", 0, false, false },
        { "all", NULL, "every quarantined task", NULL, 0, false, false },
        { "yes", NULL, "do not ask on the terminal", NULL, 'y', false, false },
        END,
};

static const struct flag report_flags[] = {
        { "format", "FORMAT", "one of: " REPORT_FORMATS(FORMAT_WORD) "(default table)",
          REPORT_FORMATS(FORMAT_WORD), 0, false, false },
        { "output-file", "FILE", "write to FILE, all or nothing", "@file", 'o', false, false },
        END,
};

static const struct flag help_flags[] = {
        { "man", NULL, "print a manual page as roff", NULL, 0, false, false },
        END,
};

const struct verb verbs[] = {
        { "check", "", 0, 0, "validate configuration, packs, SQL, templates, topics and mail relay",
          "Prints a line per finding, and continues after failures; exits with 1 when there was "
          "any.",
          check_flags, NULL, verb_check, NULL },
        { "db apply", "", 0, 0,
          "create or update Rollcall's own tables and the packs' schemas; register jobs and task "
          "types",
          "Can be repeated: what is there already stays.", db_apply_flags, NULL, verb_db_apply,
          NULL },
        { "topics apply", "", 0, 0, "create the Kafka topics, or add partitions to them", NULL,
          topics_apply_flags, NULL, verb_topics_apply, NULL },
        { "topics list", "", 0, 0,
          "the topics with their partitions, as they are and as configured", NULL, NULL, NULL,
          verb_topics_list, NULL },
        { "topics repair", "", 0, 0,
          "find and repair partitions whose stored offset is no longer in the topic; republish "
          "lost tasks",
          "For topics that were re-created or truncated, or whose messages were deleted before a "
          "worker read\n"
          "them. The scheduler publishes the tasks of open runs that have no outcome once more, "
          "with the same\n"
          "ids; the aggregator backfills its totals from the ledger.",
          topics_repair_flags, NULL, verb_topics_repair, NULL },
        { "jobs list", "", 0, 0, "jobs with schedule, next due times, suspension and last run",
          NULL, jobs_list_flags, NULL, verb_jobs_list, NULL },
        { "jobs run", "JOB", 1, 1, "request a run of a job now",
          "A destructive job prints how many subjects are due, and asks first. With --wait the "
          "exit code is\n"
          "0 succeeded, 1 completed with errors or failed, 6 still running at the timeout, 7 "
          "refused,\n"
          "cancelled or held for review.",
          jobs_run_flags, NULL, verb_jobs_run, NULL },
        { "jobs suspend", "[JOB]", 0, 1, "pause scheduled runs of a job (--all: of every job)",
          NULL, jobs_suspend_flags, NULL, verb_jobs_suspend, NULL },
        { "jobs resume", "[JOB]", 0, 1, "resume scheduled runs",
          "--all resumes the jobs that --all has suspended. A job that was suspended by its own "
          "name stays\n"
          "suspended, and is listed.",
          jobs_resume_flags, NULL, verb_jobs_resume, NULL },
        { "runs list", "", 0, 0, "the newest runs with their counts", NULL, runs_list_flags, NULL,
          verb_runs_list, NULL },
        { "runs show", "RUN", 1, 1,
          "a run's counts, proof of completeness, reasons, changes and failures",
          "RUN is an id, its first characters (at least 4), or a job's name for the job's newest "
          "run.",
          runs_show_flags, NULL, verb_runs_show, NULL },
        { "runs watch", "RUN", 1, 1, "follow a run until it is closed",
          "The exit code is that of: rollcall jobs run --wait.", runs_watch_flags, NULL,
          verb_runs_watch, NULL },
        { "runs cancel", "RUN", 1, 1, "stop an open run: tasks that are not done yet are skipped",
          "Prints how many tasks are done, and asks first. Published tasks are skipped as \"run "
          "cancelled\":\n"
          "workers notice within half a second, and a batch of mails that is being sent goes out. "
          "What is\n"
          "done stays done.",
          runs_cancel_flags, NULL, verb_runs_cancel, NULL },
        { "runs release", "RUN", 1, 1, "publish a run that is held for review, as it was planned",
          "Prints why it is held and how many tasks it has, and asks first.", yes_flags, NULL,
          verb_runs_release, NULL },
        { "runs republish", "RUN", 1, 1,
          "republish the tasks of an open run that have no outcome, with the same ids",
          "Tasks that are done already are not done twice: a task id has one outcome.", NULL, NULL,
          verb_runs_republish, NULL },
        { "tasks submit", "", 0, 0, "request ad-hoc tasks, one or a CSV file of them",
          "The ids of a CSV file's tasks follow from the file's content and the row: the same "
          "file submitted\n"
          "twice does nothing twice. Bad rows are reported with their line and skipped, the "
          "others are\n"
          "submitted; the exit code is then 1.",
          tasks_submit_flags, NULL, verb_tasks_submit, NULL },
        { "requests list", "", 0, 0, "who requested what and when, the newest first", NULL,
          dead_letters_flags, NULL, verb_requests_list, NULL },
        { "results tail", "", 0, 0, "audit events from the results topic as JSON lines", NULL,
          results_tail_flags, NULL, verb_results_tail, NULL },
        { "results totals", "", 0, 0,
          "how many outcomes of each kind, by day or by run, as the aggregator counted them",
          "Dry runs are counted apart. For one run in full: rollcall runs show.",
          results_totals_flags, NULL, verb_results_totals, NULL },
        { "dead-letters list", "", 0, 0, "messages that could not be processed, with the reason",
          "With --json the original key and value are added as base64.", dead_letters_flags, NULL,
          verb_dead_letters_list, NULL },
        { "quarantine list", "", 0, 0, "quarantined tasks, and the tasks that they block",
          "States: quarantined, failed at the last attempt; behind, blocked by a quarantined task "
          "of the same\n"
          "subject; record, done but not recorded (the record is retried alone); retry, failed "
          "and to be\n"
          "retried; waiting, blocked by such a task; unknown, for a worker that knows its type.",
          quarantine_list_flags, NULL, verb_quarantine_list, held_filters },
        { "quarantine show", "TASK", 1, 1, "a parked task, with the history of its errors",
          "TASK is a task's id or its first characters (at least 4).", NULL, NULL,
          verb_quarantine_show, NULL },
        { "quarantine replay", "[TASK]...", 0, ARGS_MAX,
          "retry quarantined tasks, and then the tasks that they block, in order",
          "Name them by id or by options. Prints how many there are, and asks first.",
          quarantine_act_flags, NULL, verb_quarantine_replay, held_filters },
        { "quarantine drop", "[TASK]...", 0, ARGS_MAX,
          "discard quarantined tasks (outcome: skipped), and unblock the tasks that they block",
          "Name them by id or by options; with --state retry also tasks that wait for a retry. "
          "Prints how many\n"
          "there are, and asks first.",
          quarantine_drop_flags, NULL, verb_quarantine_drop, held_filters },
        { "types list", "", 0, 0,
          "task types, and which of them are paused: since when, why, and when they are retried",
          "A type is paused when its statement fails for every task. Its tasks wait; other types "
          "continue.",
          NULL, NULL, verb_types_list, NULL },
        { "types resume", "TYPE", 1, 1, "resume a paused task type now",
          "TYPE is \"pack.type\", or a name that only one pack has. The tasks of open runs and "
          "requests that\n"
          "have no outcome are published once more.",
          NULL, NULL, verb_types_resume, NULL },
        { "report", "[NAME]", 0, 1, "render a pack's report; without NAME list them",
          "A report's parameters are options: rollcall report NAME --help shows them.",
          report_flags, report_declare, verb_report, NULL },
        { "workers", "", 0, 0,
          "the running programs: host, version, lanes, partitions, when each was last seen",
          "Each records its presence every few seconds. One that died is listed as gone, for a "
          "day.",
          NULL, NULL, verb_workers, NULL },
        { "status", "", 0, 0,
          "what is wrong, last and open runs, next due times, errors, reports, lanes, intake",
          "Also prints each pack's report \"status\", if it has one.", NULL, NULL, verb_status,
          NULL },
        { "commands", "", 0, 0, "list the packs' own commands",
          "They are used as: rollcall COMMAND …, or rollcall PACK COMMAND … when several packs "
          "have it.",
          NULL, NULL, pack_commands_list, NULL },
        { "config print", "", 0, 0, "the configuration in force, secrets left out", NULL, NULL,
          NULL, verb_config_print, NULL },
        { "config reference", "", 0, 0,
          "every property of the configuration with type, range, default and meaning", NULL, NULL,
          NULL, verb_config_reference, NULL },
        { "completion", "SHELL", 1, 1, "print a completion script (SHELL: bash)",
          "For a session: source <(rollcall completion bash)", NULL, NULL, verb_completion, NULL },
        { "help", "[COMMAND]", 0, 2, "print this help, or that of a command",
          "With --man: the manual page rollcall(1), or with the operand rollcall.cfg that of the\n"
          "configuration, as roff.",
          help_flags, NULL, verb_help, NULL },
        { "version", "", 0, 0, "print the program's version", NULL, NULL, NULL, verb_version,
          NULL },
        { .name = NULL },
};
