/* An input gate: the reading end of one edge in one consuming subtask, over its n channels.
 *
 * Channels that have something take turns, one element each; asking costs as much as there are ready
 * channels, not as there are channels.  Elements of the priority lane come first.
 *
 * Small batches (below GATE_SMALL_ROWS) of all channels are gathered into full ones while more is
 * ready; the gate never waits for more, and hands out what it gathered before any control element.  A
 * small batch that comes alone goes through by pointer.
 *
 * END_OF_PARTITION of a channel ends the channel; when all have ended the gate delivers one
 * END_OF_PARTITION (or one per channel, GATE_DELIVER_ENDS).  Other control elements are delivered as they
 * come, with their channel number.
 *
 * Channels can be blocked one by one: what they have stays where it is, bounded by the channel, until all
 * are unblocked.  The priority lane is not.
 *
 * gate_set_rows() bounds how much is handed out at once: a batch of more rows comes in parts, between which the
 * priority lane is looked at.
 *
 * Recording.  For a checkpoint that overtakes what waits in the channels, the gate shows what lies before the
 * barrier of each channel and was not handed out yet, in the order of each channel: first what it gathered, then
 * the queues, then what comes until the barrier does.  It is handed out all the same.
 *
 * Thread: the task's.  Flink: SingleInputGate, and the input selection of CheckpointedInputGate. */
#ifndef FLINC_TASKMANAGER_EXCHANGE_GATE_H
#define FLINC_TASKMANAGER_EXCHANGE_GATE_H

#include "engine/data/builder.h"
#include "taskmanager/exchange/channel.h"

enum { GATE_SMALL_ROWS = 512 };

enum gate_flags {
    GATE_DELIVER_ENDS =
        1u << 0, /* END_OF_PARTITION of every channel is delivered, behind its data */
};

struct gate_options {
    struct buffer_pool *pool;        /* Borrows; of the consuming task */
    const struct schema *schema;     /* a reference is taken */
    struct mailbox *mailbox;         /* what a filling channel wakes; a reference is taken */
    struct channel *const *channels; /* their references are taken; the consumer is attached */
    uint32_t n_channels;             /* > 0 */
    uint64_t gather_bytes; /* no more is gathered than fits these; 0: what a batch holds */
    /* What comes by each channel is counted here (one writer: the gate); by channel, copied.  NULL: not
     * counted. */
    struct exchange_counters *const *counters;
    uint32_t flags; /* enum gate_flags */
};

/* What is shown of a channel while recording: batches and watermarks, borrowed. */
struct gate_recorder {
    void (*record)(void *arg, uint32_t channel, const struct element *e);
    void *arg;
};
/* Instead of a channel: rows that were gathered from several; they come before all others. */
enum { GATE_CHANNEL_GATHERED = UINT16_MAX };

struct gate;
struct gate *gate_new(const struct gate_options *options);
/* Closes the channels on this side.  NULL is fine; returns NULL. */
struct gate *gate_free(struct gate *g);

/* The next element; false: nothing now.  The caller owns what the element owns.  After END_OF_PARTITION
 * there is nothing more. */
bool gate_poll(struct gate *g, struct element *ret_element) MUST_CHECK;
/* From here on batches of more rows (> 0) are handed out in parts; UINT32_MAX: as they come. */
void gate_set_rows(struct gate *g, uint32_t rows);
/* Whether a poll would find something: what a waiter checks between event_count_prepare() and
 * event_count_wait(). */
bool gate_is_ready(const struct gate *g);
bool gate_has_ended(const struct gate *g);
/* The next element of the priority lane only. */
bool gate_poll_priority(struct gate *g, struct element *ret_element) MUST_CHECK;
bool gate_has_priority(const struct gate *g);

/* Begins to record for a checkpoint; what recorded before is given up.  Shows what is there already. */
void gate_record_start(struct gate *g, uint64_t checkpoint_id,
                       const struct gate_recorder *recorder);
/* Shows what came meanwhile.  True: all barriers have come, nothing more is recorded. */
bool gate_record_advance(struct gate *g);
void gate_record_stop(struct gate *g);

/* The channel is not polled until gate_unblock().  Its last element delivered was a barrier, so nothing of
 * what is behind it was gathered. */
void gate_block(struct gate *g, uint32_t channel);
/* All channels are polled again. */
void gate_unblock(struct gate *g);

uint32_t gate_n_channels(const struct gate *g);
/* What all channels together have waiting on this side, and what was taken off them so far, in bytes. */
uint64_t gate_queue_bytes(const struct gate *g);
uint64_t gate_taken_bytes(const struct gate *g);
/* channel_set_window() of all channels. */
void gate_set_window(struct gate *g, uint64_t bytes);
/* The channel numbers whose producer has not come yet: how many, and the first of them. */
uint32_t gate_n_unconnected(const struct gate *g, uint32_t *ret_first);
/* Elements waiting in the channels; thread: any that holds the gate. */
uint32_t gate_queue_len(const struct gate *g);

#endif
