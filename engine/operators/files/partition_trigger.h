/* When a partition counts as complete: a time after it was begun, or when event time has passed its own.
 *
 * A partition's time stands in its values: by default the first of them, "2020-01-31 10:00:00" or "2020-01-31"; else a
 * pattern says how it is put together, "$dt $hour:00:00", and a formatter how that is read (engine/patterns).  It is a
 * local time, in the zone of the watermarks.
 *
 * Thread: one owner.  Flink: PartitionCommitPredicate, PartitionTimeExtractor. */
#ifndef FLINC_ENGINE_OPERATORS_FILES_PARTITION_TRIGGER_H
#define FLINC_ENGINE_OPERATORS_FILES_PARTITION_TRIGGER_H

#include "common/base/str.h"
#include "proto/operators.pb-c.h"

struct partition_trigger;

/* ERR_INVALID_CONFIG: a zone that there is not, a formatter that is none. */
int partition_trigger_new(const Flinc__PartitionTrigger *config,
                          struct partition_trigger **ret_trigger, struct error *err) MUST_CHECK;
struct partition_trigger *partition_trigger_free(struct partition_trigger *t); /* NULL is fine */

struct partition_age {
    int64_t begun_ms, now_ms; /* of one clock */
    int64_t watermark_ms;     /* INT64_MIN: none yet */
};
/* Is the partition "dt=2020-01-31/hour=10" complete?  ERR_PARSE: its values say no time. */
int partition_trigger_is_due(const struct partition_trigger *t, const char *partition,
                             const struct partition_age *age, bool *ret_due,
                             struct error *err) MUST_CHECK;
/* The time of a partition, milliseconds since 1970 UTC. */
int partition_trigger_time(const struct partition_trigger *t, const char *partition,
                           int64_t *ret_ms, struct error *err) MUST_CHECK;

#endif
