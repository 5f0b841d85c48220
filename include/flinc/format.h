/* flinc/format.h: formats of third parties: bytes of records to columns and back, for tables whose connector takes `format`.
 *
 * A plug-in is a shared object plugins/NAME/FILE.so that exports one function, FLINC_FORMAT(my_format).  It includes this
 * header and links nothing of Flinc: what it calls is in the tables that it is given, or inline in flinc/out.h.
 *
 *   cc -O2 -fPIC -shared $(bin/flinc-config --cflags) my_format.c -o plugins/my-format/my_format.so
 *
 *   CREATE TABLE t (id BIGINT, name STRING) WITH ('connector' = ..., 'format' = 'my-format', 'my-format.some-option' = '1')
 *
 * Reading.  open() learns the physical columns of the table and which of them are wanted, and where.  decode() is given bytes that
 * begin with a record, and writes a row for each whole record that it finds, by the writers of flinc/out.h at its column; nested
 * columns through flinc_format_host.  It stops where the batch is full or the rest is no whole record, and says how many bytes
 * it has read.  With FLINC_FORMAT_MESSAGES the bytes are one record (a message of a queue); with FLINC_FORMAT_STREAM they are a piece of a
 * file, and find_start() says where the first record behind an arbitrary place begins, so that files may be split.
 *
 * Writing.  encode() appends the bytes of rows to a sink; header() and trailer() what a file begins and ends with.
 *
 * Versions.  A struct begins with its size and FLINC_FORMAT_ABI_VERSION of the header that it was compiled with.  New functions are
 * added at its end, and are absent for plug-ins that are older; what exists keeps its meaning, else the version grows and older
 * plug-ins are refused with a sentence.
 *
 * Threads.  A decoder or an encoder is used by one thread at a time.  Several exist at once.  Functions do not block.
 * Ownership.  Arguments are borrowed for the call, but for the config of open(), which lives as long as what was opened.
 * Errors.  0, or one of enum flinc_format_code with flinc_format_fail().  Outputs are only read after 0 was returned.
 *
 * Flink: DeserializationFormatFactory, SerializationFormatFactory, DecodingFormat, EncodingFormat. */
#ifndef FLINC_FORMAT_H
#define FLINC_FORMAT_H

#include <stdarg.h>
#include <stdio.h>

#include "flinc/arrow_c.h"
#include "flinc/out.h"
#include "flinc/sqltype.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FLINC_FORMAT_ABI_VERSION 1
#define FLINC_FORMAT_MESSAGE_MAX 512
#define FLINC_FORMAT_NAME_MAX 63    /* letters of an identifier, and of an option */
#define FLINC_FORMAT_OPTIONS_MAX 64 /* of one format */
#define FLINC_FORMAT_NO_COLUMN 0xffffffffu
#define FLINC_FORMAT_NO_OFFSET 0xffffffffffffffffu

/* ---- errors ------------------------------------------------------------------------------------------- */

enum flinc_format_code {
    FLINC_FORMAT_OK = 0,
    FLINC_FORMAT_INVALID = 1, /* these options, or this schema, can never work */
    FLINC_FORMAT_UNSUPPORTED =
        2, /* a type, or something in the data, that the format does not have */
    FLINC_FORMAT_MALFORMED = 3, /* the data is no record of the format, or does not fit a column */
    FLINC_FORMAT_TOO_LARGE = 4, /* a record, or a value, is over a limit */
    FLINC_FORMAT_INTERNAL = 5
};

typedef struct flinc_format_error {
    char message
        [FLINC_FORMAT_MESSAGE_MAX]; /* NUL-terminated; a sentence without full stop and without the place */
    uint64_t
        offset; /* decode(): of the byte that is wrong, in the data given; FLINC_FORMAT_NO_OFFSET: not known */
} flinc_format_error;

/* Sets message and offset (error may be NULL) and is the code. */
static inline int flinc_format_fail(flinc_format_error *error, enum flinc_format_code code,
                                    uint64_t offset, const char *fmt, ...) FLINC_PRINTF(4, 5);
