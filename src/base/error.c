/* SPDX-License-Identifier: Apache-2.0
 *
 * The text of an error is written into the caller's struct and nowhere else.
 *
 * Both functions build the new text beside the old one and copy it over at the end: callers pass
 * parts of error->text as arguments (a message that quotes an earlier one), and formatting in place
 * would read what it overwrites.  Text that does not fit ends in "..." at a whole UTF-8 character:
 * what is in front (the file, the pair) tells more than what is lost.
 *
 * limn_while() must return the status also where the caller gave no error struct, so the last
 * status is remembered per thread.  That is the only thing kept outside the struct. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local limn_status last_status;

const char *limn_status_text(limn_status status)
{
    static const char *const texts[] = {
#define X(name, exit_code, text) text,
        LIMN_STATUSES(X)
#undef X
    };

    return (unsigned)status < LIMN_STATUS_COUNT ? texts[status] : "unknown status";
}

int limn_status_exit_code(limn_status status)
{
    static const unsigned char codes[] = {
#define X(name, exit_code, text) exit_code,
        LIMN_STATUSES(X)
#undef X
    };

    return (unsigned)status < LIMN_STATUS_COUNT ? codes[status] : 1;
}

/* Copies text, cut to what fits.  Control characters become '?': names from files of strangers end
 * up in messages, and a terminal obeys some of what is printed. */
static void keep(limn_error *error, char *text)
{
    const size_t room = sizeof error->text - 1;
    size_t length = strlen(text);

    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f) text[i] = '?';
    if (length > room) {
        length = room - 3;
        while (length && ((unsigned char)text[length] & 0xc0) == 0x80) length--;
        memcpy(error->text, text, length);
        memcpy(error->text + length, "...", 4);
        return;
    }
    memcpy(error->text, text, length + 1);
}

limn_status limn_fail(limn_error *error, limn_status status, const char *format, ...)
{
    char text[sizeof error->text + 8]; /* longer than the field, so that keep() sees what is cut */
    va_list arguments;

    last_status = status;
    if (!error) return status;
    va_start(arguments, format);
    if (vsnprintf(text, sizeof text, format, arguments) < 0)
        snprintf(text, sizeof text, "%s", limn_status_text(status));
    va_end(arguments);
    error->status = status;
    keep(error, text);
    return status;
}

limn_status limn_while(limn_error *error, const char *format, ...)
{
    char text[2 * sizeof error->text];
    va_list arguments;
    int length;

    if (!error) return last_status;
    va_start(arguments, format);
    length = vsnprintf(text, sizeof error->text, format, arguments);
    va_end(arguments);
    if (length < 0) return error->status;
    length = (int)strlen(text); /* less than it wanted when it was cut */
    snprintf(text + length, sizeof text - (size_t)length, ": %s", error->text);
    keep(error, text);
    return error->status;
}
