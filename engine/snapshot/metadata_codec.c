/* The bytes of _metadata, as a stream: of a snapshot of thousands of tasks neither the writer nor the reader
 * has the packed message at once, only a block of it and, reading, the state of one subtask.
 *
 * protobuf-c packs into a buffer of ours, which cuts blocks; it does not unpack from one, so the two levels that
 * grow with the tasks, operators and their subtasks, are split here, and each piece is unpacked by itself.
 *
 * Thread: any.  Flink: MetadataV6Serializer. */
#include "engine/snapshot/metadata_format.h"

#include "common/base/vec.h"
#include "engine/snapshot/metadata.h"
#include <stdlib.h>

/* ---- writing ---------------------------------------------------------------------------------- */

struct block_writer {
    ProtobufCBuffer buffer; /* what protobuf-c appends to */
    metadata_sink_fn sink;
    void *arg;
    uint64_t number;
    size_t len;
    int rc; /* the first failure: the rest is dropped */
    struct error err;
    uint8_t block[sizeof(uint32_t) + METADATA_BLOCK_BYTES]; /* check sum, bytes */
};

static void write_block(struct block_writer *w)
{
    uint32_t crc = metadata_block_crc(w->number++, w->block + sizeof(crc), w->len);
    memcpy(w->block, &crc, sizeof(crc));
    if (w->rc == 0) {
        w->rc = w->sink(w->arg, w->block, sizeof(crc) + w->len, &w->err);
    }
    w->len = 0;
}

static void append(ProtobufCBuffer *buffer, size_t size, const uint8_t *data)
{
    struct block_writer *w = (struct block_writer *)buffer;
    while (size > 0) {
        size_t n = MIN(size, METADATA_BLOCK_BYTES - w->len);
        memcpy(w->block + sizeof(uint32_t) + w->len, data, n);
        w->len += n;
        data += n;
        size -= n;
        if (w->len == METADATA_BLOCK_BYTES) {
            write_block(w);
        }
    }
}

int metadata_encode_to(const Flinc__CheckpointMetadata *m, metadata_sink_fn sink, void *arg,
                       struct error *err)
{
    TRY_CTX(err, metadata_validate(m, err), "writing checkpoint %llu",
            (unsigned long long)m->checkpoint_id);
    size_t size = flinc__checkpoint_metadata__get_packed_size(m);
    if (size > CHECKPOINT_METADATA_BYTES_MAX) {
        return error_set(err, ERR_TOO_LARGE,
                         "the metadata of checkpoint %llu has %zu bytes, %llu are possible: lower "
                         "execution.checkpointing.data-inline-threshold",
                         (unsigned long long)m->checkpoint_id, size,
                         (unsigned long long)CHECKPOINT_METADATA_BYTES_MAX);
    }
    struct metadata_head head = {.tag = METADATA_TAG,
                                 .version = m->version,
                                 .block_bytes = METADATA_BLOCK_BYTES,
                                 .size = size};
    head.crc = crc32c(0, &head, offsetof(struct metadata_head, crc));
    TRY(sink(arg, &head, sizeof(head), err));
    struct block_writer *w = MEM_NEW(struct block_writer);
    w->buffer.append = append;
    w->sink = sink;
    w->arg = arg;
    size_t packed = flinc__checkpoint_metadata__pack_to_buffer(m, &w->buffer);
    ASSERT(packed == size);
    if (w->len > 0) {
        write_block(w);
    }
    int rc = w->rc;
    if (rc < 0 && err != NULL) {
        error_copy(err, &w->err);
    }
    mem_free(w);
    return rc;
}

static int append_to_str(void *arg, const void *data, size_t size, struct error *err)
{
    (void)err;
    str_append(arg, data, size);
    return 0;
}

int metadata_encode(const Flinc__CheckpointMetadata *m, struct str *ret_bytes, struct error *err)
{
    str_clear(ret_bytes);
    return metadata_encode_to(m, append_to_str, ret_bytes, err);
}

/* ---- the head --------------------------------------------------------------------------------- */

