/* Stable operator ids, made as Flink makes them (StreamGraphHasherV2): from the uid, else from the
 * position in a breadth-first walk of the topology, the operators chained behind and the inputs' ids. */
#include "common/base/map.h"
#include "engine/graph/translate_internal.h"

static void hash_int(struct str *bytes, uint32_t v)
{
    uint8_t le[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    str_append(bytes, (const char *)le, sizeof(le));
}

static bool inputs_are_hashed(const struct translation *t, const struct translate_node *n)
{
    for (size_t i = 0; i < n->in.len; i++) {
        const struct translate_edge *e = vec_ptr(&n->in, i);
        if (!t->nodes[e->edge->source].hashed) {
            return false;
        }
    }
    return true;
}

static void hash_position(const struct translation *t, struct translate_node *n, uint32_t n_hashed)
{
    STR_AUTO bytes = STR_INIT;

    hash_int(&bytes, n_hashed);
    for (size_t i = 0; i < n->out.len; i++) {
        const struct translate_edge *e = vec_ptr(&n->out, i);
        if (e->chained) {
            hash_int(&bytes, n_hashed);
        }
    }
    murmur3_128(bytes.data, bytes.len, 0, n->id.bytes);
    for (size_t i = 0; i < n->in.len; i++) {
        const struct translate_edge *e = vec_ptr(&n->in, i);
        const struct flinc_id *input = &t->nodes[e->edge->source].id;
        for (size_t b = 0; b < sizeof(n->id.bytes); b++) {
            n->id.bytes[b] = (uint8_t)((n->id.bytes[b] * 37) ^ input->bytes[b]);
        }
    }
}

static int hash_node(struct translation *t, struct translate_node *n, uint32_t n_hashed,
                     struct map *seen, struct error *err)
{
    if (n->node->uid != NULL) {
        murmur3_128(n->node->uid, strlen(n->node->uid), 0, n->id.bytes);
    } else if (t->options->require_uids) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "operator '%s' (%s) has no uid and pipeline.auto-generate-uids is false: "
                         "give it one with flinc_uid(stream, \"...\")",
                         n->node->name, n->node->location != NULL ? n->node->location : "unknown");
    } else {
        hash_position(t, n, n_hashed);
    }
    char hex[33];
    id_format(&n->id, hex);
    const struct stream_node *other = map_find(seen, hex);
    if (other != NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "operators '%s' and '%s' have the same id %s: uid '%s' is given twice; "
                         "every uid must be unique in the job",
                         other->name, n->node->name, hex,
                         n->node->uid != NULL ? n->node->uid : "(generated)");
    }
    (void)map_put(seen, hex, n->node);
    n->hashed = true;
    return 0;
}

int translation_assign_ids(struct translation *t, struct error *err)
{
    struct map seen;
    struct vec queue = VEC_INIT(uint32_t);
    uint32_t n_hashed = 0;
    int rc = 0;
    bool *queued = MEM_NEW_ARRAY(bool, t->n_nodes + 1);

    map_init(&seen, NULL);
    for (uint32_t i = 0; i < t->n_nodes; i++) {
        if (t->nodes[i].in.len == 0) {
            *VEC_PUSH(&queue, uint32_t) = i;
            queued[i] = true;
        }
    }
    for (size_t q = 0; q < queue.len && rc == 0; q++) {
        struct translate_node *n = &t->nodes[*VEC_AT(&queue, uint32_t, q)];
        if (!inputs_are_hashed(t, n)) {
            queued[n->node->index] = false; /* comes back behind its last input */
            continue;
        }
        rc = hash_node(t, n, n_hashed++, &seen, err);
        for (size_t i = 0; i < n->out.len; i++) {
            uint32_t target = ((const struct translate_edge *)vec_ptr(&n->out, i))->edge->target;
            if (!queued[target]) {
                *VEC_PUSH(&queue, uint32_t) = target;
                queued[target] = true;
            }
        }
    }
    mem_free(queued);
    vec_fini(&queue);
    map_fini(&seen);
    return rc;
}
