/* How much an input should have in flight so that it is consumed in about a given time: from what the task took
 * lately, once per period.  The answer is a window per channel; a change of less than the threshold is none, so that
 * producers are not told of every breath.
 *
 * Pure: the task measures and sets the windows.  Thread: one owner.  Flink: BufferDebloater,
 * ThroughputCalculator, BufferSizeEMA. */
#ifndef FLINC_TASKMANAGER_EXCHANGE_DEBLOATER_H
#define FLINC_TASKMANAGER_EXCHANGE_DEBLOATER_H

#include <stdbool.h>
#include <stdint.h>

enum { DEBLOATER_WINDOW_MIN = 4096 };

struct debloater_options {
    int64_t target_ms;          /* taskmanager.network.memory.buffer-debloat.target */
    uint32_t n_samples;         /* ...samples: that the average is taken over */
    uint32_t threshold_percent; /* ...threshold-percentages */
    uint32_t n_channels;
    uint64_t window_max; /* of a channel: its bounds */
};

struct debloater {
    struct debloater_options options;
    double window;             /* moving average of what each channel should have */
    uint64_t bytes_per_second; /* of the last period */
    uint64_t announced;        /* window of each channel as it was told */
};

void debloater_init(struct debloater *d, const struct debloater_options *options);
/* `bytes` were taken in `busy_ns` during which the task did not wait for input.  True: the window has
 * changed, see `announced`. */
bool debloater_sample(struct debloater *d, uint64_t bytes, int64_t busy_ns);
/* How long it takes to consume what is in flight, by the last sample; 0: not known. */
int64_t debloater_estimate_ms(const struct debloater *d, uint64_t in_flight_bytes);

#endif
