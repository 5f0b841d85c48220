/* Lists and broadcast maps of operators; see operator_state.h.
 *
 * A blob holds the items of all parts one behind the other; where each begins stands in the handle, or in
 * an index behind the items, so that items can be dealt out anew without reading any.  A broadcast map is a part whose items are key,
 * value, key, value.  What was restored and is not asked for is kept and written again. */
#include "engine/state/operator_state.h"

#include "common/base/failpoint.h"
#include "common/base/map.h"
#include "common/base/vec.h"
#include "engine/snapshot/metadata.h"
#include "engine/snapshot/operator_part.h"
#include "engine/snapshot/output.h"

enum {
    ITEM_OVERHEAD_BYTES = 16, /* charged for each */
    PART_BYTES_MIN =
        4096, /* that a part may have, however full the budget is: positions of sources and the like */
};

/* What lists and maps have in common. */
struct part {
    char *name, *schema; /* Owns */
    Flinc__OperatorStateMode mode;
    bool needs_all;
    struct operator_state *state; /* Borrows */
    uint64_t charged_bytes;
};

struct operator_list {
    struct part part;
    struct str bytes; /* Owns: the items one behind the other */
    struct vec ends;  /* uint64_t: where each ends */
};

struct broadcast_entry {
    struct str key, value; /* Owns */
};

struct broadcast_map {
    struct part part;
    struct vec entries; /* struct broadcast_entry *, Owns; in the order of the first put */
    struct map index;   /* key -> struct broadcast_entry * */
};

struct operator_state {
    char *operator_name;       /* Owns */
    struct mem_budget *budget; /* Borrows; may be NULL */
    struct vec lists;          /* struct operator_list *, Owns */
    struct vec maps;           /* struct broadcast_map *, Owns */
};

/* ---- parts ------------------------------------------------------------------------------------------ */

static void part_init(struct part *p, struct operator_state *s, const char *name,
                      Flinc__OperatorStateMode mode, const char *schema)
{
    *p = (struct part){
        .name = mem_strdup(name), .schema = mem_strdup(schema), .mode = mode, .state = s};
}

static void part_fini(struct part *p)
{
    if (p->state->budget != NULL) {
        mem_budget_give(p->state->budget, p->charged_bytes);
    }
    mem_free(p->name);
    mem_free(p->schema);
}

static int part_charge(struct part *p, uint64_t bytes, struct error *err)
{
    struct mem_budget *budget = p->state->budget;

    if (budget != NULL && mem_budget_take(budget, bytes) < 0) {
        if (p->charged_bytes + bytes <= PART_BYTES_MIN) {
            mem_budget_force(budget, bytes);
            p->charged_bytes += bytes;
            return 0;
        }
        return error_set(err, ERR_LIMIT,
                         "state '%s' of operator '%s' needs %llu more bytes than the memory of the "
                         "task has; raise taskmanager.memory.managed.size, or keep less in it",
                         p->name, p->state->operator_name, (unsigned long long)bytes);
    }
    p->charged_bytes += bytes;
    return 0;
}

static void part_give(struct part *p, uint64_t bytes)
{
    if (p->state->budget != NULL) {
        mem_budget_give(p->state->budget, bytes);
    }
    p->charged_bytes -= bytes;
}

/* ---- lists ------------------------------------------------------------------------------------------ */

static struct operator_list *list_new(struct operator_state *s, const char *name,
                                      Flinc__OperatorStateMode mode, const char *schema)
{
    struct operator_list *l = MEM_NEW(struct operator_list);

    part_init(&l->part, s, name, mode, schema);
    vec_init(&l->ends, sizeof(uint64_t));
    vec_push_ptr(&s->lists, l);
    return l;
}

static void list_free(struct operator_list *l)
{
    part_fini(&l->part);
    str_fini(&l->bytes);
    vec_fini(&l->ends);
    mem_free(l);
}

void operator_list_need_all(struct operator_list *l)
{
    l->part.needs_all = true;
}

size_t operator_list_len(const struct operator_list *l)
{
    return l->ends.len;
}

struct slice operator_list_get(const struct operator_list *l, size_t i)
{
    uint64_t from = i > 0 ? *VEC_AT(&l->ends, uint64_t, i - 1) : 0;
    uint64_t to = *VEC_AT(&l->ends, uint64_t, i);

    return slice_make(to > from ? l->bytes.data + from : "", to - from);
}