static inline int flinc_format_fail(flinc_format_error *error, enum flinc_format_code code,
                                    uint64_t offset, const char *fmt, ...)
{
    if (error) {
        va_list ap;
        va_start(ap, fmt);
        (void)vsnprintf(error->message, sizeof(error->message), fmt, ap);
        va_end(ap);
        error->offset = offset;
    }
    return (int)code;
}

/* ---- columns --------------------------------------------------------------------------------------------- */

typedef struct flinc_format_schema {
    uint32_t struct_size;
    uint32_t n_columns;
    const char *const *names;
    const flinc_type *const *types;
    const void *engine; /* Flinc's */
} flinc_format_schema;

/* ---- options ---------------------------------------------------------------------------------------------- */

enum flinc_option_type {
    FLINC_OPTION_BOOL = 0,
    FLINC_OPTION_INT = 1,
    FLINC_OPTION_LONG = 2,
    FLINC_OPTION_DOUBLE = 3,
    FLINC_OPTION_STRING = 4,
    FLINC_OPTION_ENUM = 5, /* one of `values`, in any case */
    FLINC_OPTION_CHAR = 6  /* one character; SQL's escapes \t and \\ as in Flink */
};
enum flinc_option_flags {
    FLINC_OPTION_REQUIRED = 1,
    FLINC_OPTION_READING = 2, /* matters for reading alone */
    FLINC_OPTION_WRITING = 4, /* matters for writing alone */
    FLINC_OPTION_OWN = 8      /* Flink does not have it */
};

typedef struct flinc_format_option {
    const char *name; /* without the format's prefix: "ignore-parse-errors" */
    enum flinc_option_type type;
    const char *default_text; /* NULL: none */
    const char *values;       /* "SQL|ISO-8601", of FLINC_OPTION_ENUM */
    const char *description;  /* one or two sentences */
    uint32_t flags;           /* enum flinc_option_flags */
} flinc_format_option;

/* The options of a table, checked against the format's own rows. */
typedef struct flinc_format_options {
    uint32_t struct_size;
    /* The value, else the default; NULL: neither.  Booleans are "true" and "false", an ENUM is as in `values`. */
    const char *(*get)(const struct flinc_format_options *options, const char *name);
} flinc_format_options;

static inline bool flinc_format_option_is(const flinc_format_options *options, const char *name,
                                          const char *value)
{
    const char *text = options->get(options, name);
    return text != NULL && strcmp(text, value) == 0;
}
static inline bool flinc_format_option_bool(const flinc_format_options *options, const char *name)
{
    return flinc_format_option_is(options, name, "true");
}

/* ---- what Flinc does for a format --------------------------------------------------------------------------- */

typedef struct flinc_format_cell flinc_format_cell; /* a nested column under construction */

typedef struct flinc_format_host {
    uint32_t struct_size;
    /* Room for one more row: 0, or 1: the batch is full, decode() stops in front of this record. */
    int (*begin_row)(flinc_out *out);
    /* Forgets what was written of the row that was not ended. */
    void (*cancel_row)(flinc_out *out);
    /* 0 +I, 1 -U, 2 +U, 3 -D: the kind of the row under construction; +I when not called. */
    void (*set_kind)(flinc_out *out, int kind);
    void (*put_null)(flinc_out *out, uint32_t column);
    /* A string of any length, as flinc_out_put_string(). */
    void (*put_string)(flinc_out *out, uint32_t column, flinc_string s);

    /* Nested values, from the inside out: values are added to the children (those of arrays, maps and multisets any
     * number of times, keys and values or counts one each; those of rows once), then the cell is closed, by
     * close_column() for one of the table and by close_cell() for a nested one. */
    flinc_format_cell *(*column)(flinc_out *out, uint32_t column);
    flinc_format_cell *(*child)(flinc_format_cell *cell, uint32_t i);
    void (*add_null)(flinc_out *out, flinc_format_cell *cell);
    void (*add_bool)(flinc_out *out, flinc_format_cell *cell, bool v);
    void (*add_int64)(flinc_out *out, flinc_format_cell *cell, int64_t v);
    void (*add_double)(flinc_out *out, flinc_format_cell *cell, double v);
    void (*add_decimal)(flinc_out *out, flinc_format_cell *cell, int64_t high, uint64_t low);
    void (*add_timestamp)(flinc_out *out, flinc_format_cell *cell, int64_t ms, int32_t nanos);
    int (*add_string)(flinc_out *out, flinc_format_cell *cell,
                      flinc_string s); /* enum flinc_format_code */
    void (*close_cell)(flinc_out *out, flinc_format_cell *cell);
    void (*close_column)(flinc_out *out, uint32_t column);
} flinc_format_host;

