/* Opening a segment: head, foot, index and declarations are read and checked in full, so that afterwards
 * every block is known to lie inside the file, beside the others.
 *
 * Nothing is believed before its check sum fits, and no number is used before it was compared with what
 * is there.  Thread: one owner. */
#include "engine/snapshot/segment_read.h"

#include "common/base/failpoint.h"
#include <stdio.h>

/* ---- errors, bytes ---------------------------------------------------------------------------- */

int segment_damaged(const struct segment_reader *r, struct error *err, const char *part,
                    const char *what)
{
    return error_set(err, ERR_CORRUPT, "%s is damaged: %s: %s", r->name, part, what);
}

int segment_block_damaged(const struct segment_reader *r, struct error *err, uint64_t number,
                          const char *what)
{
    return error_set(err, ERR_CORRUPT, "%s is damaged: block %llu at byte %llu: %s", r->name,
                     (unsigned long long)number, (unsigned long long)r->blocks[number].offset,
                     what);
}

int segment_reader_bytes(const struct segment_reader *r, uint64_t offset, void *ret, size_t size,
                         struct error *err)
{
    ASSERT(offset <= r->size && size <= r->size - offset);
    if (r->in == NULL) {
        memcpy(ret, r->bytes + offset, size);
        return 0;
    }
    size_t n = 0;
    TRY(FAILPOINT(err, "snapshot.segment.read"));
    TRY(fs_input_read_at(r->in, r->begin + offset, ret, size, &n, err));
    if (n != size) {
        return error_set(err, ERR_CORRUPT,
                         "%s was cut while it was read: bytes %llu to %llu are gone", r->name,
                         (unsigned long long)(offset + n), (unsigned long long)(offset + size));
    }
    return 0;
}

/* ---- head, foot, index ------------------------------------------------------------------------ */

static int open_bytes(struct segment_reader *r, const Flinc__StateBlob *blob, const char *directory,
                      struct error *err)
{
    STR_AUTO uri = STR_INIT;
    STR_AUTO name = STR_INIT;
    TRY(state_blob_source(blob, directory, &uri, err));
    if (uri.len == 0) {
        r->name = mem_strdup("keyed state inside the snapshot's metadata");
        r->bytes = blob->inline_data.len > 0
                       ? mem_dup(blob->inline_data.data, blob->inline_data.len)
                       : NULL;
        TRY(state_blob_check_file(blob, r->name, blob->inline_data.len, err));
    } else {
        state_blob_print(blob, str_cstr(&uri), &name);
        r->name = str_take(&name);
        TRY_CTX(err, fs_open(str_cstr(&uri), FS_ACCESS_SEQUENTIAL, &r->in, err),
                "reading keyed state");
        TRY(state_blob_check_file(blob, str_cstr(&uri), fs_input_size(r->in), err));
    }
    r->size = blob->size;
    r->begin = state_blob_offset(blob);
    uint64_t least = sizeof(struct segment_head) + sizeof(struct segment_index_record) +
                     sizeof(struct segment_foot);
    if (r->size < least || r->size % SEGMENT_ALIGN != 0) {
        return segment_damaged(r, err, "its size", "no segment is this long");
    }
    return 0;
}

static int read_head(struct segment_reader *r, const Flinc__KeyedSegment *handle, struct error *err)
{
    struct segment_head *h = &r->head;
    TRY(segment_reader_bytes(r, 0, h, sizeof(*h), err));
    if (h->tag != SEGMENT_TAG_HEAD) {
        return segment_damaged(r, err, "its head", "it does not begin as keyed state does");
    }
    if (h->crc != segment_crc(h, sizeof(*h), offsetof(struct segment_head, crc))) {
        return segment_damaged(r, err, "its head", "the check sum does not fit");
    }
    if (h->version != SEGMENT_VERSION) {
        return error_set(err, ERR_UNSUPPORTED,
                         "%s has version %u of the format of keyed state, this Flinc reads version "
                         "%d: use the Flinc that wrote it or a newer one",
                         r->name, h->version, SEGMENT_VERSION);
    }
    if (h->max_parallelism == 0 || h->first_group > h->last_group ||
        h->last_group >= h->max_parallelism || h->is_base > 1) {
        return segment_damaged(r, err, "its head", "its key groups make no sense");
    }
    if (h->first_group != handle->first_group || h->last_group != handle->last_group ||
        h->checkpoint_id != handle->checkpoint_id || (h->is_base != 0) != (handle->is_base != 0)) {
        return segment_damaged(r, err, "its head",
                               "it is not the segment that the snapshot's metadata describes");
    }
    return 0;
}

