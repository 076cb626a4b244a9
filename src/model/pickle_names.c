/* SPDX-License-Identifier: Apache-2.0
 *
 * Names in pickles: those that are understood, and the opcodes that are not, so that a refusal can
 * call things by their name.  The list of what is understood is LIMN_PICKLE_GLOBALS in pickle.h and
 * nothing else. */
#include "model/pickle.h"

#include <string.h>

static const limn_pickle_known known[LIMN_PICKLE_GLOBAL_COUNT] = {
#define X(symbol, module, name, role, type) { module, name, LIMN_PICKLE_IS_##role, LIMN_##type },
    LIMN_PICKLE_GLOBALS(X)
#undef X
};

static const struct {
    unsigned char code;
    const char *name;
} refused_opcodes[] = {
    { '0', "POP" },
    { '1', "POP_MARK" },
    { '2', "DUP" },
    { 'F', "FLOAT" },
    { 'I', "INT" },
    { 'L', "LONG" },
    { 'P', "PERSID" },
    { 'S', "STRING" },
    { 'V', "UNICODE" },
    { 'd', "DICT" },
    { 'g', "GET" },
    { 'i', "INST" },
    { 'l', "LIST" },
    { 'o', "OBJ" },
    { 'p', "PUT" },
    { 'B', "BINBYTES" },
    { 'C', "SHORT_BINBYTES" },
    { 0x81, "NEWOBJ" },
    { 0x82, "EXT1" },
    { 0x83, "EXT2" },
    { 0x84, "EXT4" },
    { 0x8b, "LONG4" },
    { 0x8d, "BINUNICODE8" },
    { 0x8e, "BINBYTES8" },
    { 0x8f, "EMPTY_SET" },
    { 0x90, "ADDITEMS" },
    { 0x91, "FROZENSET" },
    { 0x92, "NEWOBJ_EX" },
    { 0x96, "BYTEARRAY8" },
    { 0x97, "NEXT_BUFFER" },
    { 0x98, "READONLY_BUFFER" },
};

const limn_pickle_known *limn_pickle_about(limn_pickle_global global)
{
    return &known[global];
}

int limn_pickle_find(const char *module, size_t module_bytes, const char *name, size_t name_bytes)
{
    int i;

    for (i = 0; i < LIMN_PICKLE_GLOBAL_COUNT; i++)
        if (strlen(known[i].module) == module_bytes && strlen(known[i].name) == name_bytes &&
            !memcmp(known[i].module, module, module_bytes) &&
            !memcmp(known[i].name, name, name_bytes))
            return i;
    return -1;
}

const char *limn_pickle_refused_opcode(unsigned char code)
{
    size_t i;

    for (i = 0; i < sizeof refused_opcodes / sizeof *refused_opcodes; i++)
        if (refused_opcodes[i].code == code) return refused_opcodes[i].name;
    return NULL;
}
