/* SPDX-License-Identifier: Apache-2.0
 *
 * What the commands share for printing names and sentences that come from outside. */
#include "cli.h"

#include <math.h>

/* How many bytes follow a first byte in UTF-8 (RFC 3629); -1 when none begins so. */
static int followers(const unsigned char *p)
{
    int more = *p < 0x80 ? 0 : *p < 0xc2 ? -1 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : *p < 0xf5 ? 3 : -1;

    for (int i = 1; i <= more; i++)
        if ((p[i] & 0xc0) != 0x80) return -1;
    if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
        (*p == 0xf4 && p[1] > 0x8f))
        return -1;
    return more;
}

void limn_cli_json_text(const char *text)
{
    if (!text) {
        fputs("null", stdout);
        return;
    }
    putchar('"');
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        int more = followers(p);

        if (*p == '"' || *p == '\\')
            printf("\\%c", *p);
        else if (*p < ' ' || *p == 0x7f || more < 0)
            printf("\\u%04x", *p);
        else
            for (int i = 0; i <= more; i++) putchar(p[i]);
        p += more > 0 ? more : 0;
    }
    putchar('"');
}

void limn_cli_json_number(double value)
{
    if (isfinite(value))
        printf("%.9g", value);
    else
        fputs("null", stdout);
}

void limn_cli_safe_text(FILE *to, const char *text)
{
    for (; *text; text++) putc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, to);
}
