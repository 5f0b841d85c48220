/* Operator state of user functions.  Thread: the task's. */
#include "engine/operators/user_operator_state.h"

#include "common/base/map.h"
#include "engine/operators/struct_schema.h"
#include "engine/operators/user_state.h"
#include "engine/state/operator_state.h"
#include "engine/state/user/record_bytes.h"
#include "flinc/state.h"

enum operator_kind { OPERATOR_LIST, OPERATOR_UNION, OPERATOR_BROADCAST };
static const char *const kind_names[] = {
    [OPERATOR_LIST] = "operator list",
    [OPERATOR_UNION] = "union list",
    [OPERATOR_BROADCAST] = "broadcast",
};

/* An entry of a broadcast map, decoded. */
struct broadcast_entry {
    char *key, *value;                     /* Owns: records */
    struct str key_strings, value_strings; /* theirs */
};

/* What the handles of the SDK are. */
struct user_operator_state {
    struct user_functions *owner; /* Borrows */
    enum operator_kind kind;
    char *name;                          /* Owns */
    const flinc_struct *type, *key_type; /* Borrow: the bundle's; NULL: a row, or no key */
    const char *row, *key_row;           /* Borrow: the bundle's */
    struct record_bytes value, key;
    struct operator_list *list; /* Borrows: the host's */
    struct broadcast_map *map;  /* Borrows: the host's */
    struct map entries;         /* struct broadcast_entry by the identity of the key; Owns */
    const struct map_entry *walk;
    uint64_t changes, walk_changes;
    char *scratch;      /* Owns: an item */
    struct str strings; /* its strings */
    struct str bytes, key_bytes, identity;
};

/* ---- mistakes ---------------------------------------------------------------------------------- */

static COLD void fail(const struct user_operator_state *s, const struct error *err)
{
    for (uint32_t i = 0; i < s->owner->n; i++) {
        (void)flinc_ctx_fail(&s->owner->items[i].ctx, "%s state '%s': %s", kind_names[s->kind],
                             s->name, err->message);
    }
}

static inline int settle(const struct user_operator_state *s, int rc, const struct error *err)
{
    if (UNLIKELY(rc < 0)) {
        fail(s, err);
    }
    return rc;
}

/* ---- life -------------------------------------------------------------------------------------- */

static void entry_free(void *object)
{
    struct broadcast_entry *e = object;
    mem_free(e->key);
    mem_free(e->value);
    str_fini(&e->key_strings);
    str_fini(&e->value_strings);
    mem_free(e);
}

static struct user_operator_state *state_free(struct user_operator_state *s)
{
    record_bytes_fini(&s->value);
    record_bytes_fini(&s->key);
    map_fini(&s->entries);
    mem_free(s->name);
    mem_free(s->scratch);
    str_fini(&s->strings);
    str_fini(&s->bytes);
    str_fini(&s->key_bytes);
    str_fini(&s->identity);
    mem_free(s);
    return NULL;
}

struct user_operator_states *user_operator_states_free(struct user_operator_states *s)
{
    if (s != NULL) {
        for (size_t i = 0; i < s->items.len; i++) {
            state_free(vec_ptr(&s->items, i));
        }
        vec_fini(&s->items);
        mem_free(s);
    }
    return NULL;
}

/* ---- entries of broadcast maps ----------------------------------------------------------------- */

/* Bytes that are equal for equal keys: in memory only. */
static struct slice identity_of(struct user_operator_state *s, const char *key)
{
    const struct record_layout *l = &s->key.layout;
    str_clear(&s->identity);
    for (uint32_t i = 0; i < l->n_fields; i++) {
        const struct record_field *f = &l->fields[i];
        bool is_null = f->null_offset != RECORD_NEVER_NULL && key[f->null_offset] != 0;
        str_append_char(&s->identity, is_null ? 0 : 1);
        if (is_null) {
            continue;
        }
        if (record_field_is_string(f)) {
            const flinc_string *text = (const flinc_string *)(const void *)(key + f->offset);
            str_append(&s->identity, (const char *)&text->len, sizeof(text->len));
            str_append(&s->identity, text->data, text->len);
        } else {
            str_append(&s->identity, key + f->offset, f->width);
        }
    }
    return str_slice(&s->identity);
}

