/* State of user functions: the functions of include/flinc/state.h over the kinds of engine/state/user.
 *
 * A handle is one state of an operator, found by its name.  What goes wrong is kept in the contexts of all of the
 * operator's functions, so that it fails whichever call is at hand.
 * Thread: the task's.  Flink: StreamingRuntimeContext, DefaultKeyedStateStore. */
#include "engine/operators/user_state.h"

#include "engine/data/hash.h"
#include "engine/operators/struct_schema.h"
#include "engine/state/user/list_state.h"
#include "engine/state/user/map_state.h"
#include "engine/state/user/value_state.h"
#include "flinc/state.h"

enum user_state_kind {
    USER_STATE_VALUE,
    USER_STATE_LIST,
    USER_STATE_MAP,
    USER_STATE_REDUCING,
    USER_STATE_AGGREGATING,
};
static const char *const kind_names[] = {
    [USER_STATE_VALUE] = "value",
    [USER_STATE_LIST] = "list",
    [USER_STATE_MAP] = "map",
    [USER_STATE_REDUCING] = "reducing",
    [USER_STATE_AGGREGATING] = "aggregating",
};

/* One state; what the handles of the SDK are. */
struct user_state {
    struct user_states *states; /* Borrows */
    flinc_ctx *ctx;             /* Borrows: of the function that declared it, for its callbacks */
    enum user_state_kind kind;
    char *name; /* Owns */
    /* By kind; they belong to the backend. */
    struct value_state *value; /* reducing and aggregating, too */
    struct list_state *list;
    struct map_state *map;
    const flinc_struct *type, *key_type; /* Borrow: the bundle's; NULL: a row, or no key */
    const char *row, *key_row;           /* Borrow: the bundle's */
    uint32_t value_bytes;
    flinc_reduce_fn reduce;
    flinc_add_fn add;
    flinc_result_fn result;
    char *scratch; /* Owns: a value */
};

/* ---- mistakes ---------------------------------------------------------------------------------- */

static COLD void fail(const struct user_state *s, const struct error *err)
{
    struct user_functions *fs = s->states->owner;
    for (uint32_t i = 0; i < fs->n; i++) {
        (void)flinc_ctx_fail(&fs->items[i].ctx, "%s state '%s': %s", kind_names[s->kind], s->name,
                             err->message);
    }
}

static COLD int no_key(const struct user_state *s)
{
    struct error err = ERROR_INIT;
    int rc = error_set(&err, ERR_STATE,
                       "there is no key at hand: state of a key is for calls about records and "
                       "timers of a keyed stream");
    fail(s, &err);
    return rc;
}

static inline bool has_key(const struct user_state *s)
{
    return LIKELY(s->states->cursor.batch != NULL);
}

/* The code of a call on a state, its error kept. */
static inline int settle(const struct user_state *s, int rc, const struct error *err)
{
    if (UNLIKELY(rc < 0)) {
        fail(s, err);
    }
    return rc;
}

/* ---- life -------------------------------------------------------------------------------------- */

static struct schema *key_schema_of(const struct schema *schema, const uint32_t *key_columns,
                                    uint32_t n)
{
    const char *names[KEY_COLUMNS_MAX];
    struct data_type *types[KEY_COLUMNS_MAX];
    for (uint32_t i = 0; i < n; i++) {
        const struct field *f = &schema->fields[key_columns[i]];
        names[i] = f->name;
        types[i] = type_ref(f->type);
    }
    return schema_new(names, types, n);
}

int user_states_open(struct user_functions *fs, struct op_context *ctx, const struct schema *schema,
                     const uint32_t *key_columns, uint32_t n_keys, struct error *err)
{
    if (fs->states != NULL) {
        return 0;
    }
    if (n_keys == 0 || n_keys > KEY_COLUMNS_MAX) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "operator '%s' has a key of %u columns; state takes 1 to %d",
                         ctx->spec->name, n_keys, KEY_COLUMNS_MAX);
    }
    for (uint32_t i = 0; i < n_keys; i++) {
        if (key_columns[i] >= schema->n_fields) {
            return error_set(err, ERR_INVALID_ARGUMENT, "operator '%s': its key is column %u of %u",
                             ctx->spec->name, key_columns[i], schema->n_fields);
        }
    }
    struct user_states *s = MEM_NEW(struct user_states);
    s->ctx = ctx;
    s->owner = fs;
    s->key_schema = key_schema_of(schema, key_columns, n_keys);
    vec_init(&s->states, sizeof(struct user_state *));
    fs->states = s;
    return 0;
}

