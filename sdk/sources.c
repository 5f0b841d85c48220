/* Sources of an environment, and its sinks: their operators' configuration messages. */
#include "sdk/internal.h"

static bool env_usable(const flinc_env *env)
{
    return env != NULL && env->err.code == 0;
}

static flinc_stream *broken_of(flinc_env *env)
{
    return env != NULL ? &env->broken : NULL;
}

static struct stream_node *add_source(flinc_env *env, const char *kind, const char *name,
                                      const struct schema *schema, bool bounded, flinc_place at)
{
    struct stream_node *n = stream_graph_add(&env->graph, kind, name, schema);

    n->bounded = bounded;
    n->location = env_location(env, at);
    return n;
}

/* ---- elements ---------------------------------------------------------------------------------- */

flinc_stream *flinc_from_elements_(flinc_env *env, const void *elements, size_t n,
                                   const flinc_struct *type, flinc_place at)
{
    static const char call[] = "flinc_from_elements";

    if (!env_usable(env)) {
        return broken_of(env);
    }
    const flinc_struct *record = env_copy_struct(env, type, call, at);
    if (record == NULL) {
        return &env->broken;
    }
    if (elements == NULL && n > 0) {
        return env_fail_at(env, at, ERR_INVALID_ARGUMENT, "%s: the elements are NULL", call);
    }
    Flinc__ElementsSourceConfig c = FLINC__ELEMENTS_SOURCE_CONFIG__INIT;
    struct error err = ERROR_INIT;
    struct schema *schema = env_schema_of(env, record);
    if (elements_encode(&env->arena, schema, env_struct_desc(env, record), elements, n, &c, &err) <
        0) {
        return env_fail_at(env, at, err.code, "%s: %s", call, err.message);
    }
    struct stream_node *node =
        add_source(env, "flinc.source.elements", "Source: Collection Source", schema, true, at);
    node->parallelism_limit = 1;
    node->parallelism = 1;
    STREAM_SET_CONFIG(env, node, flinc__elements_source_config, &c);
    return stream_of_node(env, node, 0, record, schema);
}

flinc_stream *flinc_from_sequence_(flinc_env *env, int64_t from, int64_t to, flinc_place at)
{
    if (!env_usable(env)) {
        return broken_of(env);
    }
    if (from > to) {
        return env_fail_at(env, at, ERR_INVALID_ARGUMENT,
                           "flinc_from_sequence: the range %lld..%lld is empty", (long long)from,
                           (long long)to);
    }
    struct schema *schema = env_schema_of(env, &flinc_int64_struct);
    struct stream_node *node =
        add_source(env, "flinc.source.sequence", "Source: Sequence Source", schema, true, at);
    Flinc__SequenceSourceConfig c = FLINC__SEQUENCE_SOURCE_CONFIG__INIT;
    c.from = from;
    c.to = to;
    STREAM_SET_CONFIG(env, node, flinc__sequence_source_config, &c);
    return stream_of_node(env, node, 0, &flinc_int64_struct, schema);
}

flinc_stream *flinc_from_datagen_(flinc_env *env, flinc_datagen o, flinc_place at)
{
    static const char call[] = "flinc_from_datagen";

    if (!env_usable(env)) {
        return broken_of(env);
    }
    const flinc_struct *record = env_copy_struct(env, o.type, call, at);
    if (record == NULL) {
        return &env->broken;
    }
    if (o.rows_per_second < 0) {
        return env_fail_at(env, at, ERR_INVALID_ARGUMENT, "%s: rows_per_second is negative", call);
    }
    struct schema *schema = env_schema_of(env, record);
    struct stream_node *node = add_source(
        env, "flinc.source.datagen", "Source: Data Generator Source", schema, o.count >= 0, at);
    if (o.generate != NULL &&
        env_add_function(env, node, o.generate, FLINC_FN_GENERATE, call, at) < 0) {
        return &env->broken;
    }
    Flinc__DatagenSourceConfig c = FLINC__DATAGEN_SOURCE_CONFIG__INIT;
    c.count = o.count;
    c.rows_per_second = o.rows_per_second;
    c.record = env_struct_desc(env, record);
    c.seed = o.seed;
    STREAM_SET_CONFIG(env, node, flinc__datagen_source_config, &c);
    return stream_of_node(env, node, 0, record, schema);
}

/* ---- text and sockets ---------------------------------------------------------------------------- */

flinc_stream *flinc_env_read_text_(flinc_env *env, flinc_text_source o, flinc_place at)
{
    static const char call[] = "flinc_env_read_text";

    if (!env_usable(env)) {
        return broken_of(env);
    }
    Flinc__TextSourceConfig c = FLINC__TEXT_SOURCE_CONFIG__INIT;
    size_t n = o.n_paths + (o.path != NULL ? 1 : 0);
    if (n == 0 || (o.n_paths > 0 && o.paths == NULL)) {
        return env_fail_at(env, at, ERR_INVALID_ARGUMENT,
                           "%s: no input is named; give .path or .paths and .n_paths", call);
    }
    c.paths = arena_zalloc(&env->arena, sizeof(char *) * n);
    for (size_t i = 0; i < o.n_paths; i++) {
        c.paths[c.n_paths++] = arena_strdup(&env->arena, o.paths[i] != NULL ? o.paths[i] : "");
    }
    if (o.path != NULL) {
        c.paths[c.n_paths++] = arena_strdup(&env->arena, o.path);
    }
    for (size_t i = 0; i < n; i++) {
        if (c.paths[i][0] == '\0') {
            return env_fail_at(env, at, ERR_INVALID_ARGUMENT, "%s: a path is empty", call);
        }
    }
    c.discovery_interval_ms = o.discovery_interval_ms;
    c.split_bytes = o.split_bytes;
    c.max_line_bytes = o.max_line_bytes;
    c.recursive = true;
    struct schema *schema = env_schema_of(env, &flinc_string_struct);
    struct stream_node *node = add_source(env, "flinc.source.text", "Source: Text File Source",
                                          schema, o.discovery_interval_ms == 0, at);
    node->coordinator = "flinc.source.text";
    STREAM_SET_CONFIG(env, node, flinc__text_source_config, &c);
    return stream_of_node(env, node, 0, &flinc_string_struct, schema);
}

