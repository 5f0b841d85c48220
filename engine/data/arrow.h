/* The Arrow C data interface, out and in: the exchange with other languages.
 *
 * Types map as Flink's do in Arrow (DECIMAL as 128 bits, TIMESTAMP by its precision as ms, us or ns,
 * TIMESTAMP_LTZ with the zone UTC, MULTISET as a map of counts); what Arrow cannot say (CHAR's length,
 * RAW's name) travels in the field's metadata under "flinc:type", so that our own schemas come back as
 * they were.  Row kinds, record timestamps and key hashes are not exported: a caller that wants them
 * projects them into columns.
 *
 * Flink: ArrowUtils, ArrowReader, ArrowWriter.  Thread: any, one at a time per object; exported arrays
 * may be released on any thread. */
#ifndef FLINC_ENGINE_DATA_ARROW_H
#define FLINC_ENGINE_DATA_ARROW_H

#include "engine/data/batch.h"
#include "flinc/arrow_c.h"

enum arrow_export_flag {
    /* Strings as utf8 and binary (offsets and bytes, copied) for consumers that do not know the views
     * of Arrow 1.4, utf8_view and binary_view, which are batches' own layout. */
    ARROW_EXPORT_PLAIN_STRINGS = 1,
};

/* The schema as a struct type. */
int schema_export_arrow(const struct schema *s, uint32_t flags, struct ArrowSchema *ret,
                        struct error *err) MUST_CHECK;
/* A struct array of the selected rows, and its schema unless ret_schema is NULL.  Buffers are shared,
 * not copied, where Arrow's layout is the batch's; the array holds a reference to the batch until it is
 * released.  ERR_TOO_LARGE for a TIMESTAMP(7..9) beyond the years 1677 to 2262, which Arrow's
 * nanoseconds cannot hold; ERR_UNSUPPORTED for a map with a NULL key. */
int batch_export_arrow(struct buffer_pool *pool, struct batch *b, uint32_t flags,
                       struct ArrowSchema *ret_schema, struct ArrowArray *ret_array,
                       struct error *err) MUST_CHECK;

/* The schema of a struct type; `in` stays the caller's.  Unsigned integers widen (uint64 to
 * DECIMAL(20, 0)).  ERR_UNSUPPORTED names the field of a type that has no counterpart: float16,
 * dictionaries, unions, run-end encoding, decimals above 38 digits, month-day-nano intervals. */
int schema_import_arrow(const struct ArrowSchema *in, struct schema **ret,
                        struct error *err) MUST_CHECK;

/* A struct array that was taken over, to be read batch by batch.  It is released when the import and
 * all batches that refer to its strings are gone.  Reference-counted.  Thread: any. */
struct arrow_import;

/* Takes the array on success (its `release` is then NULL); on failure it stays the caller's.  The
 * structure is checked here (lengths, children, buffers), contents when a batch is made of them; that
 * buffers are as long as the interface demands cannot be checked. */
int arrow_import_new(const struct ArrowSchema *schema, struct ArrowArray *take_array,
                     struct arrow_import **ret, struct error *err) MUST_CHECK;
struct arrow_import *
arrow_import_unref(struct arrow_import *import); /* NULL is fine; returns NULL */
const struct schema *arrow_import_schema(const struct arrow_import *import);
uint64_t arrow_import_rows(const struct arrow_import *import);
/* Rows [from, from + n), n <= BATCH_ROWS_MAX, as a batch.  Long runs of string bytes stay where they
 * are, everything else is copied: foreign memory is neither aligned nor padded.  TIME and INTERVAL finer
 * than milliseconds are cut off, as Flink does. */
int arrow_import_batch(struct arrow_import *import, struct buffer_pool *pool, uint64_t from,
                       uint32_t n, struct batch **ret, struct error *err) MUST_CHECK;

#endif