/* Other files that people take for a snapshot. */
static int not_ours(const uint8_t *data, size_t size, const char *name, struct error *err)
{
    static const uint8_t FLINK[] = {0x49, 0x60, 0x67, 0x2d};
    if (size >= sizeof(FLINK) && memcmp(data, FLINK, sizeof(FLINK)) == 0) {
        return error_set(
            err, ERR_UNSUPPORTED,
            "%s is a savepoint or checkpoint of Apache Flink: its state is serialized by Java "
            "classes, which Flinc does not run. Start the job without it and let it build its "
            "state "
            "anew: have the sources begin far enough back, or let a job export the state to a "
            "table "
            "or topic with Flink's State Processor API and read that",
            name);
    }
    if (size == 0) {
        return error_set(err, ERR_CORRUPT,
                         "%s is empty: it was not written to its end; use another checkpoint",
                         name);
    }
    return error_set(
        err, ERR_CORRUPT,
        "%s is no checkpoint or savepoint of Flinc, or its head is damaged: it does not "
        "begin as one",
        name);
}

/* `data`: what there is of the first bytes of a file of `size`. */
static int check_head(const uint8_t *data, uint64_t size, const char *name,
                      struct metadata_head *ret, struct error *err)
{
    if (size < sizeof(ret->tag) || memcmp(data, "FLINCCHK", sizeof(ret->tag)) != 0) {
        return not_ours(data, size, name, err);
    }
    if (size < sizeof(*ret)) {
        return error_set(err, ERR_CORRUPT, "%s is cut off in its head: use another checkpoint",
                         name);
    }
    memcpy(ret, data, sizeof(*ret));
    if (ret->crc != crc32c(0, ret, offsetof(struct metadata_head, crc))) {
        return error_set(err, ERR_CORRUPT, "%s is damaged: the check sum of its head does not fit",
                         name);
    }
    if (ret->version == 0 || ret->version > CHECKPOINT_METADATA_VERSION) {
        return error_set(
            err, ERR_UNSUPPORTED,
            "%s has version %u of the format, this Flinc reads versions up to %d: use the "
            "Flinc that wrote it or a newer one",
            name, ret->version, CHECKPOINT_METADATA_VERSION);
    }
    uint64_t n_blocks = (ret->size + METADATA_BLOCK_BYTES - 1) / METADATA_BLOCK_BYTES;
    if (ret->block_bytes != METADATA_BLOCK_BYTES || ret->zero != 0 ||
        ret->size > CHECKPOINT_METADATA_BYTES_MAX) {
        return error_set(err, ERR_CORRUPT, "%s is damaged: its head makes no sense", name);
    }
    uint64_t whole = sizeof(*ret) + n_blocks * sizeof(uint32_t) + ret->size;
    if (size != whole) {
        return error_set(err, ERR_CORRUPT, "%s is damaged: it has %llu bytes, %llu were written",
                         name, (unsigned long long)size, (unsigned long long)whole);
    }
    return 0;
}

/* ---- blocks ----------------------------------------------------------------------------------- */

struct block_reader {
    const struct metadata_source *source; /* Borrows */
    uint64_t at;                          /* in the file: of the next block */
    uint64_t left;                        /* bytes of the message behind the block at hand */
    uint64_t number;                      /* of the next block */
    size_t pos, len;                      /* in the block at hand */
    uint8_t block[sizeof(uint32_t) + METADATA_BLOCK_BYTES];
};

static int unreadable(const struct block_reader *r, struct error *err)
{
    return error_set(err, ERR_CORRUPT, "%s is damaged: its message cannot be read",
                     r->source->name);
}

static int next_block(struct block_reader *r, struct error *err)
{
    size_t n = (size_t)MIN(r->left, (uint64_t)METADATA_BLOCK_BYTES);
    uint32_t crc;
    TRY(r->source->read(r->source->arg, r->at, r->block, sizeof(crc) + n, err));
    memcpy(&crc, r->block, sizeof(crc));
    if (crc != metadata_block_crc(r->number, r->block + sizeof(crc), n)) {
        return error_set(err, ERR_CORRUPT,
                         "%s is damaged: block %llu at byte %llu: the check sum does not fit",
                         r->source->name, (unsigned long long)r->number, (unsigned long long)r->at);
    }
    r->number++;
    r->at += sizeof(crc) + n;
    r->left -= n;
    r->pos = 0;
    r->len = n;
    return 0;
}