int operator_list_add(struct operator_list *l, const void *data, size_t size, struct error *err)
{
    TRY(part_charge(&l->part, size + ITEM_OVERHEAD_BYTES, err));
    if (size > 0) {
        str_append(&l->bytes, data, size);
    }
    *VEC_PUSH(&l->ends, uint64_t) = l->bytes.len;
    return 0;
}

void operator_list_clear(struct operator_list *l)
{
    part_give(&l->part, l->part.charged_bytes);
    str_clear(&l->bytes);
    vec_clear(&l->ends);
}

/* ---- broadcast -------------------------------------------------------------------------------------- */

static struct broadcast_map *broadcast_new(struct operator_state *s, const char *name,
                                           const char *schema)
{
    struct broadcast_map *m = MEM_NEW(struct broadcast_map);

    part_init(&m->part, s, name, FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_BROADCAST, schema);
    vec_init(&m->entries, sizeof(void *));
    map_init(&m->index, NULL);
    vec_push_ptr(&s->maps, m);
    return m;
}

static void entry_free(struct broadcast_entry *e)
{
    str_fini(&e->key);
    str_fini(&e->value);
    mem_free(e);
}

static void broadcast_free(struct broadcast_map *m)
{
    part_fini(&m->part);
    for (size_t i = 0; i < m->entries.len; i++) {
        entry_free(vec_ptr(&m->entries, i));
    }
    vec_fini(&m->entries);
    map_fini(&m->index);
    mem_free(m);
}

size_t broadcast_map_len(const struct broadcast_map *m)
{
    return m->entries.len;
}

bool broadcast_map_get(const struct broadcast_map *m, struct slice key, struct slice *ret_value)
{
    const struct broadcast_entry *e = map_find_bytes(&m->index, key.data, key.len);

    if (e != NULL) {
        *ret_value = str_slice(&e->value);
    }
    return e != NULL;
}

int broadcast_map_put(struct broadcast_map *m, struct slice key, struct slice value,
                      struct error *err)
{
    struct broadcast_entry *e = map_find_bytes(&m->index, key.data, key.len);

    if (e != NULL) {
        if (value.len > e->value.len) {
            TRY(part_charge(&m->part, value.len - e->value.len, err));
        } else {
            part_give(&m->part, e->value.len - value.len);
        }
        struct str fresh = STR_INIT; /* the new value may be a part of the old one */
        str_append(&fresh, value.data, value.len);
        str_fini(&e->value);
        e->value = fresh;
        return 0;
    }
    TRY(part_charge(&m->part, key.len + value.len + 2 * ITEM_OVERHEAD_BYTES, err));
    e = MEM_NEW(struct broadcast_entry);
    str_append(&e->key, key.data, key.len);
    str_append(&e->value, value.data, value.len);
    (void)map_put_bytes(&m->index, key.data, key.len, e);
    vec_push_ptr(&m->entries, e);
    return 0;
}

bool broadcast_map_remove(struct broadcast_map *m, struct slice key)
{
    struct broadcast_entry *e = map_take_bytes(&m->index, key.data, key.len);

    if (e == NULL) {
        return false;
    }
    for (size_t i = 0; i < m->entries.len; i++) {
        if (vec_ptr(&m->entries, i) == e) {
            vec_remove(&m->entries, i);
            break;
        }
    }
    part_give(&m->part, e->key.len + e->value.len + 2 * ITEM_OVERHEAD_BYTES);
    entry_free(e);
    return true;
}

void broadcast_map_entry(const struct broadcast_map *m, size_t i, struct slice *ret_key,
                         struct slice *ret_value)
{
    const struct broadcast_entry *e = vec_ptr(&m->entries, i);

    *ret_key = str_slice(&e->key);
    *ret_value = str_slice(&e->value);
}

/* ---- the whole -------------------------------------------------------------------------------------- */

struct operator_state *operator_state_new(const char *operator_name, struct mem_budget *budget)
{
    struct operator_state *s = MEM_NEW(struct operator_state);

    s->operator_name = mem_strdup(operator_name);
    s->budget = budget;
    vec_init(&s->lists, sizeof(void *));
    vec_init(&s->maps, sizeof(void *));
    return s;
}

struct operator_state *operator_state_free(struct operator_state *s)
{
    if (s == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < s->lists.len; i++) {
        list_free(vec_ptr(&s->lists, i));
    }
    for (size_t i = 0; i < s->maps.len; i++) {
        broadcast_free(vec_ptr(&s->maps, i));
    }
    vec_fini(&s->lists);
    vec_fini(&s->maps);
    mem_free(s->operator_name);
    mem_free(s);
    return NULL;
}

