/* What the tests of formats share: text through a decoder to rows as text, and rows through an encoder. */
#ifndef FLINC_TESTS_FORMATS_SUPPORT_H
#define FLINC_TESTS_FORMATS_SUPPORT_H

#include "formats/format.h"
#include "tests/unit/engine_data/support.h"

/* Options as "key=value\nkey=value"; the test fails when they are wrong. */
static inline struct format_options *options_of(const flinc_format *f, const char *text)
{
    struct text_map pairs = TEXT_MAP_INIT;
    struct format_options *o = NULL;
    struct error err = ERROR_INIT;
    struct slice rest = slice_cstr(text != NULL ? text : ""), line;

    while (slice_next(&rest, '\n', &line)) {
        const char *eq = line.len > 0 ? memchr(line.data, '=', line.len) : NULL;
        if (eq != NULL) {
            size_t n = (size_t)(eq - line.data);
            text_map_put(&pairs, slice_make(line.data, n), slice_make(eq + 1, line.len - n - 1));
        }
    }
    if (format_options_new(f, &pairs, "", &o, &err) < 0) {
        fail_msg("%s: %s", text, err.message);
    }
    text_map_fini(&pairs);
    return o;
}

static inline const flinc_format *format_of(const char *name)
{
    const flinc_format *f = format_find(slice_cstr(name));
    assert_non_null(f);
    return f;
}

/* A decoder with its builder. */
struct reading {
    struct schema *schema;
    struct format_options *options;
    struct format_decoder *decoder;
    struct builder builder;
};

static inline int reading_open(struct reading *r, struct buffer_pool *pool, const char *format,
                               const char *schema, const char *options,
                               enum flinc_format_framing framing, struct error *err)
{
    *r = (struct reading){.schema = schema_of(schema),
                          .options = options_of(format_of(format), options)};
    builder_init(&r->builder, pool, r->schema, 0);
    const struct format_decoder_config config = {
        .framing = framing, .schema = r->schema, .options = r->options};
    TRY(format_decoder_new(format_of(format), &config, &r->decoder, err));
    format_decoder_start(r->decoder, "in", (struct format_position){0, 0}, FORMAT_AT_BEGINNING);
    return 0;
}

static inline void reading_close(struct reading *r)
{
    format_decoder_free(r->decoder);
    format_options_free(r->options);
    builder_fini(&r->builder);
    schema_unref(r->schema);
}

static inline void take_rows(struct builder *b, struct str *out)
{
    struct batch *batch = builder_finish(b);

    if (batch != NULL) {
        check_valid(batch);
        for (uint32_t i = 0; i < batch->n_rows; i++) {
            batch_print_row(batch, i, out);
            str_append_char(out, '\n');
        }
        batch_unref(batch);
    }
}

/* All of the data, `step` bytes more at a time; rows as text, a line for each. */
static inline int read_all(struct reading *r, struct slice data, size_t step, struct str *rows,
                           struct error *err)
{
    size_t from = 0, to = MIN(step, data.len);

    for (;;) {
        bool at_end = to == data.len;
        /* Exactly these bytes: a sanitizer sees what is read beyond them. */
        char *piece = mem_alloc(to - from + 1);
        memcpy(piece, data.data + from, to - from);
        piece = mem_realloc(piece, MAX(to - from, (size_t)1));
        struct format_decoded decoded = {0};
        const struct format_decode_input input = {.data = slice_make(piece, to - from),
                                                  .past = UINT64_MAX,
                                                  .flags = at_end ? FLINC_FORMAT_AT_END : 0};
        int rc = format_decode(r->decoder, &input, &r->builder, &decoded, err);
        mem_free(piece);
        if (rc < 0) {
            take_rows(&r->builder, rows);
            return rc;
        }
        from += decoded.consumed;
        if (decoded.batch_full) {
            take_rows(&r->builder, rows);
        } else if (at_end) {
            assert_int_equal(from, data.len);
            take_rows(&r->builder, rows);
            return 0;
        } else {
            to = MIN(to + step, data.len);
        }
    }
}

/* One case: what becomes of `data`.  `expected`: rows, a line for each, or "!" and a part of the error's text. */
struct format_case {
    const char *schema, *options, *data, *expected;
};

static inline void check_case(struct buffer_pool *pool, const char *format,
                              enum flinc_format_framing framing, const struct format_case *c,
                              size_t step)
{
    struct error err = ERROR_INIT;
    STR_AUTO rows = STR_INIT;
    struct reading r;

    int rc = reading_open(&r, pool, format, c->schema, c->options, framing, &err);
    if (rc == 0) {
        rc = read_all(&r, slice_cstr(c->data), step, &rows, &err);
    }
    if (c->expected[0] == '!') {
        if (rc == 0 || strstr(err.message, c->expected + 1) == NULL) {
            fail_msg("%s\n  as %s (%s), %zu bytes at a time: '%s' does not say '%s'; rows %s",
                     c->data, c->schema, c->options, step, rc < 0 ? err.message : "no error",
                     c->expected + 1, str_cstr(&rows));
        }
    } else if (rc < 0 || strcmp(str_cstr(&rows), c->expected) != 0) {
        fail_msg("%s\n  as %s (%s), %zu bytes at a time: '%s'\n  instead of '%s' (%s)", c->data,
                 c->schema, c->options, step, str_cstr(&rows), c->expected,
                 rc < 0 ? err.message : "no error");
    }
    reading_close(&r);
}

/* In one piece, and in small ones. */
static inline void check_cases(struct buffer_pool *pool, const char *format,
                               const struct format_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(cases[i].data);
        check_case(pool, format, FLINC_FORMAT_STREAM, &cases[i], len + 1);
        for (size_t step = 1; step <= 7 && step <= len; step += 3) {
            check_case(pool, format, FLINC_FORMAT_STREAM, &cases[i], step);
        }
    }
}

/* The batch as the format writes it. */
static inline int write_batch(const char *format, const char *options,
                              enum flinc_format_framing framing, const struct batch *b,
                              struct str *out, struct error *err)
{
    struct format_options *o = options_of(format_of(format), options);
    struct format_encoder *e = NULL;
    const struct format_encoder_config config = {
        .framing = framing, .schema = b->schema, .options = o};
    int rc = format_encoder_new(format_of(format), &config, &e, err);

    if (rc == 0) {
        rc = format_encode(e, b, out, err);
    }
    format_encoder_free(e);
    format_options_free(o);
    return rc;
}

#endif
