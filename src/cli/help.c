/* SPDX-License-Identifier: Apache-2.0
 *
 * limn help: the list of commands, one command with its settings, one setting, and the same for
 * other readers (--as man, bash, zsh, fish).
 *
 * A setting is one line where the output is no terminal, so that it can be searched; on a terminal
 * it is broken at words, indented to the help's own column, or put below the name where the
 * terminal is narrow. */
#include "cli.h"

#include <string.h>

enum { LEFT = 30, NARROW = 72, TEXT_MAX = 1400 };

const limn_cli_exit limn_cli_exits[] = {
    { 0, "all is done" },
    { 1, "something failed and was said; of several pictures, the others are done" },
    { 2, "the command line does not fit: an unknown command, a setting out of range" },
    { 3, "a picture was refused by the screen, the others are done" },
    { 4, "a data set was refused by the screen" },
    { 130, "stopped on request (Ctrl-C); what was done is saved" },
    { 0, NULL },
};

typedef struct own {
    int as;
} own;

static const limn_setting own_rows[] = {
    { "as", LIMN_SETTING_CHOICE, offsetof(own, as), 0, 0, "text|man|bash|zsh|fish", NULL,
      "the manual page of everything, or completion for that shell" },
    { .name = NULL },
};

limn_status limn_cli_help_settings(limn_cli_see see, void *context, limn_error *error)
{
    static const own defaults;

    (void)error;
    see(context, own_rows, &defaults);
    return LIMN_OK;
}

/* ---- Words of a row -------------------------------------------------------------------------- */

const char *limn_cli_next(const char **list, char separator, size_t *length)
{
    const char *word = *list;

    while (word && *word == separator) word++;
    if (!word || !*word) return NULL;
    *length = strcspn(word, (char[]){ separator, 0 });
    *list = word + *length;
    return word;
}

void limn_cli_words_of(limn_cli_words *w, const limn_setting *row, const void *defaults)
{
    static const char *const values[] = {
        [LIMN_SETTING_INT] = " N",     [LIMN_SETTING_LONG] = " N", [LIMN_SETTING_FLOAT] = " X",
        [LIMN_SETTING_TEXT] = " TEXT", [LIMN_SETTING_FLAG] = "",   [LIMN_SETTING_CHOICE] = " WORD",
    };
    const char *list = row->aliases, *word;
    size_t length, used = 0, others = 0;

    *w->aliases = 0;
    while ((word = limn_cli_next(&list, ' ', &length)))
        if (length == 1 && used + 5 < sizeof w->name)
            used += (size_t)snprintf(w->name + used, sizeof w->name - used, "-%c, ", *word);
        else if (length > 1 && others + length + 5 < sizeof w->aliases)
            others += (size_t)snprintf(w->aliases + others, sizeof w->aliases - others, "%s--%.*s",
                                       others ? ", " : "", (int)length, word);
    snprintf(w->name + used, sizeof w->name - used, "--%s%s%s",
             row->kind == LIMN_SETTING_FLAG ? "[no-]" : "", row->name, values[row->kind]);
    limn_setting_get(row, defaults, w->value, sizeof w->value);
    limn_setting_range(row, w->range, sizeof w->range);
}

/* "weight of the L1 term (100; 0 to 1e+06)" */
static void describe(char *text, size_t size, const limn_setting *row, const limn_cli_words *w)
{
    const char *between = row->kind == LIMN_SETTING_TEXT ? "; such as " : "; ";

    if (!*w->value) between += 2; /* nothing before it */
    if (*w->value || *w->range)
        snprintf(text, size, "%s (%s%s%s)", row->help ? row->help : "", w->value,
                 *w->range ? between : "", w->range);
    else
        snprintf(text, size, "%s", row->help ? row->help : "");
}

/* ---- Layout ---------------------------------------------------------------------------------- */

/* Text broken at blanks and behind bars into lines of so many columns (0: one line), the first one
 * of which begins at column `at`, the others at `indent`. */
