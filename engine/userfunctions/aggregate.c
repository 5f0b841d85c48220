/* Aggregate functions: states of groups in one flat array, handed to the library batch by batch.  Between a local and a global
 * aggregation a state travels as bytes: its own, or what save() makes of it. */
#include "engine/userfunctions/inside.h"

/* What an aggregate of a user has beside its states; a->user. */
struct user_aggregate {
    const struct user_function *f;
    void *instance;
    bool is_open;
    flinc_udf_call call;
    struct arena arena;   /* as long as the aggregate */
    struct arena scratch; /* of one batch */
    struct error failed;  /* of merge_groups(), which says nothing; told by what comes next */
    int failed_rc;
};

static const struct user_function *function_of(const struct aggregate *a)
{
    return user_function_of(a->function);
}

static struct user_aggregate *user_of(const struct aggregate *a)
{
    return a->user;
}

static int told(const struct user_aggregate *u, int code, const flinc_udf_error *why,
                const char *doing, struct error *err)
{
    return user_function_result(u->f, code, why, doing, err);
}

static flinc_udf_states states_of(const struct aggregate *a, const uint32_t *groups)
{
    return (flinc_udf_states){.base = a->states != NULL ? (char *)a->states->data : NULL,
                              .size = a->state_bytes,
                              .groups = groups};
}

/* Opened by the first batch: planners bind aggregates to learn their types alone. */
static int open_instance(struct user_aggregate *u, struct error *err)
{
    flinc_udf_error why = {{0}};
    if (!u->is_open && u->f->udf.open != NULL) {
        TRY(told(u, u->f->udf.open(&u->call, &u->instance, &why), &why, "opening it", err));
    }
    u->is_open = true;
    return 0;
}

static int be_ready(struct user_aggregate *u, struct error *err)
{
    if (u->failed_rc < 0 && err != NULL) {
        error_copy(err, &u->failed);
    }
    return u->failed_rc < 0 ? u->failed_rc : open_instance(u, err);
}

/* ---- values ----------------------------------------------------------------------------------------- */

typedef int (*value_callback)(void *instance, const flinc_udf_batch *in,
                              const flinc_udf_states *states, flinc_udf_error *error);

static int run(struct aggregate *a, const struct aggregate_rows *in, value_callback callback,
               const char *doing, struct error *err)
{
    struct user_aggregate *u = user_of(a);
    const flinc_udf_states states = states_of(a, in->groups);
    flinc_udf_error why = {{0}};
    TRY(be_ready(u, err));
    const flinc_udf_batch batch = {
        .struct_size = sizeof(batch),
        .n = in->n,
        .rows = in->rows,
        .n_args = u->call.n_args,
        .args = user_columns_show(&u->scratch, in->args, u->call.args, u->call.n_args),
    };
    const int code = callback(u->instance, &batch, &states, &why);
    arena_reset(&u->scratch);
    return told(u, code, &why, doing, err);
}

static int user_add(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    return run(a, in, function_of(a)->udf.add, "adding values", err);
}

static int user_retract(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    return run(a, in, function_of(a)->udf.retract, "taking values back", err);
}

/* ---- states ----------------------------------------------------------------------------------------- */

static int load_state(const struct user_aggregate *u, const struct aggregate *a, char *state,
                      struct slice saved, struct error *err)
{
    flinc_udf_error why = {{0}};
    if (u->f->udf.load != NULL) {
        const flinc_string s = {saved.data, saved.len};
        return told(u, u->f->udf.load(u->instance, state, s, &why), &why, "loading a state", err);
    }
    if (saved.len != a->state_bytes) {
        return error_set(err, ERR_CORRUPT,
                         "user function '%s': a partial result has %zu bytes, not %u: the workers "
                         "have different libraries",
                         u->f->name, saved.len, a->state_bytes);
    }
    memcpy(state, saved.data, saved.len);
    return 0;
}

