/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads PyTorch's checkpoints into a list of tensors.  Called by checkpoint.c; everybody else uses
 * checkpoint.h.
 *
 * Two forms.  Since 1.6 a zip archive: FOLDER/data.pkl, FOLDER/data/KEY for each storage, and
 * perhaps FOLDER/byteorder.  Before: the pickle of a magic number, of a protocol number, of the
 * writer's system, of the object, of the list of storage keys, and then for each key its number of
 * elements (8 bytes) and the elements.  In both, a tensor is a call of
 * torch._utils._rebuild_tensor_v2 with (storage, offset, sizes, strides, ...), and a storage a
 * tuple ('storage', type, key, device, number of elements[, view]). */
#ifndef LIMN_MODEL_CHECKPOINT_PTH_H
#define LIMN_MODEL_CHECKPOINT_PTH_H

#include "model/checkpoint.h"

/* Whether the bytes begin like one of the two forms. */
bool limn_pth_is_zip(const unsigned char *bytes, size_t count);
bool limn_pth_is_legacy(const unsigned char *bytes, size_t count);

/* Fills tensors (in the arena) from bytes that stay where they are as long as the tensors are used.
 * Every storage that a tensor uses has been checked against its checksum and its size. */
limn_status limn_pth_read(limn_checkpoint_tensor **tensors, size_t *tensor_count,
                          const unsigned char *bytes, size_t count, const char *name,
                          limn_arena *arena, limn_error *error);

#endif
