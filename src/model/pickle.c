/* SPDX-License-Identifier: Apache-2.0
 *
 * The stack machine for tensor pickles (pickletools in Python's library documents every opcode).
 *
 * All values live in one table and are known by their number; the stack, the memo and the items of
 * containers hold numbers.  So a memo that is read a million times costs a million numbers, and a
 * list may hold itself without harm.  Lists and dictionaries grow while they are read, in runs of
 * items; when the pickle stops, each is laid out as one row.
 *
 * Dropped: interpreting tensors right here.  Legacy files need the element type of every storage
 * before the first storage can be found, and a result that is plain data is easier to test. */
#include "model/pickle.h"
#include "model/foreign.h"
#include "model/pickle_store.h"

#include <string.h>

enum { TEXT_OF_GLOBAL_MAX = 200 };

/* Short for this file, which writes them on every other line. */
#define VALUE LIMN_PICKLE_VALUE
#define NUMBER LIMN_PICKLE_NUMBER

static limn_status fault(const limn_pickle *p, const char *what, limn_error *error)
{
    return limn_fail(error, LIMN_FORMAT,
                     "%s: byte %zu: %s; the file is damaged or not a checkpoint", p->name,
                     p->opcode_at, what);
}

static limn_status cut_off(const limn_pickle *p, limn_error *error)
{
    return limn_fail(error, LIMN_FORMAT,
                     "%s: ends in the middle of the description of its tensors (cut off after %zu "
                     "bytes); copy or download it again",
                     p->name, p->count);
}

/* The stack above the last MARK is all that an opcode may take. */
static uint32_t stack_floor(const limn_pickle *p)
{
    return p->marks.used ? NUMBER(p->marks, p->marks.used - 1) : 0;
}

static limn_status need(const limn_pickle *p, uint32_t count, limn_error *error)
{
    return p->stack.used - stack_floor(p) < count ? fault(p, "an empty stack", error) : LIMN_OK;
}

static uint32_t top(const limn_pickle *p)
{
    return NUMBER(p->stack, p->stack.used - 1);
}

/* Takes the last MARK away; *first is where the items above it begin in the stack. */
static limn_status take_mark(limn_pickle *p, uint32_t *first, limn_error *error)
{
    if (!p->marks.used) return fault(p, "a missing MARK", error);
    *first = NUMBER(p->marks, --p->marks.used);
    return LIMN_OK;
}

/* Moves the stack from first on into the items; *at is where they are. */
static limn_status move_items(limn_pickle *p, uint32_t first, uint32_t *at, limn_error *error)
{
    uint32_t n = p->stack.used - first;

    LIMN_TRY(limn_pickle_grow(p, &p->items, sizeof(uint32_t), n, LIMN_PICKLE_ITEMS_MAX, error));
    *at = p->items.used;
    if (n) memcpy(&NUMBER(p->items, *at), &NUMBER(p->stack, first), n * sizeof(uint32_t));
    p->items.used += n;
    p->stack.used = first;
    return LIMN_OK;
}

static limn_status push_items(limn_pickle *p, limn_pickle_kind kind, uint32_t first,
                              limn_pickle_global global, limn_error *error)
{
    limn_pickle_value v = { .kind = (uint8_t)kind, .global = (uint8_t)global };

    v.count = p->stack.used - first;
    LIMN_TRY(move_items(p, first, &v.first, error));
    return limn_pickle_push(p, v, error);
}

/* APPEND(S) and SETITEM(S): the stack from first on goes into the container below it. */
static limn_status add_items(limn_pickle *p, uint32_t first, limn_pickle_kind kind,
                             limn_error *error)
{
    uint32_t at, container, count = p->stack.used - first;

    if (first <= stack_floor(p)) return fault(p, "nothing to put items into", error);
    container = NUMBER(p->stack, first - 1);
    if (VALUE(p, container).kind != kind)
        return fault(p, "items for something that is neither list nor dictionary", error);
    if (kind == LIMN_PICKLE_DICT && count % 2) return fault(p, "a key without a value", error);
    LIMN_TRY(move_items(p, first, &at, error));
    return limn_pickle_add_run(p, container, at, count, error);
}

