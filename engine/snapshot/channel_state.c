/* Writing and reading channel state (channel_state.h). */
#include "engine/snapshot/channel_state.h"

#include "common/base/failpoint.h"
#include "engine/snapshot/segment_format.h"
#include <inttypes.h>

/* Tags of the parts, as they read in a dump. */
#define CHANNEL_TAG_HEAD 0x4e414843434e494cu /* "LINCCHAN" */
#define CHANNEL_TAG_FOOT 0x444e4543434e494cu /* "LINCCEND" */
#define CHANNEL_TAG_BLOCK 0x4d454c45u        /* "ELEM" */

struct channel_head {
    uint64_t tag;
    uint16_t version;
    uint16_t zero0;
    uint32_t crc;
    uint64_t checkpoint_id;
    uint32_t n_channels;
    uint32_t zero1;
};
_Static_assert(sizeof(struct channel_head) == 32, "part of the format");

/* Behind it: the encoded batch, a multiple of 16 bytes. */
struct channel_block {
    uint32_t tag;
    uint32_t size; /* of the block */
    uint32_t crc;
    uint32_t channel;
    uint64_t number; /* from 0 */
    int64_t watermark_ms;
    uint32_t kind; /* channel_state_kind */
    uint32_t n_rows;
    uint64_t zero;
};
_Static_assert(sizeof(struct channel_block) == 48, "part of the format");

struct channel_foot {
    uint64_t n_blocks;
    uint64_t n_rows;
    uint32_t crc;
    uint32_t zero;
    uint64_t tag;
};
_Static_assert(sizeof(struct channel_foot) == 32, "part of the format");

/* ---- writing ------------------------------------------------------------------------------------ */

struct channel_state_writer {
    struct snapshot_output *out;    /* Owns; NULL: nothing was put yet */
    struct snapshot_target *target; /* Owns a ref */
    struct batch_encoder encoder;
    uint64_t checkpoint_id, n_blocks, n_rows;
    uint32_t n_channels, partitioner;
    ProtobufCBinaryData edge_id; /* Owns */
    int rc;
    struct error error;
    bool finished;
};

struct channel_state_writer *channel_state_writer_new(const struct channel_state_options *o)
{
    struct channel_state_writer *w = MEM_NEW(struct channel_state_writer);
    w->target = snapshot_target_ref(o->target);
    w->checkpoint_id = o->checkpoint_id;
    w->n_channels = o->n_channels;
    w->partitioner = o->partitioner;
    w->edge_id = (ProtobufCBinaryData){o->edge_id->len, mem_dup(o->edge_id->data, o->edge_id->len)};
    batch_encoder_init(&w->encoder, o->pool);
    w->encoder.omit = BATCH_PART_HASHES;
    return w;
}

struct channel_state_writer *channel_state_writer_free(struct channel_state_writer *w)
{
    if (w != NULL) {
        snapshot_output_free(w->out);
        snapshot_target_unref(w->target);
        batch_encoder_fini(&w->encoder);
        mem_free(w->edge_id.data);
        mem_free(w);
    }
    return NULL;
}

static int writer_append(struct channel_state_writer *w, const void *data, size_t size)
{
    return snapshot_output_append(w->out, data, size, &w->error);
}

/* The file begins with its first block. */
static int writer_begin(struct channel_state_writer *w)
{
    if (w->out != NULL) {
        return 0;
    }
    struct channel_head head = {.tag = CHANNEL_TAG_HEAD,
                                .version = CHANNEL_STATE_VERSION,
                                .checkpoint_id = w->checkpoint_id,
                                .n_channels = w->n_channels};
    head.crc = segment_crc(&head, sizeof(head), offsetof(struct channel_head, crc));
    w->out = snapshot_output_open(w->target, SNAPSHOT_SCOPE_EXCLUSIVE);
    return writer_append(w, &head, sizeof(head));
}

static int writer_put(struct channel_state_writer *w, struct channel_block *block)
{
    static const uint8_t ZERO[sizeof(uint32_t)] = {0};
    bool has_batch = block->kind == CHANNEL_STATE_BATCH;
    size_t crc_at = offsetof(struct channel_block, crc);
    TRY(FAILPOINT(&w->error, "snapshot.channel_state.put"));
    TRY(writer_begin(w));
    block->tag = CHANNEL_TAG_BLOCK;
    block->size = (uint32_t)(sizeof(*block) + (has_batch ? w->encoder.total_bytes : 0));
    block->number = w->n_blocks;
    const uint8_t *bytes = (const uint8_t *)block;
    uint32_t crc = crc32c(0, bytes, crc_at);
    crc = crc32c(crc, ZERO, sizeof(ZERO));
    crc = crc32c(crc, bytes + crc_at + sizeof(ZERO), sizeof(*block) - crc_at - sizeof(ZERO));
    for (uint32_t i = 0; has_batch && i < w->encoder.n_iov; i++) {
        crc = crc32c(crc, w->encoder.iov[i].iov_base, w->encoder.iov[i].iov_len);
    }
    block->crc = crc;
    TRY(writer_append(w, block, sizeof(*block)));
    for (uint32_t i = 0; has_batch && i < w->encoder.n_iov; i++) {
        TRY(writer_append(w, w->encoder.iov[i].iov_base, w->encoder.iov[i].iov_len));
    }
    w->n_blocks++;
    w->n_rows += block->n_rows;
    return 0;
}

