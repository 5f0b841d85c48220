/* Casts between dates, times, timestamps and intervals. */
#include "engine/functions/cast.h"

#include "engine/expr/type_rules.h"
#include "engine/functions/zones.h"
#include "engine/values/calendar.h"

static int64_t day_of(int64_t millis)
{
    return millis / CALENDAR_DAY_MS - (millis % CALENDAR_DAY_MS < 0);
}

/* The local time of any datetime: a date is its midnight, a time is on 1970-01-01. */
static struct ts_nano local_of(const struct expr_frame *f, uint32_t row, const struct cast_state *s)
{
    struct ts_nano t = {0};
    switch (s->from->id) {
    case TYPE_DATE:
        t.millis = expr_int(f, 0, row) * CALENDAR_DAY_MS;
        break;
    case TYPE_TIME:
        t.millis = expr_int(f, 0, row);
        break;
    case TYPE_TIMESTAMP_LTZ:
        t = expr_timestamp(f, 0, row);
        t.millis = zone_to_local(s->zone, t.millis);
        break;
    default:
        t = expr_timestamp(f, 0, row);
        break;
    }
    return t;
}

static int run_datetime(struct expr_frame *f, struct error *err)
{
    const struct cast_state *s = f->state;
    const bool stays = s->from->id == TYPE_TIMESTAMP_LTZ && s->to->id == TYPE_TIMESTAMP_LTZ;
    const int32_t unit = cast_time_unit(s->to);
    for (EXPR_ROWS(f, row)) {
        struct ts_nano t = stays ? expr_timestamp(f, 0, row) : local_of(f, row, s);
        switch (s->to->id) {
        case TYPE_DATE:
            expr_put_int(f, row, day_of(t.millis));
            break;
        case TYPE_TIME: {
            const int64_t at = t.millis - day_of(t.millis) * CALENDAR_DAY_MS;
            expr_put_int(f, row, at - at % unit);
            break;
        }
        case TYPE_TIMESTAMP_LTZ:
            t.millis = stays ? t.millis : zone_to_utc(s->zone, t.millis);
            expr_put_timestamp(f, row, t);
            break;
        default:
            expr_put_timestamp(f, row, t);
            break;
        }
    }
    return 0;
}

/* Of one family, or a number: the value as it is. */
static int run_interval(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        expr_put_int(f, row, expr_int(f, 0, row));
    }
    return 0;
}

void functions_bind_cast_time(struct expr_binding *b, const struct cast_state *s)
{
    if (type_is_datetime(s->from) && type_is_datetime(s->to)) {
        b->kernel = run_datetime;
    } else if ((type_is_interval(s->from) && (type_is_interval(s->to) || type_is_integer(s->to))) ||
               (type_is_integer(s->from) && type_is_interval(s->to))) {
        b->kernel = run_interval;
    } else {
        return;
    }
    b->flags &= ~(uint32_t)(EXPR_FN_CAN_FAIL | EXPR_FN_NULLABLE);
}
