/* An Arrow array under import: what its structure (import.c) and its values (values.c)
 * share.  Inside the room only. */
#ifndef FLINC_ENGINE_DATA_ARROW_IMPORT_H
#define FLINC_ENGINE_DATA_ARROW_IMPORT_H

#include "engine/data/arrow/format.h"

/* A column of the array, checked. */
struct import_node {
    const struct data_type *type; /* Borrows: of the import's schema */
    struct arrow_format format;
    const struct ArrowArray *array; /* Borrows: the import's */
    /* For maps: the struct between the map and its children; else NULL. */
    const struct ArrowArray *entries;
    struct import_node *children; /* Owns, in the import's arena */
    uint32_t n_children;
};

/* Thread: any (atomics); immutable otherwise. */
struct arrow_import {
    _Atomic uint32_t refs;
    struct arena arena;        /* in which this lies, too */
    struct ArrowArray array;   /* Owns */
    struct schema *schema;     /* Owns a ref */
    struct import_node *nodes; /* one per field */
};

/* Rows [from, from + n) of a node, counted behind the array's own offset, into an empty column. */
int import_values(struct arrow_import *import, struct buffer_pool *pool,
                  const struct import_node *node, int64_t from, uint32_t n, struct column *ret,
                  struct error *err) MUST_CHECK;
/* The bits of an array's rows are copied to `to`; returns how many rows are NULL (0: `to` was not
 * written, as there is no bitmap). */
uint32_t import_validity(const struct ArrowArray *array, int64_t from, uint32_t n, uint8_t *to);
void arrow_import_drop(void *import); /* arrow_import_unref() for buffer_wrap() */

#endif
