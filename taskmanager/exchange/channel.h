/* A channel: the queue between one subtask that produces and one that consumes, inside a worker.  A
 * batch goes through by pointer.
 *
 * Two lanes, each a queue with one producing and one consuming thread: the ordinary one, and a
 * priority lane whose elements are delivered ahead of what waits (announcements of barriers; they carry the
 * position on the ordinary lane at which the barrier lies).  A lane is a chain of fixed segments that go round between the
 * two threads: no lock, no allocation and no system call while both are busy.
 *
 * Bounds are soft, in elements and in bytes: the producer asks channel_is_writable() before it starts
 * an input and may overdraw by what one operator call emits, because an input is never split.
 *
 * Wake-ups.  The consumer learns of a channel by its ready queue: the first element after the channel
 * ran empty queues it there and signals the consumer's mailbox; all others find it queued.  The
 * producer is signalled when it waits and the channel has drained to half of its bounds.
 *
 * The consumer may want less than the bounds allow: channel_set_window().
 *
 * Ends.  Either side may close at any time, in any order; what was pushed is then dropped by whoever
 * comes last.  A producer that closes without END_OF_PARTITION has failed or was cancelled: the consumer
 * gets what is there and then nothing more, because the job master cancels it.
 *
 * A network thread serves many channels.  As their consumer it has one ready queue for all, as their
 * producer one drain queue: a channel is put there when its consumer has taken as many bytes as the
 * producer asked to be told of, or has closed.
 *
 * Lifetime: counted; a registry, a producer and a consumer hold one reference each.
 * Flink: PipelinedSubpartition with its LocalInputChannel. */
#ifndef FLINC_TASKMANAGER_EXCHANGE_CHANNEL_H
#define FLINC_TASKMANAGER_EXCHANGE_CHANNEL_H

#include "common/loop/mailbox.h"
#include "taskmanager/exchange/element.h"

/* Bytes are what bounds full batches; elements bound small ones, of which enough must fit that a
 * sleeping side is worth waking. */
enum { CHANNEL_ELEMENTS_DEFAULT = 64, CHANNEL_SEGMENT_ELEMENTS = 32 };
#define CHANNEL_BYTES_DEFAULT ((uint64_t)512 * 1024)

enum channel_lane {
    CHANNEL_LANE_DATA,
    CHANNEL_LANE_PRIORITY,
    CHANNEL_LANES,
};

struct channel_options {
    uint32_t capacity_elements; /* 0: CHANNEL_ELEMENTS_DEFAULT */
    uint64_t capacity_bytes;    /* 0: CHANNEL_BYTES_DEFAULT */
};

struct channel;

struct channel *channel_new(void); /* refs 1 */
struct channel *channel_ref(struct channel *c);
struct channel *channel_unref(struct channel *c); /* NULL is fine; returns NULL */

/* ---- the producer's thread -------------------------------------------------------------------- */

/* Once; `mailbox` (a reference is taken) is what a writable channel wakes. */
void channel_attach_producer(struct channel *c, struct mailbox *mailbox,
                             const struct channel_options *options);
/* Takes what the element owns.  Never fails; a channel that the consumer closed drops it. */
void channel_push(struct channel *c, const struct element *take_element);
/* Ahead of what waits; sets the element's position. */
void channel_push_priority(struct channel *c, const struct element *take_element);
/* How many ordinary elements were pushed. */
uint64_t channel_pushed(const struct channel *c);
/* Below its bounds, or closed by the consumer (then nothing waits for space). */
bool channel_is_writable(struct channel *c);
/* Asks to be signalled when there is space again.  True: it is writable now (and may not signal). */
bool channel_arm_writable(struct channel *c);
/* As channel_push_priority(), with the position that the element has: of an ordinary element that was pushed
 * before, or of another channel from which all ordinary elements come this way, though later than this one. */
void channel_push_priority_at(struct channel *c, const struct element *take_element);
void channel_close_producer(struct channel *c);

