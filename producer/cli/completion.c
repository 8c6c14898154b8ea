/* SPDX-License-Identifier: Apache-2.0 */
/* A static completion script: made from the table alone, it needs neither configuration nor the
 * program at completion time. */
#include "commands.h"

#include <stdio.h>
#include <string.h>

/* What "$first $second" is for a verb, as a pattern of bash's case: a command of one word may be
 * followed by anything. */
static const char *rest(const struct verb *v)
{
        return strchr(v->name, ' ') ? "" : " \"*\"";
}

static void print_flag_words(const struct flag *f)
{
        for (; f && f->name; f++)
                printf(" --%s", f->name);
}

/* The first words: commands and groups, each once. */
static void print_first_words(const struct verb *verbs)
{
        const char *last = "";
        for (const struct verb *v = verbs; v->name; last = v->name, v++) {
                size_t len = strcspn(v->name, " ");
                if (strcspn(last, " ") != len || strncmp(v->name, last, len) != 0)
                        printf(" %.*s", (int)len, v->name);
        }
}

static void print_second_words(const struct verb *verbs)
{
        for (const struct verb *v = verbs; v->name;) {
                const char *group = v->name;
                size_t len = strcspn(group, " ");
                if (!group[len]) {
                        v++;
                        continue;
                }
                printf("                %.*s) words=\"", (int)len, group);
                for (; v->name && strncmp(v->name, group, len + 1) == 0; v++)
                        printf(" %s", v->name + len + 1);
                puts("\" ;;");
        }
        puts("                completion) words=\"bash\" ;;");
}

static void print_options(const struct verb *verbs)
{
        for (const struct verb *v = verbs; v->name; v++) {
                printf("                \"%s%s\") words=\"", v->name, rest(v));
                print_flag_words(v->flags);
                print_flag_words(v->filters);
                puts("\" ;;");
        }
}

static void print_value(const char *verb, const char *more, const struct flag *f)
{
        if (f->words && strcmp(f->words, "@file") == 0)
                printf("        \"%s%s:--%s\") COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n",
                       verb, more, f->name);
        else
                printf("        \"%s%s:--%s\") COMPREPLY=($(compgen -W \"%s\" -- \"$cur\")); "
                       "return ;;\n",
                       verb, more, f->name, f->words ? f->words : "");
}

static void print_values_of(const struct verb *v, const struct flag *f)
{
        for (; f && f->name; f++)
                if (f->value)
                        print_value(v->name, rest(v), f);
}

static void print_values(const struct verb *verbs)
{
        for (const struct verb *v = verbs; v->name; v++) {
                print_values_of(v, v->flags);
                print_values_of(v, v->filters);
        }
        for (const struct flag *f = global_flags; f->name; f++)
                if (f->value)
                        print_value("", "\"*\"", f);
}

int verb_completion(struct cli *c, const struct args *a)
{
        if (strcmp(args_operand(a, 0), "bash") != 0)
                return cli_error(CODE_USAGE, "completion: only bash is known, not \"%s\"",
                                 args_operand(a, 0));
        puts("# bash completion for rollcall, made by: rollcall completion bash\n"
             "_rollcall()\n"
             "{\n"
             "        local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} first= "
             "second= words= i\n"
             "        COMPREPLY=()\n"
             "        for ((i = 1; i < COMP_CWORD; i++)); do\n"
             "                case \"${COMP_WORDS[i]}\" in\n"
             "                -c|--config|--actor) ((i++)) ;;\n"
             "                -*) ;;\n"
             "                *) if [ -z \"$first\" ]; then first=${COMP_WORDS[i]}; else "
             "second=${COMP_WORDS[i]}; break; fi ;;\n"
             "                esac\n"
             "        done\n"
             "        case \"$first $second:$prev\" in");
        print_values(c->verbs);
        puts("        esac\n"
             "        if [[ $cur == -* ]]; then\n"
             "                case \"$first $second\" in");
        print_options(c->verbs);
        fputs("                esac\n"
              "                words=\"$words",
              stdout);
        print_flag_words(global_flags);
        fputs("\"\n"
              "        elif [ -z \"$first\" ]; then\n"
              "                words=\"",
              stdout);
        print_first_words(c->verbs);
        puts("\"\n"
             "        elif [ -z \"$second\" ]; then\n"
             "                case \"$first\" in");
        print_second_words(c->verbs);
        puts("                esac\n"
             "        fi\n"
             "        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
             "}\n"
             "complete -F _rollcall rollcall");
        return CODE_OK;
}
