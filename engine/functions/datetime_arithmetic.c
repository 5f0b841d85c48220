/* Dates, times and intervals under + - * /. */
#include "engine/functions/datetime.h"

#include "engine/functions/cast.h"

#include "engine/values/calendar.h"
#include "engine/values/decimal.h"

#include <math.h>

/* ---- intervals with intervals and numbers ----------------------------------------------------------- */

static int64_t signed_by(bool minus, int64_t v)
{
    return minus ? (int64_t) - (uint64_t)v : v;
}

static int run_intervals(struct expr_frame *f, struct error *err)
{
    const bool minus = *(const enum type_arithmetic *)f->state == TYPE_MINUS;
    for (EXPR_ROWS(f, row)) {
        const uint64_t y = (uint64_t)signed_by(minus, expr_int(f, 1, row));
        expr_put_int(f, row, (int64_t)((uint64_t)expr_int(f, 0, row) + y));
    }
    return 0;
}

static double number_at(const struct expr_frame *f, uint32_t k, uint32_t row)
{
    const struct data_type *t = f->args[k]->column.type;
    if (t->id == TYPE_DECIMAL) {
        return decimal_to_double((struct decimal){expr_wide(f, k, row), t->scale});
    }
    return type_is_approximate(t) ? expr_real(f, k, row) : (double)expr_int(f, k, row);
}

/* Cut to whole units.  With integers exactly, else as doubles. */
static int run_scaled(struct expr_frame *f, struct error *err)
{
    const bool divides = *(const enum type_arithmetic *)f->state == TYPE_DIVIDE;
    const uint32_t k = type_is_interval(f->args[0]->column.type) ? 0 : 1;
    const bool is_integer = type_is_integer(f->args[1 - k]->column.type);
    for (EXPR_ROWS(f, row)) {
        const int64_t x = expr_int(f, k, row);
        if (is_integer) {
            const int64_t y = expr_int(f, 1 - k, row);
            if (divides && y == 0) {
                return error_set(err, ERR_INVALID_ARGUMENT, "Division by zero");
            }
            expr_put_int(f, row,
                         !divides  ? (int64_t)((uint64_t)x * (uint64_t)y)
                         : y == -1 ? signed_by(true, x)
                                   : x / y);
            continue;
        }
        const double y = number_at(f, 1 - k, row);
        if (divides && y == 0) {
            return error_set(err, ERR_INVALID_ARGUMENT, "Division by zero");
        }
        const double v = trunc(divides ? (double)x / y : (double)x * y);
        if (!(fabs(v) < 9.2e18)) {
            expr_set_null(f, row);
        } else {
            expr_put_int(f, row, (int64_t)v);
        }
    }
    return 0;
}

/* ---- datetimes with intervals ----------------------------------------------------------------------- */

static int64_t days_of(int64_t millis)
{
    return millis / CALENDAR_DAY_MS - (millis % CALENDAR_DAY_MS < 0);
}

static int64_t add_months(int64_t millis, int64_t months)
{
    const int64_t days = days_of(millis);
    return calendar_add_months(days, months) * CALENDAR_DAY_MS + (millis - days * CALENDAR_DAY_MS);
}

static void put_moved(struct expr_frame *f, uint32_t row, uint32_t k, int64_t by, bool is_months)
{
    const struct data_type *t = f->out->column.type;
    switch (t->id) {
    case TYPE_DATE: {
        const int64_t days = expr_int(f, k, row);
        expr_put_int(f, row,
                     is_months ? calendar_add_months(days, by) : days + by / CALENDAR_DAY_MS);
        break;
    }
    case TYPE_TIME: {
        const int64_t at =
            is_months ? expr_int(f, k, row) : expr_int(f, k, row) + by % CALENDAR_DAY_MS;
        const int64_t ms = (at % CALENDAR_DAY_MS + CALENDAR_DAY_MS) % CALENDAR_DAY_MS;
        expr_put_int(f, row, ms - ms % cast_time_unit(t)); /* no finer than the type */
        break;
    }
    default: {
        struct ts_nano at = expr_timestamp(f, k, row);
        at.millis = is_months ? add_months(at.millis, by) : at.millis + by;
        expr_put_timestamp(f, row, at);
        break;
    }
    }
}

static int run_moved(struct expr_frame *f, struct error *err)
{
    const bool minus = *(const enum type_arithmetic *)f->state == TYPE_MINUS;
    const uint32_t k = type_is_interval(f->args[0]->column.type) ? 1 : 0;
    const bool is_months = f->args[1 - k]->column.type->id == TYPE_INTERVAL_YEAR_MONTH;
    for (EXPR_ROWS(f, row)) {
        put_moved(f, row, k, signed_by(minus, expr_int(f, 1 - k, row)), is_months);
    }
    return 0;
}

int functions_bind_datetime_arithmetic(struct expr_binding *b, enum type_arithmetic op,
                                       struct error *err)
{
    const struct data_type *x = b->call->args[0]->type, *y = b->call->args[1]->type;
    if (type_is_interval(x) && type_is_interval(y)) {
        b->kernel = run_intervals;
    } else if (type_is_datetime(x) || type_is_datetime(y)) {
        b->kernel = run_moved;
    } else if (type_is_interval(x) || type_is_interval(y)) {
        b->kernel = run_scaled;
    }
    return 0;
}