static struct broadcast_entry *entry_of(struct user_operator_state *s, const char *key)
{
    struct slice id = identity_of(s, key);
    return map_find_bytes(&s->entries, id.data, id.len);
}

/* Keeps an entry decoded; one that is there keeps its place. */
static void keep_entry(struct user_operator_state *s, const char *key, const char *value)
{
    struct broadcast_entry *e = entry_of(s, key);
    if (e == NULL) {
        e = MEM_NEW(struct broadcast_entry);
        e->key = mem_zalloc(s->key.layout.size);
        e->value = mem_zalloc(s->value.layout.size);
        record_copy(&s->key.layout, e->key, key, &e->key_strings);
        struct slice id = identity_of(s, key);
        (void)map_put_bytes(&s->entries, id.data, id.len, e);
    }
    record_copy(&s->value.layout, e->value, value, &e->value_strings);
}

static int decode_entries(struct user_operator_state *s, struct error *err)
{
    char *key = mem_alloc_aligned(16, s->key.layout.size);
    STR_AUTO key_strings = STR_INIT;
    int rc = 0;
    for (size_t i = 0; i < broadcast_map_len(s->map) && rc == 0; i++) {
        struct slice k, v;
        broadcast_map_entry(s->map, i, &k, &v);
        rc = record_bytes_decode(&s->key, k.data, k.len, key, &key_strings, err);
        if (rc == 0) {
            rc = record_bytes_decode(&s->value, v.data, v.len, s->scratch, &s->strings, err);
        }
        if (rc == 0) {
            keep_entry(s, key, s->scratch);
        }
    }
    mem_free(key);
    return rc;
}

/* ---- declaring --------------------------------------------------------------------------------- */

static int open_bytes(struct record_bytes *r, const flinc_struct *type, const char *row,
                      const char *what, struct error *err)
{
    struct record_layout l;
    TRY(state_record_layout(&l, type, row, what, err));
    record_bytes_init(r, &l);
    record_layout_fini(&l);
    return 0;
}

static int open_state(struct user_operator_state *s, const flinc_state_desc *d,
                      struct op_context *ctx, struct error *err)
{
    struct operator_state *states = NULL;
    TRY(open_bytes(&s->value, d->type, d->row, "its items", err));
    s->scratch = mem_alloc_aligned(16, s->value.layout.size);
    TRY(op_operator_state(ctx, &states, err));
    if (s->kind == OPERATOR_UNION) {
        TRY(operator_state_list(states, d->name, FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_UNION,
                                str_cstr(&s->value.schema_text), &s->list, err));
        operator_list_need_all(s->list);
        return 0;
    }
    if (s->kind == OPERATOR_LIST) {
        return operator_state_list(states, d->name,
                                   FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT,
                                   str_cstr(&s->value.schema_text), &s->list, err);
    }
    TRY(open_bytes(&s->key, d->key_type, d->key_row, "its keys", err));
    TRY(operator_state_broadcast(states, d->name, str_cstr(&s->value.schema_text), &s->map, err));
    return decode_entries(s, err);
}