static int read_foot(struct segment_reader *r, struct segment_foot *ret, struct error *err)
{
    uint64_t at = r->size - sizeof(*ret);
    TRY(segment_reader_bytes(r, at, ret, sizeof(*ret), err));
    if (ret->tag != SEGMENT_TAG_FOOT ||
        ret->crc != segment_crc(ret, sizeof(*ret), offsetof(struct segment_foot, crc))) {
        return segment_damaged(r, err, "its end", "the check sum does not fit");
    }
    if (ret->index_size < sizeof(struct segment_index_record) || ret->index_size > at ||
        ret->index_offset != at - ret->index_size ||
        ret->index_offset < sizeof(struct segment_head)) {
        return segment_damaged(r, err, "its end", "the index is not where it says");
    }
    return 0;
}

static int read_index(struct segment_reader *r, const struct segment_foot *foot,
                      struct segment_index_record *ret, struct error *err)
{
    r->index = mem_alloc(foot->index_size);
    TRY(segment_reader_bytes(r, foot->index_offset, r->index, foot->index_size, err));
    memcpy(ret, r->index, sizeof(*ret));
    if (ret->tag != SEGMENT_TAG_INDEX ||
        ret->crc !=
            segment_crc(r->index, foot->index_size, offsetof(struct segment_index_record, crc))) {
        return segment_damaged(r, err, "its index", "the check sum does not fit");
    }
    uint64_t room = foot->index_size - sizeof(*ret);
    if (ret->size != foot->index_size || ret->n_states > SEGMENT_STATES_MAX ||
        ret->n_blocks > room / sizeof(struct segment_index_block) ||
        room != ret->n_states * sizeof(struct segment_index_state) +
                    ret->n_blocks * sizeof(struct segment_index_block)) {
        return segment_damaged(r, err, "its index", "it has another size than it says");
    }
    return 0;
}

static bool index_block_is_sane(const struct segment_reader *r, const struct segment_index_block *b,
                                uint32_t n_states)
{
    bool is_drop = b->kind == SEGMENT_BLOCK_DROP;
    return b->kind <= SEGMENT_BLOCK_DROP && b->state_id < n_states &&
           b->first_group <= b->last_group && b->first_group >= r->head.first_group &&
           b->last_group <= r->head.last_group && b->n_rows <= BATCH_ROWS_MAX &&
           is_drop == (b->n_rows == 0) && b->size >= sizeof(struct segment_block_record);
}

/* All records in the order of their places: they must cover what lies between head and index.  A state is
 * declared before its first block. */
static int check_index(const struct segment_reader *r, const struct segment_index_state *states,
                       const struct segment_index_record *index, uint64_t end, struct error *err)
{
    uint64_t pos = sizeof(struct segment_head), n_entries = 0;
    uint64_t block = 0;
    uint32_t state = 0;
    while (state < index->n_states || block < index->n_blocks) {
        bool is_state = state < index->n_states && states[state].offset == pos;
        uint64_t size = 0;
        if (is_state) {
            size = states[state].size;
            if (states[state].id != state || size < sizeof(struct segment_state_record)) {
                return segment_damaged(r, err, "its index", "a state is described wrongly");
            }
            state++;
        } else if (block < index->n_blocks && r->blocks[block].offset == pos &&
                   index_block_is_sane(r, &r->blocks[block], state)) {
            size = r->blocks[block].size;
            n_entries += r->blocks[block].n_rows;
            block++;
        } else {
            return segment_damaged(r, err, "its index", "a part is not where it has to be");
        }
        if (size % SEGMENT_ALIGN != 0 || size > end - pos) {
            return segment_damaged(r, err, "its index", "a part is longer than there is room");
        }
        pos += size;
    }
    if (pos != end || n_entries != index->n_entries) {
        return segment_damaged(r, err, "its index", "it does not cover all that is there");
    }
    return 0;
}

