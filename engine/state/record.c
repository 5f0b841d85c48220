/* Record layouts, and records that are kept in state.  Reading and writing tiles: record_tile.c. */
#include "engine/state/record.h"

#include "flinc/base.h"

/* ---- layouts ----------------------------------------------------------------------------------- */

void record_layout_init_fields(struct record_layout *l, const struct schema *schema, uint32_t size,
                               const struct record_field *fields, uint32_t n_fields)
{
    *l = (struct record_layout){.schema = schema_ref(schema), .size = size, .n_fields = n_fields};
    ASSERT(size <= RECORD_SIZE_MAX);
    l->fields = mem_dup(fields, n_fields * sizeof(*fields));
    l->strings = MEM_NEW_ARRAY(uint32_t, n_fields);
    for (uint32_t i = 0; i < n_fields; i++) {
        const struct record_field *f = &fields[i];
        ASSERT(f->column < schema->n_fields && f->offset + f->width <= size &&
               (f->null_offset == RECORD_NEVER_NULL || f->null_offset < size));
        if (record_field_is_string(f)) {
            l->strings[l->n_strings++] = i;
            l->n_nested += record_field_is_nested(f);
        }
    }
}

static uint32_t field_width(const struct data_type *type)
{
    switch (type->layout) {
    case LAYOUT_BIT:
        return sizeof(bool);
    case LAYOUT_VIEW:
    case LAYOUT_LIST:
    case LAYOUT_MAP:
    case LAYOUT_STRUCT:
        return sizeof(flinc_string);
    default:
        return type->width;
    }
}

int record_layout_init(struct record_layout *l, const struct schema *schema, struct error *err)
{
    struct record_field *fields = MEM_NEW_ARRAY(struct record_field, schema->n_fields);
    uint32_t at = 0;
    /* Wide fields first: no padding between them. */
    for (uint32_t width = 16; width > 0; width /= 2) {
        for (uint32_t i = 0; i < schema->n_fields; i++) {
            const struct data_type *type = schema->fields[i].type;
            if (type->layout == LAYOUT_NULL) {
                mem_free(fields);
                return error_set(err, ERR_UNSUPPORTED,
                                 "column '%s' of type %s cannot be part of a record in state",
                                 schema->fields[i].name, type_id_name(type->id));
            }
            if (field_width(type) == width) {
                fields[i] = (struct record_field){.column = i,
                                                  .offset = at,
                                                  .null_offset = RECORD_NEVER_NULL,
                                                  .width = width,
                                                  .layout = type->layout};
                at += width;
            }
        }
    }
    for (uint32_t i = 0; i < schema->n_fields; i++) {
        if (schema->fields[i].type->nullable) {
            fields[i].null_offset = at++;
        }
    }
    at = (at + 7) & ~7u;
    if (at > RECORD_SIZE_MAX) {
        mem_free(fields);
        return error_set(err, ERR_UNSUPPORTED,
                         "a record of %u columns has %u bytes, state keeps at most %d",
                         schema->n_fields, at, RECORD_SIZE_MAX);
    }
    record_layout_init_fields(l, schema, at, fields, schema->n_fields);
    mem_free(fields);
    return 0;
}

int record_layout_extend(struct record_layout *l, const struct record_layout *base,
                         const char *const *names, uint32_t n, uint32_t extra_bytes,
                         struct error *err)
{
    const struct schema *s = base->schema;
    uint32_t at = (base->size + 7) & ~7u, all = s->n_fields + n;
    if (at + n * 8 + extra_bytes > RECORD_SIZE_MAX) {
        return error_set(err, ERR_UNSUPPORTED, "a record of %u bytes is too large: state keeps %u",
                         base->size, RECORD_SIZE_MAX - n * 8 - extra_bytes);
    }
    const char **all_names = MEM_NEW_ARRAY(const char *, all);
    struct data_type **types = MEM_NEW_ARRAY(struct data_type *, all);
    struct record_field *fields = MEM_NEW_ARRAY(struct record_field, base->n_fields + n);
    for (uint32_t i = 0; i < all; i++) {
        bool old = i < s->n_fields;
        all_names[i] = old ? s->fields[i].name : names[i - s->n_fields];
        types[i] = old ? type_ref(s->fields[i].type) : type_new(TYPE_BIGINT, false);
    }
    memcpy(fields, base->fields, base->n_fields * sizeof(*fields));
    for (uint32_t i = 0; i < n; i++) {
        fields[base->n_fields + i] = (struct record_field){.column = s->n_fields + i,
                                                           .offset = at + i * 8,
                                                           .null_offset = RECORD_NEVER_NULL,
                                                           .width = 8,
                                                           .layout = LAYOUT_I64};
    }
    struct schema *extended = schema_new(all_names, types, all);
    record_layout_init_fields(l, extended, at + n * 8 + extra_bytes, fields, base->n_fields + n);
    schema_unref(extended);
    mem_free(all_names);
    mem_free(types);
    mem_free(fields);
    return 0;
}

void record_layout_fini(struct record_layout *l)
{
    schema_unref(l->schema);
    mem_free(l->fields);
    mem_free(l->strings);
    memset(l, 0, sizeof(*l));
}