/* Partial results lie in a column of bytes: they become states beside the groups, which are merged and dropped. */
static int user_merge(struct aggregate *a, const struct aggregate_rows *in, struct error *err)
{
    struct user_aggregate *u = user_of(a);
    char *loaded = arena_zalloc(&u->scratch, (size_t)in->n * a->state_bytes);
    uint32_t *numbers = arena_alloc(&u->scratch, in->n * sizeof(*numbers)), n = 0;
    uint32_t *groups = arena_alloc(&u->scratch, in->n * sizeof(*groups));
    int rc = be_ready(u, err);
    for (uint32_t i = 0; rc == 0 && i < in->n; i++) {
        if (!column_is_null(in->args[0], in->rows[i])) {
            numbers[n] = n;
            groups[n] = in->groups[i];
            rc = load_state(u, a, loaded + (size_t)n * a->state_bytes,
                            column_get_bytes(in->args[0], in->rows[i]), err);
            n += rc == 0;
        }
    }
    const flinc_udf_states to = states_of(a, groups);
    const flinc_udf_states from = {.base = loaded, .size = a->state_bytes, .groups = numbers};
    if (rc == 0 && n > 0) {
        flinc_udf_error why = {{0}};
        const int code = u->f->udf.merge(u->instance, &to, &from, n, &why);
        rc = told(u, code, &why, "merging partial results", err);
    }
    for (uint32_t i = 0; u->f->udf.destroy != NULL && i < n; i++) {
        u->f->udf.destroy(u->instance, loaded + (size_t)i * a->state_bytes);
    }
    arena_reset(&u->scratch);
    return rc;
}

static void user_merge_groups(struct aggregate *a, const uint32_t *to, const uint32_t *from,
                              uint32_t n)
{
    struct user_aggregate *u = user_of(a);
    const flinc_udf_states into = states_of(a, to), of = states_of(a, from);
    flinc_udf_error why = {{0}};
    if (n > 0 && u->failed_rc == 0) {
        u->failed_rc = open_instance(u, &u->failed);
    }
    if (n > 0 && u->failed_rc == 0) {
        const int code = u->f->udf.merge(u->instance, &into, &of, n, &why);
        u->failed_rc = told(u, code, &why, "merging groups", &u->failed);
    }
}

static void user_drop(struct aggregate *a, uint32_t from, uint32_t n)
{
    struct user_aggregate *u = user_of(a);
    if (u->f->udf.destroy == NULL || !u->is_open) {
        return;
    }
    for (uint32_t i = from; i < from + n; i++) {
        u->f->udf.destroy(u->instance, a->states->data + (size_t)i * a->state_bytes);
    }
}

/* ---- partial results -------------------------------------------------------------------------------- */

struct saved {
    flinc_udf_bytes face; /* first member */
    struct str *bytes;
    bool too_large;
};

static void add_bytes(flinc_udf_bytes *to, const void *data, size_t size)
{
    struct saved *s = (struct saved *)to;
    s->too_large |= size > FLINC_UDF_SAVED_MAX || s->bytes->len + size > FLINC_UDF_SAVED_MAX;
    if (!s->too_large) {
        str_append(s->bytes, data, size);
    }
}

static int save_state(const struct user_aggregate *u, const struct aggregate *a, uint32_t group,
                      struct str *ret, struct error *err)
{
    const uint8_t *state = a->states->data + (size_t)group * a->state_bytes;
    struct saved s = {.face = {.add = add_bytes}, .bytes = ret};
    flinc_udf_error why = {{0}};
    if (u->f->udf.save == NULL) {
        str_append(ret, (const char *)state, a->state_bytes);
        return 0;
    }
    TRY(told(u, u->f->udf.save(u->instance, state, &s.face, &why), &why, "saving a state", err));
    return s.too_large
               ? error_set(err, ERR_TOO_LARGE, "user function '%s': a state has more than %d bytes",
                           u->f->name, FLINC_UDF_SAVED_MAX)
               : 0;
}

struct saved_states {
    const char *bytes;
    const size_t *ends;
};

static bool saved_cell(const void *arg, uint32_t i, struct slice *ret)
{
    const struct saved_states *s = arg;
    const size_t start = i > 0 ? s->ends[i - 1] : 0;
    *ret = slice_make(s->bytes + start, s->ends[i] - start);
    return true;
}

