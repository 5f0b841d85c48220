/* The batch codec: round trips of random batches, canonical and golden bytes, sharing with the frame,
 * limits, and damaged input. */
#include "tests/unit/engine_data/codec_test.h"

#include "engine/data/hash.h"

/* ---- helpers ----------------------------------------------------------------------------------- */

static int decode_bytes(struct buffer_pool *pool, const struct schema *s, const uint8_t *data,
                        uint64_t size, struct error *err)
{
    struct batch *b = NULL;
    struct batch_source source = {.data = data, .size = size};
    int rc = batch_decode(pool, s, &source, &b, err);
    assert_true((rc < 0) == (b == NULL));
    batch_unref(b);
    return rc;
}

static void check_same_bytes(const struct buffer *a, uint64_t from_a, const struct buffer *b,
                             uint64_t from_b)
{
    assert_int_equal(a->size - from_a, b->size - from_b);
    assert_memory_equal(a->data + from_a, b->data + from_b, a->size - from_a);
}

static struct batch *random_whole_batch(struct buffer_pool *pool, const struct schema *s,
                                        struct rng *r, uint32_t max_rows)
{
    struct builder b;
    builder_init(&b, pool, s, 0);
    struct batch *batch = random_batch(&b, r, 1 + (uint32_t)rng_below(r, max_rows));
    builder_fini(&b);
    if (rng_below(r, 3) == 0) {
        random_selection(pool, batch, r, 1 + (uint32_t)rng_below(r, 5));
    }
    if (rng_below(r, 3) == 0) {
        uint32_t first = 0;
        batch_hash_keys(pool, batch, &first, 1);
    }
    return batch;
}

static void check_hashes(const struct batch *a, const struct batch *b)
{
    assert_int_equal(a->hashes != NULL, b->hashes != NULL);
    for (uint32_t i = 0; a->hashes != NULL && i < a->n_sel; i++) {
        assert_int_equal(((uint64_t *)(void *)a->hashes->data)[batch_row(a, i)],
                         ((uint64_t *)(void *)b->hashes->data)[i]);
    }
}

/* ---- round trips ------------------------------------------------------------------------------- */

static void round_trip(struct buffer_pool *pool, const struct batch *batch)
{
    struct buffer *frame = encode_batch(pool, batch, 0);
    struct batch *back = decode_batch(pool, batch->schema, frame, 0);
    assert_true(batch_equals(batch, back));
    check_hashes(batch, back);
    assert_null(back->sel);

    /* What was decoded encodes to the same bytes, in pieces and in one run. */
    struct buffer *again = encode_batch(pool, back, 0);
    check_same_bytes(frame, 0, again, 0);
    struct batch_encoder e;
    batch_encoder_init(&e, pool);
    struct buffer *run = buffer_get(pool, 48);
    memset(run->data, 0x5a, 48);
    run->size = 48;
    assert_int_equal(batch_encode_to(&e, batch, &run, NULL), 0);
    assert_int_equal(batch_encode_to(&e, back, &run, NULL), 0);
    assert_int_equal(run->size, 48 + 2 * frame->size);
    assert_int_equal(run->data[47], 0x5a);
    assert_memory_equal(run->data + 48, frame->data, frame->size);
    assert_memory_equal(run->data + 48 + frame->size, frame->data, frame->size);
    batch_encoder_fini(&e);
    batch_unref(back);

    /* From an address that is not aligned, and from memory that nobody counts. */
    struct buffer *shifted = encode_batch(pool, batch, 5);
    back = decode_batch(pool, batch->schema, shifted, 5);
    assert_true(batch_equals(batch, back));
    buffer_unref(shifted);
    batch_unref(back);
    assert_int_equal(decode_bytes(pool, batch->schema, frame->data, frame->size, NULL), 0);
    buffer_unref(frame);
    buffer_unref(again);
    buffer_unref(run);
}

static void random_batches_come_back(void **state)
{
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct rng r;
        rng_init(&r, seed);
        struct schema *s = random_schema(&r, 6, 3);
        struct batch *batch = random_whole_batch(*state, s, &r, seed % 10 == 0 ? 4096 / 8 : 40);
        round_trip(*state, batch);
        if (batch->n_sel > 2) {
            struct batch *slice = batch_slice(*state, batch, 1, batch->n_sel - 1);
            round_trip(*state, slice);
            batch_unref(slice);
        }
        batch_unref(batch);
        schema_unref(s);
    }
}