/* ---- states ----------------------------------------------------------------------------------- */

static int parse_schema(struct slice text, struct schema **ret, struct error *err)
{
    if (text.len == 0) {
        *ret = schema_new(NULL, NULL, 0);
        return 0;
    }
    return schema_parse(text, ret, err);
}

static struct schema *row_schema(const struct schema *key, const struct schema *value)
{
    uint32_t n = key->n_fields + value->n_fields;
    const char **names = MEM_NEW_ARRAY(const char *, n + 1);
    struct data_type **types = MEM_NEW_ARRAY(struct data_type *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        const struct field *f =
            i < key->n_fields ? &key->fields[i] : &value->fields[i - key->n_fields];
        names[i] = f->name;
        types[i] = type_ref(f->type);
    }
    struct schema *row = schema_new(names, types, n);
    mem_free(names);
    mem_free(types);
    return row;
}

static int parse_state(struct segment_reader *r, uint32_t id, const uint8_t *bytes, size_t size,
                       struct error *err)
{
    struct segment_state_record h;
    struct reader_state *s = &r->states[id];
    memcpy(&h, bytes, sizeof(h));
    uint64_t lens[] = {h.name_len, h.kind_len, h.key_schema_len, h.value_schema_len};
    uint64_t total = sizeof(h) + lens[0] + lens[1] + lens[2] + lens[3];
    if (h.size != size || h.id != id || h.name_len == 0 || h.name_len > SEGMENT_STATE_NAME_MAX ||
        h.kind_len > SEGMENT_STATE_NAME_MAX || segment_align(total) != size) {
        return error_set(err, ERR_CORRUPT, "it has another size than it says");
    }
    const char *text = (const char *)bytes + sizeof(h);
    s->name = mem_strndup(text, lens[0]);
    s->kind = mem_strndup(text + lens[0], lens[1]);
    text += lens[0] + lens[1];
    TRY(parse_schema(slice_make(text, lens[2]), &s->key, err));
    TRY(parse_schema(slice_make(text + lens[2], lens[3]), &s->value, err));
    if (h.n_key_columns > s->key->n_fields ||
        s->key->n_fields + s->value->n_fields > SCHEMA_FIELDS_MAX) {
        return error_set(err, ERR_CORRUPT, "its columns make no sense");
    }
    s->row = row_schema(s->key, s->value);
    s->shown = (struct segment_state){
        .name = s->name,
        .kind = s->kind,
        .key_schema = s->key,
        .n_key_columns = h.n_key_columns,
        .value_schema = s->value,
        .ttl_ms = h.ttl_ms,
    };
    return 0;
}

static int read_state(struct segment_reader *r, const struct segment_index_state *at,
                      struct error *err)
{
    char part[64];
    snprintf(part, sizeof(part), "state %u at byte %llu", at->id, (unsigned long long)at->offset);
    uint8_t *bytes = mem_alloc(at->size);
    struct segment_state_record h;
    int rc = segment_reader_bytes(r, at->offset, bytes, at->size, err);
    if (rc == 0) {
        memcpy(&h, bytes, sizeof(h));
        size_t crc_at = offsetof(struct segment_state_record, crc);
        if (h.tag != SEGMENT_TAG_STATE || h.crc != segment_crc(bytes, at->size, crc_at)) {
            rc = segment_damaged(r, err, part, "the check sum does not fit");
        }
    }
    if (rc == 0) {
        struct error why = ERROR_INIT;
        r->n_states = at->id + 1;
        rc = parse_state(r, at->id, bytes, at->size, &why);
        if (rc < 0) {
            rc = segment_damaged(r, err, part, why.message);
        }
    }
    mem_free(bytes);
    return rc;
}

