/* Formats of tables: which there are, their options, decoders and encoders over the engine's batches.
 *
 * A format is a const table of functions (flinc/format.h), in the tree and of third parties alike.  This header is for those
 * who use one: connectors, and the planner, which checks.
 *
 *   const flinc_format *f;                                    'format' = 'json', 'json.ignore-parse-errors' = 'true'
 *   TRY(format_require("json", &f, err));
 *   TRY(format_options_new(f, &pairs, &options, err));        "ignore-parse-errors" -> "true"
 *   TRY(format_check(f, schema, options, FORMAT_READS, err));
 *
 *   TRY(format_decoder_new(f, &config, &d, err));
 *   format_decoder_start(d, path, (struct format_position){0}, FORMAT_AT_BEGINNING);
 *   for (;;) {
 *       ... data: what the last call left, and more behind it
 *       TRY(format_decode(d, &input, &builder, &decoded, err));
 *       if (decoded.batch_full) { hand on builder_finish(&builder) }
 *   }
 *
 * Threads: formats and options any; a decoder, an encoder one owner.
 * Lifetimes: formats live for ever; a decoder refs its schema and borrows its options.
 * Flink: FactoryUtil, DecodingFormat, EncodingFormat. */
#ifndef FLINC_FORMATS_FORMAT_H
#define FLINC_FORMATS_FORMAT_H

#include "common/text/option_text.h"
#include "engine/data/builder.h"
#include "flinc/format.h"

enum {
    FORMATS_MAX = 256,          /* of a process, third parties' included */
    FORMAT_SHOWN_TEXT_MAX = 80, /* bytes of a record that an error shows */
};

/* ---- which there are ---------------------------------------------------------------------------------- */

/* A type as third parties see it, in the arena. */
const flinc_type *format_type_show(struct arena *arena, const struct data_type *t);
/* NULL when there is none of the name. */
const flinc_format *format_find(struct slice name);
/* ERR_NOT_FOUND in Flink's words, with those that there are and the nearest one. */
int format_require(const char *name, const flinc_format **ret_format, struct error *err) MUST_CHECK;
/* Appends "csv, json, raw". */
void format_names(struct str *out);
/* One of a third party; lives for ever.  ERR_ALREADY_EXISTS, ERR_UNSUPPORTED (another version), ERR_INVALID_ARGUMENT (its table is
 * incomplete); messages begin with `path`.  Thread: main, before others. */
int format_register(const flinc_format *theirs, const char *path, struct error *err) MUST_CHECK;
/* Registers all of <dir>/<name>/<file>.so that are formats (dir NULL: where plug-ins lie).  What does not load is logged, and the
 * others are loaded.  A second call does nothing. */
void format_plugins_load(const char *dir);

/* ---- options ---------------------------------------------------------------------------------------------- */

struct format_options;

/* From pairs whose keys are without the format's prefix.  ERR_INVALID_CONFIG: an unknown key ("Unsupported options found
 * for ...", both lists, the nearest key), a value that is none, one that is required and not there.  `shown_prefix`: what keys are shown
 * with ("json.", "value.json."). */
int format_options_new(const flinc_format *format, const struct text_map *pairs,
                       const char *shown_prefix, struct format_options **ret_options,
                       struct error *err) MUST_CHECK;
/* The same from all options of a table: those that begin with `prefix` are the format's. */
int format_options_of_table(const flinc_format *format, const struct text_map *table,
                            const char *prefix, struct format_options **ret_options,
                            struct error *err) MUST_CHECK;
struct format_options *format_options_free(struct format_options *o);
/* Value or default; NULL: neither.  Asking for what is no option of the format is a bug. */
const char *format_option(const struct format_options *o, const char *name);
/* Adds the format's keys with the prefix: for a connector's list of supported options. */
void format_option_keys(const flinc_format *format, const char *prefix, struct text_list *keys);

/* Options against each other and the types of a table.  FORMAT_READS and FORMAT_WRITES say what is meant to be done. */
enum format_use { FORMAT_READS, FORMAT_WRITES };
int format_check(const flinc_format *format, const struct schema *schema,
                 const struct format_options *options, enum format_use use,
                 struct error *err) MUST_CHECK;
/* Writes the option tables of all formats in Markdown. */
void format_write_reference(struct str *out);