/* OrderedDict() as Python 3 writes it, and OrderedDict([[key, value], ...]) as Python 2 did. */
static limn_status make_dictionary(limn_pickle *p, limn_pickle_value arguments, limn_error *error)
{
    uint32_t r, i, list, dictionary, pair[2];
    limn_pickle_value v;
    limn_pickle_run *runs = NULL;
    limn_pickle_row inner;
    bool good;

    LIMN_TRY(limn_pickle_push_row(p, LIMN_PICKLE_DICT, error));
    if (!arguments.count) return LIMN_OK;
    dictionary = top(p);
    list = NUMBER(p->items, arguments.first);
    if (arguments.count != 1 || VALUE(p, list).kind != LIMN_PICKLE_LIST)
        return fault(p, "an OrderedDict made of something else than pairs", error);
    r = ((limn_pickle_row *)p->rows.data)[VALUE(p, list).first].head;
    for (; r != LIMN_PICKLE_NOTHING; r = runs[r].next) {
        runs = p->runs.data;
        for (i = 0; i < runs[r].count; i++) {
            v = VALUE(p, NUMBER(p->items, runs[r].first + i));
            good = v.kind == LIMN_PICKLE_TUPLE && v.count == 2;
            if (v.kind == LIMN_PICKLE_LIST) {
                inner = ((limn_pickle_row *)p->rows.data)[v.first];
                /* Python 2 appends both at once, so a pair is one run. */
                good = inner.count == 2 && inner.head == inner.tail;
                v.first = good ? runs[inner.head].first : 0;
            }
            if (!good) return fault(p, "an OrderedDict made of something else than pairs", error);
            pair[0] = NUMBER(p->items, v.first);
            pair[1] = NUMBER(p->items, v.first + 1);
            LIMN_TRY(limn_pickle_add_number(p, &p->items, pair[0], error));
            LIMN_TRY(limn_pickle_add_number(p, &p->items, pair[1], error));
            LIMN_TRY(limn_pickle_add_run(p, dictionary, p->items.used - 2, 2, error));
            runs = p->runs.data;
        }
    }
    return LIMN_OK;
}

/* REDUCE: (name, tuple) becomes "name called with these"; a dictionary and a size are made here,
 * since later opcodes may want to fill them. */
static limn_status reduce(limn_pickle *p, limn_error *error)
{
    limn_pickle_value arguments, function;

    LIMN_TRY(need(p, 2, error));
    arguments = VALUE(p, top(p));
    function = VALUE(p, NUMBER(p->stack, p->stack.used - 2));
    if (function.kind != LIMN_PICKLE_NAME)
        return fault(p, "opcode REDUCE refused: it calls something that is not a name", error);
    if (limn_pickle_about(function.global)->role != LIMN_PICKLE_IS_CALLABLE)
        return limn_fail(error, LIMN_FORMAT,
                         "%s: byte %zu: opcode REDUCE refused: it calls '%s.%s', which is no "
                         "function that tensors need",
                         p->name, p->opcode_at, limn_pickle_about(function.global)->module,
                         limn_pickle_about(function.global)->name);
    if (arguments.kind != LIMN_PICKLE_TUPLE)
        return fault(p, "opcode REDUCE refused: its arguments are no tuple", error);
    p->stack.used -= 2;
    if (function.global == LIMN_PICKLE_ORDERED_DICT) return make_dictionary(p, arguments, error);
    if (function.global == LIMN_PICKLE_SIZE) {
        if (arguments.count != 1 ||
            VALUE(p, NUMBER(p->items, arguments.first)).kind != LIMN_PICKLE_TUPLE)
            return fault(p, "a torch.Size of something else than a tuple", error);
        return limn_pickle_push(p, VALUE(p, NUMBER(p->items, arguments.first)), error);
    }
    arguments.kind = LIMN_PICKLE_CALL;
    arguments.global = function.global;
    return limn_pickle_push(p, arguments, error);
}

static limn_status push_global(limn_pickle *p, const char *module, size_t module_bytes,
                               const char *name, size_t name_bytes, limn_error *error)
{
    limn_pickle_value v = { .kind = LIMN_PICKLE_NAME };
    int found = limn_pickle_find(module, module_bytes, name, name_bytes);

    if (found < 0)
        return limn_fail(error, LIMN_FORMAT,
                         "%s: refused: it asks for '%s.%s', which no tensor needs; limn runs no "
                         "code from checkpoints. If you trust the file, save only its state_dict() "
                         "again",
                         p->name, limn_quote(module, module_bytes).text,
                         limn_quote(name, name_bytes).text);
    v.global = (uint8_t)found;
    return limn_pickle_push(p, v, error);
}