flinc_stream *flinc_socket_text_(flinc_env *env, flinc_socket_source o, flinc_place at)
{
    static const char call[] = "flinc_socket_text";

    if (!env_usable(env)) {
        return broken_of(env);
    }
    if (o.host == NULL || o.host[0] == '\0' || o.port < 1 || o.port > 65535) {
        return env_fail_at(env, at, ERR_INVALID_ARGUMENT,
                           "%s: give .host and a .port from 1 to 65535 (it is %d)", call, o.port);
    }
    Flinc__SocketSourceConfig c = FLINC__SOCKET_SOURCE_CONFIG__INIT;
    char delimiter[2] = {o.delimiter != 0 ? o.delimiter : '\n', '\0'};
    c.host = (char *)(uintptr_t)o.host;
    c.port = (uint32_t)o.port;
    c.delimiter = delimiter;
    c.max_retries = o.max_retries;
    c.retry_delay_ms = o.retry_delay_ms > 0 ? o.retry_delay_ms : 500;
    struct schema *schema = env_schema_of(env, &flinc_string_struct);
    struct stream_node *node =
        add_source(env, "flinc.source.socket", "Source: Socket Stream", schema, false, at);
    node->parallelism_limit = 1;
    STREAM_SET_CONFIG(env, node, flinc__socket_source_config, &c);
    return stream_of_node(env, node, 0, &flinc_string_struct, schema);
}

/* ---- sinks -------------------------------------------------------------------------------------- */

struct stream_node *stream_add_sink(flinc_stream *s, const char *kind, const char *name,
                                    flinc_place at)
{
    struct stream_node *n = stream_graph_add(&s->env->graph, kind, name, NULL);

    n->is_sink = true;
    n->location = env_location(s->env, at);
    stream_connect(s->env, s, n, 0, at);
    return n;
}

static flinc_stream *broken_sink(const flinc_stream *s)
{
    return broken_of(env_of(s));
}

flinc_stream *flinc_print_(flinc_stream *s, const char *name, flinc_place at)
{
    if (!stream_usable(s, "flinc_print", at)) {
        return broken_sink(s);
    }
    struct stream_node *node =
        stream_add_sink(s, "flinc.sink.print", "Sink: Print to Std. Out", at);
    Flinc__PrintSinkConfig c = FLINC__PRINT_SINK_CONFIG__INIT;
    c.identifier = name != NULL ? (char *)(uintptr_t)name : c.identifier;
    STREAM_SET_CONFIG(s->env, node, flinc__print_sink_config, &c);
    return stream_of_node(s->env, node, 0, NULL, NULL);
}

flinc_stream *flinc_write_text_(flinc_stream *s, flinc_text_sink o, flinc_place at)
{
    static const char call[] = "flinc_write_text";

    if (!stream_usable(s, call, at)) {
        return broken_sink(s);
    }
    if (o.path == NULL || o.path[0] == '\0') {
        return env_fail_at(s->env, at, ERR_INVALID_ARGUMENT, "%s: .path, the folder, is missing",
                           call);
    }
    struct stream_node *node = stream_add_sink(s, "flinc.sink.text", "Sink: Text File Sink", at);
    if (o.format != NULL &&
        env_add_function(s->env, node, o.format, FLINC_FN_FORMAT, call, at) < 0) {
        return &s->env->broken;
    }
    Flinc__TextSinkConfig c = FLINC__TEXT_SINK_CONFIG__INIT;
    c.path = (char *)(uintptr_t)o.path;
    c.rolling_bytes = o.rolling_bytes > 0 ? o.rolling_bytes : (uint64_t)128 * 1024 * 1024;
    c.rolling_interval_ms = o.rolling_interval_ms;
    c.part_prefix = (char *)(uintptr_t)(o.prefix != NULL ? o.prefix : "part");
    c.part_suffix = o.suffix != NULL ? (char *)(uintptr_t)o.suffix : c.part_suffix;
    c.record = env_struct_desc(s->env, s->type);
    c.run_id = arena_printf(&s->env->arena, "%08x", (unsigned)rng_next(&s->env->rng));

    STREAM_SET_CONFIG(s->env, node, flinc__text_sink_config, &c);
    return stream_of_node(s->env, node, 0, NULL, NULL);
}

flinc_stream *flinc_discard_(flinc_stream *s, flinc_place at)
{
    if (!stream_usable(s, "flinc_discard", at)) {
        return broken_sink(s);
    }
    struct stream_node *node = stream_add_sink(s, "flinc.sink.discard", "Sink: Discarding", at);
    return stream_of_node(s->env, node, 0, NULL, NULL);
}