struct user_states *user_states_free(struct user_states *s)
{
    if (s == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < s->states.len; i++) {
        struct user_state *u = vec_ptr(&s->states, i);
        mem_free(u->name);
        mem_free(u->scratch);
        mem_free(u);
    }
    vec_fini(&s->states);
    key_cursor_fini(&s->cursor);
    schema_unref(s->key_schema);
    mem_free(s);
    return NULL;
}

int user_states_begin_batch(struct user_states *s, struct batch **inout_batch,
                            const uint32_t *key_columns, struct error *err)
{
    if (s == NULL || s->states.len == 0 || (*inout_batch)->n_sel == 0) {
        return 0;
    }
    if ((*inout_batch)->hashes == NULL) {
        *inout_batch = batch_make_unique(s->ctx->pool, *inout_batch);
        batch_hash_keys(s->ctx->pool, *inout_batch, key_columns, s->key_schema->n_fields);
    }
    key_cursor_begin(&s->cursor, *inout_batch, key_columns);
    return 0;
}

static int sweep(const struct user_state *u, struct error *err)
{
    switch (u->kind) {
    case USER_STATE_LIST:
        return list_state_sweep(u->list, err);
    case USER_STATE_MAP:
        return map_state_sweep(u->map, err);
    default:
        return value_state_sweep(u->value, err);
    }
}

int user_states_end_batch(struct user_states *s, struct error *err)
{
    if (s == NULL || s->cursor.batch == NULL) {
        return 0;
    }
    key_cursor_end(&s->cursor);
    for (size_t i = 0; i < s->states.len; i++) {
        const struct user_state *u = vec_ptr(&s->states, i);
        TRY_CTX(err, sweep(u, err), "cleaning up state '%s'", u->name);
    }
    return 0;
}

/* ---- declaring --------------------------------------------------------------------------------- */

static struct state_ttl ttl_of(const flinc_ttl *t)
{
    if (t->ms == 0 || t->update == FLINC_TTL_DISABLED) {
        return (struct state_ttl){.ms = 0};
    }
    return (struct state_ttl){
        .ms = t->ms,
        .on_read = t->update == FLINC_TTL_ON_READ_AND_WRITE,
        .returns_expired = t->visibility == FLINC_TTL_RETURN_EXPIRED_IF_NOT_CLEANED_UP,
        .full_snapshots = t->cleanup_full_snapshot,
        .sweep = t->cleanup_incrementally == 0                      ? TTL_SWEEP_DEFAULT
                 : t->cleanup_incrementally == FLINC_TTL_NO_CLEANUP ? 0
                                                                    : t->cleanup_incrementally,
    };
}

