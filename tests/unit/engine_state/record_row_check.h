/* Damaged or hostile bytes as a record, beside row_decode(): what the unit tests and the fuzz target share. */
#ifndef FLINC_TESTS_ENGINE_STATE_RECORD_ROW_CHECK_H
#define FLINC_TESTS_ENGINE_STATE_RECORD_ROW_CHECK_H

#include "engine/data/codec.h"
#include "engine/state/record_row.h"

/* What row_decode() says of the bytes, as a record has it: no kind, no timestamp, NULLs only where its layout has
 * a place for them. */
static inline bool record_row_is_row(struct buffer_pool *pool, const struct record_layout *l,
                                     const void *data, size_t size)
{
    struct builder b;
    builder_init(&b, pool, l->schema, 1);
    bool is = row_decode(data, size, &b, NULL) == 0 && (*(const uint8_t *)data & 15) == 0;
    struct batch *batch = builder_finish(&b);
    for (uint32_t i = 0; is && i < l->n_fields; i++) {
        const struct record_field *f = &l->fields[i];
        is = f->null_offset != RECORD_NEVER_NULL || !column_is_null(&batch->columns[f->column], 0);
    }
    batch_unref(batch);
    builder_fini(&b);
    return is;
}

/* Takes the bytes as a record, which is kept in state and encoded again: it is a row exactly when row_decode()
 * takes it, and has the same bytes then.  Returns whether it is one. */
static inline bool record_row_check(struct buffer_pool *pool, struct record_row *r,
                                    const void *data, size_t size)
{
    const struct record_layout *l = r->layout;
    struct state_heap heap;
    STR_AUTO again = STR_INIT;
    char *kept = mem_zalloc(l->size);
    state_heap_init(&heap, NULL);
    int rc = record_row_decode(r, &heap, data, size, kept, NULL);
    bool is = record_row_is_row(pool, l, data, size);
    ASSERT(is == (rc == 0));
    ASSERT(is || heap.used_bytes == 0);
    if (is) {
        rc = record_row_encode(r, kept, &again, NULL);
        ASSERT(rc == 0 && again.len == size && memcmp(again.data, data, size) == 0);
    }
    record_drop(l, &heap, kept);
    ASSERT(heap.used_bytes == 0);
    state_heap_fini(&heap);
    mem_free(kept);
    return is;
}

#endif