/* The next bytes of the message; NULL: skips them. */
static int take_bytes(struct block_reader *r, uint8_t *ret, uint64_t size, struct error *err)
{
    while (size > 0) {
        if (r->pos == r->len) {
            if (r->left == 0) {
                return unreadable(r, err);
            }
            TRY(next_block(r, err));
        }
        size_t n = (size_t)MIN(size, (uint64_t)(r->len - r->pos));
        if (ret != NULL) {
            memcpy(ret, r->block + sizeof(uint32_t) + r->pos, n);
            ret += n;
        }
        r->pos += n;
        size -= n;
    }
    return 0;
}

static int reader_init(struct block_reader *r, const struct metadata_source *source,
                       struct error *err)
{
    uint8_t first[sizeof(struct metadata_head)];
    struct metadata_head head;
    size_t n = (size_t)MIN(source->size, (uint64_t)sizeof(first));
    TRY(source->read(source->arg, 0, first, n, err));
    TRY(check_head(first, source->size, source->name, &head, err));
    r->source = source;
    r->at = sizeof(head);
    r->left = head.size;
    r->number = 0;
    r->pos = r->len = 0;
    return 0;
}

/* ---- pieces of a message ---------------------------------------------------------------------- */

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };
enum { FIELD_OPERATORS = 8, FIELD_SUBTASKS = 10 }; /* of snapshot.proto */

/* Some part of the message: what is left of it. */
struct piece {
    struct block_reader *reader;
    uint64_t left;
};

static int piece_take(struct piece *p, uint8_t *ret, uint64_t size, struct error *err)
{
    if (size > p->left) {
        return unreadable(p->reader, err);
    }
    p->left -= size;
    return take_bytes(p->reader, ret, size, err);
}

/* `raw`: gets its bytes as they are. */
static int take_varint(struct piece *p, uint64_t *ret, struct str *raw, struct error *err)
{
    uint64_t value = 0;
    for (uint32_t shift = 0; shift < 64; shift += 7) {
        uint8_t byte = 0;
        TRY(piece_take(p, &byte, 1, err));
        str_append_char(raw, (char)byte);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret = value;
            return 0;
        }
    }
    return unreadable(p->reader, err);
}

static int take_raw(struct piece *p, uint64_t size, struct str *raw, struct error *err)
{
    uint8_t part[4096];
    while (size > 0) { /* memory grows with what is there, not with what is said */
        size_t n = (size_t)MIN(size, (uint64_t)sizeof(part));
        TRY(piece_take(p, part, n, err));
        str_append(raw, (const char *)part, n);
        size -= n;
    }
    return 0;
}

/* The value of a field that is not split. */
static int take_value(struct piece *p, enum wire wire, struct str *raw, struct error *err)
{
    uint64_t n = 0;
    switch (wire) {
    case WIRE_VARINT:
        return take_varint(p, &n, raw, err);
    case WIRE_64:
        return take_raw(p, 8, raw, err);
    case WIRE_32:
        return take_raw(p, 4, raw, err);
    case WIRE_BYTES:
        TRY(take_varint(p, &n, raw, err));
        return take_raw(p, n, raw, err);
    default:
        return unreadable(p->reader, err);
    }
}

/* Takes one occurrence of the field that is split off: all of `size` bytes. */
typedef int (*split_fn)(void *arg, struct piece *p, uint64_t size, const struct str *rest,
                        struct error *err);

/* Field `number` goes to fn, piece by piece; the bytes of all others are appended to `rest`. */
static int split_piece(struct piece *p, uint32_t number, split_fn fn, void *arg, struct str *rest,
                       struct error *err)
{
    STR_AUTO tag = STR_INIT;
    STR_AUTO length = STR_INIT;
    while (p->left > 0) {
        uint64_t key = 0, size = 0;
        str_clear(&tag);
        TRY(take_varint(p, &key, &tag, err));
        enum wire wire = (enum wire)(key & 7);
        if (key >> 3 != number || wire != WIRE_BYTES) {
            str_append_slice(rest, str_slice(&tag));
            TRY(take_value(p, wire, rest, err));
            continue;
        }
        str_clear(&length);
        TRY(take_varint(p, &size, &length, err));
        if (size > p->left) {
            return unreadable(p->reader, err);
        }
        TRY(fn(arg, p, size, rest, err));
    }
    return 0;
}

