/* DataStream transformations: each builder checks what it can at the call, adds a node (or only notes
 * how records travel), and returns a stream.  Flink: DataStream, KeyedStream, ConnectedStreams. */
#include "flinc/broadcast.h"
#include "sdk/internal.h"

bool stream_usable(flinc_stream *s, const char *call, flinc_place at)
{
    flinc_env *env = env_of(s);

    if (env == NULL || env->err.code != 0) {
        return false;
    }
    if (s == NULL) {
        (void)env_fail_at(env, at, ERR_INVALID_ARGUMENT, "%s: the stream is NULL", call);
        return false;
    }
    if (s->n_origins == 0) {
        (void)env_fail_at(env, at, ERR_INVALID_ARGUMENT, "%s: a sink has no output to go on from",
                          call);
        return false;
    }
    return true;
}

/* What a builder returns when it cannot go on. */
static flinc_stream *broken_stream(const flinc_stream *s)
{
    flinc_env *env = env_of(s);
    return env != NULL ? &env->broken : NULL;
}

static flinc_stream *new_stream(flinc_env *env)
{
    flinc_stream *s = arena_zalloc(&env->arena, sizeof(*s));
    s->env = env;
    return s;
}

flinc_stream *stream_of_node(flinc_env *env, struct stream_node *node, uint32_t output,
                             const flinc_struct *type, struct schema *schema)
{
    flinc_stream *s = new_stream(env);

    s->node = node;
    s->type = type;
    s->schema = schema;
    if (schema != NULL) {
        s->origins = arena_zalloc(&env->arena, sizeof(*s->origins));
        s->n_origins = 1;
        s->origins->node = node->index;
        s->origins->output = output;
    }
    return s;
}

void stream_connect(flinc_env *env, const flinc_stream *s, struct stream_node *to, uint32_t input,
                    flinc_place at)
{
    for (uint32_t i = 0; i < s->n_origins; i++) {
        stream_graph_connect(&env->graph, s->origins[i].node, s->origins[i].output, to->index,
                             input, s->origins[i].partitioner, env_location(env, at));
    }
}

/* ---- one stream to one stream ----------------------------------------------------------------- */

/* What one function operator is. */
struct unary {
    const char *call; /* for errors */
    const char *kind, *name;
    flinc_fn_kind fn_kind;
    bool batch_callback;
};

static void set_function_config(flinc_env *env, struct stream_node *node, const flinc_stream *a,
                                const flinc_stream *b, const flinc_struct *type, bool batch)
{
    Flinc__FunctionOperatorConfig c = FLINC__FUNCTION_OPERATOR_CONFIG__INIT;
    Flinc__StructDesc *inputs[2] = {env_struct_desc(env, a->type),
                                    b != NULL ? env_struct_desc(env, b->type) : NULL};
    Flinc__StructDesc *output = env_struct_desc(env, type);

    c.inputs = inputs;
    c.n_inputs = b != NULL ? 2 : 1;
    c.outputs = &output;
    c.n_outputs = 1;
    c.key_columns = a->keys;
    c.n_key_columns = a->n_keys;
    c.key_columns_second = b != NULL ? b->keys : NULL;
    c.n_key_columns_second = b != NULL ? b->n_keys : 0;
    c.batch_callback = batch;
    STREAM_SET_CONFIG(env, node, flinc__function_operator_config, &c);
}

static flinc_stream *add_unary(flinc_stream *s, const struct unary *u, const flinc_function *fn,
                               const flinc_struct *type, flinc_place at)
{
    if (!stream_usable(s, u->call, at)) {
        return broken_stream(s);
    }
    flinc_env *env = s->env;
    const flinc_struct *result = env_copy_struct(env, type, u->call, at);
    if (result == NULL) {
        return &env->broken;
    }
    struct schema *schema = type == s->type ? s->schema : env_schema_of(env, result);
    struct stream_node *node = stream_graph_add(&env->graph, u->kind, u->name, schema);
    node->location = env_location(env, at);
    if (env_add_function(env, node, fn, u->fn_kind, u->call, at) < 0) {
        return &env->broken;
    }
    set_function_config(env, node, s, NULL, result, u->batch_callback);
    stream_connect(env, s, node, 0, at);
    return stream_of_node(env, node, 0, result, schema);
}

