/* A whole checkpoint on disk, damaged at random places in random ways: reading it as a restore does is an
 * error that names the damaged file, or everything is as it was.  Never another answer, never a crash.
 *
 * FLINC_TEST_ROUNDS=n multiplies the tries. */
#include "tests/unit/engine_snapshot/fixture.h"
#include "tests/unit/engine_snapshot/metadata_maker.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES = 400, FILES = 4, PATH_BYTES = 512 };

struct disk {
    struct buffer_pool *pool;
    char paths[FILES][PATH_BYTES]; /* _metadata, base, delta, operator state */
    uint64_t want;                 /* what reading all of it comes to */
};

static void add_segment(Flinc__KeyedHandle *h, struct buffer_pool *pool, bool is_base)
{
    struct words w;
    Flinc__KeyedSegment *s =
        ADD_MESSAGE(h->n_segments, h->segments, Flinc__KeyedSegment, flinc__keyed_segment__init);
    words_open_as(&w, pool, 0, is_base ? SEGMENT_COMPRESSION_LZ4 : SEGMENT_COMPRESSION_NONE);
    words_put(&w, SEGMENT_BLOCK_PUT, 0, 10, 19, is_base ? 100 : 7);
    if (!is_base) {
        words_put(&w, SEGMENT_BLOCK_REMOVE, 0, 12, 15, 3);
        assert_ok(segment_writer_put(w.writer, 0, SEGMENT_BLOCK_DROP, 4, NULL, NULL, 0, &ok_err));
    }
    words_finish(&w, s);
}

static void path_of(struct disk *d, uint32_t i, const char *name)
{
    snprintf(d->paths[i], PATH_BYTES, "%s/%s", fixture_dir, name);
}

static void write_checkpoint(struct disk *d)
{
    Flinc__CheckpointMetadata *m = make_metadata();
    Flinc__OperatorSnapshot *o = add_operator(m, 1, "Count", 4, 128);
    Flinc__SubtaskSnapshot *s = add_subtask(o, 1);
    Flinc__KeyedHandle *h = ADD_MESSAGE(s->state->n_keyed, s->state->keyed, Flinc__KeyedHandle,
                                        flinc__keyed_handle__init);
    h->first_group = 10;
    h->last_group = 19;
    add_segment(h, d->pool, true);
    add_segment(h, d->pool, false);
    Flinc__OperatorStateHandle *l =
        add_list(s, "items", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT, 500);
    struct snapshot_target *t = target_in_dir(0, NULL);
    struct snapshot_output *out = snapshot_output_open(t, SNAPSHOT_SCOPE_EXCLUSIVE);
    assert_ok(snapshot_output_append(out, l->blob->inline_data.data, l->blob->size, &ok_err));
    snapshot_output_finish(out);
    state_blob_clear(l->blob);
    struct error err = ERROR_INIT;
    assert_int_equal(snapshot_output_poll(out, l->blob, &err), 1);
    snapshot_output_free(out);
    snapshot_target_unref(t);
    assert_ok(metadata_write(fixture_dir, m, &ok_err));
    path_of(d, 0, CHECKPOINT_METADATA_NAME);
    path_of(d, 1, h->segments[0]->blob->location);
    path_of(d, 2, h->segments[1]->blob->location);
    path_of(d, 3, l->blob->location);
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
}

/* ---- reading all of it ------------------------------------------------------------------------- */

static int sum_segment(struct disk *d, const Flinc__KeyedSegment *s, const char *directory,
                       uint64_t *sum, struct error *err)
{
    struct segment_reader *r = NULL;
    struct segment_block b;
    TRY(segment_reader_open(s, directory, &r, err));
    int rc;
    while ((rc = segment_reader_next(r, d->pool, 0, 127, &b, err)) == 1) {
        *sum = *sum * 31 + (uint64_t)b.kind + (uint64_t)b.name_space;
        for (uint32_t i = 0; b.rows != NULL && i < b.rows->n_rows; i++) {
            STR_AUTO text = STR_INIT;
            batch_print_row(b.rows, i, &text);
            *sum = *sum * 31 + crc32c(0, text.data, text.len);
        }
        batch_unref(b.rows);
    }
    segment_reader_close(r);
    return rc;
}