/* ---- reading --------------------------------------------------------------------------------------------------- */

enum flinc_format_framing {
    FLINC_FORMAT_MESSAGES = 1, /* each call has exactly one record */
    FLINC_FORMAT_STREAM = 2    /* records follow each other in a file */
};

typedef struct flinc_format_decode_config {
    uint32_t struct_size;
    enum flinc_format_framing framing;
    const flinc_format_schema *schema; /* the table's physical columns, in their order */
    /* By physical column: its column in the output, or FLINC_FORMAT_NO_COLUMN where it is not wanted.  The output may have columns
     * that the decoder leaves alone (metadata, partitions): whoever owns it sets them. */
    const uint32_t *columns;
    const flinc_format_options *options;
    const flinc_format_host *host;
} flinc_format_decode_config;

enum flinc_format_input_flags {
    FLINC_FORMAT_AT_END = 1,      /* nothing follows: the last record needs no end */
    FLINC_FORMAT_NULL_MESSAGE = 2 /* a message without a value, not an empty one */
};

typedef struct flinc_format_input {
    uint32_t struct_size;
    uint32_t flags;   /* enum flinc_format_input_flags; MESSAGES: always at the end */
    const char *data; /* begins with a record */
    uint64_t size;
    /* STREAM: records that begin here or behind belong to somebody else; >= size: all are ours. */
    uint64_t past;
    uint64_t skip_rows; /* of the first record, which were read before: partial_rows below */
} flinc_format_input;

/* What decode() did; zeroed before. */
typedef struct flinc_format_progress {
    uint32_t struct_size;
    uint32_t
        batch_full; /* 1: stopped because no row fits; call again with the rest and an empty batch */
    uint64_t consumed; /* bytes, whole records; what is left is given again, with more behind it */
    /* Rows that the record behind them has made already: of those that make several, when the batch became full in the midst of one. */
    uint64_t partial_rows;
    uint64_t lines;           /* line ends in them; 0 for formats without lines */
    uint64_t skipped_records; /* left out because they could not be read, where an option says so */
    uint64_t nulled_fields;   /* that became NULL because they could not be read */
} flinc_format_progress;

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* Where bytes go: at[0] to at[left - 1] may be written; then at and left are moved on. */
typedef struct flinc_format_sink {
    uint32_t struct_size;
    char *at;
    uint64_t left;
    /* Makes room for `size` bytes at `at`.  Never fails. */
    void (*grow)(struct flinc_format_sink *sink, uint64_t size);
    /* MESSAGES: ends the message of a row; null: it has none (a tombstone). */
    void (*end_message)(struct flinc_format_sink *sink, bool null);
    void *engine; /* Flinc's */
} flinc_format_sink;

static inline void flinc_format_append(flinc_format_sink *sink, const char *data, size_t size)
{
    if (sink->left < size) {
        sink->grow(sink, size);
    }
    memcpy(sink->at, data, size);
    sink->at += size;
    sink->left -= size;
}

typedef struct flinc_format_encode_config {
    uint32_t struct_size;
    enum flinc_format_framing framing;
    const flinc_format_schema *schema; /* of the rows */
    const flinc_format_options *options;
} flinc_format_encode_config;