/* Where channels are put for a producer of many.  Counted, as a ready queue is. */
struct drain_queue;
struct drain_queue *drain_queue_new(struct mailbox *mailbox); /* takes a reference of the mailbox */
struct drain_queue *drain_queue_unref(struct drain_queue *q);
/* Takes all channels, latest first; go on by channel_next_drained(). */
struct channel *drain_queue_take(struct drain_queue *q);
/* Reads the next one; from then on `c` is no longer queued and may be armed again. */
struct channel *channel_next_drained(struct channel *c);
/* Instead of channel_attach_producer(); `tag` is the producer's own number for the channel. */
void channel_attach_producer_queue(struct channel *c, struct drain_queue *queue, uint32_t tag,
                                   const struct channel_options *options);
uint32_t channel_producer_tag(const struct channel *c);
/* Asks for the channel to be queued once channel_popped_bytes() reaches `popped_bytes` or the consumer
 * has closed; replaces what was asked before.  True: it is so already (and the channel is not queued). */
bool channel_arm_drained(struct channel *c, uint64_t popped_bytes);
/* Whether the consumer has set another window since the last call; that brings the channel into the queue,
 * too. */
bool channel_take_window_change(struct channel *c);
/* Takes the request back.  False: it cannot be; the channel is in the queue, or on its way there. */
bool channel_disarm_drained(struct channel *c);
/* Bytes of the ordinary lane that the consumer has taken. */
uint64_t channel_popped_bytes(const struct channel *c);

/* ---- the consumer's thread -------------------------------------------------------------------- */

/* Where producers put channels that have something, by lane.  One per gate; counted, because a late
 * producer may still put a channel there.  Only the gate takes channels out. */
struct ready_queue;
struct ready_queue *ready_queue_new(struct mailbox *mailbox); /* takes a reference of the mailbox */
struct ready_queue *ready_queue_ref(struct ready_queue *q);
struct ready_queue *ready_queue_unref(struct ready_queue *q);
bool ready_queue_has(const struct ready_queue *q, enum channel_lane lane);
/* Takes all channels of a lane, latest first; go on by channel_next_ready(). */
struct channel *ready_queue_take(struct ready_queue *q, enum channel_lane lane);
struct channel *channel_next_ready(const struct channel *c, enum channel_lane lane);

/* Once; `index` is the channel's number in its gate.  The channel counts as queued in both lanes: the
 * gate polls it once without being told. */
void channel_attach_consumer(struct channel *c, struct ready_queue *queue, uint32_t index);
uint32_t channel_index(const struct channel *c);
/* The oldest element of the lane.  False: it is empty, and the next push queues the channel again; until
 * it comes by the ready queue it must not be polled (a push on its way could queue it twice). */
bool channel_poll(struct channel *c, enum channel_lane lane, struct element *ret_element);
/* The number of the element that the next poll of the ordinary lane takes. */
uint64_t channel_position(const struct channel *c);
/* Shows the ordinary elements that wait from number `from` on (what was polled is not shown), without taking
 * them, until `visit` returns false or there are no more.  Returns the number behind the last one shown. */
typedef bool (*channel_visit_fn)(void *arg, const struct element *e);
uint64_t channel_peek(struct channel *c, uint64_t from, channel_visit_fn visit, void *arg);
/* From here on polls of the ordinary lane give the producer no room, until channel_release(): what was taken
 * ahead of its turn still counts as waiting. */
void channel_hold(struct channel *c);
void channel_release(struct channel *c); /* may be called when nothing is held */
/* The producer shall have no more than so many bytes waiting, whatever its bounds; UINT64_MAX: what they say. */
void channel_set_window(struct channel *c, uint64_t bytes);
/* Whether a poll would find something (without giving up being queued). */
bool channel_has(const struct channel *c, enum channel_lane lane);
/* Drops what waits; pushes are dropped from now on. */
void channel_close_consumer(struct channel *c);

/* ---- thread: any ------------------------------------------------------------------------------ */

uint32_t channel_len(const struct channel *c);    /* elements waiting, both lanes */
uint64_t channel_bytes(const struct channel *c);  /* pinned bytes waiting */
uint64_t channel_window(const struct channel *c); /* as the consumer set it last */
/* Nobody but the caller holds it. */
bool channel_is_unique(const struct channel *c);
bool channel_has_producer(const struct channel *c);
bool channel_has_consumer(const struct channel *c);
bool channel_is_producer_closed(const struct channel *c);
bool channel_is_consumer_closed(const struct channel *c);

#endif
