/* flinc/arrow_c.h: the structs of the Arrow C data interface, through which batches are handed to and
 * taken from other languages without a copy.
 *
 * The layout is a stable ABI that the Arrow project publishes; every library that speaks it declares
 * the same two structs.  Whoever comes first wins: hence the guard, which is not ours.
 *
 * Rules of the interface: a struct whose `release` is NULL is empty.  A producer fills a struct that the
 * consumer owns; the consumer calls `release` exactly once, which frees all that hangs below, or moves
 * the struct (copies it and sets `release` of the old one to NULL).  A child may be moved out and is
 * then released on its own. */
#ifndef FLINC_ARROW_C_H
#define FLINC_ARROW_C_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

/* The type of an array. */
struct ArrowSchema {
    const char *format;   /* the type, as "l" or "+s" */
    const char *name;     /* of the field; may be NULL */
    const char *metadata; /* counted pairs of strings; may be NULL */
    int64_t flags;        /* ARROW_FLAG_* */
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary; /* NULL unless dictionary-encoded */
    void (*release)(struct ArrowSchema *schema);
    void *private_data; /* the producer's */
};

/* The values of an array. */
struct ArrowArray {
    int64_t length;
    int64_t null_count; /* -1: not counted */
    int64_t offset;     /* of the first value in the buffers */
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *array);
    void *private_data;
};

#endif /* ARROW_C_DATA_INTERFACE */

#ifdef __cplusplus
}
#endif

#endif
