/* Arrow's format strings and what they mean here: shared by export and import.  Inside the room only. */
#ifndef FLINC_ENGINE_DATA_ARROW_FORMAT_H
#define FLINC_ENGINE_DATA_ARROW_FORMAT_H

#include "engine/data/arrow.h"

/* Keys of a field's metadata: our type where the format says less, and a nullable map key (Arrow's are
 * NOT NULL). */
#define ARROW_METADATA_TYPE "flinc:type"
#define ARROW_METADATA_NULLABLE "flinc:nullable"
#define ARROW_METADATA_MULTISET "MULTISET" /* of "flinc:type"; the format is that of a map */

/* How values lie in the buffers. */
enum arrow_storage {
    ARROW_NULLS,   /* no buffer */
    ARROW_BITS,    /* validity, bits */
    ARROW_FIXED,   /* validity, values of `width` bytes */
    ARROW_BYTES,   /* validity, strings of `width` bytes each */
    ARROW_STRINGS, /* validity, offsets of `width` bytes, bytes */
    ARROW_VIEWS,   /* validity, views, data buffers, their sizes */
    ARROW_LIST,    /* validity, offsets of `width` bytes; one child */
    ARROW_TUPLES,  /* validity; one child, `width` elements each */
    ARROW_MAP,     /* validity, offsets of 4 bytes; a struct of key and value */
    ARROW_STRUCT,  /* validity; children */
};

/* How values of ARROW_FIXED become ours. */
enum arrow_convert {
    ARROW_COPY,       /* as they are */
    ARROW_SCALE,      /* integers of `width` bytes, times `multiply`, divided by `divide` (floor) */
    ARROW_DECIMAL,    /* integers of `width` bytes, as unscaled values of the type's precision */
    ARROW_NANOS,      /* int64 nanoseconds */
    ARROW_DAYS_MILLIS /* int32 days, int32 ms */
};

struct arrow_format {
    enum arrow_storage storage;
    enum arrow_convert convert;
    uint32_t width;
    bool is_unsigned;
    int32_t multiply, divide; /* 0: 1 */
};

/* Parses a format.  *ret_type: the nullable type that it stands for; NULL for nested formats, whose types
 * follow from their children.  ERR_UNSUPPORTED without a counterpart. */
int arrow_format_parse(const char *text, struct arrow_format *ret, struct data_type **ret_type,
                       struct error *err) MUST_CHECK;
/* The format of a type; the text lies in the arena or is constant. */
const char *arrow_format_of(const struct data_type *type, uint32_t flags, struct arena *arena);

/* The value of a key; false when it is not there.  `metadata` may be NULL. */
bool arrow_metadata_find(const char *metadata, const char *key, struct slice *ret_value);
/* Encoded metadata of n pairs, in the arena. */
const char *arrow_metadata_make(struct arena *arena, const struct slice *keys,
                                const struct slice *values, int32_t n);

#endif
