/* Triggers of user functions (general_custom.h). */
#include "engine/operators/window/general_custom.h"

#include "engine/operators/struct_schema.h"

typedef int (*element_fn)(flinc_ctx *ctx, const void *in, int64_t timestamp, void *state);
typedef int (*time_fn)(flinc_ctx *ctx, int64_t time_ms, void *state);
typedef int (*trigger_merge_fn)(flinc_ctx *ctx, const void *other, void *state);
typedef int (*clear_fn)(flinc_ctx *ctx, void *state);

static int change_timer(struct user_window_timers *face, enum timer_kind kind, int64_t time_ms,
                        enum user_timer_change change, struct error *err);

/* ---- life -------------------------------------------------------------------------------------- */

void custom_add_functions(struct general_window *w, uint32_t *kinds, uint32_t *inout_n)
{
    const Flinc__WindowTrigger *t = w->base.config->trigger;
    if (t->kind != FLINC__WINDOW_TRIGGER_KIND__TRIGGER_CUSTOM) {
        return;
    }
    const struct {
        bool is_there;
        flinc_fn_kind kind;
    } calls[CUSTOM_CALLS] = {
        [CUSTOM_ON_ELEMENT] = {true, FLINC_FN_TRIGGER_ELEMENT},
        [CUSTOM_ON_EVENT_TIME] = {t->on_event_time, FLINC_FN_TRIGGER_TIME},
        [CUSTOM_ON_PROCESSING_TIME] = {t->on_processing_time, FLINC_FN_TRIGGER_TIME},
        [CUSTOM_ON_MERGE] = {t->on_merge, FLINC_FN_TRIGGER_MERGE},
        [CUSTOM_CLEAR] = {t->clear, FLINC_FN_TRIGGER_CLEAR},
    };
    w->custom = MEM_NEW(struct general_custom);
    vec_init(&w->custom->timers, sizeof(struct custom_timer));
    for (uint32_t i = 0; i < CUSTOM_CALLS; i++) {
        if (calls[i].is_there) {
            w->custom->calls[i] = &w->rows.functions.items[*inout_n];
            kinds[(*inout_n)++] = calls[i].kind;
        }
    }
}

/* The user's struct with the timers behind it. */
static int make_record(struct general_window *w, struct op_context *ctx, struct error *err)
{
    const Flinc__StructDesc *d = w->base.config->trigger->state;
    const uint32_t n = d != NULL ? (uint32_t)d->n_fields : 0;
    flinc_field *fields = arena_zalloc(ctx->arena, (n + 1) * sizeof(*fields));
    if (d != NULL) {
        struct_fields_from(d, fields);
    }
    uint32_t offset = d != NULL ? (d->size + 7) & ~7u : 0;
    fields[n] = (flinc_field){.name = "<timers>",
                              .kind = FLINC_KIND_BYTES,
                              .offset = offset,
                              .null_offset = FLINC_NEVER_NULL};
    flinc_struct type = {.struct_size = sizeof(type),
                         .size = offset + (uint32_t)sizeof(flinc_string),
                         .name = d != NULL ? d->name : "trigger",
                         .n_fields = n + 1,
                         .fields = fields};
    w->custom->timers_offset = offset;
    return struct_record_layout(&w->custom->record, &type, "the state of a trigger", err);
}

int custom_open(struct general_window *w, struct op_context *ctx, struct error *err)
{
    struct general_custom *c = w->custom;
    if (c == NULL) {
        return 0;
    }
    TRY_CTX(err, make_record(w, ctx, err), "opening operator '%s'", ctx->spec->name);
    struct keyed_state_desc desc = {.name = "window-trigger",
                                    .key_schema = w->entry_keys,
                                    .n_key_columns = w->base.n_keys,
                                    .record = &c->record,
                                    .grows_in_pieces = general_is_paged(w),
                                    .kind = "window"};
    TRY_CTX(err, keyed_backend_state(w->base.backend, &desc, &c->state, err),
            "opening operator '%s'", ctx->spec->name);
    pass_tile_open(&c->tile, w);
    c->scratch = mem_alloc_aligned(16, c->record.size);
    c->other = mem_alloc_aligned(16, c->record.size);
    c->face.change = change_timer;
    return 0;
}

