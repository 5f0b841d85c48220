/* What the tests of the codecs share: a pool, schemas from text, golden bytes. */
#ifndef FLINC_TESTS_ENGINE_DATA_CODEC_TEST_H
#define FLINC_TESTS_ENGINE_DATA_CODEC_TEST_H

#include "engine/data/codec.h"
#include "tests/unit/engine_data/random_rows.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static inline int setup_pool(void **state)
{
    *state = buffer_pool_new(&(struct buffer_pool_options){.name = "test"});
    buffer_pool_adopt(*state);
    return 0;
}

static inline int teardown_pool(void **state)
{
    assert_int_equal(buffer_pool_out_count(*state), 0);
    buffer_pool_close(*state);
    return 0;
}

static inline struct schema *parse_schema(const char *text)
{
    struct error err = ERROR_INIT;
    struct schema *s = NULL;
    if (schema_parse(slice_cstr(text), &s, &err) < 0) {
        fail_msg("%s: %s", text, err.message);
    }
    return s;
}

/* Fails with the message of the error. */
static inline void check_ok(int rc, const struct error *err)
{
    if (rc < 0) {
        char text[1024];
        fail_msg("%s", error_format(err, text, sizeof(text)));
    }
}

static inline void check_valid(const struct batch *b)
{
    struct error err = ERROR_INIT;
    check_ok(batch_validate(b, &err), &err);
}

/* The pieces of the last encode as one buffer, at `offset`. */
static inline struct buffer *join_pieces(struct buffer_pool *pool, const struct batch_encoder *e,
                                         uint64_t offset)
{
    struct buffer *frame = buffer_get(pool, offset + e->total_bytes);
    frame->size = offset;
    for (uint32_t i = 0; i < e->n_iov; i++) {
        memcpy(frame->data + frame->size, e->iov[i].iov_base, e->iov[i].iov_len);
        frame->size += e->iov[i].iov_len;
    }
    assert_int_equal(frame->size, offset + e->total_bytes);
    return frame;
}

static inline struct buffer *encode_batch(struct buffer_pool *pool, const struct batch *b,
                                          uint64_t offset)
{
    struct error err = ERROR_INIT;
    struct batch_encoder e;
    batch_encoder_init(&e, pool);
    check_ok(batch_encode(&e, b, &err), &err);
    struct buffer *frame = join_pieces(pool, &e, offset);
    batch_encoder_fini(&e);
    return frame;
}

static inline struct batch *decode_batch(struct buffer_pool *pool, const struct schema *s,
                                         struct buffer *frame, uint64_t offset)
{
    struct error err = ERROR_INIT;
    struct batch *b = NULL;
    struct batch_source source = {frame->data + offset, frame->size - offset, frame, 0};
    check_ok(batch_decode(pool, s, &source, &b, &err), &err);
    check_valid(b);
    return b;
}

static inline void print_hex(const uint8_t *bytes, uint64_t len)
{
    for (uint64_t i = 0; i < len; i++) {
        fprintf(stderr, "%02x%s", bytes[i], i % 32 == 31 ? "\n" : i % 4 == 3 ? " " : "");
    }
    fprintf(stderr, "\n");
}

/* Hex digits of which blanks do not count. */
static inline void check_golden(const uint8_t *bytes, uint64_t len, const char *hex)
{
    uint64_t n = 0;
    bool same = true;
    for (const char *p = hex; *p != '\0';) {
        if (isspace((unsigned char)*p)) {
            p++;
            continue;
        }
        char digits[3] = {p[0], p[1], '\0'};
        same = same && n < len && bytes[n] == (uint8_t)strtoul(digits, NULL, 16);
        n++;
        p += 2;
    }
    if (!same || n != len) {
        print_hex(bytes, len);
        fail_msg("the format changed: these bytes are not the golden ones");
    }
}

/* One row of every type that has values, all levels of nesting, with the given variation. */
#define ALL_TYPES                                                                            \
    "ROW<c CHAR(4), s STRING, b BOOLEAN, y BYTES, m DECIMAL(10, 2), w DECIMAL(38, 10), "     \
    "t TINYINT, h SMALLINT, i INT, l BIGINT, f FLOAT, d DOUBLE, e DATE, o TIME(3), "         \
    "p TIMESTAMP(3), q TIMESTAMP(9), r TIMESTAMP_LTZ(6), u INTERVAL YEAR TO MONTH, "         \
    "v INTERVAL DAY TO SECOND(3), a ARRAY<INT>, k MAP<STRING, BIGINT>, z MULTISET<STRING>, " \
    "x ROW<n INT, g ARRAY<STRING>>>"

static inline void put_text(struct builder *b, uint32_t column, const char *text)
{
    assert_int_equal(builder_put_bytes(b, column, text, strlen(text), NULL), 0);
}

static inline void add_text(struct builder *b, struct builder_column *c, const char *text)
{
    assert_int_equal(builder_add_bytes(b, c, text, strlen(text), NULL), 0);
}

static inline void put_all_types_row(struct builder *b)
{
    put_text(b, 0, "ab  ");
    put_text(b, 1, "a string of 26 characters.");
    builder_put_bool(b, 2, true);
    assert_int_equal(builder_put_bytes(b, 3, "\0\1\xff", 3, NULL), 0);
    builder_put_i64(b, 4, -12345);
    builder_put_i128(b, 5, -((__int128)1 << 100));
    builder_put_i64(b, 6, -7);
    builder_put_i64(b, 7, 300);
    builder_put_i64(b, 8, -70000);
    builder_put_i64(b, 9, INT64_MIN);
    builder_put_f64(b, 10, 1.5);
    builder_put_f64(b, 11, -0.1);
    builder_put_i64(b, 12, 19723);
    builder_put_i64(b, 13, 86399999);
    builder_put_i64(b, 14, 1700000000123);
    builder_put_ts_nano(b, 15, (struct ts_nano){-1, 999999, 0});
    builder_put_i64(b, 16, 1700000000123456);
    builder_put_i64(b, 17, -14);
    builder_put_i64(b, 18, 90061001);
    struct builder_column *items = builder_child_of(builder_column_of(b, 19), 0);
    builder_add_i64(b, items, 1);
    builder_add_null(b, items);
    builder_add_i64(b, items, -1);
    builder_put_nested(b, 19);
    struct builder_column *map = builder_column_of(b, 20);
    add_text(b, builder_child_of(map, 0), "two");
    builder_add_i64(b, builder_child_of(map, 1), 2);
    add_text(b, builder_child_of(map, 0), "one");
    builder_add_null(b, builder_child_of(map, 1));
    builder_put_nested(b, 20);
    struct builder_column *multiset = builder_column_of(b, 21);
    add_text(b, builder_child_of(multiset, 0), "many");
    builder_add_i64(b, builder_child_of(multiset, 1), 1000);
    builder_put_nested(b, 21);
    struct builder_column *row = builder_column_of(b, 22);
    struct builder_column *texts = builder_child_of(row, 1);
    builder_add_i64(b, builder_child_of(row, 0), 42);
    add_text(b, builder_child_of(texts, 0), "");
    add_text(b, builder_child_of(texts, 0), "nested and long");
    builder_add_nested(b, texts);
    builder_put_nested(b, 22);
    builder_end_row(b);
}

static inline void put_null_row(struct builder *b)
{
    for (uint32_t i = 0; i < b->schema->n_fields; i++) {
        builder_put_null(b, i);
    }
    builder_end_row(b);
}

#endif
