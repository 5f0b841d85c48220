/* The half of an aggregate before the exchange: partial values, bounded state, stepping aside. */
#include "engine/operators/keyed_aggregate.h"
#include "proto/operators.pb-c.h"
#include "tests/unit/engine_operators/fixture.h"

static const char *const counts = "ROW<k BIGINT NOT NULL, n BIGINT NOT NULL>";

static struct harness_options options_of(Flinc__KeyedAggregateConfig *config, uint32_t flags)
{
    static uint32_t key[] = {0};

    flinc__keyed_aggregate_config__init(config);
    config->kind = FLINC__AGGREGATE_KIND__AGGREGATE_SUM;
    config->n_key_columns = 1;
    config->key_columns = key;
    config->column = 1;
    config->local = true;
    return (struct harness_options){.kind = "flinc.keyed_aggregate",
                                    .input_schemas = {counts},
                                    .output_schemas = {counts},
                                    .config = &config->base,
                                    .flags = flags};
}

static struct harness *local_sum(void)
{
    Flinc__KeyedAggregateConfig config;
    struct harness_options o = options_of(&config, OP_FLAG_BATCH_MODE);
    return opened(&o);
}

static void push(struct harness *h, int64_t first_key, int64_t n_keys, int64_t times)
{
    STR_AUTO rows = STR_INIT;

    for (int64_t i = 0; i < n_keys * times; i++) {
        str_printf(&rows, "%lld, 1\n", (long long)(first_key + i % n_keys));
        if (i % 2000 == 1999 || i + 1 == n_keys * times) {
            must(harness_push_rows(h, 0, str_cstr(&rows), &err));
            str_clear(&rows);
        }
    }
}

static void partial_values_come_at_the_end(void **state)
{
    struct harness *h = local_sum();

    (void)state;
    push(h, 0, 3, 1000);
    assert_int_equal(harness_row_count(h, 0), 0);
    must(harness_end_of_input(h, 0, &err));
    assert_int_equal(harness_row_count(h, 0), 3);
    assert_non_null(strstr(harness_rows(h, 0), "+I[0, 1000]"));
    harness_free(h);
}

static void many_keys_are_sent_on_in_between(void **state)
{
    struct harness *h = local_sum();

    (void)state;
    for (int i = 0; i <= LOCAL_ROWS_PER_KEY_MIN; i++) { /* keys repeat: it goes on adding up */
        push(h, 0, LOCAL_KEYS_MAX - 1, 1);
    }
    assert_int_equal(harness_row_count(h, 0), 0);
    push(h, LOCAL_KEYS_MAX - 1, 1, 1);
    assert_int_equal(harness_row_count(h, 0), LOCAL_KEYS_MAX);
    push(h, 0, 10, 10);
    must(harness_end_of_input(h, 0, &err));
    assert_int_equal(harness_row_count(h, 0), LOCAL_KEYS_MAX + 10);
    harness_free(h);
}

static void keys_that_do_not_repeat_pass_through(void **state)
{
    struct harness *h = local_sum();

    (void)state;
    push(h, 0, LOCAL_KEYS_MAX, 1);
    assert_int_equal(harness_row_count(h, 0), LOCAL_KEYS_MAX);
    push(h, 7, 1, 100);
    assert_int_equal(harness_row_count(h, 0), LOCAL_KEYS_MAX + 100);
    must(harness_end_of_input(h, 0, &err));
    assert_int_equal(harness_row_count(h, 0), LOCAL_KEYS_MAX + 100);
    harness_free(h);
}

static void streaming_mode_is_refused(void **state)
{
    Flinc__KeyedAggregateConfig config;
    struct harness_options o = options_of(&config, 0);
    struct harness *h = NULL;
    struct error err = ERROR_INIT;

    (void)state;
    assert_true(harness_new(&o, &h, &err) < 0 || harness_open(h, &err) < 0);
    assert_non_null(strstr(err.message, "before the exchange"));
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partial_values_come_at_the_end),
        cmocka_unit_test(many_keys_are_sent_on_in_between),
        cmocka_unit_test(keys_that_do_not_repeat_pass_through),
        cmocka_unit_test(streaming_mode_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
