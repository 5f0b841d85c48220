/* Sliding windows over slices: running accumulators, and the tree of nodes (slice_window.h). */
#include "engine/operators/window/slice_window.h"

#include <stdio.h>

/* ---- tables into tables ------------------------------------------------------------------------ */

/* Behind a running accumulator: the number of slices of the window that its key is in. */
static int64_t *presence_of(const struct slice_window *w, char *accumulator)
{
    return (int64_t *)(void *)(accumulator + window_columns_bytes(&w->columns));
}

/* The next block of slots into w->slots, and their keys, hashed; their number. */
static int next_keys(struct slice_window *w, struct op_context *ctx, struct keyed_state *from,
                     struct keyed_walk *walk, struct batch **ret_keys, struct error *err)
{
    int n = keyed_walk_next(walk, BATCH_ROWS_TARGET, w->slots, err);
    if (n > 0) {
        TRY(keyed_state_read_keys(from, w->slots, (uint32_t)n, ret_keys, err));
        window_copy_hashes(ctx, from, w->slots, (uint32_t)n, *ret_keys);
    }
    return n;
}

/* Adds the `n` accumulators of w->slots, whose keys these are, to those of a namespace. */
static int merge_block(struct slice_window *w, const struct keyed_state *from,
                       const struct batch *keys, uint32_t n, struct keyed_state *to,
                       int64_t to_name_space, struct error *err)
{
    TRY(keyed_state_upsert(to, to_name_space, keys, w->base.plain_columns, w->other_slots,
                           w->other_is_new, err));
    for (uint32_t i = 0; i < n; i++) {
        char *sum = keyed_state_value(to, w->other_slots[i]);
        window_columns_merge(&w->columns, sum, keyed_state_value(from, w->slots[i]),
                             w->other_is_new[i]);
        if (w->mode == SLICE_RUNNING) {
            *presence_of(w, sum) += 1;
        }
    }
    return 0;
}

/* Adds all accumulators of a namespace to those of another one, which is of another state: slots of the one are good while
 * the other is changed. */
static int merge_tables(struct slice_window *w, struct op_context *ctx, struct keyed_state *from,
                        int64_t name_space, struct keyed_state *to, int64_t to_name_space,
                        struct error *err)
{
    struct keyed_walk *walk = NULL;
    struct batch *keys = NULL;
    TRY(keyed_walk_start(from, name_space, &walk, err));
    int rc;
    while ((rc = next_keys(w, ctx, from, walk, &keys, err)) > 0) {
        rc = merge_block(w, from, keys, (uint32_t)rc, to, to_name_space, err);
        batch_unref(keys);
        if (rc < 0) {
            break;
        }
    }
    keyed_walk_free(walk);
    return rc;
}

/* ---- running ----------------------------------------------------------------------------------- */

/* Takes the slices up to `end` into the running accumulators. */
static int run_up_to(struct slice_window *w, struct op_context *ctx, int64_t end, struct error *err)
{
    for (size_t i = 0; i < w->ends.len; i++) {
        int64_t at = *VEC_AT(&w->ends, int64_t, i);
        if (at > end) {
            break;
        }
        if (at > w->merged_end) {
            TRY(merge_tables(w, ctx, w->slices, at, w->merged, NAMESPACE_VOID, err));
        }
    }
    w->merged_end = MAX(w->merged_end, end);
    return 0;
}

/* Takes the `n` accumulators of w->slots, whose keys these are, out of the running ones. */
static int subtract_block(struct slice_window *w, const struct batch *keys, uint32_t n,
                          struct error *err)
{
    TRY(keyed_state_find(w->merged, NAMESPACE_VOID, keys, w->base.plain_columns, w->other_slots,
                         err));
    for (uint32_t i = 0; i < n; i++) {
        ASSERT(w->other_slots[i] != KEYED_SLOT_NONE);
        keyed_state_touch(w->merged, w->other_slots[i]);
        char *sum = keyed_state_value(w->merged, w->other_slots[i]);
        window_columns_subtract(&w->columns, sum, keyed_state_value(w->slices, w->slots[i]));
        if (--*presence_of(w, sum) == 0) {
            keyed_state_remove(w->merged, w->other_slots[i]);
        }
    }
    return 0;
}

