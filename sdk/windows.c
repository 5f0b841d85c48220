/* Windowed streams: each builder checks what it can at the call and adds one window operator.
 * Flink: WindowedStream, AllWindowedStream, WindowOperatorBuilder. */
#include "sdk/triggers.h"

#include <ctype.h>

struct flinc_windowed {
    flinc_env *env;
    flinc_stream *stream; /* NULL: the broken one; every builder then gives the broken stream */
    flinc_window_options options;
    const char *late_tag; /* in the arena */
    flinc_stream *second; /* of joins; NULL: none */
};

/* ---- windows ----------------------------------------------------------------------------------- */

static flinc_windowed *broken_windows(flinc_env *env)
{
    static flinc_windowed nobody; /* where there is not even an environment */
    if (env == NULL) {
        return &nobody;
    }
    flinc_windowed *w = arena_zalloc(&env->arena, sizeof(*w));
    w->env = env;
    return w;
}

static bool assigner_is_sound(const flinc_assigner *a)
{
    switch (a->kind) {
    case FLINC_ASSIGN_TUMBLING:
    case FLINC_ASSIGN_SLIDING:
        return a->size_ms > 0 && a->slide_ms > 0 && a->offset_ms > -a->slide_ms &&
               a->offset_ms < a->slide_ms;
    case FLINC_ASSIGN_SESSION:
        return (a->gap_ms > 0) + (a->gap != NULL) + (a->gap_column != NULL) == 1 && a->gap_ms >= 0;
    case FLINC_ASSIGN_GLOBAL:
        return true;
    default:
        return false;
    }
}

static flinc_windowed *add_windows(flinc_stream *s, const flinc_window_options *o, const char *call,
                                   flinc_place at)
{
    if (!stream_usable(s, call, at)) {
        return broken_windows(env_of(s));
    }
    if (o->struct_size < sizeof(*o) || !assigner_is_sound(&o->assigner)) {
        (void)env_fail_at(
            s->env, at, ERR_INVALID_ARGUMENT,
            "%s: the windows need an assigner, FLINC_WINDOW(.assigner = "
            "FLINC_TUMBLING(5000)); sizes, slides and gaps are positive, an offset is "
            "below the slide, and sessions have one gap: .gap_ms, .gap or .gap_column",
            call);
        return broken_windows(s->env);
    }
    flinc_windowed *w = arena_zalloc(&s->env->arena, sizeof(*w));
    w->env = s->env;
    w->stream = s;
    w->options = *o;
    w->options.assigner.gap = env_copy_function(s->env, o->assigner.gap);
    if (o->assigner.gap_column != NULL) {
        w->options.assigner.gap_column = arena_strdup(&s->env->arena, o->assigner.gap_column);
    }
    if (env_copy_trigger(s->env, &o->trigger, at, &w->options.trigger) < 0) {
        return broken_windows(s->env);
    }
    w->options.evictor.delta = env_copy_function(s->env, o->evictor.delta);
    w->options.evictor.evict_before = env_copy_function(s->env, o->evictor.evict_before);
    w->options.evictor.evict_after = env_copy_function(s->env, o->evictor.evict_after);
    w->late_tag = o->late_tag != NULL ? arena_strdup(&s->env->arena, o->late_tag) : NULL;
    return w;
}

flinc_windowed *flinc_window_(flinc_stream *s, flinc_window_options options, flinc_place at)
{
    static const char call[] = "flinc_window";
    if (stream_usable(s, call, at) && s->n_keys == 0) {
        (void)env_fail_at(s->env, at, ERR_INVALID_ARGUMENT,
                          "%s: the stream is not keyed; call flinc_key_by first, or "
                          "flinc_window_all for windows over all records",
                          call);
    }
    return add_windows(s, &options, call, at);
}

flinc_windowed *flinc_window_all_(flinc_stream *s, flinc_window_options options, flinc_place at)
{
    static const char call[] = "flinc_window_all";
    if (!stream_usable(s, call, at)) {
        return broken_windows(env_of(s));
    }
    flinc_stream *unkeyed = arena_alloc(&s->env->arena, sizeof(*unkeyed));
    *unkeyed = *s;
    unkeyed->n_keys = 0;
    return add_windows(unkeyed, &options, call, at);
}

