/* Base and increments applied, compared with a plain model. */
#include "tests/unit/engine_snapshot/fixture.h"
#include "tests/unit/engine_snapshot/metadata_maker.h"

#include "client/statetool/final_rows.h"

enum { GROUPS = 10, WORDS = 40, SPACES = 3 };

/* What is there: value of (namespace, group, word), or -1. */
struct model {
    int64_t value[SPACES][GROUPS][WORDS];
    int64_t got[SPACES][GROUPS][WORDS];
};

static int on_rows(void *arg, const struct final_rows *rows, struct error *err)
{
    struct model *m = arg;
    const struct segment_block *b = rows->block;
    (void)err;
    assert_string_equal(rows->state->name, "count");
    for (uint32_t i = 0; i < b->n_runs; i++) {
        for (uint32_t k = 0; k < b->runs[i].n_rows; k++) {
            uint32_t row = b->runs[i].first_row + k;
            uint32_t group = 0, word = 0;
            STR_AUTO key = STR_INIT;
            str_append_slice(&key, column_get_bytes(&b->rows->columns[0], row));
            assert_int_equal(sscanf(str_cstr(&key), "word-%u-of-a-longer-kind-%u", &group, &word),
                             2);
            assert_int_equal(group, b->runs[i].group);
            if (rows->is_old == NULL || !rows->is_old[row]) {
                int64_t *got = &m->got[b->name_space][group - 10][word];
                assert_int_equal(*got, -1); /* every key once */
                *got = COLUMN_VALUES(&b->rows->columns[1], const int64_t)[row];
            }
        }
    }
    return 0;
}

static void change(struct words *w, struct model *m, struct rng *rng, bool is_base)
{
    uint32_t first = (uint32_t)rng_below(rng, GROUPS);
    uint32_t last = first + (uint32_t)rng_below(rng, GROUPS - first);
    uint32_t n = 1 + (uint32_t)rng_below(rng, WORDS);
    int64_t space = (int64_t)rng_below(rng, SPACES);
    uint32_t what = is_base ? 2 : (uint32_t)rng_below(rng, 6);
    w->bonus = (int64_t)rng_below(rng, 1000);
    if (what == 0) {
        struct error err = ERROR_INIT;
        assert_int_equal(
            segment_writer_put(w->writer, 0, SEGMENT_BLOCK_DROP, space, NULL, NULL, 0, &err), 0);
        memset(m->value[space], 0xff, sizeof(m->value[space]));
        return;
    }
    words_put(w, what == 1 ? SEGMENT_BLOCK_REMOVE : SEGMENT_BLOCK_PUT, space, first + 10, last + 10,
              n);
    for (uint32_t g = first; g <= last; g++) {
        for (uint32_t k = 0; k < n; k++) {
            m->value[space][g][k] = what == 1 ? -1 : (int64_t)(g + 10) * 1000 + k + w->bonus;
        }
    }
}

static void random_histories(void **state)
{
    struct rng rng;
    struct model *m = MEM_NEW(struct model);
    rng_init(&rng, 7);
    for (int round = 0; round < 60; round++) {
        Flinc__CheckpointMetadata *meta = make_metadata();
        Flinc__OperatorSnapshot *o = add_operator(meta, 1, "op", 1, 128);
        Flinc__SubtaskSnapshot *s = add_subtask(o, 0);
        Flinc__KeyedHandle *h = ADD_MESSAGE(s->state->n_keyed, s->state->keyed, Flinc__KeyedHandle,
                                            flinc__keyed_handle__init);
        memset(m, 0xff, sizeof(*m));
        uint32_t n_segments = 1 + (uint32_t)rng_below(&rng, 5);
        for (uint32_t i = 0; i < n_segments; i++) {
            struct words w;
            Flinc__KeyedSegment *g = ADD_MESSAGE(h->n_segments, h->segments, Flinc__KeyedSegment,
                                                 flinc__keyed_segment__init);
            words_open(&w, *state, 1 << 24);
            for (uint32_t k = i == 0 ? 1 : (uint32_t)rng_below(&rng, 8); k > 0; k--) {
                change(&w, m, &rng, i == 0);
            }
            words_finish(&w, g);
            g->is_base = i == 0;
        }
        for (uint32_t i = 1; i < n_segments; i++) {
            h->segments[i]->is_base =
                true; /* as words_open wrote it; only the first place counts */
        }
        const struct final_rows_options options = {.directory = fixture_dir,
                                                   .pool = *state,
                                                   .first_group = 0,
                                                   .last_group = 127,
                                                   .rows = on_rows,
                                                   .arg = m};
        assert_ok(final_rows_walk(h, &options, &ok_err));
        assert_memory_equal(m->value, m->got, sizeof(m->value));
        struct final_rows_options other = options;
        other.state = "another";
        assert_ok(final_rows_walk(h, &other, &ok_err)); /* gives nothing, or on_rows fails */
        flinc__checkpoint_metadata__free_unpacked(meta, NULL);
    }
    mem_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {SNAPSHOT_TEST(random_histories)};
    return cmocka_run_group_tests_name("final_rows", tests, NULL, NULL);
}