/* A line of GLOBAL's argument: *out and *bytes, without its end. */
static limn_status take_line(limn_pickle *p, const char **out, size_t *bytes, limn_error *error)
{
    const unsigned char *from = p->bytes + p->at, *end;
    size_t room = p->count - p->at;

    end = room ? memchr(from, '\n', room < TEXT_OF_GLOBAL_MAX ? room : TEXT_OF_GLOBAL_MAX) : NULL;
    if (!end && room < TEXT_OF_GLOBAL_MAX) return cut_off(p, error);
    if (!end) return fault(p, "a name of more than 200 letters", error);
    *out = (const char *)from;
    *bytes = (size_t)(end - from);
    p->at += *bytes + 1;
    return LIMN_OK;
}

static limn_status global(limn_pickle *p, limn_error *error)
{
    const char *module, *name;
    size_t module_bytes, name_bytes;

    LIMN_TRY(take_line(p, &module, &module_bytes, error));
    LIMN_TRY(take_line(p, &name, &name_bytes, error));
    return push_global(p, module, module_bytes, name, name_bytes, error);
}

/* STACK_GLOBAL is GLOBAL with its two texts on the stack. */
static limn_status stack_global(limn_pickle *p, limn_error *error)
{
    limn_pickle_value module, name;

    LIMN_TRY(need(p, 2, error));
    name = VALUE(p, top(p));
    module = VALUE(p, NUMBER(p->stack, p->stack.used - 2));
    if (name.kind != LIMN_PICKLE_TEXT || module.kind != LIMN_PICKLE_TEXT)
        return fault(p, "opcode STACK_GLOBAL refused: its name is no text", error);
    p->stack.used -= 2;
    return push_global(p, module.text, module.count, name.text, name.count, error);
}

/* width bytes of a number in front of the text, then the text. */
static limn_status push_text(limn_pickle *p, size_t width, limn_error *error)
{
    limn_pickle_value v = { .kind = LIMN_PICKLE_TEXT };

    if (p->count - p->at < width) return cut_off(p, error);
    v.count = width == 1 ? p->bytes[p->at] : limn_read_32(p->bytes + p->at);
    p->at += width;
    if (p->count - p->at < v.count) return cut_off(p, error);
    v.text = (const char *)p->bytes + p->at;
    p->at += v.count;
    return limn_pickle_push(p, v, error);
}

static limn_status push_whole(limn_pickle *p, int64_t whole, limn_error *error)
{
    return limn_pickle_push(p, (limn_pickle_value){ .kind = LIMN_PICKLE_WHOLE, .whole = whole },
                            error);
}

/* LONG1: a length and that many bytes, two's complement, lowest first. */
static limn_status push_long(limn_pickle *p, limn_error *error)
{
    uint64_t v = 0;
    size_t i, n;

    if (p->at == p->count) return cut_off(p, error);
    n = p->bytes[p->at++];
    if (p->count - p->at < n) return cut_off(p, error);
    if (n > 8) {
        p->at += n;
        return limn_pickle_push(p, (limn_pickle_value){ .kind = LIMN_PICKLE_BIG }, error);
    }
    for (i = 0; i < n; i++) v |= (uint64_t)p->bytes[p->at + i] << 8 * i;
    if (n && n < 8 && p->bytes[p->at + n - 1] & 128) v |= ~(uint64_t)0 << 8 * n;
    p->at += n;
    return push_whole(p, (int64_t)v, error);
}

static limn_status push_real(limn_pickle *p, limn_error *error)
{
    limn_pickle_value v = { .kind = LIMN_PICKLE_REAL };
    uint64_t bits = 0;
    int i;

    if (p->count - p->at < 8) return cut_off(p, error);
    for (i = 0; i < 8; i++) bits = bits << 8 | p->bytes[p->at++];
    memcpy(&v.real, &bits, sizeof bits);
    return limn_pickle_push(p, v, error);
}