static void put_text(FILE *to, const char *text, int at, int indent, int columns)
{
    while (*text) {
        int length = (int)strlen(text), room = columns - at;

        if (columns && length > room) {
            int cut = room > 0 ? room : 0;

            while (cut > 0 && text[cut] != ' ' && text[cut - 1] != '|') cut--;
            length = cut > 0 ? cut : (int)strcspn(text, " "); /* a word longer than the line */
        }
        fprintf(to, "%.*s\n", length, text);
        text += length;
        while (*text == ' ') text++;
        if (*text) fprintf(to, "%*s", indent, "");
        at = indent;
    }
}

static void put_pair(FILE *to, const char *left, const char *right, int width)
{
    int columns = limn_cli_columns(to);

    if (columns && columns < NARROW) {
        fprintf(to, "  %s\n      ", left);
        put_text(to, right, 6, 6, columns);
    } else {
        int used = fprintf(to, "  %-*s ", width, left);

        put_text(to, right, used, 2 + width + 1, columns);
    }
}

/* ---- The list and a command ------------------------------------------------------------------ */

void limn_cli_list(FILE *to)
{
    fputs("limn learns to turn one kind of picture into another from examples, and does it.\n\n"
          "usage: limn COMMAND [SETTINGS] [ARGUMENTS]\n\n",
          to);
    for (const limn_cli_command *c = limn_cli_commands; c->name; c++)
        put_pair(to, c->name, c->does, 12);
    fputs("\n\"limn help COMMAND\" lists the settings of one, \"limn help SETTING\" explains one.\n"
          "\nexit codes:\n",
          to);
    for (const limn_cli_exit *e = limn_cli_exits; e->means; e++) {
        char code[16];

        snprintf(code, sizeof code, "%d", e->code);
        put_pair(to, code, e->means, 12);
    }
}

static void see_rows(void *context, const limn_setting *rows, const void *defaults)
{
    FILE *to = context;

    for (const limn_setting *row = rows; row->name; row++) {
        limn_cli_words words;
        char right[TEXT_MAX];

        limn_cli_words_of(&words, row, defaults);
        describe(right, sizeof right, row, &words);
        put_pair(to, words.name, right, LEFT);
    }
}

static limn_status explain_command(FILE *to, const limn_cli_command *c, limn_error *error)
{
    int at, columns = limn_cli_columns(to);

    at = fprintf(to, "limn %s: ", c->name);
    put_text(to, c->does, at, 0, columns);
    fputc('\n', to);
    at = fprintf(to, "usage: limn %s%s", c->name, *c->usage ? " " : "");
    if (*c->usage)
        put_text(to, c->usage, at, 4, columns);
    else
        fputc('\n', to);
    if (c->about) {
        fputc('\n', to);
        put_text(to, c->about, 0, 0, columns ? columns : 80);
    }
    if (!c->settings) return LIMN_OK;
    fputc('\n', to);
    return c->settings(see_rows, to, error);
}

/* ---- One setting ----------------------------------------------------------------------------- */

typedef struct search {
    FILE *to;
    const char *name;       /* looked for */
    const char *command;    /* whose settings are seen now */
    int found;              /* rows */
    const char *names[512]; /* all that were seen, for "did you mean" */
    size_t count;
} search;

static void explain_row(search *s, const limn_setting *row, const void *defaults)
{
    static const char *const kinds[] = {
        [LIMN_SETTING_INT] = "a whole number", [LIMN_SETTING_LONG] = "a whole number",
        [LIMN_SETTING_FLOAT] = "a number",     [LIMN_SETTING_TEXT] = "text",
        [LIMN_SETTING_FLAG] = "a switch",      [LIMN_SETTING_CHOICE] = "one",
    };
    const char *of = row->kind == LIMN_SETTING_CHOICE ? " of "
                     : row->kind == LIMN_SETTING_TEXT ? ", such as "
                                                      : ", ";
    limn_cli_words w;

    limn_cli_words_of(&w, row, defaults);
    fprintf(s->to, "%slimn %s %s\n  ", s->found++ ? "\n" : "", s->command, w.name);
    put_text(s->to, row->help ? row->help : "", 2, 2, limn_cli_columns(s->to));
    fprintf(s->to, "  %s%s%s; when it is not given: %s\n", kinds[row->kind], *w.range ? of : "",
            w.range, *w.value ? w.value : "none");
    if (*w.aliases) fprintf(s->to, "  also spelt %s\n", w.aliases);
}

