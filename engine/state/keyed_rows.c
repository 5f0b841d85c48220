/* Entries to rows and back.  Values go through tiles of records, whose fixed-width fields are copied column
 * by column.  Thread: one owner. */
#include "engine/state/keyed_rows.h"

/* ---- life -------------------------------------------------------------------------------------- */

static struct schema *schema_of_fields(const struct field *const *fields, uint32_t n)
{
    const char **names = MEM_NEW_ARRAY(const char *, n + 1);
    struct data_type **types = MEM_NEW_ARRAY(struct data_type *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        names[i] = fields[i]->name;
        types[i] = type_ref(fields[i]->type);
    }
    struct schema *s = schema_new(names, types, n);
    mem_free(names);
    mem_free(types);
    return s;
}

/* A struct may leave out columns of its schema; they are not part of the state. */
void keyed_rows_init(struct keyed_rows *r, const struct schema *key,
                     const struct record_layout *value)
{
    uint32_t n = 0, n_keys = key->n_fields, n_all = n_keys + value->schema->n_fields;
    const struct field **shown = MEM_NEW_ARRAY(const struct field *, n_all + 1);
    struct record_field *fields = MEM_NEW_ARRAY(struct record_field, n_all + 1);
    for (uint32_t i = 0; i < n_keys; i++) {
        shown[i] = &key->fields[i];
    }
    for (uint32_t i = 0; i < value->schema->n_fields; i++) {
        const struct record_field *f = record_layout_find(value, i);
        if (f != NULL) {
            shown[n_keys + n] = &value->schema->fields[i];
            fields[n] = *f;
            fields[n].column = n_keys + n;
            n++;
        }
    }
    r->key = schema_ref(key);
    r->value = schema_of_fields(shown + n_keys, n);
    r->row = schema_of_fields(shown, n_keys + n);
    record_layout_init_fields(&r->layout, r->row, value->size, fields, n);
    mem_free(shown);
    mem_free(fields);
}

void keyed_rows_fini(struct keyed_rows *r)
{
    record_layout_fini(&r->layout);
    schema_unref(r->key);
    schema_unref(r->value);
    schema_unref(r->row);
}

/* ---- order ------------------------------------------------------------------------------------- */

static void sort_by_byte(const struct keyed_entry *in, uint32_t n, uint32_t shift,
                         struct keyed_entry *out)
{
    uint32_t at[257] = {0};
    for (uint32_t i = 0; i < n; i++) {
        at[(in[i].group >> shift & 0xff) + 1]++;
    }
    for (uint32_t i = 0; i < 256; i++) {
        at[i + 1] += at[i];
    }
    for (uint32_t i = 0; i < n; i++) {
        out[at[in[i].group >> shift & 0xff]++] = in[i];
    }
}

uint32_t keyed_entries_sort(struct keyed_entry *entries, uint32_t n, struct segment_run *ret_runs)
{
    uint32_t highest = 0, n_runs = 0;
    for (uint32_t i = 0; i < n; i++) {
        highest = MAX(highest, entries[i].group);
    }
    sort_by_byte(entries, n, 0, entries + n);
    if (highest > 0xff) {
        sort_by_byte(entries + n, n, 8, entries);
    } else {
        memcpy(entries, entries + n, n * sizeof(*entries));
    }
    for (uint32_t i = 0; i < n; i++) {
        if (i == 0 || entries[i].group != entries[i - 1].group) {
            ret_runs[n_runs++] = (struct segment_run){.group = entries[i].group, .first_row = i};
        }
        ret_runs[n_runs - 1].n_rows++;
    }
    return n_runs;
}

/* ---- to rows ----------------------------------------------------------------------------------- */

static void put_values(const struct keyed_rows *r, const struct keyed_table *t,
                       const struct keyed_entry *entries, uint32_t n, struct builder *out)
{
    const uint32_t size = r->layout.size;
    char *tile = mem_alloc_aligned(16, (size_t)RECORD_TILE_ROWS * MAX(size, 1u));
    for (uint32_t from = 0; from < n; from += RECORD_TILE_ROWS) {
        uint32_t rows = MIN(n - from, (uint32_t)RECORD_TILE_ROWS);
        for (uint32_t i = 0; i < rows; i++) {
            const char *value = entries[from + i].entry + t->value_offset;
            if (size == sizeof(uint64_t)) {
                memcpy(tile + (size_t)i * sizeof(uint64_t), value, sizeof(uint64_t));
            } else {
                memcpy(tile + (size_t)i * size, value, size);
            }
            if (r->layout.n_strings > 0) {
                out->out.n = from + i;
                record_put_strings(&r->layout, value, out);
            }
        }
        record_put_fixed(&r->layout, tile, rows, out, from);
    }
    mem_free(tile);
}

static int gather(const struct keyed_rows *r, const struct schema *schema,
                  const struct keyed_table *t, struct buffer_pool *pool,
                  const struct keyed_entry *entries, uint32_t n, struct batch **ret_batch,
                  struct error *err)
{
    struct builder out;
    keyed_entries_builder(&out, pool, schema, n);
    int rc = keyed_table_put_keys(t, entries, n, &out, err);
    if (rc == 0 && schema == r->row && r->layout.n_fields > 0) {
        put_values(r, t, entries, n, &out);
        rc = builder_check(&out, err);
    }
    if (rc == 0) {
        out.out.n = n;
        *ret_batch = builder_finish(&out);
    }
    builder_fini(&out);
    return rc;
}

int keyed_rows_gather(const struct keyed_rows *r, const struct keyed_table *t,
                      struct buffer_pool *pool, const struct keyed_entry *entries, uint32_t n,
                      struct batch **ret_batch, struct error *err)
{
    return gather(r, r->row, t, pool, entries, n, ret_batch, err);
}

int keyed_keys_gather(const struct keyed_rows *r, const struct keyed_table *t,
                      struct buffer_pool *pool, const struct keyed_entry *entries, uint32_t n,
                      struct batch **ret_batch, struct error *err)
{
    return gather(r, r->key, t, pool, entries, n, ret_batch, err);
}

/* ---- from rows --------------------------------------------------------------------------------- */

int keyed_rows_scatter(const struct keyed_rows *r, struct keyed_table *t, const struct batch *rows,
                       const uint32_t *slots, struct error *err)
{
    const uint32_t size = r->layout.size;
    STR_AUTO nested = STR_INIT;
    int rc = 0;
    if (r->layout.n_fields == 0) {
        return 0;
    }
    char *tile = mem_alloc_aligned(16, (size_t)RECORD_TILE_ROWS * size);
    memset(tile, 0, (size_t)RECORD_TILE_ROWS * size);
    for (uint32_t from = 0; from < rows->n_sel && rc == 0; from += RECORD_TILE_ROWS) {
        uint32_t n = MIN(rows->n_sel - from, (uint32_t)RECORD_TILE_ROWS);
        rc = record_read(&r->layout, rows, from, n, tile, &nested, err);
        for (uint32_t i = 0; i < n && rc == 0; i++) {
            char *value = keyed_table_value(t, slots[from + i]);
            const char *record = tile + (size_t)i * size;
            if (t->record != NULL) {
                rc = record_keep(&r->layout, &t->heap, value, record, err);
            } else if (size == sizeof(uint64_t)) {
                memcpy(value, record, sizeof(uint64_t));
            } else {
                memcpy(value, record, size);
            }
        }
    }
    mem_free(tile);
    return rc;
}
