/* SPDX-License-Identifier: Apache-2.0 */
/* The program: finds the command that the words name, and runs it. */
#include "help.h"
#include "pack_command.h"
#include "commands.h"
#include "verbs.h"

#include "base/log.h"

#include <signal.h>
#include <string.h>

static int run_verb(struct cli *c, const struct verb *v, int argc, char **argv)
{
        int at, rc = 0;
        const char *operand = args_first_operand(v, argc, argv, &at);
        struct flag *more CLEANUP(flags_cleanup) = NULL;
        struct args *a CLEANUP(args_cleanup) = NULL;
        /* the configuration decides which options there are, so it is read before them */
        for (int i = 0; v->declare && operand && i < argc; i++)
                if (strncmp(argv[i], "--config=", 9) == 0)
                        c->config_given = argv[i] + 9;
                else if ((strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--config") == 0) &&
                         i + 1 < argc)
                        c->config_given = argv[i + 1];
        if (v->declare && operand && (rc = v->declare(c, operand, &more)))
                return rc;
        rc = args_parse(c, v, more, argc, argv, &a);
        if (rc)
                return rc;
        if (args_help(a)) {
                help_verb(v, more, stdout);
                return CODE_OK;
        }
        return v->run(c, a);
}

/* Global options may stand before the command: moves the command's words to the front of argv. */
static const char *command_word(int argc, char **argv, int from)
{
        int at;
        const char *word = args_first_operand(NULL, argc - from, argv + from, &at);
        if (!word)
                return NULL;
        char *found = argv[from + at];
        memmove(&argv[from + 1], &argv[from], (size_t)at * sizeof *argv);
        argv[from] = found;
        return found;
}

static bool has_flag(int argc, char **argv, const char *a, const char *b)
{
        for (int i = 0; i < argc; i++)
                if (strcmp(argv[i], a) == 0 || strcmp(argv[i], b) == 0)
                        return true;
        return false;
}

/* Not a command of ours: a pack's, when the configuration can be read. */
static int run_pack_command(struct cli *c, int argc, char **argv, const char *first)
{
        const struct command *command;
        int words = 1, at;
        for (int i = 1; i + 1 < argc; i++)
                if (strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--config") == 0)
                        c->config_given = argv[i + 1];
        for (int i = 1; i < argc; i++)
                if (strncmp(argv[i], "--config=", 9) == 0)
                        c->config_given = argv[i] + 9;
        const char *second = args_first_operand(NULL, argc - 1, argv + 1, &at);
        int rc = pack_command_find(c, first, second, &command, &words);
        if (rc)
                return rc;
        if (words == 2)
                (void)command_word(argc, argv, 1);
        return pack_command_run(c, command, argc - words, argv + words);
}

static int run_command_line(struct cli *c, int argc, char **argv)
{
        const char *first = command_word(argc, argv, 0);
        if (!first) {
                if (has_flag(argc, argv, "--version", "-V"))
                        return verb_version(c, NULL);
                bool asked = has_flag(argc, argv, "--help", "-h");
                help_all(verbs, asked ? stdout : stderr);
                return asked ? CODE_OK : CODE_USAGE;
        }
        int words, at;
        bool group;
        const char *second = args_first_operand(NULL, argc - 1, argv + 1, &at);
        const struct verb *v = verb_find(verbs, first, second, &words, &group);
        if (v) {
                if (words == 2)
                        (void)command_word(argc, argv, 1);
                return run_verb(c, v, argc - words, argv + words);
        }
        if (group && !second && has_flag(argc, argv, "--help", "-h")) {
                help_group(verbs, first, stdout);
                return CODE_OK;
        }
        if (group)
                return cli_error(CODE_USAGE, "%s: %s%s%s; see: rollcall %s --help", first,
                                 second ? "there is no command \"" : "a command is missing",
                                 second ? second : "", second ? "\"" : "", first);
        return run_pack_command(c, argc, argv, first);
}

int main(int argc, char **argv)
{
        struct cli c;
        log_init("rollcall", LOG_LEVEL_ERROR);
        /* a reader that has closed is noticed when standard output is flushed; sockets never kill
         * us */
        signal(SIGPIPE, SIG_IGN);
        cli_init(&c, verbs);
        int rc = run_command_line(&c, argc - 1, argv + 1);
        cli_deinit(&c);
        if (fflush(stdout) != 0 && rc == CODE_OK)
                rc = CODE_FAILED;
        return rc;
}
