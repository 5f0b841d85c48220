/* From a table to a node of the stream graph: the request against the connector's abilities, the output's schema,
 * the connector's plan.  Thread: any. */
#include "engine/table/options.h"
#include "engine/table/table.h"

/* ---- paths and schemas ----------------------------------------------------------------------------- */

struct data_type *table_path_type(const struct schema *s, const struct table_path *path)
{
    if (path->n == 0 || path->n > TABLE_PATH_MAX || path->fields[0] >= s->n_fields) {
        return NULL;
    }
    const struct data_type *type = s->fields[path->fields[0]].type;
    bool nullable = type->nullable;
    for (uint32_t i = 1; i < path->n; i++) {
        if (type->id != TYPE_ROW || path->fields[i] >= type->n_children) {
            return NULL;
        }
        type = type->children[path->fields[i]];
        nullable = nullable || type->nullable;
    }
    return type_with_nullable(type, nullable);
}

/* "bid.price"; the path is good. */
static char *path_name(struct arena *arena, const struct schema *s, const struct table_path *path)
{
    const struct data_type *type = s->fields[path->fields[0]].type;
    char *name = arena_strdup(arena, s->fields[path->fields[0]].name);

    for (uint32_t i = 1; i < path->n; i++) {
        name = arena_printf(arena, "%s.%s", name, type->names[path->fields[i]]);
        type = type->children[path->fields[i]];
    }
    return name;
}

struct outputs {
    struct arena arena;
    struct vec names, types; /* pointers */
};

static int add_path(struct outputs *o, const struct table *t, const struct table_path *path,
                    struct error *err)
{
    struct data_type *type = table_path_type(t->schema, path);

    if (type == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT, "table '%s' has no such column or field",
                         t->name);
    }
    vec_push_ptr(&o->names, path_name(&o->arena, t->schema, path));
    vec_push_ptr(&o->types, type);
    return 0;
}

static int add_metadata(struct outputs *o, const struct table *t, const char *key,
                        struct error *err)
{
    const struct table_metadata *m = table_metadata_find(t->connector, key);
    struct data_type *type = NULL;

    if (m == NULL || (m->flags & TABLE_READABLE) == 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "the connector '%s' of table '%s' has no metadata key '%s' to read",
                         t->connector->identifier, t->name, key);
    }
    TRY_CTX(err, type_parse(slice_cstr(m->type), &type, err), "the type of metadata key '%s'", key);
    vec_push_ptr(&o->names, m->key);
    vec_push_ptr(&o->types, type);
    return 0;
}

static int add_outputs(struct outputs *o, const struct table *t, const struct table_scan *scan,
                       struct error *err)
{
    uint32_t n = scan->columns != NULL ? scan->n_columns : t->schema->n_fields;

    for (uint32_t i = 0; i < n; i++) {
        struct table_path whole = {1, {i}};
        TRY(add_path(o, t, scan->columns != NULL ? &scan->columns[i] : &whole, err));
    }
    for (uint32_t i = 0; i < scan->n_metadata; i++) {
        TRY(add_metadata(o, t, scan->metadata[i], err));
    }
    return 0;
}

int table_scan_schema(const struct table *t, const struct table_scan *scan, struct schema **ret,
                      struct error *err)
{
    struct outputs o = {.names = VEC_INIT(void *), .types = VEC_INIT(void *)};

    arena_init(&o.arena, 0);
    int rc = add_outputs(&o, t, scan, err);
    if (rc == 0) {
        *ret = schema_new(o.names.data, o.types.data, (uint32_t)o.names.len); /* takes the types */
    } else {
        for (size_t i = 0; i < o.types.len; i++) {
            type_unref(vec_ptr(&o.types, i));
        }
    }
    vec_fini(&o.names);
    vec_fini(&o.types);
    arena_fini(&o.arena);
    return rc;
}

/* ---- nodes ----------------------------------------------------------------------------------------- */

void table_node_fini(struct table_node *n)
{
    n->schema = schema_unref(n->schema);
}

void table_node_set_config(struct table_node *n, struct arena *arena, const ProtobufCMessage *m)
{
    n->config_size = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = arena_alloc(arena, n->config_size + 1);
    protobuf_c_message_pack(m, bytes);
    n->config = bytes;
}

