/* How many rows a task takes at once, so that it comes to its mailbox and to barriers in good time, however slow its
 * operators are: no more than it is seen to process in task.batch.processing-time.  Batches from gates and from replayed channel
 * state are handed to the chain in parts of so many rows, and sources make no more; what is left of a batch is in
 * flight as if it still lay in its channel.
 *
 * Where channels are small (deployment.h), no more rows are taken either than fill one by what the task emits per row:
 * one input is what may overdraw an output.
 *
 * Thread: the task's. */
#ifndef FLINC_TASKMANAGER_WORKER_TASK_PACE_H
#define FLINC_TASKMANAGER_WORKER_TASK_PACE_H

#include <stdint.h>

enum {
    TASK_PACE_FIRST_ROWS = 128, /* taken at once before anything is known */
    TASK_PACE_FIRST_BYTES = 64, /* what a row is taken to become, until it is known */
};

struct task;

struct task_pace {
    uint32_t rows;          /* at once; UINT32_MAX: as they come */
    uint64_t channel_bytes; /* of the smallest output, when outputs are small; 0: they are not */
    int64_t last_ns;        /* when the last input was taken */
    int64_t last_waited_ns; /* idle and back-pressured until then */
    int64_t last_rows, last_bytes; /* taken and emitted until then */
    double row_ns, row_bytes;      /* averages */
};

/* When inputs and outputs are made. */
void task_pace_init(struct task *t);
/* All that was taken is processed; what comes next may be taken. */
void task_pace_turn(struct task *t);

#endif