void channel_state_writer_put_batch(struct channel_state_writer *w, uint32_t channel,
                                    const struct batch *b)
{
    if (w->rc == 0) {
        w->rc = batch_encode(&w->encoder, b, &w->error);
    }
    if (w->rc == 0) {
        struct channel_block block = {
            .channel = channel, .kind = CHANNEL_STATE_BATCH, .n_rows = b->n_sel};
        w->rc = writer_put(w, &block);
    }
}

void channel_state_writer_put_watermark(struct channel_state_writer *w, uint32_t channel,
                                        int64_t watermark_ms)
{
    struct channel_block block = {
        .channel = channel, .kind = CHANNEL_STATE_WATERMARK, .watermark_ms = watermark_ms};
    if (w->rc == 0) {
        w->rc = writer_put(w, &block);
    }
}

uint64_t channel_state_writer_bytes(const struct channel_state_writer *w)
{
    return w->out != NULL ? snapshot_output_position(w->out) : 0;
}

void channel_state_writer_finish(struct channel_state_writer *w)
{
    if (w->finished) {
        return;
    }
    w->finished = true;
    if (w->rc == 0 && w->out != NULL) {
        struct channel_foot foot = {
            .n_blocks = w->n_blocks, .n_rows = w->n_rows, .tag = CHANNEL_TAG_FOOT};
        foot.crc = segment_crc(&foot, sizeof(foot), offsetof(struct channel_foot, crc));
        w->rc = writer_append(w, &foot, sizeof(foot));
        snapshot_output_finish(w->out);
    }
}

int channel_state_writer_poll(struct channel_state_writer *w, Flinc__ChannelStateHandle *ret_handle,
                              struct error *err)
{
    Flinc__StateBlob blob;
    if (w->rc < 0) {
        error_copy(err, &w->error);
        return w->rc;
    }
    int rc = w->out != NULL ? snapshot_output_poll(w->out, &blob, err) : 1;
    if (rc <= 0) {
        return rc;
    }
    flinc__channel_state_handle__init(ret_handle);
    if (w->out != NULL) {
        ret_handle->blob = mem_dup(&blob, sizeof(blob));
        ret_handle->edge_id = w->edge_id;
        ret_handle->n_elements = w->n_blocks;
        ret_handle->n_rows = w->n_rows;
        ret_handle->partitioner = w->partitioner;
        w->edge_id = (ProtobufCBinaryData){0};
        w->out = snapshot_output_free(w->out);
    }
    return 1;
}

/* ---- reading ------------------------------------------------------------------------------------ */

struct channel_state_reader {
    struct blob_reader *blob; /* Owns */
    uint64_t at, end;         /* of the blocks */
    uint64_t number, n_blocks, n_rows;
    uint32_t n_channels;
};

static int damaged(const struct channel_state_reader *r, const char *what, struct error *err)
{
    return error_set(err, ERR_CORRUPT, "%s is damaged: %s", blob_reader_name(r->blob), what);
}

static int check_frame(struct channel_state_reader *r, struct error *err)
{
    struct channel_head head;
    struct channel_foot foot;
    const uint8_t *data = blob_reader_data(r->blob);
    uint64_t size = blob_reader_size(r->blob);
    if (size < sizeof(head) + sizeof(foot) || size % SEGMENT_ALIGN != 0) {
        return damaged(r, "channel state of such a size there is not", err);
    }
    memcpy(&head, data, sizeof(head));
    if (head.tag != CHANNEL_TAG_HEAD) {
        return damaged(r, "it does not begin as channel state", err);
    }
    if (head.version != CHANNEL_STATE_VERSION) {
        return error_set(err, ERR_UNSUPPORTED,
                         "%s has version %u of channel state, this Flinc reads version %d: use the "
                         "Flinc that wrote it or a newer one",
                         blob_reader_name(r->blob), head.version, CHANNEL_STATE_VERSION);
    }
    if (head.crc != segment_crc(&head, sizeof(head), offsetof(struct channel_head, crc)) ||
        head.zero0 != 0 || head.zero1 != 0 || head.n_channels >= CHANNEL_STATE_GATHERED) {
        return damaged(r, "the check sum of its head does not fit", err);
    }
    memcpy(&foot, data + size - sizeof(foot), sizeof(foot));
    if (foot.tag != CHANNEL_TAG_FOOT || foot.zero != 0 ||
        foot.crc != segment_crc(&foot, sizeof(foot), offsetof(struct channel_foot, crc))) {
        return damaged(r, "the check sum of its foot does not fit", err);
    }
    r->n_blocks = foot.n_blocks;
    r->n_rows = foot.n_rows;
    r->n_channels = head.n_channels;
    r->at = sizeof(head);
    r->end = size - sizeof(foot);
    return 0;
}