flinc_stream *flinc_map_(flinc_stream *s, const flinc_function *fn, const flinc_struct *type,
                         flinc_place at)
{
    static const struct unary u = {"flinc_map", "flinc.map", "Map", FLINC_FN_MAP, false};
    return add_unary(s, &u, fn, type, at);
}

flinc_stream *flinc_flat_map_(flinc_stream *s, const flinc_function *fn, const flinc_struct *type,
                              flinc_place at)
{
    static const struct unary u = {"flinc_flat_map", "flinc.flat_map", "Flat Map",
                                   FLINC_FN_FLAT_MAP, false};
    return add_unary(s, &u, fn, type, at);
}

flinc_stream *flinc_process_(flinc_stream *s, const flinc_function *fn, const flinc_struct *type,
                             flinc_place at)
{
    static const struct unary plain = {"flinc_process", "flinc.process", "Process",
                                       FLINC_FN_PROCESS, false};
    static const struct unary keyed = {"flinc_process", "flinc.keyed_process", "KeyedProcess",
                                       FLINC_FN_PROCESS, false};
    return add_unary(s, s != NULL && s->n_keys > 0 ? &keyed : &plain, fn, type, at);
}

flinc_stream *flinc_filter_(flinc_stream *s, const flinc_function *fn, flinc_place at)
{
    static const struct unary u = {"flinc_filter", "flinc.filter", "Filter", FLINC_FN_FILTER,
                                   false};
    return add_unary(s, &u, fn, s != NULL ? s->type : NULL, at);
}

flinc_stream *flinc_map_batch_(flinc_stream *s, const flinc_function *fn, const flinc_struct *type,
                               flinc_place at)
{
    static const struct unary u = {"flinc_map_batch", "flinc.map", "Map", FLINC_FN_BATCH_MAP, true};
    return add_unary(s, &u, fn, type, at);
}

flinc_stream *flinc_filter_batch_(flinc_stream *s, const flinc_function *fn, flinc_place at)
{
    static const struct unary u = {"flinc_filter_batch", "flinc.filter", "Filter",
                                   FLINC_FN_BATCH_FILTER, true};
    return add_unary(s, &u, fn, s != NULL ? s->type : NULL, at);
}

/* The operator reads the tags of its outputs from the graph, and the structs from its configuration. */
static void add_output_struct(flinc_env *env, struct stream_node *node, const flinc_struct *type)
{
    Flinc__FunctionOperatorConfig *c =
        flinc__function_operator_config__unpack(NULL, node->config_size, node->config);
    ASSERT(c != NULL);
    Flinc__StructDesc **outputs = MEM_NEW_ARRAY(Flinc__StructDesc *, c->n_outputs + 1);
    Flinc__StructDesc **owned = c->outputs;
    size_t n_owned = c->n_outputs;

    memcpy(outputs, owned, sizeof(*outputs) * n_owned);
    outputs[n_owned] = env_struct_desc(env, type);
    c->outputs = outputs;
    c->n_outputs = n_owned + 1;
    STREAM_SET_CONFIG(env, node, flinc__function_operator_config, c);
    c->outputs = owned;
    c->n_outputs = n_owned;
    mem_free(outputs);
    flinc__function_operator_config__free_unpacked(c, NULL);
}