static int check_desc(const flinc_ctx *ctx, const flinc_state_desc *d, enum user_state_kind kind,
                      struct error *err)
{
    if (ctx->owner->states == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "the stream is not keyed: call flinc_key_by before this operator");
    }
    if (d->struct_size < sizeof(*d)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "the description was not made by FLINC_STATE, or by that of an older "
                         "version: build the bundle anew");
    }
    size_t len = d->name != NULL ? strlen(d->name) : 0;
    if (len == 0 || len > USER_STATE_NAME_MAX || d->name[0] == '$' || d->name[0] == '_') {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "a state needs a name of 1 to %d bytes that does not begin with '$' or "
                         "'_'",
                         USER_STATE_NAME_MAX);
    }
    bool callbacks = kind == USER_STATE_REDUCING      ? d->reduce != NULL
                     : kind == USER_STATE_AGGREGATING ? d->add != NULL && d->result != NULL
                                                      : true;
    return callbacks ? 0
                     : error_set(err, ERR_INVALID_ARGUMENT, "%s state needs %s", kind_names[kind],
                                 kind == USER_STATE_REDUCING ? ".reduce" : ".add and .result");
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* The state of this name, if there is one; it must be of the same kind and types. */
static int find_same(const struct user_states *s, const flinc_state_desc *d,
                     enum user_state_kind kind, struct user_state **ret, struct error *err)
{
    for (size_t i = 0; i < s->states.len; i++) {
        struct user_state *u = vec_ptr(&s->states, i);
        if (strcmp(u->name, d->name) == 0) {
            if (u->kind != kind || u->type != d->type || u->key_type != d->key_type ||
                !same_text(u->row, d->row) || !same_text(u->key_row, d->key_row)) {
                return error_set(err, ERR_INVALID_ARGUMENT,
                                 "it was declared before, as %s state or of another type",
                                 kind_names[u->kind]);
            }
            *ret = u;
        }
    }
    return 0;
}

/* Opens the kind over its layouts, which it copies. */
static int open_kind(struct user_state *u, const flinc_state_desc *d,
                     const struct record_layout *value, const struct record_layout *key,
                     struct error *err)
{
    struct key_cursor *cursor = &u->states->cursor;
    struct state_ttl ttl = ttl_of(&d->ttl);
    switch (u->kind) {
    case USER_STATE_LIST:
        return list_state_open(
            cursor, &(struct list_state_desc){.name = d->name, .record = value, .ttl = ttl},
            &u->list, err);
    case USER_STATE_MAP:
        return map_state_open(
            cursor,
            &(struct map_state_desc){.name = d->name, .key = key, .record = value, .ttl = ttl},
            &u->map, err);
    default:
        return value_state_open(
            cursor,
            &(struct value_state_desc){
                .name = d->name, .kind = kind_names[u->kind], .record = value, .ttl = ttl},
            &u->value, err);
    }
}

static int open_layouts(struct user_state *u, const flinc_state_desc *d, struct error *err)
{
    struct record_layout value, key;
    TRY(state_record_layout(&value, d->type, d->row, "its value", err));
    int rc = 0;
    u->value_bytes = value.size;
    if (u->kind == USER_STATE_MAP) {
        rc = state_record_layout(&key, d->key_type, d->key_row, "its map key", err);
    }
    if (rc == 0) {
        rc = open_kind(u, d, &value, &key, err);
        if (u->kind == USER_STATE_MAP) {
            record_layout_fini(&key);
        }
    }
    record_layout_fini(&value);
    return rc;
}

static int declare(flinc_ctx *ctx, const flinc_state_desc *d, enum user_state_kind kind,
                   struct user_state **ret, struct error *err)
{
    TRY(check_desc(ctx, d, kind, err));
    struct user_states *s = ctx->owner->states;
    struct user_state *u = NULL;
    TRY(find_same(s, d, kind, &u, err));
    if (u != NULL) {
        *ret = u;
        return 0;
    }
    if (s->cursor.backend == NULL) {
        struct keyed_backend *backend = NULL;
        TRY(op_keyed_backend(s->ctx, &backend, err));
        key_cursor_init(&s->cursor, backend, s->key_schema, s->ctx->clock);
    }
    u = MEM_NEW(struct user_state);
    *u = (struct user_state){.states = s, .ctx = ctx, .kind = kind};
    u->type = d->type;
    u->key_type = d->key_type;
    u->row = d->row;
    u->key_row = d->key_row;
    u->reduce = d->reduce;
    u->add = d->add;
    u->result = d->result;
    int rc = open_layouts(u, d, err);
    if (rc < 0) {
        mem_free(u);
        return rc;
    }
    u->name = mem_strdup(d->name);
    u->scratch = mem_alloc_aligned(16, u->value_bytes);
    vec_push_ptr(&s->states, u);
    *ret = u;
    return 0;
}