/* ---- reading ------------------------------------------------------------------------------------------------ */

struct format_decoder;

struct format_decoder_config {
    enum flinc_format_framing framing;
    const struct schema *schema; /* the table's physical columns */
    /* By physical column: the builder's column, or FLINC_FORMAT_NO_COLUMN; NULL: column i is column i.  Types are equal.  Columns of the
     * builder that nobody writes (metadata, partitions) are for the caller to set, for the rows that a call added. */
    const uint32_t *columns;
    const struct format_options *options; /* Borrows; lives longer */
};

int format_decoder_new(const flinc_format *format, const struct format_decoder_config *config,
                       struct format_decoder **ret_decoder, struct error *err) MUST_CHECK;
struct format_decoder *format_decoder_free(struct format_decoder *d);

enum format_start { FORMAT_AT_BEGINNING, FORMAT_IN_THE_MIDDLE };
/* What a source keeps as its position: a record, and how many of its rows were read.  (A JSON array at top level makes several.) */
struct format_position {
    uint64_t offset;
    uint64_t rows; /* nearly always 0 */
};
/* What comes next is at `position` of this file or message (name: "s3://b/f.json", "topic t, partition 3, offset 17"; borrowed
 * until the next start).  Errors name a line where the file was read from its beginning, else the byte. */
void format_decoder_start(struct format_decoder *d, const char *name,
                          struct format_position position, enum format_start start);

struct format_decode_input {
    struct slice data; /* begins with a record */
    uint64_t past;     /* records that begin here or behind are not read; UINT64_MAX: all are */
    uint32_t flags;    /* enum flinc_format_input_flags */
};
struct format_decoded {
    uint64_t
        consumed;    /* bytes: whole records; the rest is to be given again, with more behind it */
    bool batch_full; /* no room for the next record: take the batch and call again with the rest */
};
/* Adds rows to the builder until it is full or no whole record is left; never hands a batch on itself.
 * ERR_PARSE: "FILE, line 3, column 17: ...", with the text cut short; rows before the bad record are in the builder, the row itself
 * is not.  Nothing of the decoder's may be used afterwards but its free(). */
int format_decode(struct format_decoder *d, const struct format_decode_input *input,
                  struct builder *b, struct format_decoded *ret, struct error *err) MUST_CHECK;
/* What comes next. */
struct format_position format_decoder_position(const struct format_decoder *d);
/* What ignoring errors has left out so far: records, and fields that became NULL. */
uint64_t format_decoder_skipped_records(const struct format_decoder *d);
uint64_t format_decoder_nulled_fields(const struct format_decoder *d);
/* May files be read from any place, with these options? */
bool format_decoder_is_splittable(const struct format_decoder *d);
/* Where the first record behind data[0] begins, which may be inside of one; 0: not in this data.  Give the byte before the place
 * asked for as the first. */
int format_decoder_find_start(struct format_decoder *d, struct slice data, uint64_t *ret_start,
                              struct error *err) MUST_CHECK;

/* ---- writing ------------------------------------------------------------------------------------------------- */

struct format_encoder;

struct format_encoder_config {
    enum flinc_format_framing framing;
    const struct schema *schema;
    const struct format_options *options; /* Borrows; lives longer */
};

int format_encoder_new(const flinc_format *format, const struct format_encoder_config *config,
                       struct format_encoder **ret_encoder, struct error *err) MUST_CHECK;
struct format_encoder *format_encoder_free(struct format_encoder *e);
/* What a file begins and ends with. */
int format_encode_header(struct format_encoder *e, struct str *out, struct error *err) MUST_CHECK;
int format_encode_trailer(struct format_encoder *e, struct str *out, struct error *err) MUST_CHECK;
/* Appends the selected rows.  After an error `out` ends with a part of a record. */
int format_encode(struct format_encoder *e, const struct batch *b, struct str *out,
                  struct error *err) MUST_CHECK;

/* FLINC_FORMAT_MESSAGES: where each row's message ends in `out`. */
struct format_message {
    uint64_t end;
    bool is_null; /* it has none */
};
/* The same with one message for each selected row: ret_messages has b->n_sel of them. */
int format_encode_messages(struct format_encoder *e, const struct batch *b, struct str *out,
                           struct format_message *ret_messages, struct error *err) MUST_CHECK;

#endif