static int lacks(const struct table *t, const char *what, enum table_ability ability,
                 struct error *err)
{
    return error_set(err, ERR_UNSUPPORTED, "the %s of connector '%s' does not support %s", what,
                     t->connector->identifier, table_ability_name(ability));
}

static bool is_nested(const struct table_scan *scan)
{
    for (uint32_t i = 0; scan->columns != NULL && i < scan->n_columns; i++) {
        if (scan->columns[i].n > 1) {
            return true;
        }
    }
    return false;
}

static int check_scan(const struct table *t, const struct table_scan *scan, struct error *err)
{
    const struct {
        enum table_ability ability;
        bool asked;
    } asked[] = {
        {TABLE_PROJECTION, scan->columns != NULL},    {TABLE_NESTED_PROJECTION, is_nested(scan)},
        {TABLE_FILTER, scan->n_filters > 0},          {TABLE_LIMIT, scan->has_limit},
        {TABLE_PARTITIONS, scan->partitions != NULL}, {TABLE_WATERMARK, scan->watermark != NULL},
        {TABLE_METADATA, scan->n_metadata > 0},
    };

    if (t->connector->source == NULL) {
        return error_set(
            err, ERR_UNSUPPORTED,
            "Connector '%s' can only be used as a sink. It cannot be used as a source.",
            t->connector->identifier);
    }
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        if (asked[i].asked && (t->connector->source->abilities & asked[i].ability) == 0) {
            return lacks(t, "source", asked[i].ability, err);
        }
    }
    return 0;
}

/* What every connector's node has alike. */
static void complete(struct table_node *n, const struct table *t, const char *parallelism)
{
    const struct conf_option *option;

    if (n->name == NULL) {
        n->name = t->connector->identifier;
    }
    if (n->parallelism == 0 &&
        conf_schema_match(t->connector->options, parallelism, &option) == CONF_MATCH_NAME &&
        conf_has(&t->options->conf, parallelism)) {
        n->parallelism = conf_int(&t->options->conf, parallelism);
    }
}

static int plan_source(const struct table *t, const struct table_scan *scan, struct arena *arena,
                       struct table_node *n, struct error *err)
{
    TRY(check_scan(t, scan, err));
    TRY(table_validate(t, err));
    TRY(table_scan_schema(t, scan, &n->schema, err));
    n->bounded = t->connector->source->is_bounded == NULL || t->connector->source->is_bounded(t);
    TRY(t->connector->source->plan(t, scan, arena, n, err));
    complete(n, t, "scan.parallelism");
    return 0;
}

int table_plan_source(const struct table *t, const struct table_scan *scan, struct arena *arena,
                      struct table_node *ret, struct error *err)
{
    struct table_node n = {.kind = NULL};
    int rc = plan_source(t, scan, arena, &n, err);

    if (rc < 0) {
        table_node_fini(&n);
        error_context(err, "Unable to create a source for reading table '%s'", t->name);
        return rc;
    }
    *ret = n;
    return 0;
}

/* ---- sinks ----------------------------------------------------------------------------------------- */

static int check_write_metadata(const struct table *t, const struct table_write *w,
                                struct error *err)
{
    for (uint32_t i = 0; i < w->n_metadata; i++) {
        const struct table_metadata *m = table_metadata_find(t->connector, w->metadata[i]);
        if (m == NULL || (m->flags & TABLE_WRITABLE) == 0) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "the connector '%s' of table '%s' has no metadata key '%s' to write",
                             t->connector->identifier, t->name, w->metadata[i]);
        }
    }
    return 0;
}