bool operator_state_is_empty(const struct operator_state *s)
{
    return s->lists.len == 0 && s->maps.len == 0;
}

static struct operator_list *find_list(const struct operator_state *s, const char *name)
{
    for (size_t i = 0; i < s->lists.len; i++) {
        struct operator_list *l = vec_ptr(&s->lists, i);
        if (strcmp(l->part.name, name) == 0) {
            return l;
        }
    }
    return NULL;
}

static struct broadcast_map *find_map(const struct operator_state *s, const char *name)
{
    for (size_t i = 0; i < s->maps.len; i++) {
        struct broadcast_map *m = vec_ptr(&s->maps, i);
        if (strcmp(m->part.name, name) == 0) {
            return m;
        }
    }
    return NULL;
}

static const char *mode_name(Flinc__OperatorStateMode mode)
{
    switch (mode) {
    case FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT:
        return "a list";
    case FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_UNION:
        return "a union list";
    case FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_BROADCAST:
        return "a broadcast map";
    default:
        return "of an unknown kind";
    }
}

static int other_mode(const struct operator_state *s, const struct part *p,
                      Flinc__OperatorStateMode wanted, struct error *err)
{
    return error_set(err, ERR_STATE,
                     "state '%s' of operator '%s' is %s in the snapshot and %s in the job; give it "
                     "another name",
                     p->name, s->operator_name, mode_name(p->mode), mode_name(wanted));
}

static void set_schema(struct part *p, const char *schema)
{
    mem_free(p->schema);
    p->schema = mem_strdup(schema);
}

int operator_state_list(struct operator_state *s, const char *name, Flinc__OperatorStateMode mode,
                        const char *schema, struct operator_list **ret, struct error *err)
{
    struct operator_list *l = find_list(s, name);
    struct broadcast_map *m = find_map(s, name);

    ASSERT(mode != FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_BROADCAST);
    if (m != NULL || (l != NULL && l->part.mode != mode)) {
        return other_mode(s, m != NULL ? &m->part : &l->part, mode, err);
    }
    if (l == NULL) {
        l = list_new(s, name, mode, schema);
    }
    set_schema(&l->part, schema);
    *ret = l;
    return 0;
}

int operator_state_broadcast(struct operator_state *s, const char *name, const char *schema,
                             struct broadcast_map **ret, struct error *err)
{
    struct operator_list *l = find_list(s, name);
    struct broadcast_map *m = find_map(s, name);

    if (l != NULL) {
        return other_mode(s, &l->part, FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_BROADCAST, err);
    }
    if (m == NULL) {
        m = broadcast_new(s, name, schema);
    }
    set_schema(&m->part, schema);
    *ret = m;
    return 0;
}

/* ---- snapshots -------------------------------------------------------------------------------------- */

struct operator_state_snapshot {
    struct snapshot_output *output;   /* Owns; NULL: nothing was declared */
    Flinc__OperatorStatePart **parts; /* Owns, until poll() hands them on */
    size_t n_parts;
};

static Flinc__OperatorStatePart *add_part(struct operator_state_snapshot *snap,
                                          const struct part *part)
{
    Flinc__OperatorStatePart *p = mem_alloc(sizeof(*p));

    flinc__operator_state_part__init(p);
    p->name = mem_strdup(part->name);
    p->mode = part->mode;
    p->schema = mem_strdup(part->schema);
    p->needs_all = part->needs_all;
    snap->parts[snap->n_parts++] = p;
    return p;
}

/* Says where the items are that end at `ends` (from the beginning of the first): in the handle, or behind them. */
static int write_places(struct operator_state_snapshot *snap, Flinc__OperatorStatePart *p,
                        uint64_t items_offset, const uint64_t *ends, size_t n, struct error *err)
{
    if (n > OPERATOR_PART_ITEMS_IN_HANDLE) {
        p->n_items = p->index_items = n;
        p->items_offset = items_offset;
        p->index_offset = snapshot_output_position(snap->output);
        return snapshot_output_append(snap->output, ends, n * sizeof(*ends), err);
    }
    p->offsets = mem_alloc((n + 1) * sizeof(uint64_t));
    p->sizes = mem_alloc((n + 1) * sizeof(uint64_t));
    for (size_t i = 0; i < n; i++) {
        uint64_t from = i > 0 ? ends[i - 1] : 0;
        p->offsets[p->n_offsets++] = items_offset + from;
        p->sizes[p->n_sizes++] = ends[i] - from;
    }
    return 0;
}