const struct record_field *record_layout_find(const struct record_layout *l, uint32_t column)
{
    for (uint32_t i = 0; i < l->n_fields; i++) {
        if (l->fields[i].column == column) {
            return &l->fields[i];
        }
    }
    return NULL;
}

/* ---- records in state -------------------------------------------------------------------------- */

static flinc_string *string_at(const struct record_field *f, char *record)
{
    return (flinc_string *)(void *)(record + f->offset);
}

static bool same_bytes(flinc_string a, flinc_string b)
{
    return a.data == b.data && a.len == b.len;
}

int record_keep(const struct record_layout *l, struct state_heap *heap, char *kept,
                const char *record, struct error *err)
{
    flinc_string few[16];
    flinc_string *fresh =
        l->n_strings <= ARRAY_LEN(few) ? few : MEM_NEW_ARRAY(flinc_string, l->n_strings);
    int rc = 0;
    uint32_t done = 0;
    /* Copies come first: new strings may lie in old ones, even in those of other fields. */
    for (; done < l->n_strings; done++) {
        const struct record_field *f = &l->fields[l->strings[done]];
        flinc_string s = *string_at(f, (char *)(uintptr_t)record);
        if (f->null_offset != RECORD_NEVER_NULL && record[f->null_offset]) {
            s = (flinc_string){NULL, 0};
        }
        if (s.len > 0 && !same_bytes(s, *string_at(f, kept))) {
            char *copy = state_heap_alloc(heap, s.len);
            if (copy == NULL) {
                rc = state_over_budget(heap->budget, s.len, "a string", err);
                break;
            }
            memcpy(copy, s.data, s.len);
            s.data = copy;
        }
        fresh[done] = s;
    }
    for (uint32_t i = 0; i < done; i++) {
        flinc_string *old = string_at(&l->fields[l->strings[i]], kept);
        flinc_string drop = rc == 0 ? *old : fresh[i];
        if (drop.len > 0 && !same_bytes(fresh[i], *old)) {
            state_heap_free(heap, (char *)(uintptr_t)drop.data, drop.len);
        }
    }
    if (rc == 0) {
        memmove(kept, record, l->size);
        for (uint32_t i = 0; i < l->n_strings; i++) {
            *string_at(&l->fields[l->strings[i]], kept) = fresh[i];
        }
    }
    if (fresh != few) {
        mem_free(fresh);
    }
    return rc;
}

size_t record_string_bytes(const struct record_layout *l, const char *record)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < l->n_strings; i++) {
        bytes += string_at(&l->fields[l->strings[i]], (char *)(uintptr_t)record)->len;
    }
    return bytes;
}

void record_copy(const struct record_layout *l, char *to, const char *record, struct str *bytes)
{
    memmove(to, record, l->size);
    str_clear(bytes);
    str_reserve(bytes, record_string_bytes(l, record));
    for (uint32_t i = 0; i < l->n_strings; i++) {
        flinc_string *s = string_at(&l->fields[l->strings[i]], to);
        if (s->len > 0) {
            size_t at = bytes->len;
            str_append(bytes, s->data, s->len);
            s->data = bytes->data + at;
        }
    }
}

void record_drop(const struct record_layout *l, struct state_heap *heap, char *kept)
{
    for (uint32_t i = 0; i < l->n_strings; i++) {
        flinc_string *s = string_at(&l->fields[l->strings[i]], kept);
        if (s->len > 0) {
            state_heap_free(heap, (char *)(uintptr_t)s->data, s->len);
        }
        *s = (flinc_string){NULL, 0};
    }
}

static bool fields_equal(const struct record_field *f, const char *a, const char *b)
{
    flinc_string s, t;
    double x, y;
    float u, v;
    switch (f->layout) {
    case LAYOUT_VIEW:
    case LAYOUT_LIST:
    case LAYOUT_MAP:
    case LAYOUT_STRUCT:
        memcpy(&s, a + f->offset, sizeof(s));
        memcpy(&t, b + f->offset, sizeof(t));
        return s.len == t.len && (s.len == 0 || memcmp(s.data, t.data, s.len) == 0);
    case LAYOUT_F64:
        memcpy(&x, a + f->offset, sizeof(x));
        memcpy(&y, b + f->offset, sizeof(y));
        return x == y || (x != x && y != y);
    case LAYOUT_F32:
        memcpy(&u, a + f->offset, sizeof(u));
        memcpy(&v, b + f->offset, sizeof(v));
        return u == v || (u != u && v != v);
    default:
        return memcmp(a + f->offset, b + f->offset, f->width) == 0;
    }
}

bool record_equals(const struct record_layout *l, const char *a, const char *b)
{
    for (uint32_t i = 0; i < l->n_fields; i++) {
        const struct record_field *f = &l->fields[i];
        bool nullable = f->null_offset != RECORD_NEVER_NULL;
        bool a_null = nullable && a[f->null_offset], b_null = nullable && b[f->null_offset];
        if (a_null != b_null || (!a_null && !fields_equal(f, a, b))) {
            return false;
        }
    }
    return true;
}
