/* The collect sink: the rows of a SELECT, kept until the client has fetched them.  Two halves that talk by the messages of
 * proto/collect.proto:
 *
 *   client ──CollectRequest──► coordinator ──CollectAsk──► sink (parallelism 1)
 *          ◄──CollectAnswer───             ◄─CollectEvent─
 *
 * Rows are counted.  A request says the offset up to which the client has them: they are dropped here, and the answer has
 * those that follow.  A run of the sink is a version; rows of a request of another version are none of this run's, so such a
 * request gets news alone: from where the client has to go on (common_offset).
 *
 * Exactly once: what is kept is operator state, so a restored sink gives the same rows again as far as its checkpoint knew
 * them, and safe_offset tells the client which ones those are.  common_offset grows only while the client is known to be of
 * this version: rows that it has of an earlier one are not taken for this one's, however many restarts it has missed.
 *
 * At the end of its input the sink hands what is left to the coordinator and ends: the job need not wait for the client.  The
 * coordinator answers from it; once the job has finished it is part of what is remembered of the job
 * (coordinator_desc.result).  Flink: CollectSinkFunction, CollectSinkOperatorCoordinator; there the coordinator speaks to the
 * sink over a socket of its own, and the last rows are an accumulator.
 *
 * Thread: the sink the task's, the coordinator the job master's. */
#ifndef FLINC_ENGINE_QUERY_COLLECT_H
#define FLINC_ENGINE_QUERY_COLLECT_H

#include "engine/operators/operator.h"
#include "proto/collect.pb-c.h"
#include "proto/query.pb-c.h"

enum {
    COLLECT_WAIT_MAX_MS = 30 * 1000, /* of a request */
    COLLECT_GRACE_MS = 5 * 1000,     /* until a sink that is asked without waiting has answered */
};
#define COLLECT_BATCH_BYTES ((uint64_t)2 * 1024 * 1024)       /* collect-sink.batch-size.max */
#define COLLECT_BUFFER_BYTES_MAX ((uint64_t)16 * 1024 * 1024) /* kept, but for one batch */
#define COLLECT_PIECE_MAX ((uint64_t)24 * 1024 * 1024)        /* a row: it goes in one message */

extern const struct operator_desc query_collect;                /* "flinc.query.collect" */
extern const struct coordinator_desc query_collect_coordinator; /* the same kind */

#endif
