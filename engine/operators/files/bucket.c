/* Buckets of rows; see bucket.h. */
#include "engine/operators/files/bucket.h"

#include "common/text/utf8.h"
#include "engine/operators/files/path_escape.h"

int file_buckets_check(const Flinc__FileSinkConfig *config, struct error *err)
{
    const Flinc__FileBuckets *o = config->buckets;

    if (o == NULL || o->kind != FLINC__FILE_BUCKET_KIND__FILE_BUCKET_DATE_TIME) {
        return 0;
    }
    return date_pattern_check(o->date_format, err);
}

static int open_partitions(struct file_buckets *b, struct error *err)
{
    const Flinc__FilePartitions *p = b->config->buckets->partitions;
    const struct schema *s = b->ctx->input_schemas[0];
    bool good = p != NULL && p->n_columns > 0 && p->n_columns == p->n_names;

    for (size_t i = 0; good && i < p->n_columns; i++) {
        good = p->columns[i] < s->n_fields;
    }
    return good ? 0 : error_set(err, ERR_PARSE, "the partitions of the file sink are damaged");
}

int file_buckets_open(struct file_buckets *b, struct op_context *ctx,
                      const Flinc__FileSinkConfig *config, struct user_function *function,
                      struct error *err)
{
    const Flinc__FileBuckets *o = config->buckets;

    *b = (struct file_buckets){.ctx = ctx, .config = config, .function = function};
    b->kind = o != NULL ? o->kind : FLINC__FILE_BUCKET_KIND__FILE_BUCKET_BASE_PATH;
    map_init(&b->by_id, NULL);
    b->groups = MEM_NEW_ARRAY(struct bucket_group, BATCH_ROWS_MAX);
    b->group_of = MEM_NEW_ARRAY(uint16_t, BATCH_ROWS_MAX);
    b->rows = MEM_NEW_ARRAY(uint16_t, BATCH_ROWS_MAX);
    if (b->kind == FLINC__FILE_BUCKET_KIND__FILE_BUCKET_DATE_TIME) {
        return date_pattern_init(&b->pattern, o->date_format, o->zone, err);
    }
    if (b->kind == FLINC__FILE_BUCKET_KIND__FILE_BUCKET_PARTITIONS) {
        return open_partitions(b, err);
    }
    if (b->kind == FLINC__FILE_BUCKET_KIND__FILE_BUCKET_FUNCTION) {
        if (config->record == NULL || function == NULL) {
            return error_set(err, ERR_PARSE, "a bucket function without the struct that it reads");
        }
        return row_reader_init(&b->reader, config->record, ctx->input_schemas[0],
                               "the input of the bucket function", err);
    }
    return 0;
}

static void bucket_free(struct file_bucket *k)
{
    mem_free(k->id);
    mem_free(k);
}

void file_buckets_fini(struct file_buckets *b)
{
    MAP_FOREACH (&b->by_id, e) {
        bucket_free(e->value);
    }
    map_fini(&b->by_id);
    date_pattern_fini(&b->pattern);
    row_reader_fini(&b->reader);
    str_fini(&b->text.str);
    mem_free(b->groups);
    mem_free(b->group_of);
    mem_free(b->rows);
    *b = (struct file_buckets){.ctx = NULL};
}

void file_buckets_sweep(struct file_buckets *b)
{
    if (b->by_id.len <= BUCKETS_KEPT_MAX) {
        return;
    }
    MAP_FOREACH (&b->by_id, e) {
        struct file_bucket *k = e->value;
        if (!k->part.is_begun) {
            (void)map_remove(&b->by_id, e->key);
            bucket_free(k);
        }
    }
    memset(b->units, 0, sizeof(b->units));
    b->last = NULL;
}

/* ---- ids ------------------------------------------------------------------------------------------------- */

/* What is wrong with a relative path of folders; NULL: nothing. */
static const char *id_flaw(struct slice id)
{
    struct slice rest = id;
    struct slice part;

    if (id.len > BUCKET_ID_MAX) {
        return "it is longer than 1024 bytes";
    }
    if (memchr(id.data, '\0', id.len) != NULL) {
        return "it has a NUL";
    }
    if (!utf8_validate(id.data, id.len, NULL)) {
        return "it is no UTF-8";
    }
    while (slice_next(&rest, '/', &part)) {
        if (part.len == 0) {
            return "it begins or ends with a slash, or has two together";
        }
        if (part.data[0] == '.') {
            return "it has '..', or a folder whose name begins with a dot, which readers leave out";
        }
        if (part.len > BUCKET_COMPONENT_MAX) {
            return "a folder of it has a name of more than 255 bytes";
        }
    }
    return NULL;
}