/* ---- operators --------------------------------------------------------------------------------- */

static bool windows_usable(const flinc_windowed *w)
{
    return w != NULL && w->stream != NULL && w->env->err.code == 0;
}

static flinc_stream *broken_result(const flinc_windowed *w)
{
    flinc_env *env = w != NULL && w->env != NULL ? w->env : env_of(NULL);
    return env != NULL ? &env->broken : NULL;
}

/* The parts of a configuration that come from the windows. */
struct window_parts {
    Flinc__WindowConfig config;
    Flinc__WindowAssigner assigner;
    Flinc__WindowTrigger trigger;
    Flinc__WindowEvictor evictor;
};

static void make_parts(const flinc_windowed *w, struct window_parts *p)
{
    const flinc_assigner *a = &w->options.assigner;
    *p = (struct window_parts){.config = FLINC__WINDOW_CONFIG__INIT,
                               .assigner = FLINC__WINDOW_ASSIGNER__INIT};
    p->config.assigner = &p->assigner;
    p->config.trigger = &p->trigger;
    p->config.key_columns = w->stream->keys;
    p->config.n_key_columns = w->stream->n_keys;
    p->config.input = env_struct_desc(w->env, w->stream->type);
    p->assigner.kind = (Flinc__WindowAssignerKind)(a->kind - FLINC_ASSIGN_TUMBLING);
    p->assigner.processing_time = a->time == FLINC_PROCESSING_TIME;
    p->assigner.size_ms = a->size_ms;
    p->assigner.slide_ms = a->slide_ms;
    p->assigner.offset_ms = a->offset_ms;
    p->assigner.gap_ms = a->gap_ms;
    p->assigner.gap_function = a->gap != NULL;
    env_trigger_config(w->env, &w->options.trigger, &p->trigger);
    p->evictor = (Flinc__WindowEvictor)FLINC__WINDOW_EVICTOR__INIT;
    p->evictor.kind = (Flinc__WindowEvictorKind)w->options.evictor.kind;
    p->evictor.count = w->options.evictor.count;
    p->evictor.time_ms = w->options.evictor.time_ms;
    p->evictor.threshold = w->options.evictor.threshold;
    p->evictor.after = w->options.evictor.after;
    p->evictor.has_before = w->options.evictor.evict_before != NULL;
    p->evictor.has_after = w->options.evictor.evict_after != NULL;
    p->config.evictor = w->options.evictor.kind != FLINC_EVICT_NONE ? &p->evictor : NULL;
    p->config.allowed_lateness_ms = w->options.allowed_lateness_ms;
}

/* The functions of an operator, up to the first of kind 0. */
struct window_call {
    const flinc_function *fn;
    flinc_fn_kind fn_kind;
    const char *name; /* of the builder, for errors */
};

static const char *operator_name(const flinc_windowed *w)
{
    static const char *const names[] = {NULL, "TumblingWindows", "SlidingWindows", "SessionWindows",
                                        "GlobalWindows"};
    return names[w->options.assigner.kind];
}

static int add_evict_functions(flinc_windowed *w, struct stream_node *node, flinc_place at)
{
    static const char call[] = "flinc_window";
    const flinc_evictor *e = &w->options.evictor;
    const flinc_function *const evict[] = {e->evict_before, e->evict_after};
    if (evict[0] == NULL && evict[1] == NULL) {
        (void)env_fail_at(w->env, at, ERR_INVALID_ARGUMENT,
                          "%s: FLINC_EVICT takes a function to call before that of the window, or "
                          "behind it",
                          call);
        return w->env->err.code;
    }
    for (size_t i = 0; i < ARRAY_LEN(evict); i++) {
        if (evict[i] != NULL) {
            TRY(env_add_function(w->env, node, evict[i], FLINC_FN_EVICT, call, at));
        }
    }
    return 0;
}

