/* SPDX-License-Identifier: Apache-2.0
 *
 * Completion for bash, zsh and fish, written from the table of commands and the rows of their
 * settings when limn is built (limn help --as bash), so that it offers what the program takes.
 *
 * Each script completes a command, the settings of that command, the words that a setting takes,
 * and otherwise names of files.  bash and zsh share one table: a `case` over "command setting" that
 * says which words may follow.  The first word of limn decides, as everywhere in limn: settings do
 * not stand before the command.  Text settings without usual words are completed as files, which is
 * what most of them are. */
#include "cli.h"

#include <string.h>

/* The words of "a|b|c", a blank between. */
static void put_words(FILE *to, const char *words)
{
    for (; words && *words; words++) putc(*words == '|' ? ' ' : *words, to);
}

static void put_commands(FILE *to)
{
    for (const limn_cli_command *c = limn_cli_commands; c->name; c++)
        fprintf(to, "%s%s", c == limn_cli_commands ? "" : " ", c->name);
}

/* What the arguments of a command may be. */
static void put_arguments(FILE *to, const limn_cli_command *c)
{
    const char *list = c->words, *word, *before = "";
    size_t length;

    for (; (word = limn_cli_next(&list, '|', &length)); before = " ") {
        fputs(before, to);
        if (!strncmp(word, "COMMAND", length))
            put_commands(to);
        else if (!strncmp(word, "RECIPE", length))
            put_words(to, limn_setting_find(limn_train_rows(), "model")->choices);
        else
            fprintf(to, "%.*s", (int)length, word);
    }
}

/* ---- bash and zsh ---------------------------------------------------------------------------- */

static void put_names(void *context, const limn_setting *rows, const void *defaults)
{
    FILE *to = context;

    (void)defaults;
    for (const limn_setting *row = rows; row->name; row++) {
        fprintf(to, " --%s", row->name);
        if (row->kind == LIMN_SETTING_FLAG) fprintf(to, " --no-%s", row->name);
    }
}

/* A branch of the `case` a setting that takes words, and one for those that take a number. */
typedef struct branches {
    FILE *to;
    const char *command;
} branches;

static void put_branches(void *context, const limn_setting *rows, const void *defaults)
{
    const branches *b = context;

    (void)defaults;
    for (const limn_setting *row = rows; row->name; row++) {
        const char *list = row->aliases, *word;
        size_t length;
        bool words = row->choices != NULL, number = row->kind == LIMN_SETTING_INT ||
                                                    row->kind == LIMN_SETTING_LONG ||
                                                    row->kind == LIMN_SETTING_FLOAT;

        if (row->kind == LIMN_SETTING_FLAG) continue; /* what follows is not its value */
        fprintf(b->to, "    '%s --%s'", b->command, row->name);
        while ((word = limn_cli_next(&list, ' ', &length)))
            fprintf(b->to, "|'%s %s%.*s'", b->command, length == 1 ? "-" : "--", (int)length, word);
        if (words) {
            fputs(") limn_words='", b->to);
            put_words(b->to, row->choices);
            fputs("' ;;\n", b->to);
        } else {
            fprintf(b->to, ") %s ;;\n", number ? "limn_words=" : "limn_files=yes");
        }
    }
}

/* A shell function that sets limn_words (to choose from) and limn_files (yes: names) for the word
 * behind $2 in the command $1; a setting is wanted where $3 begins with a dash. */
static limn_status put_table(FILE *to, limn_error *error)
{
    limn_status status = LIMN_OK;

    fputs("_limn_table() {\n    limn_words= limn_files=\n    case \"$1 $2\" in\n", to);
    for (const limn_cli_command *c = limn_cli_commands; c->name && !status; c++)
        if (c->settings) status = c->settings(put_branches, &(branches){ to, c->name }, error);
    fputs("    *)\n        case $1 in\n", to);
    for (const limn_cli_command *c = limn_cli_commands; c->name && !status; c++) {
        fprintf(to, "        %s)\n            case $3 in\n            -*) limn_words='", c->name);
        if (c->settings) status = c->settings(put_names, to, error);
        fputs(" --help' ;;\n            *) ", to);
        if (!c->words) {
            fputs("limn_files=yes", to);
        } else {
            fputs("limn_words='", to);
            put_arguments(to, c);
            putc('\'', to);
        }
        fputs(" ;;\n            esac ;;\n", to);
    }
    fputs("        *) limn_words='", to);
    put_commands(to);
    fputs(" --help --version' ;;\n        esac ;;\n    esac\n}\n", to);
    return status;
}

