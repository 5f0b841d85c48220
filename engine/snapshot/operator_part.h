/* Where the items of a part of an operator's state lie: a few stand in the handle, of many the blob has an index,
 * so that handles stay small however many items there are.
 *
 * Thread: any; pure.  Flink: OperatorStateHandle.StateMetaInfo. */
#ifndef FLINC_ENGINE_SNAPSHOT_OPERATOR_PART_H
#define FLINC_ENGINE_SNAPSHOT_OPERATOR_PART_H

#include "common/base/error.h"
#include "common/base/str.h"
#include "proto/snapshot.pb-c.h"

enum { OPERATOR_PART_ITEMS_IN_HANDLE = 64 }; /* a part of more has an index */

/* Items that the part has, or that were dealt of it. */
uint64_t operator_part_items(const Flinc__OperatorStatePart *p);
/* Bytes of the items of a part that was not narrowed. */
uint64_t operator_part_bytes(const Flinc__OperatorStatePart *p);
/* Only items [first, first + n) of those that it has are meant from now on; the arrays are shared. */
void operator_part_narrow(Flinc__OperatorStatePart *p, uint64_t first, uint64_t n);
/* Whether the places in the handle fit a blob of `size` bytes; what is in the blob is not looked at. */
int operator_part_check(const Flinc__OperatorStatePart *p, uint64_t size,
                        struct error *err) MUST_CHECK;
/* Item `i` of a part that was checked, in the bytes of its blob.  ERR_CORRUPT: the index points outside. */
int operator_part_item(const Flinc__OperatorStatePart *p, const uint8_t *data, uint64_t i,
                       struct slice *ret_item, struct error *err) MUST_CHECK;

#endif