/* ---- life ------------------------------------------------------------------------------------- */

static int reader_load(struct segment_reader *r, const Flinc__KeyedSegment *segment,
                       const char *directory, struct error *err)
{
    struct segment_foot foot;
    struct segment_index_record index;
    if (segment->blob == NULL) {
        return error_set(err, ERR_CORRUPT, "a segment of keyed state without bytes");
    }
    TRY(FAILPOINT(err, "snapshot.segment.open"));
    TRY(open_bytes(r, segment->blob, directory, err));
    TRY(read_head(r, segment, err));
    TRY(read_foot(r, &foot, err));
    TRY(read_index(r, &foot, &index, err));
    const uint8_t *states_at = r->index + sizeof(index);
    const struct segment_index_state *states = (const void *)states_at;
    r->blocks = (const void *)(states_at + index.n_states * sizeof(*states));
    r->n_blocks = index.n_blocks;
    TRY(check_index(r, states, &index, foot.index_offset, err));
    if (index.n_entries != segment->n_entries) {
        return segment_damaged(r, err, "its index",
                               "it is not the segment that the snapshot's metadata describes");
    }
    r->states = MEM_NEW_ARRAY(struct reader_state, index.n_states + 1);
    for (uint32_t i = 0; i < index.n_states; i++) {
        TRY(read_state(r, &states[i], err));
    }
    return 0;
}

int segment_reader_open(const Flinc__KeyedSegment *segment, const char *directory,
                        struct segment_reader **ret, struct error *err)
{
    struct segment_reader *r = MEM_NEW(struct segment_reader);
    vec_init(&r->runs, sizeof(struct segment_run));
    int rc = reader_load(r, segment, directory, err);
    if (rc < 0) {
        segment_reader_close(r);
        return rc;
    }
    *ret = r;
    return 0;
}

struct segment_reader *segment_reader_close(struct segment_reader *r)
{
    if (r == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < r->n_states; i++) {
        struct reader_state *s = &r->states[i];
        mem_free(s->name);
        mem_free(s->kind);
        schema_unref(s->key);
        schema_unref(s->value);
        schema_unref(s->row);
    }
    mem_free(r->states);
    mem_free(r->index);
    mem_free(r->bytes);
    mem_free(r->name);
    vec_fini(&r->runs);
    fs_input_close(r->in);
    mem_free(r);
    return NULL;
}

uint32_t segment_reader_n_states(const struct segment_reader *r)
{
    return r->n_states;
}

const struct segment_state *segment_reader_state(const struct segment_reader *r, uint32_t id)
{
    ASSERT(id < r->n_states);
    return &r->states[id].shown;
}

uint32_t segment_reader_max_parallelism(const struct segment_reader *r)
{
    return r->head.max_parallelism;
}

bool segment_reader_is_base(const struct segment_reader *r)
{
    return r->head.is_base != 0;
}

void segment_reader_stats(const struct segment_reader *r, uint32_t state_id,
                          struct segment_stats *ret_stats)
{
    struct segment_stats stats = {0};
    for (uint64_t i = 0; i < r->n_blocks; i++) {
        const struct segment_index_block *b = &r->blocks[i];
        if (b->state_id == state_id) {
            stats.n_blocks++;
            stats.n_put_rows += b->kind == SEGMENT_BLOCK_PUT ? b->n_rows : 0;
            stats.n_removed_rows += b->kind == SEGMENT_BLOCK_REMOVE ? b->n_rows : 0;
            stats.size_bytes += b->size;
        }
    }
    *ret_stats = stats;
}