static void search_rows(void *context, const limn_setting *rows, const void *defaults)
{
    search *s = context;
    const limn_setting *row = limn_setting_find(rows, s->name);

    if (row) explain_row(s, row, defaults);
    for (row = rows; row->name && s->count < sizeof s->names / sizeof *s->names; row++)
        s->names[s->count++] = row->name;
}

/* name in the settings of one command, or of all of them where it is NULL. */
static limn_status explain_setting(FILE *to, const limn_cli_command *in, const char *name,
                                   limn_error *error)
{
    search s = { .to = to, .name = name };
    const char *nearest;

    if (!strncmp(name, "--", 2))
        s.name += 2;
    else if (*name == '-')
        s.name += 1;
    if (!strncmp(s.name, "no-", 3)) s.name += 3; /* a flag's other face */
    for (const limn_cli_command *c = limn_cli_commands; c->name; c++) {
        limn_status status;

        if (!c->settings || (in && in != c)) continue;
        s.command = c->name;
        status = c->settings(search_rows, &s, error);
        if (status) return status;
    }
    if (s.found) return LIMN_OK;
    if (!in)
        for (const limn_cli_command *c = limn_cli_commands; c->name; c++)
            if (s.count < sizeof s.names / sizeof *s.names) s.names[s.count++] = c->name;
    nearest = limn_nearest(s.name, s.names, s.count);
    return limn_cli_fail(error, LIMN_SETTING, "there is no %ssetting \"%.200s\"%s%s%s%s%s",
                         in ? "" : "command or ", name, in ? " of limn " : "", in ? in->name : "",
                         nearest ? "; did you mean \"" : "; \"limn help\" lists the commands",
                         nearest ? nearest : "", nearest ? "\"?" : "");
}

/* ---- The command ----------------------------------------------------------------------------- */

/* Whether a word names a command; commands are looked for first. */
static const limn_cli_command *command_of(const char *name)
{
    for (const limn_cli_command *c = limn_cli_commands; c->name; c++)
        if (!strcmp(c->name, name)) return c;
    return NULL;
}

limn_status limn_cli_help(int argc, char **argv, limn_error *error)
{
    static const char *const words[] = { "text", "man", "bash", "zsh", "fish" };
    own o = { 0 };
    limn_cli_table tables[] = { { own_rows, &o }, { NULL, NULL } };
    const limn_cli_command *about = NULL;
    limn_status status = LIMN_OK;

    /* Other words with dashes are what is asked about: limn help --lambda-L1. */
    if (argc > 1 && (!strcmp(argv[1], "--as") || !strncmp(argv[1], "--as=", 5)))
        status = limn_cli_read(tables, &argc, argv, error);
    if (status) return status;
    if (o.as) {
        if (argc > 1)
            return limn_cli_fail(error, LIMN_SETTING,
                                 "--as %s is about all commands; leave \"%s\" out", words[o.as],
                                 argv[1]);
        return o.as == 1 ? limn_cli_manual(stdout, error)
                         : limn_cli_complete(stdout, words[o.as], error);
    }
    if (argc > 3)
        return limn_cli_fail(error, LIMN_SETTING,
                             "help takes one command and one setting, not also \"%.200s\"",
                             argv[3]);
    if (argc < 2) {
        limn_cli_list(stdout);
        return LIMN_OK;
    }
    about = command_of(argv[1]);
    if (argc == 3) {
        status = limn_cli_find(&about, argv[1], error);
        return status ? status : explain_setting(stdout, about, argv[2], error);
    }
    return about ? explain_command(stdout, about, error)
                 : explain_setting(stdout, NULL, argv[1], error);
}
