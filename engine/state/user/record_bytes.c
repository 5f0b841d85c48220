/* Records as bytes.  Thread: one owner (the task). */
#include "engine/state/user/record_bytes.h"

void record_bytes_init(struct record_bytes *r, const struct record_layout *layout)
{
    memset(r, 0, sizeof(*r));
    record_layout_init_fields(&r->layout, layout->schema, layout->size, layout->fields,
                              layout->n_fields);
    record_row_init(&r->row, &r->layout);
    schema_print(layout->schema, &r->schema_text);
}

void record_bytes_fini(struct record_bytes *r)
{
    record_row_fini(&r->row);
    if (r->layout.schema != NULL) {
        record_layout_fini(&r->layout);
    }
    str_fini(&r->schema_text);
    memset(r, 0, sizeof(*r));
}

int record_bytes_encode(struct record_bytes *r, const char *record, struct str *out,
                        struct error *err)
{
    return record_row_encode(&r->row, record, out, err);
}

int record_bytes_decode(struct record_bytes *r, const void *data, size_t size, char *ret_record,
                        struct str *strings, struct error *err)
{
    TRY(record_row_read(&r->row, data, size, ret_record, err));
    record_copy(&r->layout, ret_record, ret_record, strings);
    return 0;
}
