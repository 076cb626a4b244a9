/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing an ONNX file: a growing graph of nodes, and its end on the disk.
 *
 * The wire format is protobuf-c's work, from the schema that Debian's libonnx-dev ships; this is a
 * thin layer that takes memory from an arena and streams the result, so that weights are not copied
 * into a second image of the file.  After a first refusal of memory further calls do nothing and
 * limn_onnx_write reports it, which is what lets the writers in export.c read like the formulas. */
#ifndef LIMN_MODEL_ONNX_H
#define LIMN_MODEL_ONNX_H

#include "base/file.h"
#include "model/model.h"
#include "onnx.pb-c.h"

enum { LIMN_ONNX_OPSET = 17, LIMN_ONNX_IR = 8, LIMN_ONNX_INPUTS_MAX = 8 };

typedef struct limn_onnx {
    limn_arena *arena;
    Onnx__GraphProto graph;
    size_t node_room, tensor_room; /* counted before: nothing grows */
    int names;                     /* given out so far */
    bool full;                     /* memory was refused, or a room was too small */
} limn_onnx;

/* An empty graph with room for so many nodes and tensors. */
void limn_onnx_open(limn_onnx *onnx, limn_arena *arena, const char *name, size_t nodes,
                    size_t tensors);

/* A new name, "front_7", in the arena; never NULL. */
const char *limn_onnx_name(limn_onnx *onnx, const char *front);

/* Adds type(inputs...) -> output and returns it for its attributes.  inputs end with NULL, or after
 * LIMN_ONNX_INPUTS_MAX. */
typedef Onnx__NodeProto limn_onnx_node_t;
limn_onnx_node_t *limn_onnx_node(limn_onnx *onnx, const char *type, const char *output,
                                 const char *const *inputs);
void limn_onnx_int(limn_onnx *onnx, limn_onnx_node_t *node, const char *name, int64_t value);
void limn_onnx_float(limn_onnx *onnx, limn_onnx_node_t *node, const char *name, float value);
void limn_onnx_text(limn_onnx *onnx, limn_onnx_node_t *node, const char *name, const char *value);
void limn_onnx_ints(limn_onnx *onnx, limn_onnx_node_t *node, const char *name, size_t count,
                    const int64_t *values);

/* Adds a constant tensor; its name.  bytes are borrowed until the file is written. */
const char *limn_onnx_tensor(limn_onnx *onnx, const char *name, limn_type type, int dims,
                             const int64_t *size, const void *bytes);
/* The same with the values copied. */
const char *limn_onnx_floats(limn_onnx *onnx, const char *name, int dims, const int64_t *size,
                             const float *values);
const char *limn_onnx_longs(limn_onnx *onnx, const char *name, int64_t count,
                            const int64_t *values);

/* Declares an input or output of float pictures: channels fixed, the other sizes by name. */
void limn_onnx_picture(limn_onnx *onnx, bool output, const char *name, int channels,
                       const char *batch, const char *height, const char *width);

/* Writes the file, whole or absent, with the pairs as metadata. */
limn_status limn_onnx_write(limn_onnx *onnx, const char *path, const char *notice,
                            const limn_saved_text *texts, size_t text_count, limn_error *error);

/* ---- Reading ----------------------------------------------------------------------------------
 */

typedef struct limn_onnx_about {
    int64_t ir, opset;
    const char *producer, *version, *notice; /* NULL: not said */
    limn_saved_text *texts;                  /* the metadata */
    size_t text_count;
} limn_onnx_about;

/* What an ONNX file says of itself, or false: it is none, or memory was refused.  The graph is
 * stepped over: weights are not copied, and nothing nested is ever entered.  Texts live in the
 * arena. */
bool limn_onnx_look(limn_onnx_about *about, const unsigned char *bytes, size_t count,
                    limn_arena *arena);

#endif
