/* The format json over any bytes: whatever becomes of them, batches are valid, nothing is read beyond the data, pieces make the rows that
 * the whole makes, and rows that were read can be written and read again. */
#include "formats/format.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char columns[] = "ROW<a INT, b STRING, c DOUBLE, d DECIMAL(20, 4), e TIMESTAMP(9), f "
                              "ARRAY<ROW<x BIGINT, y STRING>>, "
                              "g MAP<STRING, ARRAY<INT>>, h ROW<p DATE, q BYTES, r BOOLEAN>, i "
                              "MULTISET<STRING>, j TINYINT NOT NULL>";

struct fuzz {
    struct schema *schema;
    struct format_options *options[2];
    struct buffer_pool *pool;
};

static struct fuzz *fuzz_get(void)
{
    static struct fuzz f;

    if (f.schema == NULL) {
        const flinc_format *json = format_find(SLICE_LIT("json"));
        struct text_map pairs = TEXT_MAP_INIT;
        int rc = schema_parse(slice_cstr(columns), &f.schema, NULL);
        rc |= format_options_new(json, &pairs, "", &f.options[0], NULL);
        text_map_put(&pairs, SLICE_LIT("ignore-parse-errors"), SLICE_LIT("true"));
        rc |= format_options_new(json, &pairs, "", &f.options[1], NULL);
        ASSERT(rc == 0);
        text_map_fini(&pairs);
        f.pool = buffer_pool_new(&(struct buffer_pool_options){.name = "fuzz"});
    }
    buffer_pool_adopt(f.pool);
    return &f;
}

static void take(struct builder *b, struct str *rows)
{
    struct batch *batch = builder_finish(b);
    struct error err = ERROR_INIT;

    if (batch != NULL) {
        ASSERT(batch_validate(batch, &err) == 0);
        for (uint32_t i = 0; i < batch->n_rows; i++) {
            batch_print_row(batch, i, rows);
            str_append_char(rows, '\n');
        }
        batch_unref(batch);
    }
}

/* Rows as text; `step` bytes more at a time. */
static int read_rows(struct fuzz *f, const struct format_options *o,
                     enum flinc_format_framing framing, struct slice data, size_t step,
                     struct str *rows)
{
    const struct format_decoder_config config = {
        .framing = framing, .schema = f->schema, .options = o};
    struct format_decoder *d = NULL;
    struct error err = ERROR_INIT;
    struct builder b;
    size_t from = 0, to = MIN(step, data.len);
    int rc = format_decoder_new(format_find(SLICE_LIT("json")), &config, &d, &err);

    ASSERT(rc == 0);
    builder_init(&b, f->pool, f->schema, 0);
    for (;;) {
        struct format_decoded decoded = {0};
        const struct format_decode_input input = {.data = slice_make(data.data + from, to - from),
                                                  .past = UINT64_MAX,
                                                  .flags =
                                                      to == data.len ? FLINC_FORMAT_AT_END : 0};
        rc = format_decode(d, &input, &b, &decoded, &err);
        from += decoded.consumed;
        if (decoded.batch_full && rc == 0) {
            take(&b, rows);
        } else if (rc < 0 || to == data.len) {
            break;
        } else {
            to = MIN(to + step, data.len);
        }
    }
    ASSERT(rc == 0 || (err.code == rc && err.message[0] != '\0'));
    take(&b, rows);
    builder_fini(&b);
    format_decoder_free(d);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz *f = fuzz_get();

    if (size < 1 || size > 64 * 1024) {
        return 0;
    }
    const struct format_options *o = f->options[data[0] & 1];
    /* Exactly so many bytes, for the sanitizer. */
    char *copy = size > 1 ? mem_dup(data + 1, size - 1) : mem_alloc(1);
    struct slice all = slice_make(copy, size - 1);
    STR_AUTO whole = STR_INIT;
    STR_AUTO pieces = STR_INIT;
    STR_AUTO message = STR_INIT;
    int rc = read_rows(f, o, FLINC_FORMAT_STREAM, all, all.len + 1, &whole);
    int again = read_rows(f, o, FLINC_FORMAT_STREAM, all, 1 + data[0] / 2, &pieces);
    ASSERT(rc == again && slice_eq(str_slice(&whole), str_slice(&pieces)));
    (void)read_rows(f, o, FLINC_FORMAT_MESSAGES, all, all.len + 1, &message);
    mem_free(copy);
    return 0;
}