static COLD int bad_id(struct slice id, const char *flaw, struct error *err)
{
    STR_AUTO clean = STR_INIT;

    for (size_t i = 0; i < MIN(id.len, (size_t)100); i++) {
        unsigned char c = (unsigned char)id.data[i];
        if (c < 0x20 || c >= 0x7f) {
            str_printf(&clean, "\\x%02x", c);
        } else {
            str_append_char(&clean, (char)c);
        }
    }
    return error_set(err, ERR_USER_CODE,
                     "the bucket '%s' cannot be a folder below the sink's: %s; a bucket is a "
                     "relative path as in 2020-01-31/us",
                     str_cstr(&clean), flaw);
}

static int bucket_of(struct file_buckets *b, struct slice id, struct file_bucket **ret,
                     struct error *err)
{
    struct file_bucket *k = b->last;

    if (k != NULL && slice_eq_cstr(id, k->id)) {
        *ret = k;
        return 0;
    }
    k = map_find_bytes(&b->by_id, id.data != NULL ? id.data : "", id.len);
    if (k == NULL) {
        const char *flaw = id.len > 0 ? id_flaw(id) : NULL;
        if (UNLIKELY(flaw != NULL)) {
            return bad_id(id, flaw, err);
        }
        k = MEM_NEW(struct file_bucket);
        k->id = mem_strndup(id.data != NULL ? id.data : "", id.len);
        map_put_bytes(&b->by_id, k->id, id.len, k);
    }
    b->last = k;
    *ret = k;
    return 0;
}

static int bucket_of_time(struct file_buckets *b, int64_t time_ms, struct file_bucket **ret,
                          struct error *err)
{
    int64_t unit = date_pattern_unit(&b->pattern, time_ms);
    struct bucket_unit *u = &b->units[(uint64_t)unit % BUCKET_UNITS];

    if (LIKELY(u->bucket != NULL && u->unit == unit)) {
        *ret = u->bucket;
        return 0;
    }
    str_clear(&b->text.str);
    date_pattern_append(&b->pattern, unit, &b->text.str);
    TRY(bucket_of(b, str_slice(&b->text.str), ret, err));
    *u = (struct bucket_unit){unit, *ret};
    return 0;
}

/* ---- grouping ---------------------------------------------------------------------------------------------- */

/* The number of a bucket among those of this batch. */
static ALWAYS_INLINE uint16_t group_of(struct file_buckets *b, struct file_bucket *k)
{
    if (k->batch != b->batch) {
        k->batch = b->batch;
        k->group = b->n_groups++;
        b->groups[k->group] = (struct bucket_group){.bucket = k};
    }
    b->groups[k->group].n++;
    return (uint16_t)k->group;
}

static int group_by_time(struct file_buckets *b, const struct batch *batch, struct error *err)
{
    const int64_t *times =
        batch->timestamps != NULL ? (const int64_t *)(const void *)batch->timestamps->data : NULL;

    for (uint32_t i = 0; i < batch->n_sel; i++) {
        struct file_bucket *k = NULL;
        int64_t time = times != NULL ? times[batch_row(batch, i)] : BATCH_NO_TIMESTAMP;
        if (UNLIKELY(time == BATCH_NO_TIMESTAMP)) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "a record without a timestamp has no bucket of event time; assign "
                             "timestamps before the sink, or use buckets of processing time");
        }
        TRY(bucket_of_time(b, time, &k, err));
        b->group_of[i] = group_of(b, k);
    }
    return 0;
}

static int group_by_function(struct file_buckets *b, const struct batch *batch, struct error *err)
{
    struct user_function *fn = b->function;
    int (*call)(flinc_ctx *, const void *, flinc_text *) =
        (int (*)(flinc_ctx *, const void *, flinc_text *))fn->call;
    uint32_t n = 0;

    row_reader_start(&b->reader, batch);
    for (uint32_t at = 0;; at += n) {
        TRY(row_reader_next(&b->reader, &n, err));
        if (n == 0) {
            return 0;
        }
        for (uint32_t i = 0; i < n; i++) {
            struct file_bucket *k = NULL;
            if (i % USER_CANCEL_ROWS == 0) {
                TRY(user_function_check_cancelled(fn, err));
            }
            str_clear(&b->text.str);
            int rc = call(&fn->ctx, row_reader_row(&b->reader, i), &b->text);
            if (UNLIKELY(rc < 0 || fn->ctx.failed)) {
                return user_function_failed(fn, rc, err);
            }
            TRY_CTX(err, bucket_of(b, str_slice(&b->text.str), &k, err), "calling function '%s'",
                    fn->ref->name);
            b->group_of[at + i] = group_of(b, k);
        }
    }
}