/* What the trigger, the evictor and the assigner ask, behind the other functions. */
static int add_deltas(flinc_windowed *w, struct stream_node *node, flinc_place at)
{
    static const char call[] = "flinc_window";
    const flinc_window_options *o = &w->options;
    if (o->trigger.kind == FLINC_TRIGGER_DELTA) {
        TRY(env_add_function(w->env, node, o->trigger.delta, FLINC_FN_DELTA, call, at));
    }
    if (o->evictor.kind == FLINC_EVICT_DELTA) {
        TRY(env_add_function(w->env, node, o->evictor.delta, FLINC_FN_DELTA, call, at));
    }
    if (o->evictor.kind == FLINC_EVICT_FUNCTION) {
        TRY(add_evict_functions(w, node, at));
    }
    TRY(env_add_trigger(w->env, node, &o->trigger, at));
    return o->assigner.gap != NULL
               ? env_add_function(w->env, node, o->assigner.gap, FLINC_FN_SESSION_GAP, call, at)
               : 0;
}

/* The column of each stream that holds a record's gap; negative with the error recorded. */
static int find_gap_columns(flinc_windowed *w, struct window_parts *p, flinc_place at)
{
    static const char call[] = "flinc_window";
    const char *name = w->options.assigner.gap_column;
    flinc_stream *streams[] = {w->stream, w->second};
    if (name == NULL) {
        return 0;
    }
    p->assigner.gap_columns = arena_alloc(&w->env->arena, sizeof(uint32_t) * ARRAY_LEN(streams));
    for (size_t i = 0; i < ARRAY_LEN(streams) && streams[i] != NULL; i++) {
        uint32_t *columns;
        int n = stream_columns(streams[i], name, call, at, &columns);
        enum type_id id = n == 1 ? streams[i]->schema->fields[columns[0]].type->id : TYPE_NULL;
        if (id < TYPE_TINYINT || id > TYPE_BIGINT) {
            (void)env_fail_at(
                w->env, at, ERR_INVALID_ARGUMENT,
                "%s: '%s', the gap of sessions, must name one column of whole numbers", call, name);
            return -1;
        }
        p->assigner.gap_columns[p->assigner.n_gap_columns++] = columns[0];
    }
    return 0;
}

/* What cannot be asked of sessions; negative with the error recorded. */
static int check_sessions(flinc_windowed *w, const struct window_parts *p, const char *call,
                          flinc_place at)
{
    const flinc_window_options *o = &w->options;
    const char *what = NULL;
    if (o->assigner.kind != FLINC_ASSIGN_SESSION) {
        return 0;
    }
    if (o->trigger.kind == FLINC_TRIGGER_DELTA || o->trigger.kind == FLINC_TRIGGER_NEVER) {
        what = "session windows grow together, and this trigger cannot: use one by time or count";
    } else if (o->trigger.kind == FLINC_TRIGGER_CUSTOM && o->trigger.on_merge == NULL) {
        what = "session windows grow together, and this trigger cannot: it has no .on_merge";
    } else if (p->config.function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE &&
               !p->config.merges && o->evictor.kind == FLINC_EVICT_NONE) {
        what = "session windows grow together: the aggregate needs its .merge function";
    } else if (w->second != NULL && o->assigner.gap != NULL) {
        what = "sessions of two streams have one gap or a .gap_column; a .gap function sees the "
               "records of one stream only";
    }
    if (what != NULL) {
        (void)env_fail_at(w->env, at, ERR_INVALID_ARGUMENT, "%s: %s", call, what);
    }
    return what != NULL ? -1 : 0;
}

