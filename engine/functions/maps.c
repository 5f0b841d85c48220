/* Functions of maps; strings taken apart into arrays and maps. */
#include "engine/functions/functions.h"

#include "engine/expr/equality.h"
#include "engine/functions/cells.h"
#include "engine/functions/text.h"
#include "engine/patterns/regex.h"

#include <inttypes.h>

/* ---- keys, values, entries -------------------------------------------------------------------------- */

static int infer_keys(const struct expr_function *function, struct expr_pool *pool,
                      const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                      struct error *err)
{
    const struct data_type *map = args[0]->type;
    const char *const names[] = {"key", "value"};
    if (strcmp(function->name, "MAP_ENTRIES") == 0) {
        struct data_type *const types[] = {type_ref(map->children[0]), type_ref(map->children[1])};
        *ret = type_new_array(type_new_row(types, names, 2, false), map->nullable);
        return 0;
    }
    const bool is_keys = strcmp(function->name, "MAP_KEYS") == 0;
    *ret = type_new_array(type_ref(map->children[is_keys ? 0 : 1]), map->nullable);
    return 0;
}

static int run_keys(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct cells map = cells_at(f, 0, row);
        struct cells_out out = cells_begin(f, row);
        cells_add(&out, &map, 0, map.n);
        cells_end(&out);
    }
    return 0;
}

static int run_values(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        struct cells map = cells_at(f, 0, row);
        struct cells_out out = cells_begin(f, row);
        map.items = map.values;
        cells_add(&out, &map, 0, map.n);
        cells_end(&out);
    }
    return 0;
}

static int run_entries(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct cells map = cells_at(f, 0, row);
        struct cells_out out = cells_begin(f, row);
        for (uint32_t i = 0; i < map.n; i++) {
            builder_add_cells(out.builder, builder_child_of(out.items, 0), map.items, map.from + i,
                              1);
            builder_add_cells(out.builder, builder_child_of(out.items, 1), map.values, map.from + i,
                              1);
            builder_add_nested(out.builder, out.items);
        }
        cells_end(&out);
    }
    return 0;
}

/* ---- maps made -------------------------------------------------------------------------------------- */

static int infer_from_arrays(const struct expr_function *function, struct expr_pool *pool,
                             const struct expr *const *args, uint32_t n_args,
                             struct data_type **ret, struct error *err)
{
    *ret = type_new_map(type_ref(args[0]->type->children[0]), type_ref(args[1]->type->children[0]),
                        args[0]->type->nullable || args[1]->type->nullable);
    return 0;
}

/* Entries of several maps (or of two arrays, as one); of equal keys the last one counts, at the first place. */
struct merging {
    const struct cells *maps;
    uint32_t n;
};

static bool was_before(const struct merging *m, uint32_t map, uint32_t i)
{
    for (uint32_t k = 0; k <= map; k++) {
        const struct cells before = {
            .items = m->maps[k].items, .from = m->maps[k].from, .n = k == map ? i : m->maps[k].n};
        if (cells_find(&before, m->maps[map].items, m->maps[map].from + i) < before.n) {
            return true;
        }
    }
    return false;
}

/* The last entry with the key of this one. */
static void find_last(const struct merging *m, uint32_t *map, uint32_t *i)
{
    const struct column *keys = m->maps[*map].items;
    const uint32_t at = m->maps[*map].from + *i;
    for (uint32_t k = m->n; k > *map; k--) {
        const struct cells *c = &m->maps[k - 1];
        for (uint32_t j = c->n; j > 0; j--) {
            if (expr_cells_equal(c->items, c->from + j - 1, keys, at)) {
                *map = k - 1;
                *i = j - 1;
                return;
            }
        }
    }
}

static void put_merged(struct expr_frame *f, uint32_t row, const struct merging *m,
                       uint32_t values_from)
{
    struct cells_out out = cells_begin(f, row);
    for (uint32_t k = 0; k < m->n; k++) {
        for (uint32_t i = 0; i < m->maps[k].n; i++) {
            uint32_t map = k, entry = i;
            if (was_before(m, k, i)) {
                continue;
            }
            find_last(m, &map, &entry);
            const struct cells *c = &m->maps[map];
            const uint32_t from = values_from != UINT32_MAX ? values_from : c->from;
            builder_add_cells(out.builder, out.items, m->maps[k].items, m->maps[k].from + i, 1);
            builder_add_cells(out.builder, out.values, c->values, from + entry, 1);
        }
    }
    cells_end(&out);
}

static int run_from_arrays(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        struct cells keys = cells_at(f, 0, row);
        const struct cells values = cells_at(f, 1, row);
        if (keys.n != values.n) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "Invalid function MAP_FROM_ARRAYS call: the length of the keys array "
                             "%" PRIu32 " is not equal to the length of the values array %" PRIu32,
                             keys.n, values.n);
        }
        keys.values = values.items;
        const struct merging m = {.maps = &keys, .n = 1};
        put_merged(f, row, &m, values.from);
    }
    return 0;
}