int channel_state_reader_open(const Flinc__ChannelStateHandle *handle, const char *directory,
                              struct channel_state_reader **ret_reader, struct error *err)
{
    if (handle->blob == NULL) {
        return error_set(err, ERR_CORRUPT, "channel state without bytes");
    }
    struct channel_state_reader *r = MEM_NEW(struct channel_state_reader);
    int rc = FAILPOINT(err, "snapshot.channel_state.open");
    rc = rc == 0 ? blob_reader_open(handle->blob, directory, &r->blob, err) : rc;
    rc = rc == 0 ? check_frame(r, err) : rc;
    if (rc < 0) {
        channel_state_reader_close(r);
        return error_context(err, "reading channel state"), rc;
    }
    *ret_reader = r;
    return 0;
}

uint32_t channel_state_reader_n_channels(const struct channel_state_reader *r)
{
    return r->n_channels;
}

struct channel_state_reader *channel_state_reader_close(struct channel_state_reader *r)
{
    if (r != NULL) {
        blob_reader_close(r->blob);
        mem_free(r);
    }
    return NULL;
}

struct channel_state_position channel_state_reader_tell(const struct channel_state_reader *r)
{
    return (struct channel_state_position){r->at, r->number, r->n_rows};
}

void channel_state_reader_seek(struct channel_state_reader *r,
                               const struct channel_state_position *position)
{
    r->at = position->at;
    r->number = position->number;
    r->n_rows = position->n_rows;
}

static int damaged_block(const struct channel_state_reader *r, const char *what, struct error *err)
{
    return error_set(err, ERR_CORRUPT, "%s is damaged: block %" PRIu64 " at byte %" PRIu64 ": %s",
                     blob_reader_name(r->blob), r->number, r->at, what);
}

static int check_block(const struct channel_state_reader *r, struct channel_block *ret,
                       struct error *err)
{
    const uint8_t *at = blob_reader_data(r->blob) + r->at;
    if (r->end - r->at < sizeof(*ret)) {
        return damaged_block(r, "it is cut off", err);
    }
    memcpy(ret, at, sizeof(*ret));
    if (ret->tag != CHANNEL_TAG_BLOCK || ret->size < sizeof(*ret) ||
        ret->size % SEGMENT_ALIGN != 0 || ret->size > r->end - r->at) {
        return damaged_block(r, "it has a size that no block has", err);
    }
    if (ret->crc != segment_crc(at, ret->size, offsetof(struct channel_block, crc))) {
        return damaged_block(r, "the check sum does not fit", err);
    }
    bool is_batch = ret->kind == CHANNEL_STATE_BATCH;
    bool is_watermark = ret->kind == CHANNEL_STATE_WATERMARK;
    bool is_sound = is_batch ? ret->size > sizeof(*ret) && ret->watermark_ms == 0
                             : is_watermark && ret->size == sizeof(*ret) && ret->n_rows == 0;
    is_sound = is_sound && (ret->channel < r->n_channels ||
                            (is_batch && ret->channel == CHANNEL_STATE_GATHERED));
    if (!is_sound || ret->zero != 0 || ret->number != r->number || r->number >= r->n_blocks ||
        ret->n_rows > r->n_rows) {
        return damaged_block(r, "it is not what stands there", err);
    }
    return 0;
}

int channel_state_reader_next(struct channel_state_reader *r, struct buffer_pool *pool,
                              const struct schema *schema, struct channel_state_block *ret_block,
                              struct error *err)
{
    struct channel_block block;
    if (r->at == r->end) {
        return r->number == r->n_blocks && r->n_rows == 0
                   ? 0
                   : damaged(r, "it has another number of blocks than its foot says", err);
    }
    TRY(check_block(r, &block, err));
    struct batch *batch = NULL;
    if (block.kind == CHANNEL_STATE_BATCH) {
        struct batch_source source = {.data = blob_reader_data(r->blob) + r->at + sizeof(block),
                                      .size = block.size - sizeof(block)};
        int rc = batch_decode(pool, schema, &source, &batch, err);
        if (rc < 0 || batch->n_sel != block.n_rows) {
            batch_unref(batch);
            return rc < 0 ? (error_context(err, "%s: block %" PRIu64 " of channel state",
                                           blob_reader_name(r->blob), r->number),
                             rc)
                          : damaged_block(r, "it has another number of rows than it says", err);
        }
    }
    *ret_block = (struct channel_state_block){.kind = (enum channel_state_kind)block.kind,
                                              .channel = block.channel,
                                              .batch = batch,
                                              .watermark_ms = block.watermark_ms};
    r->at += block.size;
    r->number++;
    r->n_rows -= block.n_rows;
    return 1;
}
