/* flinc.source.elements: what was encoded into the graph comes out, once. */
#include "engine/data/codec.h"
#include "fixture.h"
#include "proto/operators.pb-c.h"

static const char schema_text[] = "ROW<word STRING, n BIGINT>";

/* The rows as one encoded batch, appended to the configuration. */
static void add_batch(struct harness *h, const char *rows, struct buffer **ret)
{
    struct batch_encoder e;
    struct batch *b = NULL;
    batch_encoder_init(&e, harness_pool(h));
    must(
        harness_parse_rows(harness_pool(h), harness_context(h)->output_schemas[0], rows, &b, &err));
    must(batch_encode_to(&e, b, ret, &err));
    batch_unref(b);
    batch_encoder_fini(&e);
}

static struct harness *elements(Flinc__ElementsSourceConfig *c, uint32_t subtask)
{
    return opened(&(struct harness_options){.kind = "flinc.source.elements",
                                            .config = &c->base,
                                            .output_schemas = {schema_text},
                                            .subtask = subtask,
                                            .parallelism = 2});
}

static void test_elements(void **state)
{
    Flinc__ElementsSourceConfig c = FLINC__ELEMENTS_SOURCE_CONFIG__INIT;
    struct harness *maker = elements(&c, 0);
    struct buffer *encoded[2] = {NULL, NULL};
    ProtobufCBinaryData batches[2];
    assert_int_equal(harness_poll(maker, NULL), OP_END);
    add_batch(maker, "to, 2\n'a word that is long', NULL", &encoded[0]);
    add_batch(maker, "be, 3", &encoded[1]);
    for (int i = 0; i < 2; i++) {
        batches[i] = (ProtobufCBinaryData){.data = encoded[i]->data, .len = encoded[i]->size};
    }
    c.batches = batches;
    c.n_batches = 2;
    struct harness *h = elements(&c, 0);
    assert_int_equal(harness_poll(h, NULL), OP_DONE);
    assert_int_equal(harness_poll(h, NULL), OP_DONE);
    assert_int_equal(harness_poll(h, NULL), OP_END);
    assert_int_equal(harness_poll(h, NULL), OP_END);
    assert_string_equal(harness_rows(h, 0), "+I[to, 2]\n+I[a word that is long, null]\n+I[be, 3]");
    harness_free(h);
    h = elements(&c, 1); /* one subtask has them all */
    assert_int_equal(harness_poll(h, NULL), OP_END);
    harness_free(h);
    batches[0].len -= 16;
    h = elements(&c, 0);
    must_fail(harness_poll(h, &err), ERR_CORRUPT, "reading the elements in the job graph");
    harness_free(h);
    buffer_unref(encoded[0]);
    buffer_unref(encoded[1]);
    harness_free(maker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_elements)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
