/* Channel state of a task: what an unaligned checkpoint overtook is recorded with its snapshot, and processed
 * before all other input after a restore.
 *
 * Recording begins when the snapshot is taken and ends with the last barrier; what is recorded is
 * written at once (copied into the outputs of the snapshot), and processed all the same.
 *
 * Replaying gives the recorded elements to the chain: of hash edges only rows of the subtask's own key groups,
 * since several subtasks may read the same channel state when the parallelism changed.  Watermarks go through a
 * valve over all recorded channels, so that the operator sees only what held for all of them; the valves over the
 * channels that there are now start afresh, but never go below it.
 *
 * A checkpoint whose barrier overtakes need not wait for the end of that: what is not processed yet becomes channel
 * state of its own, in front of what the channels have.
 *
 * Thread: the task's.  Flink: ChannelStateWriterImpl, SequentialChannelStateReaderImpl,
 * RescalingStreamTaskNetworkInput. */
#ifndef FLINC_TASKMANAGER_WORKER_TASK_CHANNELS_H
#define FLINC_TASKMANAGER_WORKER_TASK_CHANNELS_H

#include "engine/snapshot/channel_state.h"
#include "taskmanager/exchange/gate.h"

struct task;
struct task_input;

/* ---- recording ----------------------------------------------------------------------------------- */

struct task_recording;
/* The snapshot was taken just now.  Fails when what is being replayed cannot be read. */
int task_recording_start(struct task *t, const struct barrier *b, struct snapshot_target *target,
                         struct task_recording **ret_recording, struct error *err) MUST_CHECK;
/* A barrier is still to come by a channel. */
bool task_recording_is_open(const struct task_recording *r);
/* Records what came; 1: there is more to come or to write, 0: all is written. */
int task_recording_step(struct task_recording *r, struct error *err) MUST_CHECK;
uint64_t task_recording_bytes(const struct task_recording *r);
/* Hands the handles over to those of the operators that the edges lead to. */
void task_recording_fill(struct task_recording *r, Flinc__TaskSnapshot *snapshot);
/* What was not handed over is deleted.  NULL is fine; returns NULL. */
struct task_recording *task_recording_free(struct task_recording *r);

/* ---- replaying ----------------------------------------------------------------------------------- */

struct task_replay;
/* Opens what the task restores from; *ret_replay stays NULL when there is none. */
int task_replay_open(struct task *t, struct task_replay **ret_replay, struct error *err) MUST_CHECK;
/* Gives one element to the chain.  1: done so, 0: there are no more. */
int task_replay_next(struct task_replay *r, struct error *err) MUST_CHECK;
/* What it has left can be recorded for a checkpoint: none of it came by an edge that barriers do not overtake. */
bool task_replay_is_recordable(const struct task_replay *r);
/* Shows what is left of one input, in its order: rows that are the subtask's own as gathered ones, and the watermarks
 * behind which they come, of every channel that there is now.  The replay goes on as if nothing had happened. */
int task_replay_show(struct task_replay *r, struct task_input *in,
                     const struct gate_recorder *recorder, struct error *err) MUST_CHECK;
/* NULL is fine; returns NULL. */
struct task_replay *task_replay_free(struct task_replay *r);

#endif