/* Adds the operator with the side output of late records, and connects it. */
static flinc_stream *add_operator(flinc_windowed *w, const char *kind, struct window_parts *p,
                                  const struct window_call *calls, const flinc_struct *type,
                                  struct schema *schema, flinc_place at)
{
    flinc_env *env = w->env;
    if (find_gap_columns(w, p, at) < 0) {
        return &env->broken;
    }
    struct stream_node *node = stream_graph_add(&env->graph, kind, operator_name(w), schema);
    node->location = env_location(env, at);
    for (; calls != NULL && calls->fn_kind != 0; calls++) {
        if (env_add_function(env, node, calls->fn, calls->fn_kind, calls->name, at) < 0) {
            return &env->broken;
        }
    }
    if (add_deltas(w, node, at) < 0) {
        return &env->broken;
    }
    if (w->stream->n_keys == 0) {
        node->parallelism_limit = 1;
    }
    if (w->late_tag != NULL) {
        p->config.late_output =
            stream_node_add_output(&env->graph, node, w->late_tag, w->stream->schema);
    }
    STREAM_SET_CONFIG(env, node, flinc__window_config, &p->config);
    stream_connect(env, w->stream, node, 0, at);
    if (w->second != NULL) {
        stream_connect(env, w->second, node, 1, at);
    }
    return stream_of_node(env, node, 0, type, schema);
}

/* ---- columns ----------------------------------------------------------------------------------- */

/* One "sum(amount) as total". */
struct column_call {
    struct slice function, column, name;
    bool used;
};
enum { COLUMN_CALLS_MAX = 64 };

static bool parse_call(struct slice text, struct column_call *ret)
{
    const char *open = memchr(text.data, '(', text.len);
    const char *close =
        open != NULL ? memchr(open, ')', text.len - (size_t)(open - text.data)) : NULL;
    if (close == NULL) {
        return false;
    }
    *ret = (struct column_call){
        .function = slice_trim(slice_make(text.data, (size_t)(open - text.data))),
        .column = slice_trim(slice_make(open + 1, (size_t)(close - open - 1)))};
    struct slice rest =
        slice_trim(slice_make(close + 1, text.len - (size_t)(close + 1 - text.data)));
    if (rest.len < 4 || tolower((unsigned char)rest.data[0]) != 'a' ||
        tolower((unsigned char)rest.data[1]) != 's' || !isspace((unsigned char)rest.data[2])) {
        return false;
    }
    ret->name = slice_trim(slice_make(rest.data + 3, rest.len - 3));
    return ret->name.len > 0;
}

static int call_kind(const struct column_call *c)
{
    static const struct {
        const char *name;
        Flinc__WindowColumnKind kind;
    } known[] = {{"count", FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_COUNT_OF},
                 {"sum", FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_SUM},
                 {"min", FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_MIN},
                 {"max", FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_MAX},
                 {"avg", FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_AVG}};
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (slice_compare(c->function, slice_cstr(known[i].name)) == 0) {
            return c->column.len == 0
                       ? (i == 0 ? FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_COUNT : -1)
                       : (int)known[i].kind;
        }
    }
    return -1;
}

static struct column_call *find_call(struct column_call *calls, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++) {
        if (slice_compare(calls[i].name, slice_cstr(name)) == 0) {
            return &calls[i];
        }
    }
    return NULL;
}

/* The key that a field of the result names; negative: none. */
static int find_key(const flinc_stream *s, const char *name)
{
    for (uint32_t k = 0; k < s->n_keys; k++) {
        if (strcmp(s->schema->fields[s->keys[k]].name, name) == 0) {
            return (int)k;
        }
    }
    return -1;
}

/* What one field of the result is; negative with the error recorded. */
static int resolve_field(flinc_windowed *w, struct column_call *calls, uint32_t n_calls,
                         const char *name, Flinc__WindowColumn *ret, flinc_place at)
{
    static const char call[] = "flinc_window_columns";
    flinc_stream *s = w->stream;
    struct column_call *c = find_call(calls, n_calls, name);
    if (c != NULL) {
        c->used = true;
        ret->kind = (Flinc__WindowColumnKind)call_kind(c);
        if (c->column.len > 0) {
            uint32_t *columns;
            if (stream_columns(s, arena_strndup(&s->env->arena, c->column.data, c->column.len),
                               call, at, &columns) != 1) {
                return -1;
            }
            ret->column = columns[0];
        }
        return 0;
    }
    int key = find_key(s, name);
    if (key >= 0) {
        ret->kind = FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_KEY;
        ret->column = (uint32_t)key;
    } else if (strcmp(name, "window_start") == 0) {
        ret->kind = FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_START;
    } else if (strcmp(name, "window_end") == 0) {
        ret->kind = FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_END;
    } else {
        (void)env_fail_at(
            s->env, at, ERR_INVALID_ARGUMENT,
            "%s: the result's field '%s' is no key of the stream, not window_start or "
            "window_end, and not among the computed columns",
            call, name);
        return -1;
    }
    return 0;
}