/* ---- the whole message ------------------------------------------------------------------------ */

static int take_subtask(struct piece *p, uint64_t size, Flinc__SubtaskSnapshot **ret,
                        struct error *err)
{
    STR_AUTO bytes = STR_INIT;
    TRY(take_raw(p, size, &bytes, err));
    *ret = flinc__subtask_snapshot__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);
    return *ret != NULL ? 0 : unreadable(p->reader, err);
}

static int on_subtask(void *arg, struct piece *p, uint64_t size, const struct str *rest,
                      struct error *err)
{
    Flinc__SubtaskSnapshot *s = NULL;
    (void)rest;
    TRY(take_subtask(p, size, &s, err));
    vec_push_ptr(arg, s);
    return 0;
}

/* The pointers of a vector as an array of protobuf-c's. */
static void *take_array(struct vec *v)
{
    void *array = mem_alloc((v->len + 1) * sizeof(void *));
    if (v->len > 0) {
        memcpy(array, v->data, v->len * sizeof(void *));
    }
    vec_clear(v);
    return array;
}

static int take_operator(struct piece *p, struct vec *subtasks, struct str *rest,
                         Flinc__OperatorSnapshot **ret, struct error *err)
{
    TRY(split_piece(p, FIELD_SUBTASKS, on_subtask, subtasks, rest, err));
    Flinc__OperatorSnapshot *o =
        flinc__operator_snapshot__unpack(NULL, rest->len, (const uint8_t *)str_cstr(rest));
    if (o == NULL || o->n_subtasks > 0) { /* a tag that is written in another way: not by us */
        flinc__operator_snapshot__free_unpacked(o, NULL);
        return unreadable(p->reader, err);
    }
    o->n_subtasks = subtasks->len;
    o->subtasks = take_array(subtasks);
    *ret = o;
    return 0;
}

static int on_operator(void *arg, struct piece *p, uint64_t size, const struct str *unused,
                       struct error *err)
{
    STR_AUTO rest = STR_INIT;
    struct vec subtasks = VEC_INIT(Flinc__SubtaskSnapshot *);
    struct piece o = {p->reader, size};
    Flinc__OperatorSnapshot *made = NULL;
    (void)unused;
    p->left -= size;
    int rc = take_operator(&o, &subtasks, &rest, &made, err);
    for (size_t i = 0; i < subtasks.len; i++) { /* taken, if it went well */
        flinc__subtask_snapshot__free_unpacked(vec_ptr(&subtasks, i), NULL);
    }
    vec_fini(&subtasks);
    TRY(rc);
    vec_push_ptr(arg, made);
    return 0;
}

static int take_message(struct piece *p, struct vec *operators, Flinc__CheckpointMetadata **ret,
                        struct error *err)
{
    STR_AUTO rest = STR_INIT;
    TRY(split_piece(p, FIELD_OPERATORS, on_operator, operators, &rest, err));
    Flinc__CheckpointMetadata *m =
        flinc__checkpoint_metadata__unpack(NULL, rest.len, (const uint8_t *)str_cstr(&rest));
    if (m == NULL || m->n_operators > 0) { /* as above */
        flinc__checkpoint_metadata__free_unpacked(m, NULL);
        return unreadable(p->reader, err);
    }
    m->n_operators = operators->len;
    m->operators = take_array(operators);
    *ret = m;
    return 0;
}

static int decode(struct block_reader *r, const struct metadata_source *source,
                  Flinc__CheckpointMetadata **ret, struct error *err)
{
    struct vec operators = VEC_INIT(Flinc__OperatorSnapshot *);
    Flinc__CheckpointMetadata *m = NULL;
    TRY(reader_init(r, source, err));
    struct piece p = {r, r->left};
    int rc = take_message(&p, &operators, &m, err);
    for (size_t i = 0; i < operators.len; i++) { /* as above */
        flinc__operator_snapshot__free_unpacked(vec_ptr(&operators, i), NULL);
    }
    vec_fini(&operators);
    TRY(rc);
    struct error why = ERROR_INIT;
    if (metadata_validate(m, &why) < 0) {
        flinc__checkpoint_metadata__free_unpacked(m, NULL);
        return error_set(err, ERR_CORRUPT, "%s is damaged: %s", source->name, why.message);
    }
    *ret = m;
    return 0;
}