static void full_batches_come_back(void **state)
{
    struct schema *s = parse_schema("ROW<a BIGINT, b STRING, c INT, d BOOLEAN, e ARRAY<STRING>>");
    struct rng r;
    rng_init(&r, 1);
    struct builder b;
    builder_init(&b, *state, s, BATCH_ROWS_MAX);
    b.target_bytes = UINT64_MAX;
    struct batch *batch = random_batch(&b, &r, BATCH_ROWS_MAX);
    round_trip(*state, batch);
    random_selection(*state, batch, &r, 2);
    round_trip(*state, batch);
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
}

static void empty_selections_and_long_strings(void **state)
{
    struct schema *s = parse_schema("ROW<a STRING, b ARRAY<STRING>, c MAP<INT, INT>, d BOOLEAN>");
    struct builder b;
    builder_init(&b, *state, s, 0);
    size_t len = 200 * 1024;
    char *text = mem_alloc(len);
    memset(text, 'x', len);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(builder_put_bytes(&b, 0, text, len - (size_t)i, NULL), 0);
        struct builder_column *items = builder_child_of(builder_column_of(&b, 1), 0);
        assert_int_equal(builder_add_bytes(&b, items, text, 70000, NULL), 0);
        builder_put_nested(&b, 1);
        builder_put_null(&b, 2);
        builder_put_bool(&b, 3, i == 1);
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    round_trip(*state, batch);
    batch_set_selection(batch, buffer_get(*state, 2), 0);
    round_trip(*state, batch);
    mem_free(text);
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
}

/* ---- what lies where --------------------------------------------------------------------------- */

