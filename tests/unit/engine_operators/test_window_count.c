/* Count windows: global windows with a count trigger, purging (tumbling) or with a count evictor (sliding). */
#include "tests/unit/engine_operators/disk_fixture.h"
#include "tests/unit/engine_operators/window_functions_fixture.h"

#define GLOBAL FLINC__WINDOW_ASSIGNER_KIND__WINDOW_GLOBAL

static void count_config(struct general *g, int64_t slide)
{
    general_init(g, GLOBAL, 0, 0);
    g->c.trigger.kind = FLINC__WINDOW_TRIGGER_KIND__TRIGGER_COUNT;
    g->c.trigger.count = slide;
}

static const char *texts(struct harness *h, struct str *out)
{
    struct slice rest = slice_cstr(harness_rows(h, 0)), line;
    while (slice_next(&rest, '\n', &line)) {
        size_t n = 0;
        while (n < line.len && line.data[n] != ',') {
            n++;
        }
        str_printf(out, "%.*s;", (int)n - 3, line.data + 3);
    }
    return str_cstr(out);
}

static void tumbling(void **state)
{
    struct general g;
    Flinc__OperatorSubtaskState *s = NULL;
    STR_AUTO first = STR_INIT;
    STR_AUTO second = STR_INIT;
    count_config(&g, 3);
    g.c.trigger.purging = true;
    struct harness *h = general_start(&g);
    must(harness_push_rows(h, 0, "a, 1\nb, 2\na, 3\na, 4\na, 5\nb, 6", &err));
    assert_string_equal(texts(h, &first), "a: 1 3 4;");
    must(harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL, &s, &err));
    harness_free(h);
    g.o.restore = s;
    h = general_start(&g);
    must(harness_push_rows(h, 0, "b, 7\na, 8\na, 9", &err));
    assert_string_equal(texts(h, &second), "b: 2 6 7;a: 5 8 9;");
    harness_free(h);
    flinc__operator_subtask_state__free_unpacked(s, NULL);
}

static void sliding(void **state)
{
    struct general g;
    STR_AUTO got = STR_INIT;
    count_config(&g, 2);
    g.c.config.evictor = &g.c.evictor;
    g.c.evictor.kind = FLINC__WINDOW_EVICTOR_KIND__EVICTOR_COUNT;
    g.c.evictor.count = 3;
    struct harness *h = general_start(&g);
    must(harness_push_rows(h, 0, "a, 1\na, 2\na, 3\nb, 10\na, 4\na, 5\na, 6\nb, 11", &err));
    assert_string_equal(texts(h, &got), "a: 1 2;a: 2 3 4;a: 4 5 6;b: 10 11;");
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tumbling),
        cmocka_unit_test(sliding),
    };
    return RUN_ON_BOTH(tests);
}