static int sum_state(struct disk *d, const Flinc__OperatorSubtaskState *s, const char *directory,
                     uint64_t *sum, struct error *err)
{
    for (size_t i = 0; i < s->n_keyed; i++) {
        for (size_t k = 0; k < s->keyed[i]->n_segments; k++) {
            TRY(sum_segment(d, s->keyed[i]->segments[k], directory, sum, err));
        }
    }
    for (size_t i = 0; i < s->n_operator_state; i++) {
        struct blob_reader *r = NULL;
        TRY(blob_reader_open(s->operator_state[i]->blob, directory, &r, err));
        *sum = *sum * 31 + crc32c(0, blob_reader_data(r), blob_reader_size(r));
        blob_reader_close(r);
    }
    return 0;
}

static int sum_checkpoint(struct disk *d, uint64_t *ret_sum, struct error *err)
{
    Flinc__CheckpointMetadata *m = NULL;
    STR_AUTO directory = STR_INIT;
    *ret_sum = 0;
    TRY(metadata_read(fixture_dir, &m, &directory, err));
    int rc = 0;
    for (size_t i = 0; i < m->n_operators && rc == 0; i++) {
        for (size_t k = 0; k < m->operators[i]->n_subtasks && rc == 0; k++) {
            rc = sum_state(d, m->operators[i]->subtasks[k]->state, str_cstr(&directory), ret_sum,
                           err);
        }
    }
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
    return rc;
}

/* ---- damage ------------------------------------------------------------------------------------ */

struct content {
    uint8_t bytes[256 * 1024];
    size_t size;
};

static void load(const char *path, struct content *c)
{
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t n = read(fd, c->bytes, sizeof(c->bytes));
    assert_true(n > 0 && (size_t)n < sizeof(c->bytes));
    c->size = (size_t)n;
    close(fd);
}

static void store(const char *path, const struct content *c)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, c->bytes, c->size), c->size);
    close(fd);
}

/* False: it came out as it was. */
static bool damage(struct rng *rng, struct content *c)
{
    struct content *was = mem_dup(c, sizeof(*c));
    size_t at = rng_below(rng, c->size), n = 1 + rng_below(rng, 64);
    n = MIN(n, c->size - at);
    switch (rng_below(rng, 7)) {
    case 0:
        c->size = at;
        break;
    case 1:
        memset(c->bytes + at, 0, n);
        break;
    case 2:
        for (size_t i = 0; i < n; i++) {
            c->bytes[at + i] = (uint8_t)rng_next(rng);
        }
        break;
    case 3: /* a piece is missing */
        memmove(c->bytes + at, c->bytes + at + n, c->size - at - n);
        c->size -= n;
        break;
    case 4: /* a piece from elsewhere */
        memmove(c->bytes + at, c->bytes + rng_below(rng, c->size - n + 1), n);
        break;
    case 5:
        c->size += n;
        break;
    default:
        c->bytes[at] = (uint8_t)(c->bytes[at] ^ (1u << rng_below(rng, 8)));
        break;
    }
    bool changed = c->size != was->size || memcmp(c->bytes, was->bytes, c->size) != 0;
    mem_free(was);
    return changed;
}

static void four_hundred_tries(void **state)
{
    struct disk d = {.pool = *state};
    struct rng rng;
    const char *rounds = getenv("FLINC_TEST_ROUNDS");
    uint32_t tries = TRIES * (rounds != NULL ? (uint32_t)atoi(rounds) : 1), found = 0;
    struct content *good = MEM_NEW(struct content), *bad = MEM_NEW(struct content);
    rng_init(&rng, 20260);
    write_checkpoint(&d);
    assert_ok(sum_checkpoint(&d, &d.want, &ok_err));
    for (uint32_t i = 0; i < tries; i++) {
        const char *path = d.paths[rng_below(&rng, FILES)];
        uint64_t got = 0;
        struct error err = ERROR_INIT;
        load(path, good);
        *bad = *good;
        bool is_gone = rng_below(&rng, 20) == 0;
        bool is_bad = damage(&rng, bad);
        store(path, bad);
        if (is_gone) {
            assert_int_equal(unlink(path), 0);
        }
        int rc = sum_checkpoint(&d, &got, &err);
        if (is_gone || is_bad) {
            char text[4096];
            error_format(&err, text, sizeof(text));
            if (rc >= 0 || strstr(text, strrchr(path, '/') + 1) == NULL) {
                fail_msg("try %u: %s (%d) does not name %s", i, text, rc, path);
            }
            found++;
        } else {
            assert_int_equal(rc, 0);
            assert_true(got == d.want);
        }
        store(path, good);
    }
    assert_ok(sum_checkpoint(&d, &d.want, &ok_err));
    assert_true(found > tries * 9 / 10);
    mem_free(good);
    mem_free(bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {SNAPSHOT_TEST(four_hundred_tries)};
    return cmocka_run_group_tests_name("damage", tests, NULL, NULL);
}