static int check_desc(const flinc_state_desc *d, struct error *err)
{
    size_t len = d->name != NULL ? strlen(d->name) : 0;
    if (d->struct_size < sizeof(*d) || len == 0 || len > USER_STATE_NAME_MAX || d->name[0] == '$' ||
        d->name[0] == '_') {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "a state needs a name of 1 to %d bytes that does not begin with '$' or "
                         "'_'; make the description by FLINC_STATE",
                         USER_STATE_NAME_MAX);
    }
    return d->ttl.ms == 0 ? 0
                          : error_set(err, ERR_UNSUPPORTED, "only keyed state has a time to live");
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static int declare(flinc_ctx *ctx, const flinc_state_desc *d, enum operator_kind kind,
                   struct user_operator_state **ret, struct error *err)
{
    struct user_functions *fs = ctx->owner;
    TRY(check_desc(d, err));
    if (fs->operator_states == NULL) {
        fs->operator_states = MEM_NEW(struct user_operator_states);
        vec_init(&fs->operator_states->items, sizeof(struct user_operator_state *));
    }
    for (size_t i = 0; i < fs->operator_states->items.len; i++) {
        struct user_operator_state *s = vec_ptr(&fs->operator_states->items, i);
        if (strcmp(s->name, d->name) == 0) {
            if (s->kind != kind || s->type != d->type || s->key_type != d->key_type ||
                !same_text(s->row, d->row) || !same_text(s->key_row, d->key_row)) {
                return error_set(err, ERR_INVALID_ARGUMENT,
                                 "it was declared before, as %s state or of another type",
                                 kind_names[s->kind]);
            }
            *ret = s;
            return 0;
        }
    }
    struct user_operator_state *s = MEM_NEW(struct user_operator_state);
    s->owner = fs;
    s->kind = kind;
    s->name = mem_strdup(d->name);
    s->type = d->type;
    s->key_type = d->key_type;
    s->row = d->row;
    s->key_row = d->key_row;
    map_init(&s->entries, entry_free);
    int rc = open_state(s, d, ctx->op, err);
    if (rc < 0) {
        state_free(s);
        return rc;
    }
    vec_push_ptr(&fs->operator_states->items, s);
    *ret = s;
    return 0;
}

static void *declare_or_fail(flinc_ctx *ctx, const flinc_state_desc *d, enum operator_kind kind)
{
    struct error err = ERROR_INIT;
    struct user_operator_state *s = NULL;
    if (declare(ctx, d, kind, &s, &err) < 0) {
        (void)flinc_ctx_fail(ctx, "%s state '%s': %s", kind_names[kind],
                             d->name != NULL ? d->name : "", err.message);
    }
    return s;
}

flinc_operator_list *flinc_ctx_operator_list(flinc_ctx *ctx, flinc_state_desc desc)
{
    return declare_or_fail(ctx, &desc, OPERATOR_LIST);
}

flinc_operator_list *flinc_ctx_union_list(flinc_ctx *ctx, flinc_state_desc desc)
{
    return declare_or_fail(ctx, &desc, OPERATOR_UNION);
}

flinc_broadcast_state *flinc_ctx_broadcast_state(flinc_ctx *ctx, flinc_state_desc desc)
{
    return declare_or_fail(ctx, &desc, OPERATOR_BROADCAST);
}

/* ---- lists ------------------------------------------------------------------------------------- */

static struct user_operator_state *state_of(const void *handle)
{
    return (struct user_operator_state *)(uintptr_t)handle;
}

size_t flinc_operator_list_len(const flinc_operator_list *list)
{
    return operator_list_len(state_of(list)->list);
}

const void *flinc_operator_list_get(flinc_operator_list *list, size_t i)
{
    struct user_operator_state *s = state_of(list);
    struct error err = ERROR_INIT;
    if (i >= operator_list_len(s->list)) {
        (void)error_set(&err, ERR_INVALID_ARGUMENT, "it has %zu items, and number %zu is asked for",
                        operator_list_len(s->list), i);
        fail(s, &err);
        return NULL;
    }
    struct slice item = operator_list_get(s->list, i);
    int rc = record_bytes_decode(&s->value, item.data, item.len, s->scratch, &s->strings, &err);
    return settle(s, rc, &err) < 0 ? NULL : s->scratch;
}

int flinc_operator_list_add(flinc_operator_list *list, const void *item)
{
    struct user_operator_state *s = state_of(list);
    struct error err = ERROR_INIT;
    str_clear(&s->bytes);
    int rc = record_bytes_encode(&s->value, item, &s->bytes, &err);
    if (rc == 0) {
        rc = operator_list_add(s->list, s->bytes.data, s->bytes.len, &err);
    }
    return settle(s, rc, &err);
}