/* Splits "count() as n, sum(amount) as total"; their number, or negative with the error recorded. */
static int parse_calls(flinc_windowed *w, const char *columns, struct column_call *calls,
                       flinc_place at)
{
    struct slice rest = slice_cstr(columns != NULL ? columns : ""), text;
    uint32_t n = 0;
    while (slice_next(&rest, ',', &text)) {
        text = slice_trim(text);
        if (n == COLUMN_CALLS_MAX || !parse_call(text, &calls[n]) || call_kind(&calls[n]) < 0) {
            (void)env_fail_at(w->env, at, ERR_INVALID_ARGUMENT,
                              "flinc_window_columns: '%.*s' is none of count() as x, count(column) "
                              "as x, sum, min, max or avg(column) as x (at most %d)",
                              (int)text.len, text.data, COLUMN_CALLS_MAX);
            return -1;
        }
        n++;
    }
    return (int)n;
}

/* Windows that built-in aggregates take without keeping records. */
static bool has_plain_windows(const flinc_windowed *w)
{
    const flinc_window_options *o = &w->options;
    return o->assigner.kind != FLINC_ASSIGN_GLOBAL && o->allowed_lateness_ms == 0 &&
           o->evictor.kind == FLINC_EVICT_NONE && o->trigger.kind == FLINC_TRIGGER_DEFAULT &&
           !o->trigger.purging;
}

/* Those that have triggers, evictors or lateness, or no end. */
static flinc_stream *add_general_columns(flinc_windowed *w, struct window_parts *p,
                                         const flinc_struct *type, struct schema *schema,
                                         flinc_place at)
{
    static const char call[] = "flinc_window_columns";
    if (check_sessions(w, p, call, at) < 0) {
        return &w->env->broken;
    }
    if (w->options.allowed_lateness_ms < 0) {
        return env_fail_at(w->env, at, ERR_INVALID_ARGUMENT, "%s: the allowed lateness is negative",
                           call);
    }
    p->config.output = env_struct_desc(w->env, type);
    return add_operator(w, "flinc.window.general", p, NULL, type, schema, at);
}

static flinc_stream *add_columns(flinc_windowed *w, struct window_parts *p,
                                 const Flinc__WindowColumn *columns, uint32_t n,
                                 const flinc_struct *type, struct schema *schema, flinc_place at)
{
    Flinc__WindowColumn **pointers =
        arena_alloc(&w->env->arena, sizeof(Flinc__WindowColumn *) * (n + 1));
    for (uint32_t i = 0; i < n; i++) {
        pointers[i] = (Flinc__WindowColumn *)(uintptr_t)&columns[i];
    }
    p->config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_COLUMNS;
    p->config.columns = pointers;
    p->config.n_columns = n;
    if (!has_plain_windows(w)) {
        return add_general_columns(w, p, type, schema, at);
    }
    bool sessions = w->options.assigner.kind == FLINC_ASSIGN_SESSION;
    return add_operator(w, sessions ? "flinc.window.sessions" : "flinc.window.slices", p, NULL,
                        type, schema, at);
}

flinc_stream *flinc_window_columns_(flinc_windowed *w, const char *columns,
                                    const flinc_struct *type, flinc_place at)
{
    static const char call[] = "flinc_window_columns";
    struct column_call calls[COLUMN_CALLS_MAX];
    if (!windows_usable(w)) {
        return broken_result(w);
    }
    const flinc_struct *result = env_copy_struct(w->env, type, call, at);
    int n_calls = result != NULL ? parse_calls(w, columns, calls, at) : -1;
    if (n_calls < 0) {
        return &w->env->broken;
    }
    struct schema *schema = env_schema_of(w->env, result);
    Flinc__WindowColumn *items =
        arena_alloc(&w->env->arena, sizeof(*items) * (schema->n_fields + 1));
    for (uint32_t i = 0; i < schema->n_fields; i++) {
        flinc__window_column__init(&items[i]);
        if (resolve_field(w, calls, (uint32_t)n_calls, schema->fields[i].name, &items[i], at) < 0) {
            return &w->env->broken;
        }
    }
    for (int i = 0; i < n_calls; i++) {
        if (!calls[i].used) {
            return env_fail_at(w->env, at, ERR_INVALID_ARGUMENT,
                               "%s: the result '%s' has no field '%.*s'", call, result->name,
                               (int)calls[i].name.len, calls[i].name.data);
        }
    }
    struct window_parts p;
    make_parts(w, &p);
    return add_columns(w, &p, items, schema->n_fields, result, schema, at);
}

