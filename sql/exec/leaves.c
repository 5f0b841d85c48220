/* Where rows come from and where they go: scans, VALUES, sinks, the rows of SELECT. */
#include "connectors/values/values.h"
#include "engine/data/builder.h"
#include "sql/exec/inside.h"

int exec_add_scan(struct exec_translation *x, const struct rel *r, struct stream_node **ret)
{
    return table_add_source(x->graph, &r->scan.table->table, &r->scan.request, ret, x->err);
}

int exec_add_sink(struct exec_translation *x, const struct rel *r, struct stream_node **ret)
{
    return table_add_sink(x->graph, &r->sink.table->table, &r->sink.request, ret, x->err);
}

/* ---- VALUES -------------------------------------------------------------------------------------------- */

static int put_cell(struct builder *b, uint32_t column, const struct expr_value *v,
                    struct error *err)
{
    const struct data_type *type = b->schema->fields[column].type;
    if (v->is_null) {
        builder_put_null(b, column);
        return 0;
    }
    switch (type->layout) {
    case LAYOUT_BIT:
        builder_put_bool(b, column, v->boolean);
        return 0;
    case LAYOUT_I128:
        builder_put_i128(b, column, v->wide);
        return 0;
    case LAYOUT_F32:
    case LAYOUT_F64:
        builder_put_f64(b, column, v->real);
        return 0;
    case LAYOUT_TS_NANO:
        builder_put_ts_nano(b, column, v->timestamp);
        return 0;
    case LAYOUT_VIEW:
        return builder_put_bytes(b, column, v->bytes.data, v->bytes.len, err);
    case LAYOUT_I8:
    case LAYOUT_I16:
    case LAYOUT_I32:
    case LAYOUT_I64:
        builder_put_i64(b, column, v->integer);
        return 0;
    default:
        return error_set(err, ERR_UNSUPPORTED, "not supported yet: nested literals in VALUES");
    }
}

static int make_batches(struct exec_translation *x, const struct rel *r, struct vec *batches)
{
    struct builder b;
    uint32_t n = r->schema->n_fields;
    int rc = 0;
    builder_init(&b, x->pool, r->schema, 0);
    for (uint32_t row = 0; row < r->values.n_rows && rc == 0; row++) {
        builder_begin(&b);
        for (uint32_t i = 0; i < n && rc == 0; i++) {
            rc = put_cell(&b, i, &r->values.cells[(size_t)row * n + i], x->err);
        }
        if (rc < 0) {
            builder_cancel_row(&b);
            break;
        }
        builder_end_row(&b);
        if (builder_is_full(&b)) {
            vec_push_ptr(batches, builder_finish(&b));
        }
    }
    if (rc == 0 && builder_rows(&b) > 0) {
        vec_push_ptr(batches, builder_finish(&b));
    }
    builder_fini(&b);
    return rc;
}

int exec_add_values(struct exec_translation *x, const struct rel *r, struct stream_node **ret)
{
    struct vec batches;
    vec_init(&batches, sizeof(void *));
    int rc = make_batches(x, r, &batches);
    rc = rc < 0 ? rc
                : values_source_add(x->graph, r->schema, batches.data, batches.len, x->pool, ret,
                                    x->err);
    for (size_t i = 0; i < batches.len; i++) {
        (void)batch_unref(vec_ptr(&batches, i));
    }
    vec_fini(&batches);
    if (rc == 0) {
        (*ret)->parallelism = 1;
    }
    return rc;
}

/* ---- SELECT ------------------------------------------------------------------------------------------------- */

int exec_add_collect(struct exec_translation *x, const struct rel *r, struct stream_node **ret)
{
    Flinc__CollectConfig c = FLINC__COLLECT_CONFIG__INIT;
    *ret = exec_add(x, "flinc.query.collect", r, &c.base);
    (*ret)->coordinator = "flinc.query.collect";
    (*ret)->is_sink = true;
    (*ret)->parallelism = 1;
    (*ret)->parallelism_limit = 1;
    return 0;
}