/* Outputs that an operator brings of its own: windows and their late records. */
static bool has_output(const struct stream_node *node, const char *tag)
{
    for (size_t i = 1; node != NULL && i < node->outputs.len; i++) {
        if (strcmp(VEC_AT(&node->outputs, struct stream_output, i)->tag, tag) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_process(const char *kind)
{
    static const char *const kinds[] = {"flinc.process",           "flinc.co_process",
                                        "flinc.keyed_process",     "flinc.keyed_co_process",
                                        "flinc.broadcast_process", "flinc.keyed_broadcast_process"};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(kind, kinds[i]) == 0) {
            return true;
        }
    }
    return false;
}

flinc_stream *flinc_side_output_(flinc_stream *s, const char *tag, const flinc_struct *type,
                                 flinc_place at)
{
    static const char call[] = "flinc_side_output";

    if (!stream_usable(s, call, at)) {
        return broken_stream(s);
    }
    flinc_env *env = s->env;
    if (tag == NULL || tag[0] == '\0') {
        return env_fail_at(env, at, ERR_INVALID_ARGUMENT, "%s: the tag is empty", call);
    }
    if (!has_output(s->node, tag) && (s->node == NULL || !is_process(s->node->kind))) {
        return env_fail_at(env, at, ERR_INVALID_ARGUMENT,
                           "%s: only the stream of flinc_process or flinc_co_process has side "
                           "outputs, and that of windows the one of their .late_tag",
                           call);
    }
    const flinc_struct *result = env_copy_struct(env, type, call, at);
    if (result == NULL) {
        return &env->broken;
    }
    struct schema *schema = env_schema_of(env, result);
    size_t before = s->node->outputs.len;
    uint32_t output = stream_node_add_output(&env->graph, s->node, tag, schema);
    if (output == before) {
        add_output_struct(env, s->node, result);
    } else if (!schema_equals(VEC_AT(&s->node->outputs, struct stream_output, output)->schema,
                              schema)) {
        return env_fail_at(env, at, ERR_INVALID_ARGUMENT,
                           "%s: tag '%s' was asked for with another type before", call, tag);
    }
    return stream_of_node(env, s->node, output, result, schema);
}

/* ---- keyed streams ---------------------------------------------------------------------------- */

static uint32_t find_column(flinc_stream *s, struct slice name, const char *call, flinc_place at)
{
    char *text = arena_strndup(&s->env->arena, name.data, name.len);
    int index = schema_find(s->schema, text);

    if (index >= 0) {
        return (uint32_t)index;
    }
    const char **names = MEM_NEW_ARRAY(const char *, s->schema->n_fields);
    STR_AUTO all = STR_INIT;
    for (uint32_t i = 0; i < s->schema->n_fields; i++) {
        names[i] = s->schema->fields[i].name;
        str_printf(&all, "%s%s", i > 0 ? ", " : "", names[i]);
    }
    const char *near = cstr_nearest(text, names, s->schema->n_fields);
    (void)env_fail_at(s->env, at, ERR_INVALID_ARGUMENT,
                      "%s: the stream of '%s' has no column '%s'%s%s%s; it has: %s", call,
                      s->type->name, text, near != NULL ? "; did you mean '" : "",
                      near != NULL ? near : "", near != NULL ? "'?" : "", str_cstr(&all));
    mem_free(names);
    return UINT32_MAX;
}

uint32_t stream_columns(flinc_stream *s, const char *columns, const char *call, flinc_place at,
                        uint32_t **ret_columns)
{
    struct slice rest = slice_cstr(columns);
    struct slice name;
    uint32_t n = 0;

    *ret_columns = arena_alloc(&s->env->arena, sizeof(uint32_t) * (rest.len + 1));
    while (slice_next(&rest, ',', &name)) {
        uint32_t c = find_column(s, slice_trim(name), call, at);
        if (c == UINT32_MAX) {
            return 0;
        }
        (*ret_columns)[n++] = c;
    }
    if (n == 0) {
        (void)env_fail_at(s->env, at, ERR_INVALID_ARGUMENT, "%s: no column is named", call);
    }
    return n;
}

static flinc_stream *with_partitioner(flinc_stream *s, Flinc__Partitioner *p)
{
    flinc_stream *r = new_stream(s->env);

    *r = *s;
    r->n_keys = 0;
    r->keys = NULL;
    r->has_partitioner = true;
    r->origins = arena_alloc(&s->env->arena, sizeof(*r->origins) * s->n_origins);
    for (uint32_t i = 0; i < s->n_origins; i++) {
        r->origins[i] = s->origins[i];
        r->origins[i].partitioner = p;
    }
    return r;
}

flinc_stream *flinc_key_by_(flinc_stream *s, const char *columns, flinc_place at)
{
    static const char call[] = "flinc_key_by";
    uint32_t *keys;

    if (!stream_usable(s, call, at)) {
        return broken_stream(s);
    }
    uint32_t n = stream_columns(s, columns != NULL ? columns : "", call, at, &keys);
    if (n == 0) {
        return &s->env->broken;
    }
    Flinc__Partitioner *p = arena_alloc(&s->env->arena, sizeof(*p));
    flinc__partitioner__init(p);
    p->kind = FLINC__PARTITIONER_KIND__PARTITION_HASH;
    p->key_columns = keys;
    p->n_key_columns = n;
    flinc_stream *r = with_partitioner(s, p);
    r->keys = keys;
    r->n_keys = n;
    return r;
}

/* Sums of whole numbers, minima and maxima may be added up before the exchange, when nothing but the key
 * and the number travels: then no other column depends on which record came first. */
static bool is_combinable(const flinc_stream *s, const Flinc__KeyedAggregateConfig *c)
{
    enum type_id type = s->schema->fields[c->column].type->id;
    bool whole = type >= TYPE_TINYINT && type <= TYPE_BIGINT;
    bool number = type >= TYPE_TINYINT && type <= TYPE_DOUBLE;

    if (s->n_keys + 1 != s->schema->n_fields) {
        return false;
    }
    for (uint32_t k = 0; k < s->n_keys; k++) {
        if (s->keys[k] == c->column) {
            return false;
        }
    }
    return (c->kind == FLINC__AGGREGATE_KIND__AGGREGATE_SUM && whole) ||
           (c->kind <= FLINC__AGGREGATE_KIND__AGGREGATE_MAX && number &&
            c->kind != FLINC__AGGREGATE_KIND__AGGREGATE_SUM);
}

static void add_combiner(flinc_stream *s, const struct stream_node *node,
                         const Flinc__KeyedAggregateConfig *c)
{
    Flinc__KeyedAggregateConfig local = *c;
    struct stream_combiner combiner = {.kind = "flinc.keyed_aggregate",
                                       .name = "Local Keyed Aggregation"};

    local.local = true;
    combiner.config_size = flinc__keyed_aggregate_config__get_packed_size(&local);
    combiner.config = arena_alloc(&s->env->arena, combiner.config_size + 1);
    flinc__keyed_aggregate_config__pack(&local, combiner.config);
    stream_graph_combine(&s->env->graph, node, 0, &combiner);
}

static flinc_stream *add_aggregate(flinc_stream *s, const Flinc__KeyedAggregateConfig *c,
                                   const char *name, const flinc_function *fn, flinc_place at)
{
    flinc_env *env = s->env;
    struct stream_node *node =
        stream_graph_add(&env->graph, "flinc.keyed_aggregate", name, s->schema);

    node->location = env_location(env, at);
    if (fn != NULL && env_add_function(env, node, fn, FLINC_FN_REDUCE, "flinc_reduce", at) < 0) {
        return &env->broken;
    }
    STREAM_SET_CONFIG(env, node, flinc__keyed_aggregate_config, c);
    stream_connect(env, s, node, 0, at);
    if (is_combinable(s, c)) {
        add_combiner(s, node, c);
    }
    return stream_of_node(env, node, 0, s->type, s->schema);
}

static bool is_keyed(flinc_stream *s, const char *call, flinc_place at)
{
    if (!stream_usable(s, call, at)) {
        return false;
    }
    if (s->n_keys == 0) {
        (void)env_fail_at(s->env, at, ERR_INVALID_ARGUMENT,
                          "%s: the stream is not keyed; call flinc_key_by first", call);
        return false;
    }
    return true;
}

static bool is_number(const struct data_type *t)
{
    return t->id >= TYPE_DECIMAL && t->id <= TYPE_DOUBLE;
}

flinc_stream *flinc_aggregate_(flinc_stream *s, flinc_agg agg, const char *column, flinc_place at)
{
    static const char *const calls[] = {"flinc_sum", "flinc_min", "flinc_max", "flinc_min_by",
                                        "flinc_max_by"};
    const char *call = (unsigned)agg < ARRAY_LEN(calls) ? calls[agg] : "flinc_aggregate";
    uint32_t *columns;

    if (!is_keyed(s, call, at)) {
        return broken_stream(s);
    }
    if ((unsigned)agg >= ARRAY_LEN(calls)) {
        return env_fail_at(s->env, at, ERR_INVALID_ARGUMENT, "there is no aggregate %d", (int)agg);
    }
    uint32_t n = stream_columns(s, column != NULL ? column : "", call, at, &columns);
    if (n == 0) {
        return &s->env->broken;
    }
    const struct data_type *t = s->schema->fields[columns[0]].type;
    if (n > 1 || (agg == FLINC_AGG_SUM && !is_number(t))) {
        STR_AUTO text = STR_INIT;
        type_print(t, &text);
        return env_fail_at(s->env, at, ERR_INVALID_ARGUMENT,
                           "%s: '%s' must name one column%s; it is %s", call, column,
                           agg == FLINC_AGG_SUM ? " of a numeric type" : "", str_cstr(&text));
    }
    Flinc__KeyedAggregateConfig c = FLINC__KEYED_AGGREGATE_CONFIG__INIT;
    c.kind = (Flinc__AggregateKind)agg;
    c.key_columns = s->keys;
    c.n_key_columns = s->n_keys;
    c.column = columns[0];
    c.first = true;
    return add_aggregate(s, &c, "Keyed Aggregation", NULL, at);
}

flinc_stream *flinc_reduce_(flinc_stream *s, const flinc_function *fn, const flinc_struct *type,
                            flinc_place at)
{
    static const char call[] = "flinc_reduce";

    if (!is_keyed(s, call, at)) {
        return broken_stream(s);
    }
    const flinc_struct *record = env_copy_struct(s->env, type, call, at);
    if (record == NULL) {
        return &s->env->broken;
    }
    if (!schema_equals(env_schema_of(s->env, record), s->schema)) {
        return env_fail_at(s->env, at, ERR_INVALID_ARGUMENT,
                           "%s: a reduce keeps the type: the stream is of '%s', the function of "
                           "'%s'",
                           call, s->type->name, record->name);
    }
    if (fn == NULL) {
        return env_fail_at(s->env, at, ERR_INVALID_ARGUMENT, "%s: the function is missing", call);
    }
    Flinc__KeyedAggregateConfig c = FLINC__KEYED_AGGREGATE_CONFIG__INIT;
    c.kind = FLINC__AGGREGATE_KIND__AGGREGATE_REDUCE;
    c.key_columns = s->keys;
    c.n_key_columns = s->n_keys;
    c.record = env_struct_desc(s->env, record);
    return add_aggregate(s, &c, "Keyed Reduce", fn, at);
}

/* ---- several streams -------------------------------------------------------------------------- */

static bool same_env(flinc_stream *a, flinc_stream *b, const char *call, flinc_place at)
{
    if (!stream_usable(a, call, at) || !stream_usable(b, call, at)) {
        return false;
    }
    if (a->env != b->env) {
        (void)env_fail_at(a->env, at, ERR_INVALID_ARGUMENT,
                          "%s: the streams belong to two environments", call);
        return false;
    }
    return true;
}

flinc_stream *flinc_union_(flinc_stream *a, flinc_stream *b, flinc_place at)
{
    static const char call[] = "flinc_union";

    if (!same_env(a, b, call, at)) {
        return broken_stream(a);
    }
    if (!schema_equals(a->schema, b->schema)) {
        return env_fail_at(a->env, at, ERR_INVALID_ARGUMENT,
                           "%s: the streams have different types: '%s' and '%s'", call,
                           a->type->name, b->type->name);
    }
    flinc_stream *r = new_stream(a->env);
    r->type = a->type;
    r->schema = a->schema;
    r->n_origins = a->n_origins + b->n_origins;
    r->origins = arena_alloc(&a->env->arena, sizeof(*r->origins) * r->n_origins);
    memcpy(r->origins, a->origins, sizeof(*r->origins) * a->n_origins);
    memcpy(r->origins + a->n_origins, b->origins, sizeof(*r->origins) * b->n_origins);
    return r;
}

static flinc_stream *add_co(flinc_stream *a, flinc_stream *b, const flinc_function *const fns[2],
                            const struct unary *u, const flinc_struct *type, flinc_place at)
{
    if (!same_env(a, b, u->call, at)) {
        return broken_stream(a);
    }
    flinc_env *env = a->env;
    const flinc_struct *result = env_copy_struct(env, type, u->call, at);
    if (result == NULL) {
        return &env->broken;
    }
    struct schema *schema = env_schema_of(env, result);
    struct stream_node *node = stream_graph_add(&env->graph, u->kind, u->name, schema);
    node->location = env_location(env, at);
    for (int i = 0; i < 2; i++) {
        if (env_add_function(env, node, fns[i], u->fn_kind, u->call, at) < 0) {
            return &env->broken;
        }
    }
    set_function_config(env, node, a, b, result, false);
    stream_connect(env, a, node, 0, at);
    stream_connect(env, b, node, 1, at);
    return stream_of_node(env, node, 0, result, schema);
}

flinc_stream *flinc_co_map_(flinc_stream *a, flinc_stream *b, const flinc_function *first,
                            const flinc_function *second, const flinc_struct *type, flinc_place at)
{
    static const struct unary u = {"flinc_co_map", "flinc.co_map", "Co-Map", FLINC_FN_MAP, false};
    return add_co(a, b, (const flinc_function *[]){first, second}, &u, type, at);
}

flinc_stream *flinc_co_flat_map_(flinc_stream *a, flinc_stream *b, const flinc_function *first,
                                 const flinc_function *second, const flinc_struct *type,
                                 flinc_place at)
{
    static const struct unary u = {"flinc_co_flat_map", "flinc.co_flat_map", "Co-Flat Map",
                                   FLINC_FN_FLAT_MAP, false};
    return add_co(a, b, (const flinc_function *[]){first, second}, &u, type, at);
}

flinc_stream *flinc_co_process_(flinc_stream *a, flinc_stream *b, const flinc_function *first,
                                const flinc_function *second, const flinc_struct *type,
                                flinc_place at)
{
    static const struct unary plain = {"flinc_co_process", "flinc.co_process", "Co-Process",
                                       FLINC_FN_PROCESS, false};
    static const struct unary keyed = {"flinc_co_process", "flinc.keyed_co_process",
                                       "Co-Keyed-Process", FLINC_FN_PROCESS, false};
    bool both_keyed = a != NULL && b != NULL && a->n_keys > 0 && b->n_keys > 0;
    return add_co(a, b, (const flinc_function *[]){first, second}, both_keyed ? &keyed : &plain,
                  type, at);
}

static bool is_broadcast(const flinc_stream *s)
{
    bool all = s->n_origins > 0;
    for (uint32_t i = 0; i < s->n_origins; i++) {
        const Flinc__Partitioner *p = s->origins[i].partitioner;
        all = all && p != NULL && p->kind == FLINC__PARTITIONER_KIND__PARTITION_BROADCAST;
    }
    return all;
}

flinc_stream *flinc_broadcast_process_(flinc_stream *s, flinc_stream *broadcast,
                                       const flinc_function *fn, const flinc_function *broadcast_fn,
                                       const flinc_struct *type, flinc_place at)
{
    static const struct unary plain = {"flinc_broadcast_process", "flinc.broadcast_process",
                                       "Co-Process-Broadcast", FLINC_FN_PROCESS, false};
    static const struct unary keyed = {"flinc_broadcast_process", "flinc.keyed_broadcast_process",
                                       "Co-Process-Broadcast-Keyed", FLINC_FN_PROCESS, false};
    if (stream_usable(s, plain.call, at) && stream_usable(broadcast, plain.call, at) &&
        !is_broadcast(broadcast)) {
        return env_fail_at(s->env, at, ERR_INVALID_ARGUMENT,
                           "%s: the second stream must be broadcast; call flinc_broadcast first",
                           plain.call);
    }
    return add_co(s, broadcast, (const flinc_function *[]){fn, broadcast_fn},
                  s != NULL && s->n_keys > 0 ? &keyed : &plain, type, at);
}

/* ---- how records travel ----------------------------------------------------------------------- */

flinc_stream *flinc_partition_(flinc_stream *s, flinc_ship ship, flinc_place at)
{
    if (!stream_usable(s, "a partitioner", at)) {
        return broken_stream(s);
    }
    Flinc__Partitioner *p = arena_alloc(&s->env->arena, sizeof(*p));
    flinc__partitioner__init(p);
    p->kind = (Flinc__PartitionerKind)ship;
    return with_partitioner(s, p);
}

flinc_stream *flinc_partition_custom_(flinc_stream *s, const flinc_function *fn, flinc_place at)
{
    static const char call[] = "flinc_partition_custom";

    if (!stream_usable(s, call, at)) {
        return broken_stream(s);
    }
    Flinc__FunctionRef *ref = env_function_ref(s->env, fn, FLINC_FN_PARTITION, call, at);
    if (ref == NULL) {
        return &s->env->broken;
    }
    Flinc__Partitioner *p = arena_alloc(&s->env->arena, sizeof(*p));
    flinc__partitioner__init(p);
    p->kind = FLINC__PARTITIONER_KIND__PARTITION_CUSTOM;
    p->function = ref;
    p->function_input = env_struct_desc(s->env, s->type);
    return with_partitioner(s, p);
}
