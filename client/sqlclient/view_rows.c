/* Rows that a view keeps: a list in the order they came, and a hash table to find those that a change takes back.  See view.h. */
#include "client/sqlclient/view.h"
#include "common/base/map.h"

enum { BUCKETS_FIRST = 1024 };

void view_rows_init(struct view_rows *v, uint32_t n_columns, bool adds_up, uint64_t limit)
{
    *v = (struct view_rows){
        .n_columns = n_columns, .adds_up = adds_up, .limit = limit, .n_buckets = BUCKETS_FIRST};
    v->buckets = mem_zalloc_array(v->n_buckets, sizeof(struct view_row *));
}

void view_rows_fini(struct view_rows *v)
{
    for (struct view_row *r = v->first; r != NULL;) {
        struct view_row *after = r->after;
        mem_free(r);
        r = after;
    }
    mem_free(v->buckets);
    str_fini(&v->packed);
}

/* ---- the hash table ------------------------------------------------------------------------------------- */

static struct view_row **bucket_of(struct view_rows *v, uint64_t hash)
{
    return &v->buckets[hash & (v->n_buckets - 1)];
}

static void grow(struct view_rows *v)
{
    mem_free(v->buckets);
    v->n_buckets *= 2;
    v->buckets = mem_zalloc_array(v->n_buckets, sizeof(struct view_row *));
    for (struct view_row *r = v->first; r != NULL; r = r->after) {
        struct view_row **b = bucket_of(v, r->hash);
        r->same_hash = *b;
        *b = r;
    }
}

static void remove_row(struct view_rows *v, struct view_row *r)
{
    struct view_row **at = bucket_of(v, r->hash);
    while (*at != r) {
        at = &(*at)->same_hash;
    }
    *at = r->same_hash;
    *(r->before != NULL ? &r->before->after : &v->first) = r->after;
    *(r->after != NULL ? &r->after->before : &v->last) = r->before;
    v->n--;
    mem_free(r);
}

/* The newest that is equal: buckets have the newest first. */
static void take_back(struct view_rows *v, struct slice packed, uint64_t hash)
{
    for (struct view_row *r = *bucket_of(v, hash); r != NULL; r = r->same_hash) {
        if (r->hash == hash && r->size == packed.len &&
            memcmp(r->cells, packed.data, packed.len) == 0) {
            remove_row(v, r);
            return;
        }
    }
}

static void append(struct view_rows *v, struct slice packed, uint64_t hash, enum row_kind kind)
{
    struct view_row *r = mem_alloc(sizeof(*r) + packed.len);
    *r = (struct view_row){
        .before = v->last, .hash = hash, .size = (uint32_t)packed.len, .kind = (uint8_t)kind};
    memcpy(r->cells, packed.data, packed.len);
    *(v->last != NULL ? &v->last->after : &v->first) = r;
    v->last = r;
    v->n++;
    if (v->n > v->n_buckets) {
        grow(v);
    } else {
        struct view_row **b = bucket_of(v, hash);
        r->same_hash = *b;
        *b = r;
    }
    if (v->n > v->limit) {
        remove_row(v, v->first);
    }
}

/* ---- cells ------------------------------------------------------------------------------------------------ */

static void pack(struct view_rows *v, const struct batch *strings, uint32_t row)
{
    str_clear(&v->packed);
    for (uint32_t i = 0; i < v->n_columns; i++) {
        const struct column *c = &strings->columns[i];
        bool is_null = column_is_null(c, row);
        struct slice text = is_null ? (struct slice){NULL, 0} : column_get_bytes(c, row);
        uint32_t size = is_null ? 0 : (uint32_t)text.len + 1;
        str_append(&v->packed, (const char *)&size, sizeof(size));
        str_append_slice(&v->packed, text);
    }
}

void view_rows_put(struct view_rows *v, const struct batch *strings)
{
    for (uint32_t i = 0; i < strings->n_sel; i++) {
        uint32_t row = batch_row(strings, i);
        enum row_kind kind = strings->row_kinds != NULL
                                 ? (enum row_kind)strings->row_kinds->data[row]
                                 : ROW_KIND_INSERT;
        pack(v, strings, row);
        struct slice packed = str_slice(&v->packed);
        uint64_t hash = hash_bytes(packed.data, packed.len, 0);
        bool is_gone = kind == ROW_KIND_UPDATE_BEFORE || kind == ROW_KIND_DELETE;
        v->n_received++;
        if (v->adds_up && is_gone) {
            take_back(v, packed, hash);
        } else {
            append(v, packed, hash, v->adds_up ? ROW_KIND_INSERT : kind);
        }
    }
}

const struct view_row *view_rows_at(const struct view_rows *v, uint64_t i)
{
    const struct view_row *r;
    if (i >= v->n) {
        return NULL;
    }
    if (i > v->n / 2) {
        r = v->last;
        for (uint64_t k = v->n - 1; k > i; k--) {
            r = r->before;
        }
        return r;
    }
    r = v->first;
    for (uint64_t k = 0; k < i; k++) {
        r = r->after;
    }
    return r;
}

void view_row_cells(const struct view_row *row, uint32_t n, struct slice *ret)
{
    const unsigned char *at = row->cells;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t size;
        memcpy(&size, at, sizeof(size));
        at += sizeof(size);
        ret[i] = size == 0 ? (struct slice){NULL, 0} : slice_make((const char *)at, size - 1);
        at += ret[i].len;
    }
}