void flinc_operator_list_clear(flinc_operator_list *list)
{
    operator_list_clear(state_of(list)->list);
}

/* ---- broadcast maps ---------------------------------------------------------------------------- */

const void *flinc_broadcast_get(flinc_broadcast_state *map, const void *key)
{
    const struct broadcast_entry *e = entry_of(state_of(map), key);
    return e != NULL ? e->value : NULL;
}

bool flinc_broadcast_contains(flinc_broadcast_state *map, const void *key)
{
    return flinc_broadcast_get(map, key) != NULL;
}

static int check_writable(const struct user_operator_state *s, struct error *err)
{
    return s->owner->broadcast_use == USER_BROADCAST_READ_ONLY
               ? error_set(err, ERR_STATE,
                           "records that are not broadcast may only read it: all subtasks must "
                           "change it alike")
               : 0;
}

static int put_bytes(struct user_operator_state *s, const char *key, const char *value,
                     struct error *err)
{
    TRY(check_writable(s, err));
    str_clear(&s->bytes);
    str_clear(&s->key_bytes);
    TRY(record_bytes_encode(&s->key, key, &s->key_bytes, err));
    TRY(record_bytes_encode(&s->value, value, &s->bytes, err));
    TRY(broadcast_map_put(s->map, str_slice(&s->key_bytes), str_slice(&s->bytes), err));
    keep_entry(s, key, value);
    s->changes++;
    return 0;
}

int flinc_broadcast_put(flinc_broadcast_state *map, const void *key, const void *value)
{
    struct user_operator_state *s = state_of(map);
    struct error err = ERROR_INIT;
    return settle(s, put_bytes(s, key, value, &err), &err);
}

static int remove_bytes(struct user_operator_state *s, const char *key, struct error *err)
{
    TRY(check_writable(s, err));
    str_clear(&s->key_bytes);
    TRY(record_bytes_encode(&s->key, key, &s->key_bytes, err));
    (void)broadcast_map_remove(s->map, str_slice(&s->key_bytes));
    struct slice id = identity_of(s, key);
    (void)map_remove_bytes(&s->entries, id.data, id.len);
    s->changes++;
    return 0;
}

int flinc_broadcast_remove(flinc_broadcast_state *map, const void *key)
{
    struct user_operator_state *s = state_of(map);
    struct error err = ERROR_INIT;
    return settle(s, remove_bytes(s, key, &err), &err);
}

int flinc_broadcast_clear(flinc_broadcast_state *map)
{
    struct user_operator_state *s = state_of(map);
    const struct map_entry *first;
    struct error err = ERROR_INIT;
    int rc = 0;
    while (rc == 0 && (first = map_next(&s->entries, NULL)) != NULL) {
        rc = remove_bytes(s, ((const struct broadcast_entry *)first->value)->key, &err);
    }
    return settle(s, rc, &err);
}

size_t flinc_broadcast_len(const flinc_broadcast_state *map)
{
    return state_of(map)->entries.len;
}

void flinc_broadcast_begin(flinc_broadcast_state *map)
{
    struct user_operator_state *s = state_of(map);
    s->walk = NULL;
    s->walk_changes = s->changes;
}

bool flinc_broadcast_next(flinc_broadcast_state *map, const void **ret_key, const void **ret_value)
{
    struct user_operator_state *s = state_of(map);
    if (s->walk_changes != s->changes) {
        struct error err = ERROR_INIT;
        (void)error_set(&err, ERR_STATE, "it was changed while its entries were walked over");
        fail(s, &err);
        return false;
    }
    s->walk = map_next(&s->entries, s->walk);
    if (s->walk == NULL) {
        return false;
    }
    const struct broadcast_entry *e = s->walk->value;
    *ret_key = e->key;
    *ret_value = e->value;
    return true;
}