/* ---- functions --------------------------------------------------------------------------------- */

/* Whether only what windows hold when their time is over counts: panes, which overlapping ones share. */
static bool has_panes(const flinc_windowed *w)
{
    const flinc_window_options *o = &w->options;
    const flinc_trigger_kind own = o->assigner.time == FLINC_PROCESSING_TIME
                                       ? FLINC_TRIGGER_PROCESSING_TIME
                                       : FLINC_TRIGGER_EVENT_TIME;
    return w->second == NULL &&
           (o->assigner.kind == FLINC_ASSIGN_TUMBLING ||
            (o->assigner.kind == FLINC_ASSIGN_SLIDING &&
             o->assigner.slide_ms <= o->assigner.size_ms)) &&
           o->evictor.kind == FLINC_EVICT_NONE &&
           (o->trigger.kind == FLINC_TRIGGER_DEFAULT || o->trigger.kind == own) &&
           (!o->trigger.purging || o->allowed_lateness_ms == 0);
}

/* Which operator: one value or the records of each pane; else each window keeps its own. */
static const char *general_kind(const flinc_windowed *w, const struct window_parts *p)
{
    if (w->second != NULL) {
        return "flinc.window.join";
    }
    const bool overlap = w->options.assigner.kind == FLINC_ASSIGN_SLIDING &&
                         w->options.assigner.slide_ms < w->options.assigner.size_ms;
    const bool can_merge =
        p->config.function != FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE || p->config.merges;
    if (!has_panes(w)) {
        return "flinc.window.general";
    }
    if (p->config.function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_BUFFER) {
        return overlap ? "flinc.window.panes" : "flinc.window.general";
    }
    return can_merge || !overlap ? "flinc.window.values" : "flinc.window.general";
}

/* An operator of functions, whose results are of `type`. */
static flinc_stream *add_general(flinc_windowed *w, struct window_parts *p,
                                 const struct window_call *calls, const flinc_struct *type,
                                 flinc_place at)
{
    flinc_env *env = w->env;
    if (check_sessions(w, p, calls->name, at) < 0) {
        return &env->broken;
    }
    if (w->options.allowed_lateness_ms < 0) {
        return env_fail_at(env, at, ERR_INVALID_ARGUMENT, "%s: the allowed lateness is negative",
                           calls->name);
    }
    const flinc_struct *result =
        type == w->stream->type ? type : env_copy_struct(env, type, calls->name, at);
    if (result == NULL) {
        return &env->broken;
    }
    struct schema *schema = env_schema_of(env, result);
    p->config.output = env_struct_desc(env, result);
    return add_operator(w, general_kind(w, p), p, calls, result, schema, at);
}

flinc_stream *flinc_window_process_(flinc_windowed *w, const flinc_function *fn,
                                    const flinc_struct *type, flinc_place at)
{
    struct window_call calls[] = {{fn, FLINC_FN_WINDOW, "flinc_window_process"},
                                  {NULL, (flinc_fn_kind)0, NULL}};
    struct window_parts p;
    if (!windows_usable(w)) {
        return broken_result(w);
    }
    make_parts(w, &p);
    p.config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_BUFFER;
    p.config.process = true;
    return add_general(w, &p, calls, type, at);
}

