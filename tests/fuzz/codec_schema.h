/* What the fuzz targets of the codecs share: a pool, and a schema chosen by the input's first two bytes:
 * one of a few that have every type, or a random one. */
#ifndef FLINC_TESTS_FUZZ_CODEC_SCHEMA_H
#define FLINC_TESTS_FUZZ_CODEC_SCHEMA_H

#include "engine/data/codec.h"
#include "tests/unit/engine_data/random_rows.h"

enum { CODEC_SCHEMA_BYTES = 2 };

static inline struct schema *codec_schema(uint32_t choice, bool ordered)
{
    static const char *const TEXTS[] = {
        "ROW<a BIGINT NOT NULL, b STRING, c INT, d BOOLEAN>",
        "ROW<a CHAR(4), b BYTES, c DECIMAL(10, 2), d DECIMAL(38, 10), e TINYINT, f SMALLINT, "
        "g FLOAT, h DOUBLE, i DATE, j TIME(3), k TIMESTAMP(3), l TIMESTAMP(9), m INTERVAL DAY, "
        "n NULL>",
        "ROW<a ARRAY<INT>, b ARRAY<ARRAY<STRING>>, c ROW<x INT, y ROW<z STRING>>, d ARRAY<NULL>>",
        "ROW<a MAP<STRING, BIGINT>, b MULTISET<INT>, c MAP<INT, MAP<INT, ARRAY<BOOLEAN>>>>",
    };
    /* The last one has maps, which have no order. */
    uint32_t n_texts = ordered ? ARRAY_LEN(TEXTS) - 1 : ARRAY_LEN(TEXTS);
    if (choice % 8 < n_texts) {
        struct schema *s = NULL;
        int rc = schema_parse(slice_cstr(TEXTS[choice % 8]), &s, NULL);
        ASSERT(rc == 0);
        return s;
    }
    struct rng r;
    rng_init(&r, choice);
    return random_schema(&r, 8, 3);
}

static inline struct buffer_pool *codec_pool(void)
{
    static struct buffer_pool *pool; /* for the whole run */
    if (pool == NULL) {
        pool = buffer_pool_new(&(struct buffer_pool_options){.name = "fuzz"});
    }
    ASSERT(buffer_pool_out_count(pool) == 0);
    return pool;
}

static inline void codec_check_valid(const struct batch *b)
{
    int rc = batch_validate(b, NULL);
    ASSERT(rc == 0);
}

#endif