static int subtract_slice(struct slice_window *w, struct op_context *ctx, int64_t end,
                          struct error *err)
{
    struct keyed_walk *walk = NULL;
    struct batch *keys = NULL;
    TRY(keyed_walk_start(w->slices, end, &walk, err));
    int rc;
    while ((rc = next_keys(w, ctx, w->slices, walk, &keys, err)) > 0) {
        rc = subtract_block(w, keys, (uint32_t)rc, err);
        batch_unref(keys);
        if (rc < 0) {
            break;
        }
    }
    keyed_walk_free(walk);
    return rc;
}

/* ---- tree -------------------------------------------------------------------------------------- */

/* Position of a node in built[], or where it belongs. */
static size_t node_position(const struct slice_level *l, int64_t node)
{
    size_t low = 0, high = l->built.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (*VEC_AT(&l->built, int64_t, middle) < node) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool node_is_built(const struct slice_level *l, int64_t node)
{
    size_t at = node_position(l, node);
    return at < l->built.len && *VEC_AT(&l->built, int64_t, at) == node;
}

static int merge_node(struct slice_window *w, struct op_context *ctx, uint32_t level, int64_t node,
                      struct keyed_state *to, int64_t to_name_space, struct error *err);

/* Depth of the recursion: the number of levels. */
static int build_node(struct slice_window *w, struct op_context *ctx, uint32_t level, int64_t node,
                      struct error *err)
{
    struct slice_level *l = &w->levels[level];
    if (node_is_built(l, node)) {
        return 0;
    }
    TRY(merge_node(w, ctx, level - 1, node * 2, l->state, node, err));
    TRY(merge_node(w, ctx, level - 1, node * 2 + 1, l->state, node, err));
    size_t at = node_position(l, node);
    (void)VEC_PUSH(&l->built, int64_t);
    int64_t *items = VEC_AT(&l->built, int64_t, 0);
    memmove(items + at + 1, items + at, (l->built.len - 1 - at) * sizeof(*items));
    items[at] = node;
    return 0;
}

/* Adds a node, or a slice at level 0, to a table. */
static int merge_node(struct slice_window *w, struct op_context *ctx, uint32_t level, int64_t node,
                      struct keyed_state *to, int64_t to_name_space, struct error *err)
{
    if (level == 0) {
        return merge_tables(w, ctx, w->slices, slice_end_of_index(w, node), to, to_name_space, err);
    }
    TRY(build_node(w, ctx, level, node, err));
    return merge_tables(w, ctx, w->levels[level].state, node, to, to_name_space, err);
}

static int merge_by_tree(struct slice_window *w, struct op_context *ctx, int64_t end,
                         struct error *err)
{
    int64_t to = slice_index(w, end) + 1;
    int64_t from = slice_index(w, end - w->size + w->slice);
    keyed_state_drop_namespace(w->merged, NAMESPACE_VOID);
    while (from < to) {
        /* The largest node that begins here and does not reach beyond. */
        uint32_t level = 0;
        while (level + 1 < w->n_levels && (from & ((INT64_C(2) << level) - 1)) == 0 &&
               from + (INT64_C(2) << level) <= to) {
            level++;
        }
        TRY(merge_node(w, ctx, level, from >> level, w->merged, NAMESPACE_VOID, err));
        from += INT64_C(1) << level;
    }
    return 0;
}

/* Nodes that no later window needs: those with a slice below `index`. */
static void drop_nodes(struct slice_window *w, int64_t index)
{
    for (uint32_t level = 1; level < w->n_levels; level++) {
        struct slice_level *l = &w->levels[level];
        while (l->built.len > 0 && *VEC_AT(&l->built, int64_t, 0) * (INT64_C(1) << level) < index) {
            keyed_state_drop_namespace(l->state, *VEC_AT(&l->built, int64_t, 0));
            vec_remove(&l->built, 0);
        }
    }
}

/* ---- both -------------------------------------------------------------------------------------- */

/* What is on disk of an earlier run is not looked at. */
static int open_table(struct slice_window *w, const char *name, const struct record_layout *layout,
                      struct keyed_state **ret, struct error *err)
{
    struct keyed_state_desc desc = {.name = name,
                                    .key_schema = w->base.key_schema,
                                    .value_bytes = layout->size,
                                    .value_layout = layout,
                                    .grows_in_pieces = true,
                                    .is_derived = true,
                                    .kind = "derived"};
    TRY(keyed_backend_state(w->base.backend, &desc, ret, err));
    for (int64_t at = INT64_MIN; keyed_state_next_namespace(*ret, at, &at); at++) {
        keyed_state_drop_namespace(*ret, at);
    }
    return 0;
}

/* Behind the accumulator the number of slices. */
static int open_running(struct slice_window *w, struct error *err)
{
    static const char *const names[] = {"<slices>"};
    struct record_layout layout;
    TRY(record_layout_extend(&layout, &w->columns.layout, names, ARRAY_LEN(names), 0, err));
    int rc = open_table(w, "window-running", &layout, &w->merged, err);
    record_layout_fini(&layout);
    return rc;
}

int slice_merge_open(struct slice_window *w, struct op_context *ctx, struct error *err)
{
    w->merged_end = INT64_MIN;
    if (w->mode == SLICE_TUMBLING) {
        return 0;
    }
    TRY(open_running(w, err));
    if (w->mode == SLICE_RUNNING) {
        /* After a restore: as it was when the last window had fired. */
        return w->fired_end > INT64_MIN ? run_up_to(w, ctx, w->fired_end, err) : 0;
    }
    w->n_levels = 1;
    while (w->n_levels < SLICE_LEVELS && (INT64_C(1) << w->n_levels) <= w->size / w->slice) {
        char name[32];
        struct slice_level *l = &w->levels[w->n_levels];
        snprintf(name, sizeof(name), "window-nodes-%u", w->n_levels);
        vec_init(&l->built, sizeof(int64_t));
        w->n_levels++;
        TRY(open_table(w, name, &w->columns.layout, &l->state, err));
    }
    return 0;
}

void slice_merge_close(struct slice_window *w)
{
    for (uint32_t level = 1; level < w->n_levels; level++) {
        vec_fini(&w->levels[level].built);
    }
}

static int add_to(struct slice_window *w, struct keyed_state *to, int64_t name_space,
                  struct batch *b, struct batch *keys, struct error *err)
{
    struct accumulator_run run = {
        .slots = w->other_slots, .is_new = w->other_is_new, .n = b->n_sel};
    TRY(keyed_state_upsert(to, name_space, keys, w->base.key_columns, w->other_slots,
                           w->other_is_new, err));
    run.values = keyed_state_values(to, &run.stride);
    window_columns_add(&w->columns, b, batch_sel(b), &run);
    return 0;
}

int slice_merge_add(struct slice_window *w, struct batch *b, struct batch *keys, int64_t end,
                    struct error *err)
{
    if (w->mode == SLICE_RUNNING && end <= w->merged_end) {
        TRY(add_to(w, w->merged, NAMESPACE_VOID, b, keys, err));
        for (uint32_t i = 0; i < b->n_sel; i++) {
            *presence_of(w, keyed_state_value(w->merged, w->other_slots[i])) += w->is_new[i];
        }
    }
    for (uint32_t level = 1; level < w->n_levels; level++) {
        int64_t node = slice_index(w, end) >> level;
        if (node_is_built(&w->levels[level], node)) {
            TRY(add_to(w, w->levels[level].state, node, b, keys, err));
        }
    }
    return 0;
}

int slice_merge_window(struct slice_window *w, struct op_context *ctx, int64_t end,
                       struct error *err)
{
    return w->mode == SLICE_RUNNING ? run_up_to(w, ctx, end, err) : merge_by_tree(w, ctx, end, err);
}

int slice_merge_drop(struct slice_window *w, struct op_context *ctx, int64_t end, struct error *err)
{
    return w->mode == SLICE_RUNNING && end <= w->merged_end ? subtract_slice(w, ctx, end, err) : 0;
}

void slice_merge_done(struct slice_window *w, int64_t next_start)
{
    if (w->mode == SLICE_TREE) {
        keyed_state_drop_namespace(w->merged, NAMESPACE_VOID);
        drop_nodes(w, slice_index(w, next_start + w->slice));
    }
}
