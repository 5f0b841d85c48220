/* Both directions of an edge agree, whatever the parallelisms; the shares are Flink's. */
#include "engine/graph/edge_channels.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const Flinc__PartitionerKind KINDS[] = {
    FLINC__PARTITIONER_KIND__PARTITION_FORWARD,   FLINC__PARTITIONER_KIND__PARTITION_HASH,
    FLINC__PARTITIONER_KIND__PARTITION_REBALANCE, FLINC__PARTITIONER_KIND__PARTITION_RESCALE,
    FLINC__PARTITIONER_KIND__PARTITION_BROADCAST, FLINC__PARTITIONER_KIND__PARTITION_SHUFFLE,
    FLINC__PARTITIONER_KIND__PARTITION_GLOBAL,    FLINC__PARTITIONER_KIND__PARTITION_CUSTOM,
};

static void check_edge(const struct edge_shape *edge)
{
    uint32_t from_producers = 0, from_consumers = 0;
    for (uint32_t p = 0; p < edge->producers; p++) {
        struct subtask_range consumers = edge_consumers(edge, p);
        assert_true(consumers.n > 0 && consumers.first + consumers.n <= edge->consumers);
        from_producers += consumers.n;
        for (uint32_t i = 0; i < consumers.n; i++) {
            uint32_t c = consumers.first + i;
            struct subtask_range producers = edge_producers(edge, c);
            assert_true(p >= producers.first && p < producers.first + producers.n);
            assert_int_equal(edge_subpartition(edge, p, c), i);
        }
    }
    for (uint32_t c = 0; c < edge->consumers; c++) {
        struct subtask_range producers = edge_producers(edge, c);
        assert_true(producers.n > 0 && producers.first + producers.n <= edge->producers);
        from_consumers += producers.n;
    }
    assert_int_equal(from_producers, from_consumers);
}

static void test_both_directions_agree(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(KINDS); k++) {
        for (uint32_t p = 1; p <= 20; p++) {
            for (uint32_t c = 1; c <= 20; c++) {
                check_edge(&(struct edge_shape){KINDS[k], p, c});
            }
        }
    }
}

static void test_shares_of_pointwise_edges(void **state)
{
    (void)state;
    const struct edge_shape wide = {FLINC__PARTITIONER_KIND__PARTITION_RESCALE, 2, 5};
    assert_int_equal(edge_consumers(&wide, 0).n, 3);
    assert_int_equal(edge_consumers(&wide, 1).first, 3);
    assert_int_equal(edge_consumers(&wide, 1).n, 2);
    const struct edge_shape narrow = {FLINC__PARTITIONER_KIND__PARTITION_RESCALE, 5, 2};
    assert_int_equal(edge_producers(&narrow, 0).n, 2);
    assert_int_equal(edge_producers(&narrow, 1).first, 2);
    assert_int_equal(edge_producers(&narrow, 1).n, 3);
    const struct edge_shape large = {FLINC__PARTITIONER_KIND__PARTITION_FORWARD, 32768, 32768};
    assert_int_equal(edge_consumers(&large, 32767).first, 32767);
    assert_int_equal(edge_producers(&large, 32767).first, 32767);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(partitioner_name(FLINC__PARTITIONER_KIND__PARTITION_HASH), "HASH");
    assert_string_equal(partitioner_name((Flinc__PartitionerKind)99), "UNKNOWN");
    assert_false(partitioner_is_pointwise((Flinc__PartitionerKind)99));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_directions_agree),
        cmocka_unit_test(test_shares_of_pointwise_edges),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