typedef struct flinc_format_rows {
    uint32_t struct_size;
    uint32_t n;
    const struct ArrowArray
        *array; /* a struct array of the columns; strings are views.  Valid during the call */
    const uint8_t *kinds; /* by row; NULL: all are +I */
    const void *engine;   /* Flinc's */
} flinc_format_rows;

/* ---- the table of a format -------------------------------------------------------------------------------------- */

enum flinc_format_flags {
    FLINC_FORMAT_SPLITTABLE = 1, /* find_start() works anywhere, with any options */
    FLINC_FORMAT_ENGINE = 2      /* Flinc's own: works on the engine's types; refused of plug-ins */
};
enum flinc_format_kinds { /* what its records can say */
                          FLINC_FORMAT_INSERT = 1,
                          FLINC_FORMAT_UPDATE_BEFORE = 2,
                          FLINC_FORMAT_UPDATE_AFTER = 4,
                          FLINC_FORMAT_DELETE = 8
};

typedef struct flinc_format {
    uint32_t struct_size; /* sizeof(flinc_format) */
    uint32_t abi_version; /* FLINC_FORMAT_ABI_VERSION */
    const char *name;     /* "my-format": as in 'format' = '...'; lower-case letters, digits, '-' */
    const char *description;
    uint32_t flags;   /* enum flinc_format_flags */
    uint32_t framing; /* enum flinc_format_framing, those that it can */
    uint32_t reads;   /* enum flinc_format_kinds of rows that it makes; 0: it cannot read */
    uint32_t writes;  /* of rows that it takes; 0: it cannot write */
    uint32_t n_options;
    const flinc_format_option *options;
    /* Options against each other, and whether the types can be read (`write` 0) or written (1).  Called where the table is planned, too.
     * May be NULL. */
    int (*check)(const flinc_format_schema *schema, const flinc_format_options *options, int write,
                 flinc_format_error *error);

    /* ---- reading; NULL: it cannot ---- */
    int (*decoder_open)(const flinc_format_decode_config *config, void **ret_decoder,
                        flinc_format_error *error);
    int (*decode)(void *decoder, const flinc_format_input *input, flinc_out *out,
                  flinc_format_progress *ret, flinc_format_error *error);
    /* STREAM: *ret_start is where the first record behind data[0], which may be in the middle of one, begins; 0: not in this data, more
     * is needed.  NULL: files are read from their beginning by one reader.  FLINC_FORMAT_UNSUPPORTED: so it is with these options. */
    int (*find_start)(void *decoder, const char *data, uint64_t size, uint64_t *ret_start,
                      flinc_format_error *error);
    void (*decoder_close)(void *decoder);

    /* ---- writing; NULL: it cannot ---- */
    int (*encoder_open)(const flinc_format_encode_config *config, void **ret_encoder,
                        flinc_format_error *error);
    int (*encode)(void *encoder, const flinc_format_rows *rows, flinc_format_sink *sink,
                  flinc_format_error *error);
    /* STREAM: what a file begins and ends with.  NULL: nothing. */
    int (*header)(void *encoder, flinc_format_sink *sink, flinc_format_error *error);
    int (*trailer)(void *encoder, flinc_format_sink *sink, flinc_format_error *error);
    void (*encoder_close)(void *encoder);
} flinc_format;

/* Exported by the shared object; the format lives as long as the process. */
typedef const flinc_format *(*flinc_format_entry)(void);
#define FLINC_FORMAT_ENTRY_SYMBOL "flinc_format_entry_v1"
#ifdef __cplusplus
#define FLINC_FORMAT(format)                                              \
    extern "C" FLINC_API const flinc_format *flinc_format_entry_v1(void); \
    extern "C" FLINC_API const flinc_format *flinc_format_entry_v1(void)  \
    {                                                                     \
        return &(format);                                                 \
    }
#else
#define FLINC_FORMAT(format)                                   \
    FLINC_API const flinc_format *flinc_format_entry_v1(void); \
    FLINC_API const flinc_format *flinc_format_entry_v1(void)  \
    {                                                          \
        return &(format);                                      \
    }
#endif

#ifdef __cplusplus
}
#endif

#endif
