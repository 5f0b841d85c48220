/* Records as bytes.  Thread: one owner (the task). */
#include "engine/state/user/record_bytes.h"

#include "engine/data/codec.h"

void record_bytes_init(struct record_bytes *r, const struct record_layout *layout,
                       struct buffer_pool *pool)
{
    memset(r, 0, sizeof(*r));
    record_layout_init_fields(&r->layout, layout->schema, layout->size, layout->fields,
                              layout->n_fields);
    builder_init(&r->builder, pool, layout->schema, 1);
    schema_print(layout->schema, &r->schema_text);
}

void record_bytes_fini(struct record_bytes *r)
{
    if (r->layout.schema != NULL) {
        builder_fini(&r->builder);
        record_layout_fini(&r->layout);
    }
    str_fini(&r->nested);
    str_fini(&r->schema_text);
    memset(r, 0, sizeof(*r));
}

int record_bytes_encode(struct record_bytes *r, const char *record, struct str *out,
                        struct error *err)
{
    struct builder *b = &r->builder;
    builder_begin(b);
    record_put_strings(&r->layout, record, b);
    b->out.n++;
    record_put_fixed(&r->layout, record, 1, b, 0);
    TRY(builder_check(b, err));
    struct batch *row = builder_finish(b);
    int rc = row_encode(row, 0, &(struct row_encoding){.flags = 0}, out, err);
    batch_unref(row);
    return rc;
}

int record_bytes_decode(struct record_bytes *r, const void *data, size_t size, char *ret_record,
                        struct str *strings, struct error *err)
{
    TRY(row_decode(data, size, &r->builder, err));
    struct batch *row = builder_finish(&r->builder);
    memset(ret_record, 0, r->layout.size);
    int rc = record_read(&r->layout, row, 0, 1, ret_record, &r->nested, err);
    if (rc == 0) {
        record_copy(&r->layout, ret_record, ret_record, strings);
    }
    batch_unref(row);
    return rc;
}
