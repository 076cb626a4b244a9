/* SPDX-License-Identifier: Apache-2.0
 *
 * The one line that lives on a terminal, cut to its width: a longer one would break, and a carriage
 * return leads back to its last part only.  No colours are used, so there is none to switch off. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int limn_cli_columns(FILE *to)
{
    const char *said = getenv("COLUMNS");
    struct winsize size;

    if (!isatty(fileno(to))) return 0;
    if (!ioctl(fileno(to), TIOCGWINSZ, &size) && size.ws_col) return size.ws_col;
    return said && atoi(said) > 0 ? atoi(said) : 80;
}

/* Bytes of the text that take so many columns; a character of UTF-8 is counted as one. */
static int fitting(const char *text, int columns)
{
    int bytes = 0;

    for (; text[bytes]; bytes++)
        if (((unsigned char)text[bytes] & 0xc0) != 0x80 && columns-- == 0) break;
    return bytes;
}

void limn_cli_live(FILE *to, const char *text)
{
    int columns = limn_cli_columns(to);

    if (!columns) return;
    fputs("\r\033[K", to);
    if (text) fprintf(to, "%.*s", fitting(text, columns - 1), text);
    fflush(to);
}