static const char bash_end[] =
    "_limn() {\n"
    "    local limn_words limn_files word=${COMP_WORDS[COMP_CWORD]}\n"
    "    local before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}\n"
    "    if ((COMP_CWORD == 1)); then command=; fi\n"
    "    # bash takes = for a word of its own: --setting=word\n"
    "    if [[ $word == = ]]; then word=\n"
    "    elif [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
    "    _limn_table \"$command\" \"$before\" \"$word\"\n"
    "    COMPREPLY=()\n"
    "    if [[ $limn_files ]]; then return; fi # bash's own completion of names\n"
    "    compopt +o default\n"
    "    mapfile -t COMPREPLY < <(compgen -W \"$limn_words\" -- \"$word\")\n"
    "}\n"
    "complete -o default -F _limn limn\n";

static const char zsh_end[] =
    "_limn() {\n"
    "    local limn_words limn_files word=$words[CURRENT] before=$words[CURRENT-1] "
    "command=$words[2]\n"
    "    ((CURRENT == 2)) && command=\n"
    "    _limn_table \"$command\" \"$before\" \"$word\"\n"
    "    if [[ -n $limn_files ]]; then _files; else compadd -- ${=limn_words}; fi\n"
    "}\n"
    "if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _limn \"$@\"; else compdef _limn limn; "
    "fi\n";

/* ---- fish ------------------------------------------------------------------------------------ */

/* Text between single quotes. */
static void put_quoted(FILE *to, const char *text)
{
    putc('\'', to);
    for (; *text; text++) fprintf(to, *text == '\'' || *text == '\\' ? "\\%c" : "%c", *text);
    putc('\'', to);
}

static void put_fish_rows(void *context, const limn_setting *rows, const void *defaults)
{
    const branches *b = context;

    (void)defaults;
    for (const limn_setting *row = rows; row->name; row++) {
        const char *list = row->aliases, *word;
        size_t length;

        fprintf(b->to, "complete -c limn -n '__fish_seen_subcommand_from %s' -l %s", b->command,
                row->name);
        while ((word = limn_cli_next(&list, ' ', &length)))
            if (length == 1) fprintf(b->to, " -s %c", *word);
        if (row->choices) {
            fputs(" -x -a '", b->to);
            put_words(b->to, row->choices);
            putc('\'', b->to);
        } else if (row->kind == LIMN_SETTING_TEXT) {
            fputs(" -r -F", b->to);
        } else if (row->kind != LIMN_SETTING_FLAG) {
            fputs(" -x", b->to);
        }
        fputs(" -d ", b->to);
        put_quoted(b->to, row->help ? row->help : "");
        putc('\n', b->to);
        if (row->kind == LIMN_SETTING_FLAG)
            fprintf(b->to, "complete -c limn -n '__fish_seen_subcommand_from %s' -l no-%s\n",
                    b->command, row->name);
    }
}

static limn_status put_fish(FILE *to, limn_error *error)
{
    limn_status status = LIMN_OK;

    for (const limn_cli_command *c = limn_cli_commands; c->name && !status; c++) {
        fprintf(to, "complete -c limn -n __fish_use_subcommand -f -a %s -d ", c->name);
        put_quoted(to, c->does);
        putc('\n', to);
        if (c->words) {
            fprintf(to, "complete -c limn -n '__fish_seen_subcommand_from %s' -f -a '", c->name);
            put_arguments(to, c);
            fputs("'\n", to);
        }
        if (c->settings) status = c->settings(put_fish_rows, &(branches){ to, c->name }, error);
    }
    return status;
}

limn_status limn_cli_complete(FILE *to, const char *shell, limn_error *error)
{
    bool zsh = !strcmp(shell, "zsh");
    limn_status status;

    fprintf(to, "%s# Completion of limn for %s, written by limn help --as %s.\n",
            zsh ? "#compdef limn\n" : "", shell, shell);
    if (!strcmp(shell, "fish")) return put_fish(to, error);
    status = put_table(to, error);
    fputs(zsh ? zsh_end : bash_end, to);
    return status;
}
