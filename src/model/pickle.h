/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads the pickles in which PyTorch describes tensors, and executes nothing.
 *
 * A pickle is a program for a stack machine whose REDUCE calls any function of any module: loading
 * a stranger's checkpoint with Python's pickle runs the stranger's code.  This machine has the
 * opcodes that protocol 2 needs for dictionaries of tensors, and a list of the names they mention;
 * it calls none of them.  A call becomes a value that says "this name, these arguments" and whoever
 * reads tensors interprets it (checkpoint_pth.c).  Every other opcode and every other name is
 * refused by its name.
 *
 * A pickle can also be a bomb: a memo slot numbered four billion, a list inside itself, ten lists
 * of ten of ten.  Values are numbers into one table and shared, never copied; the table, the stack
 * and the memo have ceilings (below), so reading takes at most about 50 MB and linear time. Whoever
 * walks the result counts its visits. */
#ifndef LIMN_MODEL_PICKLE_H
#define LIMN_MODEL_PICKLE_H

#include "base/memory.h"
#include "tensor/tensor.h"

enum {
    LIMN_PICKLE_BYTES_MAX = 64 << 20,
    LIMN_PICKLE_VALUES_MAX = 1 << 19, /* about 30,000 tensors */
    LIMN_PICKLE_ITEMS_MAX = 1 << 20,
};

/* What a name stands for: something to call, a storage's or tensor's element type, a storage of
 * bytes, or a storage whose type is not told. */
typedef enum limn_pickle_role {
    LIMN_PICKLE_IS_CALLABLE,
    LIMN_PICKLE_IS_STORAGE,
    LIMN_PICKLE_IS_DTYPE,
    LIMN_PICKLE_IS_UNTYPED,
    LIMN_PICKLE_IS_TYPED,
} limn_pickle_role;

/* Every name that is understood: symbol, module, name, role, element type (where the role has one).
 * The first six are called; _rebuild_tensor is of PyTorch before 0.4, _v3 of 2.1 and later for
 * element types without a storage class of their own. */
#define LIMN_PICKLE_GLOBALS(X)                                                                     \
    X(ORDERED_DICT, "collections", "OrderedDict", CALLABLE, F32)                                   \
    X(SIZE, "torch", "Size", CALLABLE, F32)                                                        \
    X(REBUILD_TENSOR, "torch._utils", "_rebuild_tensor", CALLABLE, F32)                            \
    X(REBUILD_TENSOR_V2, "torch._utils", "_rebuild_tensor_v2", CALLABLE, F32)                      \
    X(REBUILD_TENSOR_V3, "torch._utils", "_rebuild_tensor_v3", CALLABLE, F32)                      \
    X(REBUILD_PARAMETER, "torch._utils", "_rebuild_parameter", CALLABLE, F32)                      \
    X(FLOAT_STORAGE, "torch", "FloatStorage", STORAGE, F32)                                        \
    X(HALF_STORAGE, "torch", "HalfStorage", STORAGE, F16)                                          \
    X(BFLOAT16_STORAGE, "torch", "BFloat16Storage", STORAGE, BF16)                                 \
    X(DOUBLE_STORAGE, "torch", "DoubleStorage", STORAGE, F64)                                      \
    X(LONG_STORAGE, "torch", "LongStorage", STORAGE, I64)                                          \
    X(INT_STORAGE, "torch", "IntStorage", STORAGE, I32)                                            \
    X(SHORT_STORAGE, "torch", "ShortStorage", STORAGE, I16)                                        \
    X(CHAR_STORAGE, "torch", "CharStorage", STORAGE, I8)                                           \
    X(BYTE_STORAGE, "torch", "ByteStorage", STORAGE, U8)                                           \
    X(BOOL_STORAGE, "torch", "BoolStorage", STORAGE, BOOL)                                         \
    X(UNTYPED, "torch.storage", "UntypedStorage", UNTYPED, U8)                                     \
    X(UNTYPED_SHORT, "torch", "UntypedStorage", UNTYPED, U8)                                       \
    X(UNTYPED_OLD, "torch.storage", "_UntypedStorage", UNTYPED, U8)                                \
    X(UNTYPED_OLD_SHORT, "torch", "_UntypedStorage", UNTYPED, U8)                                  \
    X(TYPED, "torch.storage", "TypedStorage", TYPED, U8)                                           \
    X(TYPED_OLD, "torch.storage", "_TypedStorage", TYPED, U8)                                      \
    X(FLOAT32, "torch", "float32", DTYPE, F32)                                                     \
    X(FLOAT16, "torch", "float16", DTYPE, F16)                                                     \
    X(BFLOAT16, "torch", "bfloat16", DTYPE, BF16)                                                  \
    X(FLOAT64, "torch", "float64", DTYPE, F64)                                                     \
    X(INT64, "torch", "int64", DTYPE, I64)                                                         \
    X(INT32, "torch", "int32", DTYPE, I32)                                                         \
    X(INT16, "torch", "int16", DTYPE, I16)                                                         \
    X(INT8, "torch", "int8", DTYPE, I8)                                                            \
    X(UINT64, "torch", "uint64", DTYPE, U64)                                                       \
    X(UINT32, "torch", "uint32", DTYPE, U32)                                                       \
    X(UINT16, "torch", "uint16", DTYPE, U16)                                                       \
    X(UINT8, "torch", "uint8", DTYPE, U8)                                                          \
    X(BOOLEAN, "torch", "bool", DTYPE, BOOL)

