/* Formats of files: what makes bytes of batches.
 *
 * A format is a const table of functions.  An encoder is one for the task, with the schema; a part is one for each
 * file that is open, where a format keeps something between batches (row groups, blocks): formats without such a
 * thing have part_size 0.  What a format has not made bytes of yet is lost with the task, so that only those
 * that keep nothing (is_appendable) may stay open over a checkpoint.
 *
 * Thread: the task's; `header` any.  Flink: Encoder, BulkWriter.Factory. */
#ifndef FLINC_ENGINE_OPERATORS_FILES_ENCODER_H
#define FLINC_ENGINE_OPERATORS_FILES_ENCODER_H

#include "engine/operators/operator.h"
#include "proto/operators.pb-c.h"

struct user_function;

/* What a format is opened with; Borrows, all of it lives longer than the encoder. */
struct file_encoder_context {
    const struct schema *schema;
    struct buffer_pool *pool; /* of the task; batches that come may be of others */
    const Flinc__FileSinkConfig *config;
    struct user_function *function; /* of the job, resolved; NULL: it has none */
};

struct file_encoder {
    const struct file_encoder_desc *desc;
    struct slice header; /* Borrows: what each file begins with; compaction keeps one of them */
};

struct file_encoder_desc {
    const char *name;     /* "csv" */
    bool is_appendable;   /* may be a row format: files stay open over checkpoints */
    bool takes_function;  /* of the job */
    size_t instance_size; /* of the struct that begins with struct file_encoder; zeroed */
    size_t part_size;     /* of what it keeps for each open file; zeroed */
    /* Whether the format can write the schema: for the job's builder, too.  ERR_UNSUPPORTED names the column. */
    int (*check)(const struct schema *schema, const Flinc__FileSinkConfig *config,
                 struct error *err);
    int (*open)(struct file_encoder *e, const struct file_encoder_context *c, struct error *err);
    void (*close)(struct file_encoder *e); /* also after a failed open */
    /* Appends the selected rows to `out`, or keeps them. */
    int (*encode)(struct file_encoder *e, void *part, const struct batch *b, struct str *out,
                  struct error *err);
    /* Appends what is kept, and how the file ends.  NULL: nothing. */
    int (*finish)(struct file_encoder *e, void *part, struct str *out, struct error *err);
    void (*drop)(struct file_encoder *e, void *part);                 /* NULL: nothing */
    uint64_t (*kept)(const struct file_encoder *e, const void *part); /* bytes; NULL: none */
};

/* NULL when there is none of the name. */
const struct file_encoder_desc *file_encoder_find(const char *name);
/* Appends the names, "csv, json, text". */
void file_encoder_names(struct str *out);
/* The format of a configuration is there and can do what it says; the schema is checked where it is given (not
 * NULL). */
int file_encoder_check(const Flinc__FileSinkConfig *config, const struct schema *schema,
                       struct error *err) MUST_CHECK;
int file_encoder_new(const struct file_encoder_context *c, struct file_encoder **ret_encoder,
                     struct error *err) MUST_CHECK;
struct file_encoder *file_encoder_free(struct file_encoder *e); /* NULL is fine; returns NULL */

extern const struct file_encoder_desc file_encoder_csv;
extern const struct file_encoder_desc file_encoder_json;
extern const struct file_encoder_desc file_encoder_text;
/* Not among those by name: where the configuration has a format of tables. */
extern const struct file_encoder_desc file_encoder_table;

#endif
