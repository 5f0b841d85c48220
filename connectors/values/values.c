/* Rows of the job graph; see values.h. */
#include "connectors/values/values.h"

#include "engine/data/codec.h"
#include "engine/operators/registry.h"
#include "proto/operators.pb-c.h"

static int encode(struct batch_encoder *e, const struct batch *b, struct arena *arena,
                  ProtobufCBinaryData *ret, uint64_t *inout_total, struct error *err)
{
    TRY(batch_encode(e, b, err));
    *inout_total += e->total_bytes;
    if (*inout_total > VALUES_BYTES_MAX) {
        return error_set(err, ERR_TOO_LARGE,
                         "the rows given in the statement are larger than %d MB: read them from a "
                         "file or a topic",
                         VALUES_BYTES_MAX >> 20);
    }
    ret->data = arena_alloc(arena, e->total_bytes);
    ret->len = 0;
    for (uint32_t i = 0; i < e->n_iov; i++) {
        memcpy(ret->data + ret->len, e->iov[i].iov_base, e->iov[i].iov_len);
        ret->len += e->iov[i].iov_len;
    }
    return 0;
}

int values_source_plan(const struct schema *schema, struct batch *const *batches, size_t n,
                       struct buffer_pool *pool, struct arena *arena, struct table_node *ret,
                       struct error *err)
{
    Flinc__ElementsSourceConfig c = FLINC__ELEMENTS_SOURCE_CONFIG__INIT;
    struct batch_encoder encoder;
    uint64_t total = 0;
    int rc = 0;

    batch_encoder_init(&encoder, pool);
    c.batches = arena_zalloc(arena, sizeof(*c.batches) * (n + 1));
    for (size_t i = 0; i < n && rc == 0; i++) {
        ASSERT(schema_equals(batches[i]->schema, schema));
        if (batches[i]->n_sel > 0) {
            rc = encode(&encoder, batches[i], arena, &c.batches[c.n_batches++], &total, err);
        }
    }
    batch_encoder_fini(&encoder);
    TRY(rc);
    *ret = (struct table_node){.kind = operator_source_elements.kind,
                               .name = "Values",
                               .schema = schema_ref(schema),
                               .parallelism_limit = 1,
                               .bounded = true};
    table_node_set_config(ret, arena, &c.base);
    return 0;
}

int values_source_add(struct stream_graph *g, const struct schema *schema,
                      struct batch *const *batches, size_t n, struct buffer_pool *pool,
                      struct stream_node **ret_node, struct error *err)
{
    struct table_node node;

    TRY(values_source_plan(schema, batches, n, pool, &g->arena, &node, err));
    *ret_node = table_node_add(g, &node);
    table_node_fini(&node);
    return 0;
}