/* 2,048 rows of a BIGINT and a STRING longer than a view. */
static struct batch *plain_batch(struct buffer_pool *pool, const struct schema *s, uint32_t rows)
{
    struct builder b;
    builder_init(&b, pool, s, 0);
    b.target_bytes = UINT64_MAX;
    for (uint32_t i = 0; i < rows; i++) {
        char text[64];
        int len = snprintf(text, sizeof(text), "a string that is long: %u", i);
        builder_put_i64(&b, 0, i);
        assert_int_equal(builder_put_bytes(&b, 1, text, (size_t)len, NULL), 0);
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    builder_fini(&b);
    return batch;
}

static void columns_are_sent_as_they_lie(void **state)
{
    struct schema *s = parse_schema("ROW<a BIGINT NOT NULL, b STRING NOT NULL>");
    struct batch *batch = plain_batch(*state, s, 100); /* the first block grows: not in order */
    batch_unref(batch);
    batch = plain_batch(*state, s, 2048);
    struct batch *flat = batch_make_unique(*state, batch);
    struct buffer *frame = encode_batch(*state, flat, 0);
    struct batch *back = decode_batch(*state, s, frame, 0);

    struct batch_encoder e;
    batch_encoder_init(&e, *state);
    assert_int_equal(batch_encode(&e, back, NULL), 0);
    /* Front, values, offsets, bytes, the end's padding. */
    assert_in_range(e.n_iov, 4, 5);
    assert_ptr_equal(e.iov[1].iov_base, back->columns[0].values->data);
    const struct view *v = COLUMN_VALUES(&back->columns[1], const struct view);
    assert_ptr_equal(e.iov[3].iov_base, back->columns[1].data[0]->data + v->offset);
    batch_encoder_fini(&e);
    batch_unref(back);
    batch_unref(flat);
    buffer_unref(frame);
    schema_unref(s);
}

static void decoded_columns_lie_in_the_frame(void **state)
{
    struct schema *s = parse_schema("ROW<a BIGINT NOT NULL, b STRING NOT NULL>");
    struct batch *batch = plain_batch(*state, s, 500);
    struct buffer *frame = encode_batch(*state, batch, 32);
    struct batch *back = decode_batch(*state, s, frame, 32);
    const uint8_t *values = back->columns[0].values->data;
    assert_true(values > frame->data && values < frame->data + frame->size);
    assert_int_equal(back->columns[1].n_data, 1);
    assert_ptr_equal(back->columns[1].data[0], frame);
    /* A column outlives its batch, and the frame with it. */
    struct buffer *kept = buffer_ref(back->columns[0].values);
    batch_unref(back);
    buffer_unref(frame);
    assert_int_equal(((int64_t *)(void *)kept->data)[499], 499);
    buffer_unref(kept);
    batch_unref(batch);
    schema_unref(s);
}

static void a_steady_stream_allocates_nothing(void **state)
{
    struct schema *s = parse_schema("ROW<a BIGINT, b STRING>");
    struct batch *batch = plain_batch(*state, s, 2048);
    struct batch_encoder e;
    batch_encoder_init(&e, *state);
    struct buffer *frame = NULL;
    uint64_t before = 0;
    for (int i = 0; i < 20; i++) {
        if (i == 5) {
            before = mem_thread_allocations();
        }
        assert_int_equal(batch_encode(&e, batch, NULL), 0);
        frame = buffer_get(*state, 1 << 20);
        assert_int_equal(batch_encode_to(&e, batch, &frame, NULL), 0);
        struct batch_source source = {frame->data, frame->size, frame, 0};
        struct batch *back;
        assert_int_equal(batch_decode(*state, s, &source, &back, NULL), 0);
        batch_unref(back);
        buffer_unref(frame);
    }
    assert_int_equal(mem_thread_allocations(), before);
    batch_encoder_fini(&e);
    batch_unref(batch);
    schema_unref(s);
}

static void parts_can_be_omitted(void **state)
{
    struct schema *s = parse_schema("ROW<a BIGINT>");
    struct builder b;
    builder_init(&b, *state, s, 0);
    builder_set_kind(&b, ROW_KIND_DELETE);
    builder_set_timestamp(&b, 77);
    builder_put_i64(&b, 0, 1);
    builder_end_row(&b);
    struct batch *batch = builder_finish(&b);
    uint32_t first = 0;
    batch_hash_keys(*state, batch, &first, 1);
    round_trip(*state, batch);
    struct batch_encoder e;
    batch_encoder_init(&e, *state);
    e.omit = BATCH_PART_KINDS | BATCH_PART_HASHES;
    assert_int_equal(batch_encode(&e, batch, NULL), 0);
    struct buffer *frame = join_pieces(*state, &e, 0);
    struct batch *back = decode_batch(*state, s, frame, 0);
    assert_null(back->row_kinds);
    assert_null(back->hashes);
    assert_int_equal(((int64_t *)(void *)back->timestamps->data)[0], 77);
    batch_encoder_fini(&e);
    buffer_unref(frame);
    batch_unref(back);
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
}

/* Whatever lies under a NULL, the bytes are the same. */
static void null_cells_are_zero(void **state)
{
    struct schema *s = parse_schema("ROW<a INT, b BOOLEAN, c STRING, d ARRAY<INT>>");
    struct builder b;
    builder_init(&b, *state, s, 0);
    for (int i = 0; i < 20; i++) {
        builder_put_i64(&b, 0, i);
        builder_put_bool(&b, 1, true);
        put_text(&b, 2, i % 2 == 0 ? "short" : "longer than twelve");
        builder_add_i64(&b, builder_child_of(builder_column_of(&b, 3), 0), i);
        builder_put_nested(&b, 3);
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    for (uint32_t i = 0; i < 4; i++) {
        struct buffer *validity = buffer_get(*state, 3);
        memset(validity->data, 0x55, 3);
        validity->size = 3;
        column_set_validity(&batch->columns[i], validity);
    }
    round_trip(*state, batch);
    struct buffer *frame = encode_batch(*state, batch, 0);
    struct batch *back = decode_batch(*state, s, frame, 0);
    assert_int_equal(COLUMN_VALUES(&back->columns[0], int32_t)[1], 0);
    assert_int_equal(COLUMN_VALUES(&back->columns[2], struct view)[1].len, 0);
    assert_int_equal(back->columns[3].child_rows, 10);
    batch_unref(back);
    buffer_unref(frame);
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
}

/* ---- golden bytes ------------------------------------------------------------------------------ */

static void all_types_have_golden_bytes(void **state)
{
    static const char GOLDEN[] =
        "01071700 02000000 f0030000 00000000 0a010000 04000000 0a010000 1a000000 "
        "01010000 00000000 0a010000 03000000 05010000 00000000 06010000 00000000 "
        "02010000 00000000 03010000 00000000 04010000 00000000 05010000 00000000 "
        "07010000 00000000 08010000 00000000 04010000 00000000 04010000 00000000 "
        "05010000 00000000 09010000 00000000 05010000 00000000 04010000 00000000 "
        "05010000 00000000 0b010000 03000000 04010000 00000000 0c010000 02000000 "
        "0a000000 06000000 05010000 00000000 0c010000 01000000 0a000000 04000000 "
        "04000000 00000000 0d010000 00000000 04010000 00000000 0b010000 02000000 "
        "0a000000 0f000000 02000000 00000000 0068e5cf 8b010000 00000000 00000080 "
        "dbf3a912 a2c01e48 a5786caa cc8d352d 01000000 00000000 00000000 04000000 "
        "04000000 61622020 01000000 00000000 00000000 1a000000 1a000000 61207374 "
        "72696e67 206f6620 32362063 68617261 63746572 732e0000 01000000 00000000 "
        "01000000 00000000 01000000 00000000 00000000 03000000 03000000 0001ff00 "
        "01000000 00000000 c7cfffff ffffffff 00000000 00000000 01000000 00000000 "
        "00000000 00000000 00000000 f0ffffff 00000000 00000000 00000000 00000000 "
        "01000000 00000000 f9000000 00000000 01000000 00000000 2c010000 00000000 "
        "01000000 00000000 90eefeff 00000000 01000000 00000000 00000000 00000080 "
        "00000000 00000000 01000000 00000000 0000c03f 00000000 01000000 00000000 "
        "9a999999 9999b9bf 00000000 00000000 01000000 00000000 0b4d0000 00000000 "
        "01000000 00000000 ff5b2605 00000000 01000000 00000000 7b68e5cf 8b010000 "
        "00000000 00000000 01000000 00000000 ffffffff ffffffff 3f420f00 00000000 "
        "00000000 00000000 00000000 00000000 01000000 00000000 40222018 240a0600 "
        "00000000 00000000 01000000 00000000 f2ffffff 00000000 01000000 00000000 "
        "c9385e05 00000000 00000000 00000000 01000000 00000000 00000000 03000000 "
        "03000000 00000000 05000000 00000000 01000000 00000000 ffffffff 00000000 "
        "01000000 00000000 00000000 02000000 02000000 00000000 00000000 03000000 "
        "06000000 74776f6f 6e650000 00000000 01000000 00000000 02000000 00000000 "
        "00000000 00000000 01000000 00000000 00000000 01000000 01000000 00000000 "
        "00000000 04000000 6d616e79 00000000 e8030000 00000000 01000000 00000000 "
        "01000000 00000000 2a000000 00000000 01000000 00000000 00000000 02000000 "
        "02000000 00000000 00000000 00000000 0f000000 6e657374 65642061 6e64206c "
        "6f6e6700 00000000 00000000 00000000";
    struct schema *s = parse_schema(ALL_TYPES);
    struct builder b;
    builder_init(&b, *state, s, 0);
    builder_set_kind(&b, ROW_KIND_UPDATE_AFTER);
    builder_set_timestamp(&b, 1700000000000);
    put_all_types_row(&b);
    put_null_row(&b);
    struct batch *batch = builder_finish(&b);
    uint32_t key = 9;
    batch_hash_keys(*state, batch, &key, 1);
    struct buffer *frame = encode_batch(*state, batch, 0);
    check_golden(frame->data, frame->size, GOLDEN);
    struct batch *back = decode_batch(*state, s, frame, 0);
    assert_true(batch_equals(batch, back));
    batch_unref(back);
    buffer_unref(frame);
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
}

/* The example of docs/internals/encodings.md. */
static void the_documented_example(void **state)
{
    static const char GOLDEN[] =
        "01000200 02000000 50000000 00000000 05000000 00000000 0a010000 05000000 "
        "01000000 00000000 02010000 00000000 01000000 00000000 00000000 05000000 "
        "05000000 466c696e 63000000 00000000";
    struct schema *s = parse_schema("ROW<id BIGINT NOT NULL, name STRING>");
    struct builder b;
    builder_init(&b, *state, s, 0);
    builder_put_i64(&b, 0, 1);
    put_text(&b, 1, "Flinc");
    builder_end_row(&b);
    builder_put_i64(&b, 0, 258);
    builder_put_null(&b, 1);
    builder_end_row(&b);
    struct batch *batch = builder_finish(&b);
    struct buffer *frame = encode_batch(*state, batch, 0);
    check_golden(frame->data, frame->size, GOLDEN);
    buffer_unref(frame);
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
}

/* ---- bad input --------------------------------------------------------------------------------- */

static void check_refused(struct buffer_pool *pool, const struct schema *s,
                          const struct buffer *frame, int code, const char *text)
{
    struct error err = ERROR_INIT;
    assert_int_equal(decode_bytes(pool, s, frame->data, frame->size, &err), code);
    if (strstr(err.message, text) == NULL) {
        fail_msg("'%s' is not in '%s'", text, err.message);
    }
}

static void other_schemas_versions_and_sizes_are_refused(void **state)
{
    struct schema *s = parse_schema("ROW<a BIGINT, b STRING>");
    struct schema *fewer = parse_schema("ROW<a BIGINT>");
    struct schema *other = parse_schema("ROW<a BIGINT, b INT>");
    struct batch *batch = plain_batch(*state, s, 10);
    struct buffer *frame = encode_batch(*state, batch, 0);
    check_refused(*state, fewer, frame, ERR_CORRUPT, "2 columns where 1 are expected");
    check_refused(*state, other, frame, ERR_CORRUPT, "another layout");
    frame->size -= 16;
    check_refused(*state, s, frame, ERR_CORRUPT, "another size");
    frame->size = 7;
    check_refused(*state, s, frame, ERR_CORRUPT, "shorter than its header");
    frame->size = 0;
    check_refused(*state, s, frame, ERR_CORRUPT, "shorter than its header");
    buffer_unref(frame);
    frame = encode_batch(*state, batch, 0);
    frame->data[0] = 2;
    check_refused(*state, s, frame, ERR_UNSUPPORTED, "version 2");
    frame->data[0] = 1;
    frame->data[5] = 0x11; /* n_rows > 4096 */
    check_refused(*state, s, frame, ERR_CORRUPT, "more rows");
    buffer_unref(frame);
    batch_unref(batch);
    schema_unref(fewer);
    schema_unref(other);
    schema_unref(s);
}

static void rows_over_the_limit_are_refused(void **state)
{
    struct schema *s = parse_schema("ROW<a STRING, b ARRAY<ARRAY<STRING>>>");
    struct builder b;
    builder_init(&b, *state, s, 0);
    char text[1000];
    memset(text, 'x', sizeof(text));
    for (int i = 0; i < 50; i++) {
        assert_int_equal(builder_put_bytes(&b, 0, text, sizeof(text), NULL), 0);
        struct builder_column *inner = builder_child_of(builder_column_of(&b, 1), 0);
        struct builder_column *items = builder_child_of(inner, 0);
        for (int k = 0; k < (i == 30 ? 10 : 1); k++) {
            assert_int_equal(builder_add_bytes(&b, items, text, sizeof(text), NULL), 0);
        }
        builder_add_nested(&b, inner);
        builder_put_nested(&b, 1);
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    struct buffer *frame = encode_batch(*state, batch, 0);
    struct error err = ERROR_INIT;
    struct batch_source source = {frame->data, frame->size, frame, 5000};
    struct batch *back = NULL;
    assert_int_equal(batch_decode(*state, s, &source, &back, &err), ERR_TOO_LARGE);
    assert_non_null(strstr(err.message, "row 30"));
    source.max_row_bytes = 20000;
    assert_int_equal(batch_decode(*state, s, &source, &back, &err), 0);
    batch_unref(back);
    buffer_unref(frame);
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
}

/* Damaged bytes are an error or a batch that is valid and encodes to just these bytes. */
static void try_damaged(struct buffer_pool *pool, const struct schema *s, const uint8_t *data,
                        uint64_t size)
{
    struct batch *back = NULL;
    struct error err = ERROR_INIT;
    struct batch_source source = {.data = data, .size = size};
    if (batch_decode(pool, s, &source, &back, &err) < 0) {
        assert_true(err.code == ERR_CORRUPT || err.code == ERR_UNSUPPORTED ||
                    err.code == ERR_TOO_LARGE);
        return;
    }
    check_valid(back);
    struct buffer *again = encode_batch(pool, back, 0);
    assert_int_equal(again->size, size);
    assert_memory_equal(again->data, data, size);
    buffer_unref(again);
    batch_unref(back);
}

static void damage(struct buffer_pool *pool, const struct batch *batch)
{
    struct buffer *frame = encode_batch(pool, batch, 0);
    for (uint64_t len = 0; len < frame->size; len++) {
        uint8_t *cut = mem_dup(frame->data, len);
        assert_true(decode_bytes(pool, batch->schema, cut, len, NULL) < 0);
        mem_free(cut);
    }
    uint8_t *copy = mem_dup(frame->data, frame->size);
    for (uint64_t i = 0; i < frame->size; i++) {
        for (int bit = 0; bit < 8; bit++) {
            copy[i] ^= (uint8_t)(1 << bit);
            try_damaged(pool, batch->schema, copy, frame->size);
            copy[i] ^= (uint8_t)(1 << bit);
        }
        for (int value = 0; value < 256; value += 255) {
            copy[i] = (uint8_t)value;
            try_damaged(pool, batch->schema, copy, frame->size);
        }
        copy[i] = frame->data[i];
    }
    mem_free(copy);
    buffer_unref(frame);
}

static void damaged_bytes_never_crash(void **state)
{
    struct schema *s = parse_schema(ALL_TYPES);
    struct builder b;
    builder_init(&b, *state, s, 0);
    put_all_types_row(&b);
    put_null_row(&b);
    struct batch *batch = builder_finish(&b);
    damage(*state, batch);
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
    for (uint64_t seed = 1000; seed < 1020; seed++) {
        struct rng r;
        rng_init(&r, seed);
        s = random_schema(&r, 4, 3);
        batch = random_whole_batch(*state, s, &r, 4);
        if (batch_bytes(batch) < 3000) {
            damage(*state, batch);
        }
        batch_unref(batch);
        schema_unref(s);
    }
}

/* Hand-made columns that the encoder would never write. */
static void claims_without_bytes_are_refused(void **state)
{
    struct schema *s = parse_schema("ROW<a ARRAY<NULL>>");
    struct builder b;
    builder_init(&b, *state, s, 0);
    builder_add_null(&b, builder_child_of(builder_column_of(&b, 0), 0));
    builder_put_nested(&b, 0);
    builder_end_row(&b);
    struct batch *batch = builder_finish(&b);
    struct buffer *frame = encode_batch(*state, batch, 0);
    /* 2^31 - 1 elements: in the list's node and in its last offset. */
    const uint32_t many = INT32_MAX;
    memcpy(frame->data + 16 + 4, &many, sizeof(many));
    memcpy(frame->data + 32 + 4, &many, sizeof(many));
    check_refused(*state, s, frame, ERR_CORRUPT, "longer than the batch");
    buffer_unref(frame);
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_batches_come_back, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(full_batches_come_back, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(empty_selections_and_long_strings, setup_pool,
                                        teardown_pool),
        cmocka_unit_test_setup_teardown(columns_are_sent_as_they_lie, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(decoded_columns_lie_in_the_frame, setup_pool,
                                        teardown_pool),
        cmocka_unit_test_setup_teardown(a_steady_stream_allocates_nothing, setup_pool,
                                        teardown_pool),
        cmocka_unit_test_setup_teardown(parts_can_be_omitted, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(null_cells_are_zero, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(all_types_have_golden_bytes, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(the_documented_example, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(other_schemas_versions_and_sizes_are_refused, setup_pool,
                                        teardown_pool),
        cmocka_unit_test_setup_teardown(rows_over_the_limit_are_refused, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(damaged_bytes_never_crash, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(claims_without_bytes_are_refused, setup_pool,
                                        teardown_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
