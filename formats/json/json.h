/* The format `json`: what its decoder and encoder share, and a decoder's tree of fields.  Inside the room only, but for the
 * descriptor.
 *
 * Decoding is one pass over the bytes of a record, straight to the columns.  A record lies within sentinels: a byte that no token has stands
 * behind it (its line end, or a NUL of the copy), and CELL_SCAN_PADDING bytes may be read; records at the very end of
 * the data are copied for that.
 *
 * Flink: JsonRowDataDeserializationSchema, JsonRowDataSerializationSchema. */
#ifndef FLINC_FORMATS_JSON_JSON_H
#define FLINC_FORMATS_JSON_JSON_H

#include "common/base/vec.h"
#include "engine/data/builder.h"
#include "flinc/format.h"
#include "formats/cells/cell_parse.h"
#include "formats/cells/cell_scan.h"

extern const flinc_format format_json;

enum {
    JSON_DEPTH_MAX = 1000,   /* levels of what is skipped or kept as text */
    JSON_SLOT_BYTES = 32,    /* of a member's name that is predicted, with its quotes and colon */
    JSON_SLOTS_MAX = 256,    /* members of an object that are predicted */
    JSON_MAP_PLAIN_MAX = 32, /* entries up to which keys are compared one by one */
};

/* What a value is made of: the type, by how it is stored. */
enum json_op {
    JSON_OP_NULL,
    JSON_OP_BOOL,
    JSON_OP_I8,
    JSON_OP_I16,
    JSON_OP_I32,
    JSON_OP_I64,
    JSON_OP_F32,
    JSON_OP_F64,
    JSON_OP_DECIMAL,
    JSON_OP_DATE,
    JSON_OP_TIME,
    JSON_OP_TIMESTAMP,
    JSON_OP_STRING,
    JSON_OP_BYTES,
    JSON_OP_ARRAY,
    JSON_OP_MAP, /* MULTISET, too */
    JSON_OP_ROW,
};

/* A field of an object that is wanted, an element, a key or a value. */
struct json_field {
    const struct data_type *type; /* Borrows: the schema's */
    enum json_op op;
    bool nullable;
    uint32_t column;             /* of the builder; of a nested field: its number in the parent */
    struct slice name;           /* Borrows: the schema's */
    struct builder_column *cell; /* Borrows: of the builder; NULL: a top column */
    struct json_object *object;  /* Owns: JSON_OP_ROW */
    struct json_field *children; /* Owns: ARRAY 1, MAP 2 */
    uint32_t n_children;
    uint64_t seen; /* the object, by its count, that had it last */
};

/* A member at one place of an object, as the last record had it there. */
struct json_slot {
    uint64_t text[JSON_SLOT_BYTES / 8]; /* `"name":`, zeros behind it */
    uint32_t len;
    int32_t field; /* -1: nobody wants it */
};

/* The fields of a row. */
struct json_object {
    struct json_field *fields; /* Owns */
    uint32_t n_fields;
    uint32_t *by_name; /* Owns: open addressing; number + 1, 0: free */
    uint32_t mask;
    uint64_t count; /* objects so far */
    uint32_t n_slots;
    struct json_slot *slots; /* Owns: JSON_SLOTS_MAX */
};

/* An entry of a map whose keys are compared later. */
struct json_entry {
    size_t key, key_len; /* in `keys` */
    const char *value;   /* Borrows: in the record */
    bool last;           /* of equal keys */
};

struct json_decoder {
    struct json_object top;
    struct str scratch;    /* unescaped text, bytes */
    struct str record;     /* a copy, for records at the end of the data */
    struct str member;     /* an unescaped name, or bytes */
    struct vec entries;    /* Owns: of maps that are being read, the outer ones first */
    struct str keys;       /* their keys */
    struct schema *schema; /* Owns a ref */
    bool is_stream, ignores_errors, fails_on_missing, has_nested;
    enum cell_time_style time_style;

    /* Of the call. */
    struct builder *b;
    flinc_out *out;
    const char *begin, *end; /* of the record */
    uint64_t n_nulled;

    /* Of the error: what is wrong, and where in the record. */
    const char *wrong_at;
    int wrong_code; /* enum flinc_format_code */
    char wrong[256];
};

/* ---- json_plan.c ---------------------------------------------------------------------------------------- */

/* FLINC_FORMAT_UNSUPPORTED names the type. */
int json_check_type(const char *column, const struct data_type *type, flinc_format_error *error);
/* The fields of the columns that are wanted. */
void json_plan(struct json_object *top, const struct schema *schema, const uint32_t *columns);
void json_object_fini(struct json_object *o);
/* Finds the nested columns of the builder. */
void json_bind(struct json_object *o, struct builder *b, struct builder_column *parent);
int32_t json_find_field(const struct json_object *o, struct slice name); /* -1 */

/* ---- json_text.c: tokens ---------------------------------------------------------------------------------- */

/* Says what is wrong at `at`; NULL. */
const char *json_fail(struct json_decoder *d, const char *at, const char *fmt, ...)
    PRINTF(3, 4) COLD;
/* What stands at p is not `what`. */
const char *json_expected(struct json_decoder *d, const char *p, const char *what) COLD;
/* Behind the string that begins at the quote p; its text, valid until the next call with the same scratch. */
const char *json_string(struct json_decoder *d, const char *p, struct str *scratch,
                        struct slice *ret_text);
/* Behind the number, or NaN and Infinity; whether it has a fraction or an exponent, or is none of digits. */
const char *json_number(struct json_decoder *d, const char *p, bool *ret_is_whole);
/* Behind any value. */
const char *json_skip(struct json_decoder *d, const char *p);
/* Appends the value from p to end without blanks between its tokens. */
void json_append_compact(struct str *out, const char *p, const char *end);
bool json_is_blank(const struct json_decoder *d, const char *p);

static ALWAYS_INLINE const char *json_skip_blanks(const struct json_decoder *d, const char *p)
{
    while (UNLIKELY((uint8_t)*p <= ' ') && json_is_blank(d, p)) {
        p++;
    }
    return p;
}

/* ---- json_value.c: values to columns ------------------------------------------------------------------------- */

/* Behind the value at p, which is stored in the field's column. */
const char *json_value(struct json_decoder *d, struct json_field *f, const char *p);
/* Behind the object at p, with all its fields. */
const char *json_members(struct json_decoder *d, struct json_object *o, const char *p);
/* NULL: false when the column takes none. */
bool json_store_null(struct json_decoder *d, struct json_field *f);

/* ---- json_decode.c, json_encode.c: functions of the descriptor ----------------------------------------------------- */

int json_decoder_open(const flinc_format_decode_config *config, void **ret_decoder,
                      flinc_format_error *error);
int json_decode(void *decoder, const flinc_format_input *input, flinc_out *out,
                flinc_format_progress *ret, flinc_format_error *error);
int json_find_start(void *decoder, const char *data, uint64_t size, uint64_t *ret_start,
                    flinc_format_error *error);
void json_decoder_close(void *decoder);
int json_encoder_open(const flinc_format_encode_config *config, void **ret_encoder,
                      flinc_format_error *error);
int json_encode(void *encoder, const flinc_format_rows *rows, flinc_format_sink *sink,
                flinc_format_error *error);
void json_encoder_close(void *encoder);

#endif
