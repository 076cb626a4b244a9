/* SPDX-License-Identifier: Apache-2.0
 *
 * Grade one: one picture through a model, in one call.
 *
 *     cc translate_file.c $(pkg-config --cflags --libs limn) -o translate_file
 *     ./translate_file facades.safetensors drawing.png house.png */
#include <limn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    limn_error error = { 0 };

    if (argc != 4) {
        fprintf(stderr, "usage: translate_file MODEL INPUT OUTPUT\n");
        return 2;
    }
    if (limn_translate_file(argv[1], argv[2], argv[3], &error)) {
        fprintf(stderr, "translate_file: %s\n", error.text);
        return limn_status_exit_code(error.status);
    }
    return 0;
}