static limn_status put(limn_pickle *p, uint32_t slot, limn_error *error)
{
    LIMN_TRY(need(p, 1, error));
    if (slot >= LIMN_PICKLE_VALUES_MAX)
        return limn_fail(error, LIMN_FORMAT,
                         "%s: byte %zu: memo slot %u refused: more than a checkpoint can use",
                         p->name, p->opcode_at, (unsigned)slot);
    if (slot >= p->memo.used) {
        LIMN_TRY(limn_pickle_grow(p, &p->memo, sizeof slot, slot + 1 - p->memo.used,
                                  LIMN_PICKLE_VALUES_MAX, error));
        while (p->memo.used <= slot) NUMBER(p->memo, p->memo.used++) = LIMN_PICKLE_NOTHING;
    }
    if (NUMBER(p->memo, slot) == LIMN_PICKLE_NOTHING) p->memoized++;
    NUMBER(p->memo, slot) = top(p);
    return LIMN_OK;
}

static limn_status get(limn_pickle *p, uint32_t slot, limn_error *error)
{
    if (slot >= p->memo.used || NUMBER(p->memo, slot) == LIMN_PICKLE_NOTHING)
        return fault(p, "a memo slot that was never filled", error);
    return limn_pickle_add_number(p, &p->stack, NUMBER(p->memo, slot), error);
}

/* An argument of width 1, 2 or 4 bytes. */
static limn_status argument(limn_pickle *p, size_t width, uint32_t *out, limn_error *error)
{
    const unsigned char *from = p->bytes + p->at;

    if (p->count - p->at < width) return cut_off(p, error);
    *out = width == 1 ? from[0] : width == 2 ? limn_read_16(from) : limn_read_32(from);
    p->at += width;
    return LIMN_OK;
}

static limn_status refuse(const limn_pickle *p, unsigned char code, limn_error *error)
{
    const char *name = limn_pickle_refused_opcode(code);

    if (name)
        return limn_fail(error, LIMN_FORMAT,
                         "%s: byte %zu: pickle opcode %s refused: no tensor needs it; save only "
                         "the network's state_dict() with torch.save",
                         p->name, p->opcode_at, name);
    return limn_fail(error, LIMN_FORMAT,
                     "%s: byte %zu: 0x%02x is no pickle opcode; the file is damaged or not a "
                     "checkpoint",
                     p->name, p->opcode_at, (unsigned)code);
}

