/* Settings of the operator that made a stream: name, uid, parallelism, chaining, slot sharing. */
#include "sdk/internal.h"

/* The operator whose setting is changed; NULL (with the error recorded) when there is none. */
static struct stream_node *node_of(flinc_stream *s, const char *call)
{
    flinc_env *env = env_of(s);

    if (env == NULL || env->err.code != 0) {
        return NULL;
    }
    if (s == NULL || s->node == NULL) {
        (void)env_fail_at(env, flinc_place_at(NULL, 0), ERR_INVALID_ARGUMENT,
                          "%s: the stream is %s, which no single operator made", call,
                          s == NULL ? "NULL" : "a union");
        return NULL;
    }
    if (s->has_partitioner) {
        (void)env_fail_at(env, flinc_place_at(NULL, 0), ERR_INVALID_ARGUMENT,
                          "%s: set it on the stream of operator '%s' itself, before its records "
                          "are partitioned",
                          call, s->node->name);
        return NULL;
    }
    return s->node;
}

flinc_stream *flinc_name(flinc_stream *s, const char *name)
{
    struct stream_node *n = node_of(s, "flinc_name");

    if (n != NULL && name != NULL) {
        /* Flink shows sources and sinks by a prefix, whatever they are named. */
        const char *prefix = n->n_inputs == 0 ? "Source: " : n->is_sink ? "Sink: " : "";
        n->name = arena_printf(&s->env->graph.arena, "%s%s", prefix, name);
    }
    return s;
}

flinc_stream *flinc_uid(flinc_stream *s, const char *uid)
{
    struct stream_node *n = node_of(s, "flinc_uid");

    if (n != NULL) {
        n->uid = arena_strdup(&s->env->graph.arena, uid);
    }
    return s;
}

flinc_stream *flinc_set_parallelism(flinc_stream *s, int parallelism)
{
    struct stream_node *n = node_of(s, "flinc_set_parallelism");

    if (n != NULL && parallelism < 1) {
        flinc_env_fail(s->env, "the parallelism of operator '%s' must be at least 1, not %d",
                       n->name, parallelism);
    } else if (n != NULL) {
        n->parallelism = parallelism;
    }
    return s;
}

flinc_stream *flinc_set_max_parallelism(flinc_stream *s, int max_parallelism)
{
    struct stream_node *n = node_of(s, "flinc_set_max_parallelism");

    if (n != NULL && max_parallelism < 1) {
        flinc_env_fail(s->env,
                       "the maximum parallelism of operator '%s' must be at least 1, not %d",
                       n->name, max_parallelism);
    } else if (n != NULL) {
        n->max_parallelism = max_parallelism;
    }
    return s;
}

flinc_stream *flinc_slot_sharing_group(flinc_stream *s, const char *group)
{
    struct stream_node *n = node_of(s, "flinc_slot_sharing_group");

    if (n != NULL && group != NULL) {
        n->slot_sharing_group = arena_strdup(&s->env->graph.arena, group);
    }
    return s;
}

flinc_stream *flinc_start_new_chain(flinc_stream *s)
{
    struct stream_node *n = node_of(s, "flinc_start_new_chain");

    if (n != NULL) {
        n->chaining = CHAINING_HEAD;
    }
    return s;
}

flinc_stream *flinc_disable_chaining(flinc_stream *s)
{
    struct stream_node *n = node_of(s, "flinc_disable_chaining");

    if (n != NULL) {
        n->chaining = CHAINING_NEVER;
    }
    return s;
}