void custom_close(struct general_window *w)
{
    struct general_custom *c = w->custom;
    if (c == NULL) {
        return;
    }
    pass_tile_close(&c->tile);
    mem_free(c->scratch);
    mem_free(c->other);
    str_fini(&c->other_bytes);
    vec_fini(&c->timers);
    if (c->record.schema != NULL) {
        record_layout_fini(&c->record);
    }
    mem_free(c);
    w->custom = NULL;
}

/* ---- timers ------------------------------------------------------------------------------------ */

static struct general_custom *custom_of(struct user_window_timers *face)
{
    return (struct general_custom *)((char *)face - offsetof(struct general_custom, face));
}

static flinc_string *kept_timers(const struct general_custom *c)
{
    return (void *)(c->scratch + c->timers_offset);
}

static void know_timers(struct general_custom *c)
{
    if (!c->timers_known) {
        const flinc_string *s = kept_timers(c);
        c->timers_known = true;
        vec_clear(&c->timers);
        for (size_t at = 0; at + sizeof(struct custom_timer) <= s->len;
             at += sizeof(struct custom_timer)) {
            memcpy(vec_push(&c->timers), s->data + at, sizeof(struct custom_timer));
        }
    }
}

static void remove_timer(struct general_custom *c, size_t i)
{
    struct custom_timer *last = VEC_AT(&c->timers, struct custom_timer, c->timers.len - 1);
    *VEC_AT(&c->timers, struct custom_timer, i) = *last;
    vec_pop(&c->timers);
    c->timers_changed = true;
}

/* Number of a timer in the list; its length when it is not there. */
static size_t find_timer(const struct general_custom *c, enum general_time kind, int64_t time_ms)
{
    size_t i = 0;
    for (; i < c->timers.len; i++) {
        const struct custom_timer *t = VEC_AT(&c->timers, struct custom_timer, i);
        if (t->kind == (int64_t)kind && t->time_ms == time_ms) {
            break;
        }
    }
    return i;
}

static void add_timer(struct general_custom *c, enum general_time kind, int64_t time_ms)
{
    *(struct custom_timer *)vec_push(&c->timers) =
        (struct custom_timer){.time_ms = time_ms, .kind = kind};
    c->timers_changed = true;
}

/* The entry waits for the next timer of the list, or for nothing. */
static void wait_for_next(struct general_custom *c, enum general_time kind)
{
    size_t least = SIZE_MAX;
    c->entry->wait[kind] = INT64_MAX;
    if (kept_timers(c)->len == 0 && !c->timers_known) {
        return;
    }
    know_timers(c);
    for (size_t i = 0; i < c->timers.len; i++) {
        const struct custom_timer *t = VEC_AT(&c->timers, struct custom_timer, i);
        if (t->kind == (int64_t)kind && t->time_ms < c->entry->wait[kind]) {
            c->entry->wait[kind] = t->time_ms;
            least = i;
        }
    }
    if (least != SIZE_MAX) {
        remove_timer(c, least);
    }
}

static void drop_timers(struct general_custom *c)
{
    c->entry->wait[GENERAL_EVENT] = c->entry->wait[GENERAL_PROCESSING] = INT64_MAX;
    c->timers_known = true;
    c->timers_changed = kept_timers(c)->len > 0;
    vec_clear(&c->timers);
}

static int set_timer(struct general_custom *c, enum general_time kind, int64_t time_ms,
                     struct error *err)
{
    int64_t *wait = &c->entry->wait[kind];
    if (*wait == time_ms) {
        return 0;
    }
    if (*wait == INT64_MAX) {
        *wait = time_ms;
        return 0;
    }
    know_timers(c);
    if (c->timers.len >= CUSTOM_TIMERS_MAX) {
        return error_set(err, ERR_LIMIT, "a window has at most %d timers", CUSTOM_TIMERS_MAX);
    }
    if (time_ms < *wait) {
        add_timer(c, kind, *wait);
        *wait = time_ms;
    } else if (find_timer(c, kind, time_ms) == c->timers.len) {
        add_timer(c, kind, time_ms);
    }
    return 0;
}

