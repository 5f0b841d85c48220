/* The format csv over any bytes and options: whatever becomes of them, batches are valid, nothing is read beyond the data, and pieces make
 * the rows that the whole makes. */
#include "formats/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char columns[] =
    "ROW<a INT, b STRING, c DOUBLE, d DECIMAL(20, 4), e TIMESTAMP(9), f ARRAY<BIGINT>, "
    "g ROW<x STRING, y DATE>, h BOOLEAN NOT NULL>";

/* The flags of the first byte. */
static const struct {
    const char *key, *value;
} flags[] = {{"ignore-parse-errors", "true"},
             {"allow-comments", "true"},
             {"escape-character", "\\"},
             {"trim-spaces", "true"},
             {"disable-quote-character", "true"},
             {"null-literal", "n"},
             {"ignore-trailing-unmappable", "true"}};

struct fuzz {
    struct schema *schema;
    struct buffer_pool *pool;
};

static struct fuzz *fuzz_get(void)
{
    static struct fuzz f;

    if (f.schema == NULL) {
        int rc = schema_parse(slice_cstr(columns), &f.schema, NULL);
        ASSERT(rc == 0);
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
    int rc = format_decoder_new(format_find(SLICE_LIT("csv")), &config, &d, &err);

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
    ASSERT(rc < 0 || from == data.len);
    take(&b, rows);
    builder_fini(&b);
    format_decoder_free(d);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz *f = fuzz_get();
    struct text_map pairs = TEXT_MAP_INIT;
    struct format_options *o = NULL;

    if (size < 2 || size > 64 * 1024) {
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (((data[0] >> i) & 1) != 0) {
            text_map_put(&pairs, slice_cstr(flags[i].key), slice_cstr(flags[i].value));
        }
    }
    int rc = format_options_new(format_find(SLICE_LIT("csv")), &pairs, "", &o, NULL);
    ASSERT(rc == 0);
    /* Exactly so many bytes, for the sanitizer. */
    size_t n = size - 2;
    char *copy = n > 0 ? mem_dup(data + 2, n) : mem_alloc(1);
    struct slice all = slice_make(copy, n);
    STR_AUTO whole = STR_INIT;
    STR_AUTO pieces = STR_INIT;
    STR_AUTO message = STR_INIT;
    rc = read_rows(f, o, FLINC_FORMAT_STREAM, all, all.len + 1, &whole);
    int again = read_rows(f, o, FLINC_FORMAT_STREAM, all, 1 + data[1] / 2, &pieces);
    ASSERT(rc == again && slice_eq(str_slice(&whole), str_slice(&pieces)));
    (void)read_rows(f, o, FLINC_FORMAT_MESSAGES, all, all.len + 1, &message);
    mem_free(copy);
    format_options_free(o);
    text_map_fini(&pairs);
    return 0;
}