static int write_list(struct operator_state_snapshot *snap, const struct operator_list *l,
                      struct error *err)
{
    Flinc__OperatorStatePart *p = add_part(snap, &l->part);
    uint64_t at = snapshot_output_position(snap->output);

    TRY(snapshot_output_append(snap->output, l->bytes.data, l->bytes.len, err));
    return write_places(snap, p, at, l->ends.data, l->ends.len, err);
}

static int write_entries(struct operator_state_snapshot *snap, const struct broadcast_map *m,
                         uint64_t *ret_ends, struct error *err)
{
    uint64_t end = 0;

    for (size_t i = 0; i < m->entries.len; i++) {
        const struct broadcast_entry *e = vec_ptr(&m->entries, i);
        const struct str *items[] = {&e->key, &e->value};
        for (size_t k = 0; k < ARRAY_LEN(items); k++) {
            TRY(snapshot_output_append(snap->output, items[k]->data, items[k]->len, err));
            end += items[k]->len;
            *ret_ends++ = end;
        }
    }
    return 0;
}

static int write_map(struct operator_state_snapshot *snap, const struct broadcast_map *m,
                     struct error *err)
{
    Flinc__OperatorStatePart *p = add_part(snap, &m->part);
    uint64_t at = snapshot_output_position(snap->output);
    size_t n = 2 * m->entries.len;
    uint64_t *ends = MEM_NEW_ARRAY(uint64_t, n + 1);

    int rc = write_entries(snap, m, ends, err);
    rc = rc == 0 ? write_places(snap, p, at, ends, n, err) : rc;
    mem_free(ends);
    return rc;
}

int operator_state_freeze(struct operator_state *s, struct snapshot_target *target,
                          struct operator_state_snapshot **ret, struct error *err)
{
    struct operator_state_snapshot *snap = MEM_NEW(struct operator_state_snapshot);
    int rc = FAILPOINT(err, "state.operator.freeze");

    snap->parts = MEM_NEW_ARRAY(Flinc__OperatorStatePart *, s->lists.len + s->maps.len + 1);
    if (!operator_state_is_empty(s)) {
        snap->output = snapshot_output_open(target, SNAPSHOT_SCOPE_EXCLUSIVE);
    }
    for (size_t i = 0; i < s->lists.len && rc == 0; i++) {
        rc = write_list(snap, vec_ptr(&s->lists, i), err);
    }
    for (size_t i = 0; i < s->maps.len && rc == 0; i++) {
        rc = write_map(snap, vec_ptr(&s->maps, i), err);
    }
    if (rc < 0) {
        error_context(err, "writing the operator state of '%s'", s->operator_name);
        operator_state_snapshot_free(snap);
        return rc;
    }
    if (snap->output != NULL) {
        snapshot_output_finish(snap->output);
    }
    *ret = snap;
    return 0;
}

int operator_state_snapshot_poll(struct operator_state_snapshot *s,
                                 Flinc__OperatorStateHandle *ret_handle, struct error *err)
{
    Flinc__StateBlob blob;

    if (s->output == NULL) {
        flinc__operator_state_handle__init(ret_handle);
        return 1;
    }
    int rc = snapshot_output_poll(s->output, &blob, err);
    if (rc <= 0) {
        return rc;
    }
    flinc__operator_state_handle__init(ret_handle);
    ret_handle->blob = mem_dup(&blob, sizeof(blob));
    ret_handle->parts = STEAL(s->parts);
    ret_handle->n_parts = s->n_parts;
    s->n_parts = 0;
    return 1;
}

struct operator_state_snapshot *operator_state_snapshot_free(struct operator_state_snapshot *s)
{
    if (s != NULL) {
        snapshot_output_free(s->output);
        for (size_t i = 0; i < s->n_parts; i++) {
            flinc__operator_state_part__free_unpacked(s->parts[i], NULL);
        }
        mem_free(s->parts);
        mem_free(s);
    }
    return NULL;
}

/* ---- restoring -------------------------------------------------------------------------------------- */

static int damaged(const struct operator_state *s, const struct blob_reader *r, const char *what,
                   struct error *err)
{
    return error_set(err, ERR_CORRUPT, "%s: the operator state of '%s' is damaged: %s",
                     blob_reader_name(r), s->operator_name, what);
}

static int check_part(const struct operator_state *s, const struct blob_reader *r,
                      const Flinc__OperatorStatePart *p, struct error *err)
{
    bool broadcast = p->mode == FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_BROADCAST;

    if (broadcast && operator_part_items(p) % 2 != 0) {
        return damaged(s, r, "a part does not say where its items are", err);
    }
    struct error why = ERROR_INIT;
    return operator_part_check(p, blob_reader_size(r), &why) < 0 ? damaged(s, r, why.message, err)
                                                                 : 0;
}

