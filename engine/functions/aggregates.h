/* The aggregates of the function table, by file.  Inside the room only.  Thread: any; they are constant. */
#ifndef FLINC_ENGINE_FUNCTIONS_AGGREGATES_H
#define FLINC_ENGINE_FUNCTIONS_AGGREGATES_H

#include "engine/expr/aggregate_kernels.h"

extern const struct aggregate_desc aggregate_approx_count_distinct;
extern const struct aggregate_desc aggregate_array_agg;
extern const struct aggregate_desc aggregate_avg;
extern const struct aggregate_desc aggregate_collect;
extern const struct aggregate_desc aggregate_count;
extern const struct aggregate_desc aggregate_first_value;
extern const struct aggregate_desc aggregate_last_value;
extern const struct aggregate_desc aggregate_listagg;
extern const struct aggregate_desc aggregate_max;
extern const struct aggregate_desc aggregate_min;
extern const struct aggregate_desc aggregate_single_value;
extern const struct aggregate_desc aggregate_stddev_pop;
extern const struct aggregate_desc aggregate_stddev_samp;
extern const struct aggregate_desc aggregate_sum;
extern const struct aggregate_desc aggregate_sum0;
extern const struct aggregate_desc aggregate_var_pop;
extern const struct aggregate_desc aggregate_var_samp;

#endif
