/* Columns of a source that have one value per file: values of its path, metadata of the file.
 *
 * Thread: the task's.  Lives as long as the operator. */
#ifndef FLINC_CONNECTORS_FILESYSTEM_CONSTANTS_H
#define FLINC_CONNECTORS_FILESYSTEM_CONSTANTS_H

#include "engine/operators/operator.h"
#include "proto/connectors.pb-c.h"
#include "proto/operators.pb-c.h"

struct constants {
    const Flinc__FilesystemSourceConfig *config; /* Borrows */
    const struct schema *output;                 /* Borrows */
    struct buffer_pool *pool;                    /* Borrows */
    struct schema *schema; /* Owns a ref: of the constant columns; NULL: there are none */
    uint32_t *outputs;     /* Owns: the output column of each */
    struct batch *row;     /* Owns: their values for the file at hand */
};

int constants_init(struct constants *c, const Flinc__FilesystemSourceConfig *config,
                   struct op_context *ctx, struct error *err) MUST_CHECK;
void constants_fini(struct constants *c); /* a zeroed one is fine */
/* The rows that come are of this file.  ERR_PARSE: its path has no such partition, or no value of its type. */
int constants_start(struct constants *c, const Flinc__FileSplit *split,
                    struct error *err) MUST_CHECK;
/* Fills their columns of a batch of the output's schema. */
int constants_fill(struct constants *c, struct batch *b, struct error *err) MUST_CHECK;

#endif