static int restore_list(struct operator_state *s, const struct blob_reader *r,
                        const Flinc__OperatorStatePart *p, struct error *err)
{
    struct operator_list *l = NULL;

    TRY(operator_state_list(s, p->name, p->mode, p->schema, &l, err));
    l->part.needs_all = p->needs_all;
    for (uint64_t i = 0; i < operator_part_items(p); i++) {
        struct slice item;
        TRY_CTX(err, operator_part_item(p, blob_reader_data(r), i, &item, err), "%s",
                blob_reader_name(r));
        TRY(operator_list_add(l, item.data, item.len, err));
    }
    return 0;
}

static int restore_map(struct operator_state *s, const struct blob_reader *r,
                       const Flinc__OperatorStatePart *p, struct error *err)
{
    struct broadcast_map *m = NULL;

    TRY(operator_state_broadcast(s, p->name, p->schema, &m, err));
    for (uint64_t i = 0; i < operator_part_items(p); i += 2) {
        struct slice key, value;
        TRY_CTX(err, operator_part_item(p, blob_reader_data(r), i, &key, err), "%s",
                blob_reader_name(r));
        TRY_CTX(err, operator_part_item(p, blob_reader_data(r), i + 1, &value, err), "%s",
                blob_reader_name(r));
        TRY(broadcast_map_put(m, key, value, err));
    }
    return 0;
}

/* Whether a part is one of those that are wanted. */
typedef bool (*part_filter)(const Flinc__OperatorStatePart *p);

static bool is_any(const Flinc__OperatorStatePart *p)
{
    (void)p;
    return true;
}

static bool is_union(const Flinc__OperatorStatePart *p)
{
    return p->mode == FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_UNION;
}

static bool has_wanted(const Flinc__OperatorStateHandle *handle, part_filter filter)
{
    for (size_t i = 0; i < handle->n_parts; i++) {
        if (filter(handle->parts[i])) {
            return true;
        }
    }
    return false;
}

static int restore_part(struct operator_state *s, const struct blob_reader *r,
                        const Flinc__OperatorStatePart *p, struct error *err)
{
    bool broadcast = p->mode == FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_BROADCAST;

    TRY(check_part(s, r, p, err));
    return broadcast ? restore_map(s, r, p, err) : restore_list(s, r, p, err);
}

static int restore_handle(struct operator_state *s, const Flinc__OperatorStateHandle *handle,
                          part_filter filter, const char *directory, struct error *err)
{
    struct blob_reader *r = NULL;
    int rc = 0;

    if (!has_wanted(handle, filter)) {
        return 0;
    }
    if (handle->blob == NULL) {
        return error_set(err, ERR_CORRUPT, "the operator state of '%s' is damaged: it has no bytes",
                         s->operator_name);
    }
    TRY(blob_reader_open(handle->blob, directory, &r, err));
    for (size_t i = 0; i < handle->n_parts && rc == 0; i++) {
        if (filter(handle->parts[i])) {
            rc = restore_part(s, r, handle->parts[i], err);
        }
    }
    blob_reader_close(r);
    return rc;
}

/* The union lists of all subtasks, one subtask after the other. */
struct union_restore {
    struct operator_state *state; /* Borrows, as all here */
    const char *directory;
};

static int restore_unions(void *arg, const Flinc__SubtaskSnapshot *subtask, struct error *err)
{
    const struct union_restore *u = arg;

    for (size_t i = 0; subtask->state != NULL && i < subtask->state->n_operator_state; i++) {
        TRY(restore_handle(u->state, subtask->state->operator_state[i], is_union, u->directory,
                           err));
    }
    return 0;
}

int operator_state_restore(struct operator_state *s, const Flinc__OperatorSubtaskState *state,
                           const char *directory, struct error *err)
{
    TRY(FAILPOINT(err, "state.operator.restore"));
    for (size_t i = 0; i < state->n_operator_state; i++) {
        TRY_CTX(err, restore_handle(s, state->operator_state[i], is_any, directory, err),
                "restoring the operator state of '%s'", s->operator_name);
    }
    if (state->union_in_metadata) {
        struct union_restore u = {s, directory};
        TRY_CTX(err, metadata_scan_operator(directory, state->operator_id, restore_unions, &u, err),
                "restoring the union lists of '%s'", s->operator_name);
    }
    return 0;
}