static void *declare_or_fail(flinc_ctx *ctx, const flinc_state_desc *d, enum user_state_kind kind)
{
    struct error err = ERROR_INIT;
    struct user_state *u = NULL;
    if (declare(ctx, d, kind, &u, &err) < 0) {
        (void)flinc_ctx_fail(ctx, "%s state '%s': %s", kind_names[kind],
                             d->name != NULL ? d->name : "", err.message);
    }
    return u;
}

flinc_value_state *flinc_ctx_value_state(flinc_ctx *ctx, flinc_state_desc desc)
{
    return declare_or_fail(ctx, &desc, USER_STATE_VALUE);
}

flinc_list_state *flinc_ctx_list_state(flinc_ctx *ctx, flinc_state_desc desc)
{
    return declare_or_fail(ctx, &desc, USER_STATE_LIST);
}

flinc_map_state *flinc_ctx_map_state(flinc_ctx *ctx, flinc_state_desc desc)
{
    return declare_or_fail(ctx, &desc, USER_STATE_MAP);
}

flinc_reducing_state *flinc_ctx_reducing_state(flinc_ctx *ctx, flinc_state_desc desc)
{
    return declare_or_fail(ctx, &desc, USER_STATE_REDUCING);
}

flinc_aggregating_state *flinc_ctx_aggregating_state(flinc_ctx *ctx, flinc_state_desc desc)
{
    return declare_or_fail(ctx, &desc, USER_STATE_AGGREGATING);
}

struct keyed_state *user_states_keys_of(const struct user_states *s, const void *handle)
{
    for (size_t i = 0; i < s->states.len; i++) {
        const struct user_state *u = vec_ptr(&s->states, i);
        if (u != handle) {
            continue;
        }
        return u->kind == USER_STATE_LIST  ? list_state_keys(u->list)
               : u->kind == USER_STATE_MAP ? map_state_keys(u->map)
                                           : value_state_keys(u->value);
    }
    return NULL;
}

/* ---- value state ------------------------------------------------------------------------------- */

static struct user_state *state_of(void *handle)
{
    return handle;
}

/* Calls `expr` with `err`, keeps its error, and has its code. */
#define CALL(u, expr)                                     \
    __extension__({                                       \
        struct error err = ERROR_INIT;                    \
        has_key(u) ? settle(u, (expr), &err) : no_key(u); \
    })

static const char *get_value(const struct user_state *u)
{
    const char *record = NULL;
    return CALL(u, value_state_get(u->value, &record, &err)) < 0 ? NULL : record;
}

const void *flinc_value_get(flinc_value_state *s)
{
    return get_value(state_of(s));
}

int flinc_value_set(flinc_value_state *s, const void *value)
{
    const struct user_state *u = state_of(s);
    return CALL(u, value_state_set(u->value, value, &err));
}

void flinc_value_clear(flinc_value_state *s)
{
    const struct user_state *u = state_of(s);
    (void)CALL(u, value_state_clear(u->value, &err));
}

void *flinc_value_edit(flinc_value_state *s)
{
    const struct user_state *u = state_of(s);
    char *record = NULL;
    return CALL(u, value_state_edit(u->value, &record, &err)) < 0 ? NULL : record;
}

/* ---- list state -------------------------------------------------------------------------------- */

int flinc_list_add(flinc_list_state *s, const void *element)
{
    const struct user_state *u = state_of(s);
    return CALL(u, list_state_add(u->list, element, &err));
}

void flinc_list_clear(flinc_list_state *s)
{
    const struct user_state *u = state_of(s);
    (void)CALL(u, list_state_clear(u->list, &err));
}

int flinc_list_set(flinc_list_state *s, const void *elements, size_t n)
{
    const struct user_state *u = state_of(s);
    int rc = CALL(u, list_state_clear(u->list, &err));
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = flinc_list_add(s, (const char *)elements + i * u->value_bytes);
    }
    return rc;
}

void flinc_list_begin(flinc_list_state *s)
{
    const struct user_state *u = state_of(s);
    (void)CALL(u, list_state_begin(u->list, &err));
}

const void *flinc_list_next(flinc_list_state *s)
{
    const struct user_state *u = state_of(s);
    const char *element = NULL;
    return CALL(u, list_state_next(u->list, &element, &err)) < 0 ? NULL : element;
}