typedef enum limn_pickle_global {
#define X(symbol, module, name, role, type) LIMN_PICKLE_##symbol,
    LIMN_PICKLE_GLOBALS(X)
#undef X
        LIMN_PICKLE_GLOBAL_COUNT
} limn_pickle_global;

typedef struct limn_pickle_known {
    const char *module, *name;
    limn_pickle_role role;
    limn_type type;
} limn_pickle_known;

const limn_pickle_known *limn_pickle_about(limn_pickle_global global);

/* The number of a name, or -1 when it is not understood.  The name of an opcode that exists and is
 * refused, or NULL. */
int limn_pickle_find(const char *module, size_t module_bytes, const char *name, size_t name_bytes);
const char *limn_pickle_refused_opcode(unsigned char code);

typedef enum limn_pickle_kind {
    LIMN_PICKLE_NONE,
    LIMN_PICKLE_FLAG,       /* whole is 0 or 1 */
    LIMN_PICKLE_WHOLE,      /* whole */
    LIMN_PICKLE_BIG,        /* a whole number of more than 64 bits; its value is not kept */
    LIMN_PICKLE_REAL,       /* real */
    LIMN_PICKLE_TEXT,       /* text, count bytes, not ended by 0, not checked to be UTF-8 */
    LIMN_PICKLE_TUPLE,      /* count items */
    LIMN_PICKLE_LIST,       /* count items */
    LIMN_PICKLE_DICT,       /* count items: key, value, key, value ...; also an OrderedDict */
    LIMN_PICKLE_NAME,       /* global */
    LIMN_PICKLE_CALL,       /* global called with the items; it was not called */
    LIMN_PICKLE_PERSISTENT, /* one item: the tuple that names a storage */
} limn_pickle_kind;

typedef struct limn_pickle_value {
    uint8_t kind;   /* limn_pickle_kind */
    uint8_t global; /* limn_pickle_global, of NAME and CALL */
    uint32_t count;
    union {
        int64_t whole;
        double real;
        const char *text; /* in the bytes that were read */
        uint32_t first;   /* number of the first item */
    };
} limn_pickle_value;

typedef struct limn_pickle limn_pickle;

/* Reads one pickle from the front of bytes; *used (if not NULL) is its length.  The bytes are
 * borrowed until close.  name stands in front of every message.  On failure *out is NULL and
 * nothing needs closing. */
limn_status limn_pickle_read(limn_pickle **out, const unsigned char *bytes, size_t count,
                             size_t *used, const char *name, limn_error *error);
void limn_pickle_close(limn_pickle **pickle);

/* The result; item i of a value (i < count, else a mistake of the caller's); all values by number,
 * of which some may have been dropped on the way and belong to nothing. */
const limn_pickle_value *limn_pickle_root(const limn_pickle *pickle);
const limn_pickle_value *limn_pickle_item(const limn_pickle *pickle, const limn_pickle_value *value,
                                          uint32_t i);
uint32_t limn_pickle_values(const limn_pickle *pickle);
const limn_pickle_value *limn_pickle_at(const limn_pickle *pickle, uint32_t number);

#endif