static void delete_timer(struct general_custom *c, enum general_time kind, int64_t time_ms)
{
    if (c->entry->wait[kind] == time_ms) {
        wait_for_next(c, kind);
        return;
    }
    know_timers(c);
    size_t i = find_timer(c, kind, time_ms);
    if (i < c->timers.len) {
        remove_timer(c, i);
    }
}

static int change_timer(struct user_window_timers *face, enum timer_kind kind, int64_t time_ms,
                        enum user_timer_change change, struct error *err)
{
    struct general_custom *c = custom_of(face);
    enum general_time of = kind == TIMER_EVENT ? GENERAL_EVENT : GENERAL_PROCESSING;
    if (time_ms == INT64_MAX) { /* a time that does not come */
        return 0;
    }
    if (change == USER_TIMER_SET) {
        return set_timer(c, of, time_ms, err);
    }
    delete_timer(c, of, time_ms);
    return 0;
}

/* ---- calls ------------------------------------------------------------------------------------- */

/* The window is at hand: its record is in c->scratch. */
static void take_window(struct general_window *w, const struct window_at_hand *at, uint32_t slot)
{
    struct general_custom *c = w->custom;
    struct user_functions *fs = &w->rows.functions;
    memcpy(c->scratch, keyed_state_value(c->state, slot), c->record.size);
    c->entry = at->entry;
    c->timers_known = c->timers_changed = false;
    fs->scope.window_start_ms = at->start;
    fs->scope.window_end_ms = at->end;
    fs->window_timers = &c->face;
}

/* What is remembered of the window, where a function has changed it. */
static int keep_window(struct general_window *w, uint32_t slot, struct error *err)
{
    struct general_custom *c = w->custom;
    if (c->timers_changed) {
        *kept_timers(c) = (flinc_string){c->timers.len > 0 ? c->timers.data : NULL,
                                         c->timers.len * sizeof(struct custom_timer)};
    } else if (memcmp(c->scratch, keyed_state_value(c->state, slot), c->record.size) == 0) {
        return 0;
    }
    return keyed_state_keep(c->state, slot, c->scratch, err);
}

/* A function has returned `rc`. */
static int check_call(struct general_window *w, const struct user_function *f, int rc,
                      struct error *err)
{
    w->rows.functions.window_timers = NULL;
    if (UNLIKELY(rc < 0)) {
        return user_function_failed(f, rc, err);
    }
    return user_function_check(f, err);
}

static int check_result(struct general_window *w, const struct user_function *f, int rc,
                        unsigned *ret_result, struct error *err)
{
    TRY(check_call(w, f, rc, err));
    if (UNLIKELY(rc > FLINC_FIRE_AND_PURGE)) {
        return error_set(err, ERR_USER_CODE,
                         "function '%s' returned %d, which no trigger says: FLINC_CONTINUE to "
                         "FLINC_FIRE_AND_PURGE are 0 to 3",
                         f->ref->name, rc);
    }
    *ret_result = (unsigned)rc;
    if ((*ret_result & TRIGGER_FIRE) && w->base.config->trigger->purging) {
        *ret_result |= TRIGGER_PURGE;
    }
    return 0;
}

static int find_slot(struct general_window *w, const struct window_at_hand *at, uint32_t *ret_slot,
                     struct error *err)
{
    TRY(pass_state_slot(w, w->custom->state, at, ret_slot, err));
    if (*ret_slot == KEYED_SLOT_NONE) {
        return error_set(err, ERR_CORRUPT,
                         "the trigger of the window that ends at %lld remembers nothing: its state "
                         "was not restored as a whole",
                         (long long)at->end);
    }
    return 0;
}

int custom_begin(struct general_window *w, const struct batch *keys, struct error *err)
{
    struct general_custom *c = w->custom;
    uint8_t is_new[BATCH_ROWS_MAX];
    c->tile.n = 0;
    return keyed_state_upsert(c->state, NAMESPACE_VOID, keys, w->entry_columns, c->slots, is_new,
                              err);
}