bool flinc_list_is_empty(flinc_list_state *s)
{
    flinc_list_begin(s);
    return flinc_list_next(s) == NULL;
}

/* ---- map state --------------------------------------------------------------------------------- */

const void *flinc_map_get(flinc_map_state *s, const void *key)
{
    const struct user_state *u = state_of(s);
    const char *value = NULL;
    return CALL(u, map_state_get(u->map, key, &value, &err)) < 0 ? NULL : value;
}

bool flinc_map_contains(flinc_map_state *s, const void *key)
{
    return flinc_map_get(s, key) != NULL;
}

int flinc_map_put(flinc_map_state *s, const void *key, const void *value)
{
    const struct user_state *u = state_of(s);
    return CALL(u, map_state_put(u->map, key, value, &err));
}

void flinc_map_remove(flinc_map_state *s, const void *key)
{
    const struct user_state *u = state_of(s);
    (void)CALL(u, map_state_remove(u->map, key, &err));
}

void flinc_map_clear(flinc_map_state *s)
{
    const struct user_state *u = state_of(s);
    (void)CALL(u, map_state_clear(u->map, &err));
}

void flinc_map_begin(flinc_map_state *s)
{
    const struct user_state *u = state_of(s);
    (void)CALL(u, map_state_begin(u->map, &err));
}

bool flinc_map_next(flinc_map_state *s, const void **ret_key, const void **ret_value)
{
    const struct user_state *u = state_of(s);
    const char *key = NULL, *value = NULL;
    if (CALL(u, map_state_next(u->map, &key, &value, &err)) < 0 || key == NULL) {
        return false;
    }
    *ret_key = key;
    *ret_value = value;
    return true;
}

bool flinc_map_is_empty(flinc_map_state *s)
{
    const void *key, *value;
    flinc_map_begin(s);
    return !flinc_map_next(s, &key, &value);
}

/* ---- reducing and aggregating state ------------------------------------------------------------ */

const void *flinc_reducing_get(flinc_reducing_state *s)
{
    return get_value(state_of(s));
}

int flinc_reducing_add(flinc_reducing_state *s, const void *value)
{
    const struct user_state *u = state_of(s);
    const char *kept = NULL;
    int rc = CALL(u, value_state_get(u->value, &kept, &err));
    if (rc < 0) {
        return rc;
    }
    if (kept != NULL) {
        memset(u->scratch, 0, u->value_bytes);
        rc = u->reduce(u->ctx, kept, value, u->scratch);
        if (rc < 0) {
            return rc;
        }
        value = u->scratch;
    }
    return CALL(u, value_state_set(u->value, value, &err));
}

void flinc_reducing_clear(flinc_reducing_state *s)
{
    const struct user_state *u = state_of(s);
    (void)CALL(u, value_state_clear(u->value, &err));
}

int flinc_aggregating_get(flinc_aggregating_state *s, void *out)
{
    const struct user_state *u = state_of(s);
    const char *kept = NULL;
    int rc = CALL(u, value_state_get(u->value, &kept, &err));
    if (rc < 0 || kept == NULL) {
        return rc;
    }
    rc = u->result(u->ctx, kept, out);
    return rc < 0 ? rc : 1;
}

int flinc_aggregating_add(flinc_aggregating_state *s, const void *value)
{
    const struct user_state *u = state_of(s);
    const char *kept = NULL;
    int rc = CALL(u, value_state_get(u->value, &kept, &err));
    if (rc < 0) {
        return rc;
    }
    if (kept != NULL) {
        memcpy(u->scratch, kept, u->value_bytes);
    } else {
        memset(u->scratch, 0, u->value_bytes);
    }
    rc = u->add(u->ctx, u->scratch, value);
    return rc < 0 ? rc : CALL(u, value_state_set(u->value, u->scratch, &err));
}

void flinc_aggregating_clear(flinc_aggregating_state *s)
{
    const struct user_state *u = state_of(s);
    (void)CALL(u, value_state_clear(u->value, &err));
}