flinc_stream *flinc_window_reduce_(flinc_windowed *w, const flinc_function *fn,
                                   const flinc_function *process, const flinc_struct *type,
                                   flinc_place at)
{
    struct window_call calls[] = {{fn, FLINC_FN_REDUCE, "flinc_window_reduce"},
                                  {process, FLINC_FN_WINDOW, "flinc_window_reduce_process"},
                                  {NULL, (flinc_fn_kind)0, NULL}};
    struct window_parts p;
    if (!windows_usable(w)) {
        return broken_result(w);
    }
    make_parts(w, &p);
    p.config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_REDUCE;
    p.config.value = p.config.input;
    p.config.process = type != NULL;
    if (!p.config.process) {
        calls[1].fn_kind = (flinc_fn_kind)0;
    }
    return add_general(w, &p, calls, type != NULL ? type : w->stream->type, at);
}

flinc_stream *flinc_window_aggregate_(flinc_windowed *w, flinc_aggregate aggregate,
                                      const flinc_function *process, const flinc_struct *type,
                                      flinc_place at)
{
    static const char call[] = "flinc_window_aggregate";
    struct window_call calls[5] = {{aggregate.add, FLINC_FN_AGGREGATE_ADD, call},
                                   {aggregate.result, FLINC_FN_AGGREGATE_RESULT, call}};
    uint32_t n_calls = 2;
    struct window_parts p;
    if (!windows_usable(w)) {
        return broken_result(w);
    }
    const flinc_struct *accumulator = env_copy_struct(w->env, aggregate.accumulator, call, at);
    const flinc_struct *value =
        accumulator != NULL ? env_copy_struct(w->env, aggregate.type, call, at) : NULL;
    if (value == NULL) {
        return &w->env->broken;
    }
    make_parts(w, &p);
    p.config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE;
    p.config.accumulator = env_struct_desc(w->env, accumulator);
    p.config.value = env_struct_desc(w->env, value);
    p.config.merges = aggregate.merge != NULL;
    p.config.process = type != NULL;
    if (p.config.merges) {
        calls[n_calls++] = (struct window_call){aggregate.merge, FLINC_FN_AGGREGATE_MERGE, call};
    }
    if (p.config.process) {
        calls[n_calls++] =
            (struct window_call){process, FLINC_FN_WINDOW, "flinc_window_aggregate_process"};
    }
    return add_general(w, &p, calls, type != NULL ? type : value, at);
}

/* ---- one column of the records ------------------------------------------------------------------- */

/* The columns of sum, min and max of a stream that has nothing but keys and that column; false: it has more. */
static bool fold_columns(const flinc_stream *s, flinc_agg agg, uint32_t column,
                         Flinc__WindowColumn *items)
{
    for (uint32_t i = 0; i < s->schema->n_fields; i++) {
        int key = find_key(s, s->schema->fields[i].name);
        flinc__window_column__init(&items[i]);
        if (i == column) {
            items[i].kind = (Flinc__WindowColumnKind)(FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_SUM +
                                                      (unsigned)agg);
            items[i].column = i;
        } else if (key >= 0) {
            items[i].kind = FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_KEY;
            items[i].column = (uint32_t)key;
        } else {
            return false;
        }
    }
    return true;
}

flinc_stream *flinc_window_fold_(flinc_windowed *w, flinc_agg agg, const char *column,
                                 flinc_place at)
{
    static const char *const names[] = {"flinc_window_sum", "flinc_window_min", "flinc_window_max",
                                        "flinc_window_min_by", "flinc_window_max_by"};
    const char *call = (unsigned)agg < ARRAY_LEN(names) ? names[agg] : "flinc_window_fold";
    uint32_t *columns;
    if (!windows_usable(w)) {
        return broken_result(w);
    }
    flinc_stream *s = w->stream;
    if ((unsigned)agg >= ARRAY_LEN(names) ||
        stream_columns(s, column != NULL ? column : "", call, at, &columns) != 1) {
        return env_fail_at(w->env, at, ERR_INVALID_ARGUMENT, "%s: '%s' must name one column", call,
                           column != NULL ? column : "");
    }
    enum type_id id = s->schema->fields[columns[0]].type->id;
    if (agg == FLINC_AGG_SUM && (id < TYPE_TINYINT || id > TYPE_DOUBLE)) {
        return env_fail_at(w->env, at, ERR_INVALID_ARGUMENT, "%s: '%s' is not a number", call,
                           column);
    }
    struct window_parts p;
    make_parts(w, &p);
    Flinc__WindowColumn *items =
        arena_alloc(&w->env->arena, sizeof(*items) * (s->schema->n_fields + 1));
    if (agg <= FLINC_AGG_MAX && has_plain_windows(w) && fold_columns(s, agg, columns[0], items)) {
        return add_columns(w, &p, items, s->schema->n_fields, s->type, s->schema, at);
    }
    struct window_call calls[] = {{NULL, (flinc_fn_kind)0, call}};
    p.config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_FOLD;
    p.config.value = p.config.input;
    p.config.aggregate = (Flinc__AggregateKind)agg;
    p.config.column = columns[0];
    p.config.first = true;
    return add_general(w, &p, calls, s->type, at);
}