static int user_accumulate(struct aggregate *a, const uint32_t *groups, uint32_t n,
                           struct buffer_pool *pool, struct column *ret, struct error *err)
{
    struct user_aggregate *u = user_of(a);
    size_t *ends = arena_alloc(&u->scratch, ((size_t)n + 1) * sizeof(*ends));
    STR_AUTO all = STR_INIT;
    STR_AUTO one = STR_INIT;
    int rc = be_ready(u, err);
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        str_clear(&one);
        rc = save_state(u, a, groups[i], &one, err);
        str_append_slice(&all, str_slice(&one));
        ends[i] = all.len;
    }
    const struct saved_states saved = {str_cstr(&all), ends};
    rc = rc < 0 ? rc : aggregate_put_encoded(pool, ret, n, saved_cell, &saved, err);
    arena_reset(&u->scratch);
    return rc;
}

/* ---- results ---------------------------------------------------------------------------------------- */

struct results {
    flinc_udf_result face; /* first member */
    struct buffer_pool *pool;
    struct column *column;
    struct buffer *block;
    uint32_t n;
};

enum { BLOCK_BYTES = 16 * 1024 };

static void close_block(struct results *r)
{
    if (r->block != NULL) {
        r->block->size = r->block->capacity - r->face.heap_left;
    }
}

static void grow(flinc_udf_result *out, size_t size)
{
    struct results *r = (struct results *)out;
    close_block(r);
    r->block = buffer_get(r->pool, MAX(size, (size_t)BLOCK_BYTES));
    out->heap_number = (int32_t)r->column->n_data;
    column_add_data(r->pool, r->column, r->block);
    out->heap = (char *)r->block->data;
    out->heap_left = r->block->capacity;
    out->heap_offset = 0;
}

static void set_null(flinc_udf_result *out, uint32_t row)
{
    struct results *r = (struct results *)out;
    aggregate_set_null(r->pool, r->column, row, r->n);
}

static int user_result(struct aggregate *a, const uint32_t *groups, uint32_t n,
                       struct buffer_pool *pool, struct column *ret, struct error *err)
{
    struct user_aggregate *u = user_of(a);
    const flinc_udf_states states = states_of(a, groups);
    flinc_udf_error why = {{0}};
    TRY(be_ready(u, err));
    aggregate_column(pool, ret, n);
    struct results r = {
        .face = {.struct_size = sizeof(r.face),
                 .type = u->call.result,
                 .values = ret->values->data,
                 .grow = grow,
                 .set_null = set_null},
        .pool = pool,
        .column = ret,
        .n = n,
    };
    const int code = u->f->udf.finish(u->instance, &states, n, &r.face, &why);
    close_block(&r);
    return told(u, code, &why, "computing results", err);
}

/* ---- binding ---------------------------------------------------------------------------------------- */

static const struct aggregate_kernels kernels = {
    .add = user_add,
    .merge = user_merge,
    .merge_groups = user_merge_groups,
    .accumulate = user_accumulate,
    .result = user_result,
    .drop = user_drop,
};
static const struct aggregate_kernels retracting_kernels = {
    .add = user_add,
    .retract = user_retract,
    .merge = user_merge,
    .merge_groups = user_merge_groups,
    .accumulate = user_accumulate,
    .result = user_result,
    .drop = user_drop,
};

static void free_user(void *user)
{
    struct user_aggregate *u = user;
    if (u->is_open && u->f->udf.close != NULL) {
        u->f->udf.close(u->instance);
    }
    arena_fini(&u->arena);
    arena_fini(&u->scratch);
    mem_free(u);
}

static int user_bind(struct aggregate *a, struct error *err)
{
    struct user_aggregate *u = MEM_NEW(struct user_aggregate);
    const uint32_t n_args = a->is_merging ? 0 : a->n_args;
    u->f = function_of(a);
    u->failed = (struct error)ERROR_INIT;
    arena_init(&u->arena, 0);
    arena_init(&u->scratch, 0);
    a->user = u;
    a->free_user = free_user;
    user_call_describe(&u->arena, u->f, a->arg_types, NULL, n_args, a->result, &u->call);
    a->kernels = u->f->udf.retract != NULL ? &retracting_kernels : &kernels;
    a->state_bytes = (u->f->udf.state_size + 7) & ~7u;
    a->n_strict = (u->f->udf.flags & FLINC_UDF_CALLED_ON_NULL) != 0 ? 0 : n_args;
    a->n_accumulators = 1;
    a->accumulators[0] = type_new_sized(TYPE_VARBINARY, INT32_MAX, false);
    return 0;
}

const struct aggregate_desc user_aggregate = {.bind = user_bind};
