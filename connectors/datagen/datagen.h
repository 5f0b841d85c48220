/* 'connector' = 'datagen': generated rows; see README.md.  Flink: DataGenTableSourceFactory. */
#ifndef FLINC_CONNECTORS_DATAGEN_DATAGEN_H
#define FLINC_CONNECTORS_DATAGEN_DATAGEN_H

#include "engine/table/table.h"
#include "proto/connectors.pb-c.h"

extern const struct table_connector connector_datagen;
extern const struct operator_desc operator_table_datagen;

enum {
    DATAGEN_LENGTH = 100,          /* of strings without one of their own */
    DATAGEN_COLLECTION_LENGTH = 3, /* of arrays, maps, multisets */
    DATAGEN_ROW_BYTES_MAX = 16 * 1024 * 1024,
};

/* How the columns of a table are made, from its options, in the arena; ret_count: rows of the shortest sequence, or
 * INT64_MAX.  ERR_INVALID_CONFIG. */
int datagen_plan_fields(const struct table *t, struct arena *arena,
                        Flinc__GenerateField **ret_fields, int64_t *ret_count,
                        struct error *err) MUST_CHECK;
/* Bytes that a cell has at most. */
uint64_t datagen_cell_bytes(const struct data_type *type, const Flinc__GenerateField *f);

#endif