static int check_write(const struct table *t, const struct table_write *w, struct error *err)
{
    const struct table_sink *sink = t->connector->sink;

    if (sink == NULL) {
        return error_set(
            err, ERR_UNSUPPORTED,
            "Connector '%s' can only be used as a source. It cannot be used as a sink.",
            t->connector->identifier);
    }
    const struct {
        enum table_ability ability;
        bool asked;
    } asked[] = {
        {TABLE_PARTITIONS, t->n_partition_keys > 0 || w->partition != NULL},
        {TABLE_OVERWRITE, w->overwrite},
        {TABLE_METADATA, w->n_metadata > 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        if (asked[i].asked && (sink->abilities & asked[i].ability) == 0) {
            return lacks(t, "sink", asked[i].ability, err);
        }
    }
    uint32_t taken =
        sink->kinds != NULL ? sink->kinds(t, w->kinds) : (w->kinds == TABLE_INSERT ? w->kinds : 0);
    if (taken == 0) {
        return error_set(err, ERR_UNSUPPORTED,
                         "Table sink '%s' doesn't support consuming update and delete changes",
                         t->name);
    }
    return check_write_metadata(t, w, err);
}

bool table_sink_reads_watermarks(const struct table *t)
{
    const struct table_sink *sink = t->connector->sink;
    return sink != NULL && sink->reads_watermarks != NULL && sink->reads_watermarks(t);
}

static int plan_sink(const struct table *t, const struct table_write *w, struct arena *arena,
                     struct table_node *n, struct error *err)
{
    TRY(check_write(t, w, err));
    TRY(table_validate(t, err));
    TRY(t->connector->sink->plan(t, w, arena, n, err));
    complete(n, t, "sink.parallelism");
    return 0;
}

int table_plan_sink(const struct table *t, const struct table_write *write, struct arena *arena,
                    struct table_node *ret, struct error *err)
{
    struct table_node n = {.kind = NULL};
    int rc = plan_sink(t, write, arena, &n, err);

    if (rc < 0) {
        table_node_fini(&n);
        error_context(err, "Unable to create a sink for writing table '%s'", t->name);
        return rc;
    }
    *ret = n;
    return 0;
}

/* ---- the graph ------------------------------------------------------------------------------------- */

struct stream_node *table_node_add(struct stream_graph *g, const struct table_node *n)
{
    struct stream_node *node = stream_graph_add(g, n->kind, n->name, n->schema);

    stream_node_set_config(g, node, n->config, n->config_size);
    if (n->description != NULL) {
        node->description = arena_strdup(&g->arena, n->description);
    }
    if (n->coordinator != NULL) {
        node->coordinator = arena_strdup(&g->arena, n->coordinator);
    }
    node->parallelism = n->parallelism;
    node->parallelism_limit = n->parallelism_limit;
    node->bounded = n->bounded;
    if (n->n_hash_columns > 0) {
        Flinc__Partitioner p = FLINC__PARTITIONER__INIT;
        p.kind = FLINC__PARTITIONER_KIND__PARTITION_HASH;
        p.n_key_columns = n->n_hash_columns;
        p.key_columns = (uint32_t *)(uintptr_t)n->hash_columns; /* copied */
        stream_node_set_partitioner(g, node, &p);
    }
    return node;
}

/* Behind a sink's writers: one subtask, to which all that they emit goes. */
static void add_behind(struct stream_graph *g, struct stream_node *writers,
                       const struct table_node *n)
{
    Flinc__Partitioner all = FLINC__PARTITIONER__INIT;
    struct stream_node *node = table_node_add(g, n);

    all.kind = FLINC__PARTITIONER_KIND__PARTITION_GLOBAL;
    node->parallelism = 1;
    node->parallelism_limit = 1;
    node->is_sink = true;
    stream_graph_connect(g, writers->index, 0, node->index, 0, &all, NULL);
    writers->behind = node;
}

int table_add_source(struct stream_graph *g, const struct table *t, const struct table_scan *scan,
                     struct stream_node **ret_node, struct error *err)
{
    struct table_node n;

    TRY(table_plan_source(t, scan, &g->arena, &n, err));
    *ret_node = table_node_add(g, &n);
    table_node_fini(&n);
    return 0;
}

int table_add_sink(struct stream_graph *g, const struct table *t, const struct table_write *write,
                   struct stream_node **ret_node, struct error *err)
{
    struct table_node n;

    TRY(table_plan_sink(t, write, &g->arena, &n, err));
    *ret_node = table_node_add(g, &n);
    (*ret_node)->is_sink = n.behind == NULL;
    if (n.behind != NULL) {
        add_behind(g, *ret_node, n.behind);
    }
    table_node_fini(&n);
    return 0;
}