/* One opcode.  *stopped is set by STOP. */
static limn_status step(limn_pickle *p, bool *stopped, limn_error *error)
{
    unsigned char code = p->bytes[p->at++];
    limn_pickle_value v = { .kind = LIMN_PICKLE_NONE };
    uint32_t n = 0, first = 0;

    switch (code) {
    case 0x80: /* PROTO */
        LIMN_TRY(argument(p, 1, &n, error));
        if (n > 5) return fault(p, "a pickle protocol from the future", error);
        return LIMN_OK;
    case 0x95: /* FRAME: a length that helps streams; of no use here */
        if (p->count - p->at < 8) return cut_off(p, error);
        p->at += 8;
        return LIMN_OK;
    case '.': /* STOP */
        LIMN_TRY(need(p, 1, error));
        if (p->stack.used != 1 || p->marks.used) return fault(p, "left-over values", error);
        p->root = top(p);
        *stopped = true;
        return LIMN_OK;
    case '(': /* MARK */
        return limn_pickle_add_number(p, &p->marks, p->stack.used, error);
    case 'N':  /* NONE */
    case 0x88: /* NEWTRUE */
    case 0x89: /* NEWFALSE */
        v.kind = code == 'N' ? LIMN_PICKLE_NONE : LIMN_PICKLE_FLAG;
        v.whole = code == 0x88;
        return limn_pickle_push(p, v, error);
    case 'K': /* BININT1 */
    case 'M': /* BININT2 */
    case 'J': /* BININT */
        LIMN_TRY(argument(p, code == 'K' ? 1 : code == 'M' ? 2 : 4, &n, error));
        return push_whole(p, code == 'J' ? (int64_t)(int32_t)n : (int64_t)n, error);
    case 0x8a: /* LONG1 */
        return push_long(p, error);
    case 'G': /* BINFLOAT */
        return push_real(p, error);
    case 'X': /* BINUNICODE */
    case 'T': /* BINSTRING, Python 2's */
        return push_text(p, 4, error);
    case 0x8c: /* SHORT_BINUNICODE */
    case 'U':  /* SHORT_BINSTRING, Python 2's */
        return push_text(p, 1, error);
    case ')':  /* EMPTY_TUPLE */
    case 0x85: /* TUPLE1 */
    case 0x86: /* TUPLE2 */
    case 0x87: /* TUPLE3 */
        n = code == ')' ? 0 : code - 0x84u;
        LIMN_TRY(need(p, n, error));
        return push_items(p, LIMN_PICKLE_TUPLE, p->stack.used - n, 0, error);
    case 't': /* TUPLE */
        LIMN_TRY(take_mark(p, &first, error));
        return push_items(p, LIMN_PICKLE_TUPLE, first, 0, error);
    case ']': /* EMPTY_LIST */
        return limn_pickle_push_row(p, LIMN_PICKLE_LIST, error);
    case '}': /* EMPTY_DICT */
        return limn_pickle_push_row(p, LIMN_PICKLE_DICT, error);
    case 'a': /* APPEND */
        LIMN_TRY(need(p, 2, error));
        return add_items(p, p->stack.used - 1, LIMN_PICKLE_LIST, error);
    case 's': /* SETITEM */
        LIMN_TRY(need(p, 3, error));
        return add_items(p, p->stack.used - 2, LIMN_PICKLE_DICT, error);
    case 'e': /* APPENDS */
    case 'u': /* SETITEMS */
        LIMN_TRY(take_mark(p, &first, error));
        return add_items(p, first, code == 'e' ? LIMN_PICKLE_LIST : LIMN_PICKLE_DICT, error);
    case 'q': /* BINPUT */
    case 'r': /* LONG_BINPUT */
        LIMN_TRY(argument(p, code == 'q' ? 1 : 4, &n, error));
        return put(p, n, error);
    case 0x94: /* MEMOIZE */
        return put(p, p->memoized, error);
    case 'h': /* BINGET */
    case 'j': /* LONG_BINGET */
        LIMN_TRY(argument(p, code == 'h' ? 1 : 4, &n, error));
        return get(p, n, error);
    case 'c': /* GLOBAL */
        return global(p, error);
    case 0x93: /* STACK_GLOBAL */
        return stack_global(p, error);
    case 'R': /* REDUCE */
        return reduce(p, error);
    case 'b': /* BUILD: attributes of an OrderedDict (_metadata), which no tensor needs */
        LIMN_TRY(need(p, 2, error));
        p->stack.used--;
        if (VALUE(p, top(p)).kind != LIMN_PICKLE_DICT)
            return fault(p, "opcode BUILD refused: it changes something that is no dictionary",
                         error);
        return LIMN_OK;
    case 'Q': /* BINPERSID */
        LIMN_TRY(need(p, 1, error));
        if (VALUE(p, top(p)).kind != LIMN_PICKLE_TUPLE)
            return fault(p, "opcode BINPERSID refused: its name is no tuple", error);
        return push_items(p, LIMN_PICKLE_PERSISTENT, p->stack.used - 1, 0, error);
    default:
        return refuse(p, code, error);
    }
}

limn_status limn_pickle_read(limn_pickle **out, const unsigned char *bytes, size_t count,
                             size_t *used, const char *name, limn_error *error)
{
    limn_status status = LIMN_OK;
    limn_pickle *p;
    bool stopped = false;

    *out = NULL;
    if (!(p = limn_block(sizeof *p)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory: %s wanted %zu more bytes", name,
                         sizeof *p);
    *p = (limn_pickle){ .bytes = bytes, .name = name };
    p->count = count < LIMN_PICKLE_BYTES_MAX ? count : LIMN_PICKLE_BYTES_MAX;
    while (!status && !stopped) {
        p->opcode_at = p->at;
        status = p->at == p->count ? cut_off(p, error) : step(p, &stopped, error);
    }
    if (!status) status = limn_pickle_lay_out(p, error);
    if (used) *used = p->at;
    limn_pickle_free_tables(p, false);
    if (status) limn_pickle_close(&p);
    *out = p;
    return status;
}
