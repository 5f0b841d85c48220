/* Base and increments applied; see final_rows.h.
 *
 * Thread: one owner. */
#include "client/statetool/final_rows.h"

#include "common/base/map.h"
#include "engine/data/hash.h"
#include "engine/state/keyed_table.h"

/* What newer blocks said of one namespace of a state. */
struct seen {
    bool has_table, is_dropped;
    struct keyed_table table; /* keys that newer blocks set or removed */
};

struct walk {
    const struct final_rows_options *options;
    struct map seen; /* state name, namespace -> struct seen */
    uint32_t slots[BATCH_ROWS_MAX];
    uint8_t flags[BATCH_ROWS_MAX];
    uint32_t columns[SCHEMA_FIELDS_MAX];
};

/* A block kept until those behind it were walked. */
struct kept_block {
    struct segment_block block;
    struct segment_run *runs; /* Owns */
};

static void seen_free(void *value)
{
    struct seen *s = value;
    if (s->has_table) {
        keyed_table_fini(&s->table);
    }
    mem_free(s);
}

static struct seen *seen_of(struct walk *w, const char *state, int64_t name_space, bool make)
{
    STR_AUTO key = STR_INIT;
    str_append(&key, (const char *)&name_space, sizeof(name_space));
    str_append_cstr(&key, state);
    struct seen *s = map_find_bytes(&w->seen, key.data, key.len);
    if (s == NULL && make) {
        s = MEM_NEW(struct seen);
        map_put_bytes(&w->seen, key.data, key.len, s);
    }
    return s;
}

/* Remembers the keys of a block; its rows have hashes. */
static int remember(struct walk *w, const struct segment_state *state, struct segment_block *b,
                    struct error *err)
{
    struct seen *s = seen_of(w, state->name, b->name_space, true);
    if (!s->has_table) {
        const struct keyed_table_options o = {.key_schema = state->key_schema, .value_bytes = 8};
        TRY_CTX(err, keyed_table_init(&s->table, &o, err), "reading state '%s'", state->name);
        s->has_table = true;
    }
    return keyed_table_upsert(&s->table, b->rows, w->columns, w->slots, w->flags, err);
}

static void hash_rows(struct walk *w, const struct segment_state *state, struct segment_block *b)
{
    for (uint32_t i = 0; i < state->key_schema->n_fields; i++) {
        w->columns[i] = i;
    }
    b->rows = batch_make_unique(w->options->pool, b->rows);
    batch_hash_keys(w->options->pool, b->rows, w->columns, state->key_schema->n_fields);
}

static int show(struct walk *w, const struct segment_state *state, const struct segment_block *b,
                struct error *err)
{
    struct final_rows rows = {.state = state, .block = b};
    const struct seen *s = seen_of(w, state->name, b->name_space, false);
    if (s != NULL && s->is_dropped) {
        return 0;
    }
    if (s != NULL && s->has_table) {
        struct seen *mutable_s = (struct seen *)(uintptr_t)s;
        TRY(keyed_table_find(&mutable_s->table, b->rows, w->columns, w->slots, err));
        for (uint32_t i = 0; i < b->rows->n_rows; i++) {
            w->flags[i] = w->slots[i] != KEYED_SLOT_NONE;
        }
        rows.is_old = w->flags;
    }
    return w->options->rows(w->options->arg, &rows, err);
}

static bool is_wanted(const struct walk *w, const struct segment_state *state)
{
    return w->options->state == NULL || strcmp(w->options->state, state->name) == 0;
}

/* ---- segments --------------------------------------------------------------------------------- */

/* A base, when nothing older comes: its rows flow by in their order. */
static int walk_base(struct walk *w, struct segment_reader *r, struct error *err)
{
    const struct final_rows_options *o = w->options;
    struct segment_block b;
    int rc;
    while ((rc = segment_reader_next(r, o->pool, o->first_group, o->last_group, &b, err)) == 1) {
        const struct segment_state *state = segment_reader_state(r, b.state_id);
        if (b.kind == SEGMENT_BLOCK_PUT && is_wanted(w, state)) {
            if (w->seen.len > 0) {
                hash_rows(w, state, &b);
            }
            rc = show(w, state, &b, err);
        }
        batch_unref(b.rows);
        if (rc < 0) {
            return rc;
        }
    }
    return rc;
}

static int apply_block(struct walk *w, const struct segment_state *state, struct segment_block *b,
                       struct error *err)
{
    if (b->kind == SEGMENT_BLOCK_DROP) {
        seen_of(w, state->name, b->name_space, true)->is_dropped = true;
        return 0;
    }
    hash_rows(w, state, b);
    if (b->kind == SEGMENT_BLOCK_PUT) {
        TRY(show(w, state, b, err));
    }
    return remember(w, state, b, err);
}

static int load_blocks(struct walk *w, struct segment_reader *r, struct vec *ret_blocks,
                       struct error *err)
{
    const struct final_rows_options *o = w->options;
    struct segment_block b;
    int rc;
    while ((rc = segment_reader_next(r, o->pool, o->first_group, o->last_group, &b, err)) == 1) {
        if (!is_wanted(w, segment_reader_state(r, b.state_id))) {
            batch_unref(b.rows);
            continue;
        }
        struct kept_block *k = VEC_PUSH(ret_blocks, struct kept_block);
        k->block = b;
        k->runs = b.n_runs > 0 ? mem_dup(b.runs, b.n_runs * sizeof(*b.runs)) : NULL;
        k->block.runs = k->runs;
    }
    return rc;
}

/* The blocks of an increment, last first. */
static int walk_increment(struct walk *w, struct segment_reader *r, struct error *err)
{
    struct vec blocks = VEC_INIT(struct kept_block);
    int rc = load_blocks(w, r, &blocks, err);
    for (size_t i = blocks.len; i-- > 0;) {
        struct kept_block *k = VEC_AT(&blocks, struct kept_block, i);
        if (rc == 0) {
            rc = apply_block(w, segment_reader_state(r, k->block.state_id), &k->block, err);
        }
        batch_unref(k->block.rows);
        mem_free(k->runs);
    }
    vec_fini(&blocks);
    return rc;
}

int final_rows_walk(const Flinc__KeyedHandle *handle, const struct final_rows_options *options,
                    struct error *err)
{
    struct walk *w = MEM_NEW(struct walk);
    int rc = 0;
    w->options = options;
    map_init(&w->seen, seen_free);
    for (size_t i = handle->n_segments; i-- > 0 && rc == 0;) {
        struct segment_reader *r = NULL;
        const Flinc__KeyedSegment *s = handle->segments[i];
        rc = segment_reader_open(s, options->directory, &r, err);
        if (rc == 0) {
            bool flows = i == 0 && s->is_base;
            rc = flows ? walk_base(w, r, err) : walk_increment(w, r, err);
        }
        segment_reader_close(r);
    }
    map_fini(&w->seen);
    mem_free(w);
    return rc;
}
