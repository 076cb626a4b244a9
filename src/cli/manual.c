/* SPDX-License-Identifier: Apache-2.0
 *
 * The manual page limn(1), written from the table of commands and the rows of their settings when
 * limn is built (limn help --as man), so that it cannot say anything that the program does not do.
 * In the man macros, which every reader of manual pages understands; without a date, so that the
 * same sources make the same page. */
#include "cli.h"

#include <ctype.h>
#include <string.h>

enum { LINE = 76, TEXT_MAX = 1400 };

/* Running text in lines of their own: what roff would take for its own is written so that it is
 * not. */
static void put(FILE *to, const char *text)
{
    int column = 0;

    for (const char *p = text; *p; p++) {
        if (*p == ' ' && column + (int)strcspn(p + 1, " ") >= LINE) {
            while (p[1] == ' ') p++;
            putc('\n', to);
            column = 0;
            continue;
        }
        if (column == 0 && (*p == '.' || *p == '\'')) column += fprintf(to, "\\&");
        if (*p == '\\')
            column += fprintf(to, "\\(rs");
        else if (*p == '-')
            column += fprintf(to, "\\-");
        else
            column += fprintf(to, "%c", *p);
    }
}

/* The same as a sentence that begins with a capital letter and ends with a full stop. */
static void put_sentence(FILE *to, const char *text)
{
    char first[2] = { (char)toupper((unsigned char)*text), 0 }, whole[TEXT_MAX];

    snprintf(whole, sizeof whole, "%s%s.", first, *text ? text + 1 : "");
    put(to, whole);
    putc('\n', to);
}

/* A line "before text.", with the bars between words made commas. */
static void put_fact(FILE *to, const char *before, const char *text)
{
    char whole[TEXT_MAX];
    size_t used = (size_t)snprintf(whole, sizeof whole, "%s", before);

    for (; *text && used + 3 < sizeof whole; text++)
        used += (size_t)snprintf(whole + used, sizeof whole - used, *text == '|' ? ", " : "%c",
                                 *text);
    put_sentence(to, whole);
}

static void put_rows(void *context, const limn_setting *rows, const void *defaults)
{
    FILE *to = context;

    for (const limn_setting *row = rows; row->name; row++) {
        limn_cli_words w;

        limn_cli_words_of(&w, row, defaults);
        fputs(".TP\n.B ", to);
        put(to, w.name);
        putc('\n', to);
        put_sentence(to, row->help ? row->help : "");
        if (*w.range)
            put_fact(to,
                     row->kind == LIMN_SETTING_TEXT     ? "Such as "
                     : row->kind == LIMN_SETTING_CHOICE ? "One of "
                                                        : "It takes ",
                     w.range);
        if (*w.value) put_fact(to, "Default: ", w.value);
        if (*w.aliases) put_fact(to, "Also ", w.aliases);
    }
}

static limn_status put_command(FILE *to, const limn_cli_command *c, limn_error *error)
{
    limn_status status = LIMN_OK;

    fputs(".SS limn ", to);
    put(to, c->name);
    fputs("\n.B limn ", to);
    put(to, c->name);
    if (*c->usage) {
        putc(' ', to);
        put(to, c->usage);
    }
    fputs("\n.PP\n", to);
    put_sentence(to, c->does);
    if (c->about) {
        put(to, c->about);
        putc('\n', to);
    }
    if (c->settings) status = c->settings(put_rows, to, error);
    return status;
}

limn_status limn_cli_manual(FILE *to, limn_error *error)
{
    fputs(".TH LIMN 1 \"\" \"limn " LIMN_VERSION "\" \"User Commands\"\n"
          ".SH NAME\nlimn \\- learn to turn one kind of picture into another, and do it\n"
          ".SH SYNOPSIS\n.B limn\n.I COMMAND\n[\\fISETTINGS\\fR] [\\fIARGUMENTS\\fR]\n"
          ".SH DESCRIPTION\n"
          "limn trains and runs image\\-to\\-image translation on an ordinary processor:\n"
          "from pairs of pictures (pix2pix) or without pairs (CycleGAN, CUT).\n"
          "Settings are written \\fB\\-\\-name value\\fR or \\fB\\-\\-name=value\\fR,\n"
          "switches \\fB\\-\\-name\\fR and \\fB\\-\\-no\\-name\\fR;\n"
          "underscores are as good as dashes.\n"
          "Behind \\fB\\-\\-\\fR everything is the name of a file.\n"
          ".SH COMMANDS\n",
          to);
    for (const limn_cli_command *c = limn_cli_commands; c->name; c++) {
        limn_status status = put_command(to, c, error);

        if (status) return status;
    }
    fputs(".SH EXIT STATUS\n", to);
    for (const limn_cli_exit *e = limn_cli_exits; e->means; e++) {
        fprintf(to, ".TP\n.B %d\n", e->code);
        put_sentence(to, e->means);
    }
    fputs(".SH ENVIRONMENT\n"
          ".TP\n.B OMP_WAIT_POLICY\npassive lets idle compute threads sleep:\n"
          "for a machine that is shared with other busy programs.\n"
          ".SH EXAMPLES\n.nf\n"
          "limn train data/facades \\-\\-direction BtoA \\-\\-out runs/facades\n"
          "limn train \\-\\-resume runs/facades\n"
          "limn translate runs/facades drawing.png photos/ \\-o out/\n"
          "limn score runs/facades data/facades\n"
          "limn check data/facades\n"
          ".fi\n",
          to);
    return LIMN_OK;
}