int custom_on_element(struct general_window *w, uint32_t i, const struct window_at_hand *at,
                      int64_t ts, unsigned *ret_result, struct error *err)
{
    struct general_custom *c = w->custom;
    struct user_function *f = c->calls[CUSTOM_ON_ELEMENT];
    const char *record = NULL;
    TRY(pass_tile_row(w, &c->tile, i, &record, err));
    if (i % USER_CANCEL_ROWS == 0) {
        TRY(user_function_check_cancelled(f, err));
    }
    take_window(w, at, c->slots[i]);
    int rc = ((element_fn)(void (*)(void))f->call)(&f->ctx, record, ts, c->scratch);
    TRY(check_result(w, f, rc, ret_result, err));
    return keep_window(w, c->slots[i], err);
}

int custom_on_time(struct general_window *w, const struct window_at_hand *at,
                   enum general_time kind, unsigned *ret_result, struct error *err)
{
    struct general_custom *c = w->custom;
    struct user_function *f =
        c->calls[kind == GENERAL_EVENT ? CUSTOM_ON_EVENT_TIME : CUSTOM_ON_PROCESSING_TIME];
    const int64_t time_ms = at->entry->wait[kind];
    uint32_t slot;
    TRY(find_slot(w, at, &slot, err));
    take_window(w, at, slot);
    wait_for_next(c, kind);
    int rc = FLINC_CONTINUE;
    if (f != NULL) {
        TRY(user_function_check_cancelled(f, err));
        rc = ((time_fn)(void (*)(void))f->call)(&f->ctx, time_ms, c->scratch);
        TRY(check_result(w, f, rc, ret_result, err));
    } else {
        w->rows.functions.window_timers = NULL;
        *ret_result = TRIGGER_CONTINUE;
    }
    return keep_window(w, slot, err);
}

/* ---- sessions and the end ------------------------------------------------------------------------ */

/* The window at hand is told that it goes; what it remembers is not looked at again. */
static int tell_end(struct general_window *w, const struct window_at_hand *at, uint32_t slot,
                    struct error *err)
{
    struct user_function *f = w->custom->calls[CUSTOM_CLEAR];
    if (f == NULL) {
        return 0;
    }
    take_window(w, at, slot);
    return check_call(w, f, ((clear_fn)(void (*)(void))f->call)(&f->ctx, w->custom->scratch), err);
}

int custom_on_merge(struct general_window *w, uint32_t i, const struct window_at_hand *into,
                    const struct window_at_hand *from, struct error *err)
{
    struct general_custom *c = w->custom;
    struct user_function *f = c->calls[CUSTOM_ON_MERGE];
    uint32_t slot = KEYED_SLOT_NONE;
    if (from != NULL) {
        TRY(find_slot(w, from, &slot, err));
        memcpy(c->other, keyed_state_value(c->state, slot), c->record.size);
    }
    if (from != NULL &&
        w->timers != NULL) { /* the strings of `other` are copies, and slots are others now */
        record_copy(&c->record, c->scratch, c->other, &c->other_bytes);
        memcpy(c->other, c->scratch, c->record.size);
        TRY(find_slot(w, into, &c->slots[i], err));
    }
    take_window(w, into, c->slots[i]);
    drop_timers(c);
    const void *other = from != NULL ? c->other : NULL;
    int rc = ((trigger_merge_fn)(void (*)(void))f->call)(&f->ctx, other, c->scratch);
    TRY(check_call(w, f, rc, err));
    TRY(keep_window(w, c->slots[i], err));
    if (from != NULL && w->timers != NULL) {
        TRY(find_slot(w, from, &slot, err));
    }
    if (from != NULL) {
        TRY(tell_end(w, from, slot, err));
        keyed_state_remove(c->state, slot);
    }
    return 0;
}

int custom_forget(struct general_window *w, const struct window_at_hand *at, struct error *err)
{
    uint32_t slot;
    if (w->custom == NULL) {
        return 0;
    }
    TRY(find_slot(w, at, &slot, err));
    TRY(tell_end(w, at, slot, err));
    keyed_state_remove(w->custom->state, slot);
    return 0;
}