/* ---- two streams ------------------------------------------------------------------------------- */

/* The windows of the first stream, when the second one can be put beside it. */
static flinc_windowed *two_streams(flinc_stream *a, flinc_stream *b, const flinc_window_options *o,
                                   const char *call, flinc_place at)
{
    if (!stream_usable(a, call, at) || !stream_usable(b, call, at)) {
        return broken_windows(env_of(a));
    }
    bool fit = a->env == b->env && a->n_keys > 0 && a->n_keys == b->n_keys;
    for (uint32_t k = 0; fit && k < a->n_keys; k++) {
        fit = type_equals(a->schema->fields[a->keys[k]].type, b->schema->fields[b->keys[k]].type);
    }
    if (fit && o->trigger.kind == FLINC_TRIGGER_CUSTOM) {
        (void)env_fail_at(a->env, at, ERR_INVALID_ARGUMENT,
                          "%s: a trigger of one's own sees the records of one stream only; windows "
                          "of two streams have one by time or count",
                          call);
        return broken_windows(a->env);
    }
    if (!fit || o->evictor.kind != FLINC_EVICT_NONE || o->late_tag != NULL) {
        (void)env_fail_at(
            a->env, at, ERR_INVALID_ARGUMENT,
            "%s: both streams are keyed by columns of the same types, and the windows "
            "have no evictor and no side output of late records",
            call);
        return broken_windows(a->env);
    }
    return add_windows(a, o, call, at);
}

static flinc_stream *add_two(flinc_windowed *w, flinc_stream *b, const struct window_call *calls,
                             Flinc__WindowFunctionKind function, const flinc_struct *type,
                             flinc_place at)
{
    struct window_parts p;
    if (!windows_usable(w)) {
        return broken_result(w);
    }
    make_parts(w, &p);
    p.config.function = function;
    p.config.input_second = env_struct_desc(w->env, b->type);
    p.config.key_columns_second = b->keys;
    p.config.n_key_columns_second = b->n_keys;
    w->second = b;
    return add_general(w, &p, calls, type, at);
}

flinc_stream *flinc_co_group_(flinc_stream *a, flinc_stream *b, flinc_window_options options,
                              const flinc_function *fn, const flinc_struct *type, flinc_place at)
{
    static const char call[] = "flinc_co_group";
    struct window_call calls[] = {{fn, FLINC_FN_CO_GROUP, call}, {NULL, (flinc_fn_kind)0, NULL}};
    return add_two(two_streams(a, b, &options, call, at), b, calls,
                   FLINC__WINDOW_FUNCTION_KIND__WINDOW_CO_GROUP, type, at);
}

flinc_stream *flinc_window_join_(flinc_stream *a, flinc_stream *b, flinc_window_options options,
                                 const flinc_function *fn, const flinc_struct *type, flinc_place at)
{
    static const char call[] = "flinc_window_join";
    struct window_call calls[] = {{fn, FLINC_FN_JOIN, call}, {NULL, (flinc_fn_kind)0, NULL}};
    return add_two(two_streams(a, b, &options, call, at), b, calls,
                   FLINC__WINDOW_FUNCTION_KIND__WINDOW_JOIN, type, at);
}
