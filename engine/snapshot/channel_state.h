/* Channel state: what an unaligned checkpoint overtook on one edge into one subtask, as a file (or inline run)
 * of blocks.  A block is a batch or a watermark of one channel; the blocks of a channel lie in the order in
 * which they are to be processed, and before anything that the channel brings after a restore.
 *
 *   head | block ... | foot        each a multiple of 16 bytes long (docs/internals/snapshots.md)
 *
 * Every part has a CRC32C over all of its bytes, and the foot says how many blocks there are: a damaged or
 * missing byte is an error that names file and block.
 *
 * Thread: the task's.  Flink: ChannelStateWriter, InputChannelStateHandle, SequentialChannelStateReader. */
#ifndef FLINC_ENGINE_SNAPSHOT_CHANNEL_STATE_H
#define FLINC_ENGINE_SNAPSHOT_CHANNEL_STATE_H

#include "engine/data/codec.h"
#include "engine/snapshot/output.h"

enum { CHANNEL_STATE_VERSION = 1 };
/* Instead of a channel: rows gathered from several, which come before those of all channels. */
enum { CHANNEL_STATE_GATHERED = 65535 };

enum channel_state_kind {
    CHANNEL_STATE_BATCH = 1,
    CHANNEL_STATE_WATERMARK = 2,
};

struct channel_state_options {
    struct snapshot_target *target; /* a reference is taken */
    struct buffer_pool *pool;       /* Borrows */
    uint64_t checkpoint_id;
    uint32_t n_channels;
    const ProtobufCBinaryData *edge_id; /* JobEdge.id; copied */
    uint32_t partitioner;               /* PartitionerKind of the edge */
};
struct channel_state_writer;
struct channel_state_writer *channel_state_writer_new(const struct channel_state_options *options);
/* What cannot be written is told by poll. */
void channel_state_writer_put_batch(struct channel_state_writer *w, uint32_t channel,
                                    const struct batch *b);
void channel_state_writer_put_watermark(struct channel_state_writer *w, uint32_t channel,
                                        int64_t watermark_ms);
uint64_t channel_state_writer_bytes(const struct channel_state_writer *w);
void channel_state_writer_finish(struct channel_state_writer *w); /* no more blocks */
/* 1: written, *ret_handle is overwritten and the caller's (protobuf-c allocated; `blob` NULL: there was
 * nothing to write); 0: not yet; negative: it failed. */
int channel_state_writer_poll(struct channel_state_writer *w, Flinc__ChannelStateHandle *ret_handle,
                              struct error *err) MUST_CHECK;
/* Abandons what was not taken.  NULL is fine; returns NULL. */
struct channel_state_writer *channel_state_writer_free(struct channel_state_writer *w);

struct channel_state_block {
    enum channel_state_kind kind;
    uint32_t channel;
    struct batch *batch;  /* BATCH: the caller's */
    int64_t watermark_ms; /* WATERMARK */
};

struct channel_state_reader;
/* Reads the bytes and checks head and foot.  ERR_CORRUPT, ERR_NOT_FOUND name the file; ERR_UNSUPPORTED:
 * another version. */
int channel_state_reader_open(const Flinc__ChannelStateHandle *handle, const char *directory,
                              struct channel_state_reader **ret_reader,
                              struct error *err) MUST_CHECK;
uint32_t channel_state_reader_n_channels(const struct channel_state_reader *r);
/* 1: a block; 0: there are no more; ERR_CORRUPT names file and block. */
int channel_state_reader_next(struct channel_state_reader *r, struct buffer_pool *pool,
                              const struct schema *schema, struct channel_state_block *ret_block,
                              struct error *err) MUST_CHECK;
/* Where the next block comes from; to go back there. */
struct channel_state_position {
    uint64_t at, number, n_rows;
};
struct channel_state_position channel_state_reader_tell(const struct channel_state_reader *r);
void channel_state_reader_seek(struct channel_state_reader *r,
                               const struct channel_state_position *position);
struct channel_state_reader *channel_state_reader_close(struct channel_state_reader *r); /* NULL */

#endif
