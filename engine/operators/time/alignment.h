/* A subtask's half of watermark alignment: how far its sources have read goes to the coordinator
 * flinc.watermark_alignment, and how far they may read comes back.  Whoever is beyond holds its sources until
 * another announcement.
 *
 *               watermark > limit: reported at once
 *   READING ─────────────────────────────────────────► HOLDING
 *      ▲                                                  │
 *      └──────── limit >= watermark (announcement) ───────┘        end of event time: both ─► over
 *
 * Before the first announcement the limit is INT64_MIN: a source reads up to its first watermark, then waits
 * until all of the group have one, so that the drift is bounded from the start.  A subtask reads one split
 * at a time, so that what is held is also the split.
 *
 * Thread: the task's; gauges any.  Flink: SourceOperator (watermark alignment), ReportedWatermarkEvent,
 * WatermarkAlignmentEvent. */
#ifndef FLINC_ENGINE_OPERATORS_TIME_ALIGNMENT_H
#define FLINC_ENGINE_OPERATORS_TIME_ALIGNMENT_H

#include "engine/operators/operator.h"
#include "proto/operators.pb-c.h"

enum { ALIGNMENT_VERSION = 1 }; /* of reports and announcements */

/* In the operator's memory; zeroed: off. */
struct alignment {
    bool is_on, is_over, is_holding;
    int64_t interval_ms, next_ms; /* of the next periodic report */
    int64_t watermark_ms;         /* as far as the sources have read; INT64_MIN: no record yet */
    int64_t limit_ms;
    bool is_idle;
    int64_t reported_ms; /* in the last report: */
    bool reported_idle;
    _Atomic int64_t least_ms; /* of the group, INT64_MIN: not known, INT64_MAX: nobody counts */
    _Atomic int64_t seen_ms;  /* watermark_ms, for gauges */
    _Atomic int64_t held_ms;  /* all times that are over */
    _Atomic int64_t held_since_ms; /* 0: not holding */
    const struct clock *clock;     /* Borrows */
};

/* Turns it on and reports for the first time. */
int alignment_open(struct alignment *a, struct op_context *ctx,
                   const Flinc__WatermarkAlignment *config, struct error *err) MUST_CHECK;
/* What the strategy makes of all records so far, and whether the stream is idle. */
void alignment_see(struct alignment *a, struct op_context *ctx, int64_t watermark_ms, bool is_idle);
/* Reports when it is time to, and something has changed. */
void alignment_turn(struct alignment *a, struct op_context *ctx, int64_t now_ms);
/* An announcement. */
int alignment_on_event(struct alignment *a, struct op_context *ctx, const uint8_t *data,
                       size_t size, struct error *err) MUST_CHECK;
/* The input has ended: nobody waits for this subtask any more. */
void alignment_end(struct alignment *a, struct op_context *ctx);
/* The same of a subtask that ended in an earlier life. */
void alignment_report_finished(struct op_context *ctx);

#endif