/* "dt=2020-01-31/country=de" */
static void append_partition(struct file_buckets *b, const struct batch *batch, uint32_t row)
{
    const Flinc__FilePartitions *p = b->config->buckets->partitions;
    struct str *id = &b->text.str;

    str_clear(id);
    for (size_t i = 0; i < p->n_columns; i++) {
        const struct column *c = &batch->columns[p->columns[i]];
        STR_AUTO value = STR_INIT;
        if (!column_is_null(c, row)) {
            column_print_cell(c, row, &value);
        }
        if (value.len == 0) {
            str_append_cstr(&value, p->default_name);
        }
        if (i > 0) {
            str_append_char(id, '/');
        }
        path_escape(slice_cstr(p->names[i]), id);
        str_append_char(id, '=');
        path_escape(str_slice(&value), id);
    }
}

static bool is_same_cell(const struct column *c, uint32_t row, uint32_t other)
{
    uint32_t width = c->type->width;

    if (column_is_null(c, row) || column_is_null(c, other)) {
        return column_is_null(c, row) && column_is_null(c, other);
    }
    if (c->type->layout == LAYOUT_VIEW) {
        return slice_eq(column_get_bytes(c, row), column_get_bytes(c, other));
    }
    return width > 0 && memcmp(c->values->data + (size_t)row * width,
                               c->values->data + (size_t)other * width, width) == 0;
}

/* Rows of a partition often follow each other. */
static bool is_same_partition(const struct file_buckets *b, const struct batch *batch, uint32_t row,
                              uint32_t other)
{
    const Flinc__FilePartitions *p = b->config->buckets->partitions;

    for (size_t i = 0; i < p->n_columns; i++) {
        if (!is_same_cell(&batch->columns[p->columns[i]], row, other)) {
            return false;
        }
    }
    return true;
}

static int group_by_partition(struct file_buckets *b, const struct batch *batch, struct error *err)
{
    struct file_bucket *k = NULL;

    for (uint32_t i = 0; i < batch->n_sel; i++) {
        uint32_t row = batch_row(batch, i);
        if (k == NULL || !is_same_partition(b, batch, row, batch_row(batch, i - 1))) {
            append_partition(b, batch, row);
            TRY(bucket_of(b, str_slice(&b->text.str), &k, err));
        }
        b->group_of[i] = group_of(b, k);
    }
    return 0;
}

static int group_all(struct file_buckets *b, const struct batch *batch, struct file_bucket *k)
{
    (void)group_of(b, k);
    b->groups[0].n = batch->n_sel;
    return 0;
}

/* Physical rows, group by group, each group in the order of the batch. */
static void sort_rows(struct file_buckets *b, const struct batch *batch)
{
    uint32_t first = 0;

    for (uint32_t g = 0; g < b->n_groups; g++) {
        b->groups[g].first = first;
        first += b->groups[g].n;
        b->groups[g].n = 0;
    }
    for (uint32_t i = 0; i < batch->n_sel; i++) {
        struct bucket_group *g = &b->groups[b->group_of[i]];
        b->rows[g->first + g->n++] = (uint16_t)batch_row(batch, i);
    }
}

int file_buckets_group(struct file_buckets *b, const struct batch *batch, struct error *err)
{
    struct file_bucket *k = NULL;

    b->batch++;
    b->n_groups = 0;
    switch (b->kind) {
    case FLINC__FILE_BUCKET_KIND__FILE_BUCKET_DATE_TIME:
        if (!b->config->buckets->event_time) {
            TRY(bucket_of_time(b, clock_now_ms(b->ctx->clock), &k, err));
            return group_all(b, batch, k);
        }
        TRY(group_by_time(b, batch, err));
        break;
    case FLINC__FILE_BUCKET_KIND__FILE_BUCKET_FUNCTION:
        TRY(group_by_function(b, batch, err));
        break;
    case FLINC__FILE_BUCKET_KIND__FILE_BUCKET_PARTITIONS:
        TRY(group_by_partition(b, batch, err));
        break;
    default:
        TRY(bucket_of(b, slice_make("", 0), &k, err));
        return group_all(b, batch, k);
    }
    if (b->n_groups > 1) {
        sort_rows(b, batch);
    }
    return 0;
}