int metadata_decode_from(const struct metadata_source *source, Flinc__CheckpointMetadata **ret,
                         struct error *err)
{
    struct block_reader *r = mem_alloc(sizeof(*r));
    int rc = decode(r, source, ret, err);
    mem_free(r);
    return rc;
}

struct memory {
    const uint8_t *data; /* Borrows */
    size_t size;
};

static int read_memory(void *arg, uint64_t at, void *data, size_t size, struct error *err)
{
    const struct memory *m = arg;
    (void)err;
    ASSERT(at <= m->size && size <= m->size - at); /* the head is checked against the size */
    if (size > 0) {
        memcpy(data, m->data + at, size);
    }
    return 0;
}

int metadata_decode(const uint8_t *data, size_t size, const char *name,
                    Flinc__CheckpointMetadata **ret, struct error *err)
{
    struct memory m = {data, size};
    const struct metadata_source source = {read_memory, &m, size, name};
    return metadata_decode_from(&source, ret, err);
}

/* ---- one operator ----------------------------------------------------------------------------- */

struct scan {
    ProtobufCBinaryData id; /* Borrows */
    metadata_subtask_fn fn;
    void *arg;
    bool found;
    bool is_wanted; /* the operator at hand, when it is decided */
    bool is_decided;
};

/* Ids come before subtasks. */
static int decide(struct scan *s, const struct piece *p, const struct str *rest, struct error *err)
{
    Flinc__OperatorSnapshot *o =
        flinc__operator_snapshot__unpack(NULL, rest->len, (const uint8_t *)str_cstr(rest));
    if (o == NULL) {
        return unreadable(p->reader, err);
    }
    s->is_wanted =
        o->operator_id.len == s->id.len && memcmp(o->operator_id.data, s->id.data, s->id.len) == 0;
    s->is_decided = true;
    s->found = s->found || s->is_wanted;
    flinc__operator_snapshot__free_unpacked(o, NULL);
    return 0;
}

static int scan_subtask(void *arg, struct piece *p, uint64_t size, const struct str *rest,
                        struct error *err)
{
    struct scan *s = arg;
    Flinc__SubtaskSnapshot *subtask = NULL;
    if (!s->is_decided) {
        TRY(decide(s, p, rest, err));
    }
    if (!s->is_wanted) {
        return piece_take(p, NULL, size, err);
    }
    TRY(take_subtask(p, size, &subtask, err));
    int rc = s->fn(s->arg, subtask, err);
    flinc__subtask_snapshot__free_unpacked(subtask, NULL);
    return rc;
}

static int scan_operator(void *arg, struct piece *p, uint64_t size, const struct str *unused,
                         struct error *err)
{
    STR_AUTO rest = STR_INIT;
    struct scan *s = arg;
    struct piece o = {p->reader, size};
    (void)unused;
    s->is_decided = false;
    p->left -= size;
    return split_piece(&o, FIELD_SUBTASKS, scan_subtask, s, &rest, err);
}

static int scan_all(struct block_reader *r, const struct metadata_source *source, struct scan *s,
                    struct error *err)
{
    STR_AUTO rest = STR_INIT;
    TRY(reader_init(r, source, err));
    struct piece p = {r, r->left};
    TRY(split_piece(&p, FIELD_OPERATORS, scan_operator, s, &rest, err));
    return s->found ? 0
                    : error_set(err, ERR_CORRUPT,
                                "%s has no state of the operator that is restored", source->name);
}

int metadata_scan_from(const struct metadata_source *source, ProtobufCBinaryData operator_id,
                       metadata_subtask_fn fn, void *arg, struct error *err)
{
    struct scan s = {.id = operator_id, .fn = fn, .arg = arg};
    struct block_reader *r = mem_alloc(sizeof(*r));
    int rc = scan_all(r, source, &s, err);
    mem_free(r);
    return rc;
}