static int infer_union(const struct expr_function *function, struct expr_pool *pool,
                       const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                       struct error *err)
{
    bool nullable = false;
    for (uint32_t i = 0; i < n_args; i++) {
        nullable |= args[i]->type->nullable;
    }
    if (args[0]->type->id != TYPE_MAP) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Cannot apply 'MAP_UNION' to arguments that are no maps. Supported "
                         "form(s): 'MAP_UNION(<MAP>, ...)'");
    }
    *ret = type_with_nullable(args[0]->type, nullable);
    return 0;
}

static int run_union(struct expr_frame *f, struct error *err)
{
    struct cells *maps = arena_alloc(f->context->arena, f->n_args * sizeof(*maps));
    const struct merging m = {.maps = maps, .n = f->n_args};
    for (EXPR_ROWS(f, row)) {
        for (uint32_t k = 0; k < f->n_args; k++) {
            maps[k] = cells_at(f, k, row);
        }
        put_merged(f, row, &m, UINT32_MAX);
    }
    return 0;
}

/* ---- SPLIT, STR_TO_MAP ------------------------------------------------------------------------------ */

static int run_split(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct slice s = expr_bytes(f, 0, row), separator = expr_bytes(f, 1, row);
        struct cells_out out = cells_begin(f, row);
        size_t from = 0;
        while (s.len > 0 && from <= s.len) {
            size_t at = separator.len > 0 ? text_find(s, separator, from)
                        : from < s.len    ? from + text_step(s, from)
                                          : s.len + 1;
            if (separator.len == 0 && from == s.len) {
                break;
            }
            const size_t end = MIN(at, s.len);
            TRY(builder_add_bytes(out.builder, out.items, s.data + from, end - from, err));
            from = separator.len == 0 ? end : at > s.len ? s.len + 1 : at + separator.len;
        }
        cells_end(&out);
    }
    return 0;
}

/* Two caches: of separators of pairs, and of keys. */
struct to_map_state {
    struct regex_cache pairs, keys;
};

static void to_map_free(void *state)
{
    struct to_map_state *s = state;
    regex_cache_fini(&s->pairs);
    regex_cache_fini(&s->keys);
}

static int bind_to_map(struct expr_binding *b, struct error *err)
{
    b->state = arena_zalloc(b->arena, sizeof(struct to_map_state));
    b->free_state = to_map_free;
    return 0;
}

struct pair {
    struct slice key, value; /* value.data NULL: none */
};

/* Splits at the first separator, as Java's split(regex, 2). */
static int split_pair(struct regex *regex, struct slice text, struct pair *ret, struct error *err)
{
    bool is_found;
    *ret = (struct pair){text, slice_make(NULL, 0)};
    TRY(regex_find(regex, text, 0, &is_found, err));
    if (is_found) {
        const struct slice match = regex_group(regex, text, 0);
        ret->key.len = (size_t)(match.data - text.data);
        ret->value = slice_make(match.data + match.len, text.len - ret->key.len - match.len);
    }
    return 0;
}

/* As Java's split(regex): empty ones at the end are dropped, and an empty match at the start makes none. */
static int split_pairs(struct expr_frame *f, struct regex *pairs, struct regex *keys,
                       struct slice text, struct pair **ret, uint32_t *ret_n, struct error *err)
{
    struct pair *list = NULL;
    uint32_t n = 0, cap = 0, used = 0;
    size_t from = 0, search = 0;
    bool is_found = true;
    while (is_found) {
        TRY(regex_find(pairs, text, search, &is_found, err));
        const struct slice match =
            is_found ? regex_group(pairs, text, 0) : slice_make(text.data + text.len, 0);
        const size_t at = (size_t)(match.data - text.data);
        if (is_found) {
            search = regex_next(pairs, text);
            if (match.len == 0 && (at == 0 || at == text.len)) {
                continue;
            }
        }
        if (n == cap) {
            struct pair *more = arena_alloc(f->context->arena, (cap * 2 + 8) * sizeof(*more));
            if (n > 0) {
                memcpy(more, list, n * sizeof(*more));
            }
            list = more;
            cap = cap * 2 + 8;
        }
        TRY(split_pair(keys, slice_make(text.data + from, at - from), &list[n++], err));
        used = at > from ? n : used;
        from = at + match.len;
    }
    *ret = list;
    *ret_n = used;
    return 0;
}

static void put_pairs(struct expr_frame *f, uint32_t row, const struct pair *pairs, uint32_t n,
                      int *ret_rc, struct error *err)
{
    struct cells_out out = cells_begin(f, row);
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        uint32_t last = i;
        bool is_before = false;
        for (uint32_t k = 0; k < n; k++) {
            const bool same = slice_eq(pairs[k].key, pairs[i].key);
            is_before |= same && k < i;
            last = same ? k : last;
        }
        if (is_before) {
            continue;
        }
        rc = builder_add_bytes(out.builder, out.items, pairs[i].key.data, pairs[i].key.len, err);
        if (rc == 0 && pairs[last].value.data == NULL) {
            builder_add_null(out.builder, out.values);
        } else if (rc == 0) {
            rc = builder_add_bytes(out.builder, out.values, pairs[last].value.data,
                                   pairs[last].value.len, err);
        }
    }
    if (rc == 0) {
        cells_end(&out);
    }
    *ret_rc = rc;
}

static int run_to_map(struct expr_frame *f, struct error *err)
{
    struct to_map_state *s = f->state;
    for (EXPR_ROWS(f, row)) {
        const struct slice text = expr_bytes(f, 0, row);
        const struct slice between = f->n_args > 1 ? expr_bytes(f, 1, row) : slice_make(",", 1);
        const struct slice inside = f->n_args > 2 ? expr_bytes(f, 2, row) : slice_make("=", 1);
        struct regex *pairs, *keys;
        struct pair *list = NULL;
        uint32_t n = 0;
        int rc;
        TRY(regex_cache_get(&s->pairs, between, &pairs, err));
        TRY(regex_cache_get(&s->keys, inside, &keys, err));
        if (pairs == NULL || keys == NULL) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "STR_TO_MAP: the separator '%.*s' is no regular expression",
                             (int)MIN((pairs == NULL ? between : inside).len, (size_t)100),
                             (pairs == NULL ? between : inside).data);
        }
        if (text.len > 0) {
            TRY(split_pairs(f, pairs, keys, text, &list, &n, err));
        }
        put_pairs(f, row, list, n, &rc, err);
        TRY(rc);
    }
    return 0;
}

/* ---- rows ------------------------------------------------------------------------------------------- */

static const struct expr_function rows[] = {
    {.name = "MAP_KEYS",
     .signatures = "MAP",
     .infer = infer_keys,
     .kernel = run_keys,
     .category = "collection",
     .text = "The keys of a map as an array.",
     .example = "MAP_KEYS(MAP['a', 1, 'b', 2]) -- [a, b]"},
    {.name = "MAP_VALUES",
     .signatures = "MAP",
     .infer = infer_keys,
     .kernel = run_values,
     .category = "collection",
     .text = "The values of a map as an array.",
     .example = "MAP_VALUES(MAP['a', 1, 'b', 2]) -- [1, 2]"},
    {.name = "MAP_ENTRIES",
     .signatures = "MAP",
     .infer = infer_keys,
     .kernel = run_entries,
     .category = "collection",
     .text = "The entries of a map as an array of rows of key and value.",
     .example = "MAP_ENTRIES(MAP['a', 1]) -- [(a, 1)]"},
    {.name = "MAP_FROM_ARRAYS",
     .signatures = "ARRAY, ARRAY",
     .flags = EXPR_FN_CAN_FAIL,
     .infer = infer_from_arrays,
     .kernel = run_from_arrays,
     .category = "collection",
     .text = "A map of an array of keys and an array of values, which are as many.",
     .example = "MAP_FROM_ARRAYS(ARRAY['a', 'b'], ARRAY[1, 2]) -- {a=1, b=2}"},
    {.name = "MAP_UNION",
     .signatures = "T...",
     .infer = infer_union,
     .kernel = run_union,
     .category = "collection",
     .text = "The entries of all maps; of equal keys the last one counts.",
     .example = "MAP_UNION(MAP['a', 1], MAP['b', 2, 'a', 3]) -- {a=3, b=2}"},
    {.name = "SPLIT",
     .signatures = "STRING, STRING",
     .result = "ARRAY<STRING>",
     .kernel = run_split,
     .category = "string",
     .text = "The parts of a string between separators; its characters when the separator is "
             "empty.",
     .example = "SPLIT('a,b', ',') -- [a, b]"},
    {.name = "STR_TO_MAP",
     .signatures = "STRING, STRING?, STRING?",
     .result = "MAP<STRING, STRING>",
     .flags = EXPR_FN_CAN_FAIL,
     .bind = bind_to_map,
     .kernel = run_to_map,
     .category = "string",
     .text = "A map of pairs in a string: regular expressions separate the pairs (`,`) and the key "
             "from the value (`=`).",
     .example = "STR_TO_MAP('k1=v1,k2=v2') -- {k1=v1, k2=v2}"},
};

const struct expr_functions functions_maps = FUNCTIONS_TABLE(rows);
