/* Fields of dates and times, FLOOR and CEIL, TIMESTAMPADD and TIMESTAMPDIFF, the clock. */
#include "engine/functions/functions.h"

#include "engine/expr/type_rules.h"
#include "engine/functions/zones.h"
#include "engine/values/calendar.h"
#include "engine/values/decimal.h"

#include <math.h>

/* What a value of a datetime is as local time: days, and nanoseconds of the day. */
struct moment {
    int64_t days, nanos;
};

static int64_t floor_to(int64_t v, int64_t unit)
{
    return v / unit - (v % unit < 0);
}

struct field_state {
    enum datetime_field {
        FIELD_MILLENNIUM,
        FIELD_CENTURY,
        FIELD_DECADE,
        FIELD_YEAR,
        FIELD_ISOYEAR,
        FIELD_QUARTER,
        FIELD_MONTH,
        FIELD_WEEK,
        FIELD_DAY,
        FIELD_DOW,
        FIELD_ISODOW,
        FIELD_DOY,
        FIELD_HOUR,
        FIELD_MINUTE,
        FIELD_SECOND,
        FIELD_MILLISECOND,
        FIELD_MICROSECOND,
        FIELD_NANOSECOND,
        FIELD_EPOCH,
        FIELD_COUNT
    } field;
    const struct time_zone *zone; /* of instants; NULL: UTC */
    uint32_t arg;                 /* the argument that has the time */
};

static const char *const field_names[FIELD_COUNT] = {
    "MILLENNIUM", "CENTURY",     "DECADE",      "YEAR",       "ISOYEAR", "QUARTER", "MONTH",
    "WEEK",       "DAY",         "DOW",         "ISODOW",     "DOY",     "HOUR",    "MINUTE",
    "SECOND",     "MILLISECOND", "MICROSECOND", "NANOSECOND", "EPOCH",
};

static struct moment moment_at(const struct expr_frame *f, const struct field_state *s,
                               uint32_t row)
{
    const struct data_type *t = f->args[s->arg]->column.type;
    struct ts_nano v = {0};
    if (t->id == TYPE_DATE) {
        return (struct moment){expr_int(f, s->arg, row), 0};
    }
    if (t->id == TYPE_TIME) {
        return (struct moment){0, expr_int(f, s->arg, row) * 1000000};
    }
    v = expr_timestamp(f, s->arg, row);
    if (t->id == TYPE_TIMESTAMP_LTZ) {
        v.millis = zone_to_local(s->zone, v.millis);
    }
    const int64_t days = floor_to(v.millis, CALENDAR_DAY_MS);
    return (struct moment){days, (v.millis - days * CALENDAR_DAY_MS) * 1000000 + v.nanos};
}

/* ---- fields ----------------------------------------------------------------------------------------- */

static int64_t year_field(enum datetime_field field, int64_t days)
{
    const struct calendar_date d = calendar_date_of(days);
    int32_t iso_year = 0;
    switch (field) {
    case FIELD_MILLENNIUM:
        return d.year > 0 ? (d.year + 999) / 1000 : (d.year - 999) / 1000;
    case FIELD_CENTURY:
        return d.year > 0 ? (d.year + 99) / 100 : (d.year - 99) / 100;
    case FIELD_DECADE:
        return floor_to(d.year, 10);
    case FIELD_YEAR:
        return d.year;
    case FIELD_ISOYEAR:
        calendar_week(days, &iso_year);
        return iso_year;
    case FIELD_QUARTER:
        return (d.month + 2) / 3;
    case FIELD_MONTH:
        return d.month;
    case FIELD_WEEK:
        return calendar_week(days, NULL);
    case FIELD_DAY:
        return d.day;
    case FIELD_DOW:
        return calendar_day_of_week(days) % 7 + 1;
    case FIELD_ISODOW:
        return calendar_day_of_week(days);
    default:
        return calendar_day_of_year(days);
    }
}

static int64_t field_of_day(enum datetime_field field, struct moment m)
{
    const int64_t second = INT64_C(1000000000);
    switch (field) {
    case FIELD_HOUR:
        return m.nanos / (3600 * second);
    case FIELD_MINUTE:
        return m.nanos / (60 * second) % 60;
    case FIELD_SECOND:
        return m.nanos / second % 60;
    case FIELD_MILLISECOND:
        return m.nanos % (60 * second) / 1000000;
    case FIELD_MICROSECOND:
        return m.nanos % (60 * second) / 1000;
    case FIELD_NANOSECOND:
        return m.nanos % (60 * second);
    default:
        return m.days * 86400 + m.nanos / second;
    }
}

static int64_t interval_field(enum datetime_field field, int64_t v, bool is_months)
{
    if (is_months) {
        return field == FIELD_YEAR ? v / 12 : field == FIELD_QUARTER ? v % 12 / 3 + 1 : v % 12;
    }
    switch (field) {
    case FIELD_DAY:
        return v / CALENDAR_DAY_MS;
    case FIELD_HOUR:
        return v / 3600000 % 24;
    case FIELD_MINUTE:
        return v / 60000 % 60;
    case FIELD_EPOCH:
        return v / 1000;
    case FIELD_MILLISECOND:
        return v % 60000;
    default:
        return v / 1000 % 60;
    }
}

static int run_field(struct expr_frame *f, struct error *err)
{
    const struct field_state *s = f->state;
    const struct data_type *t = f->args[s->arg]->column.type;
    if (type_is_interval(t)) {
        const bool is_months = t->id == TYPE_INTERVAL_YEAR_MONTH;
        for (EXPR_ROWS(f, row)) {
            expr_put_int(f, row, interval_field(s->field, expr_int(f, s->arg, row), is_months));
        }
        return 0;
    }
    for (EXPR_ROWS(f, row)) {
        struct moment m = moment_at(f, s, row);
        if (s->field < FIELD_HOUR) {
            expr_put_int(f, row, year_field(s->field, m.days));
            continue;
        }
        if (s->field == FIELD_EPOCH && t->id == TYPE_TIMESTAMP_LTZ) {
            expr_put_int(f, row, floor_to(expr_timestamp(f, s->arg, row).millis, 1000));
            continue;
        }
        expr_put_int(f, row, field_of_day(s->field, m));
    }
    return 0;
}

/* The field that a literal, or the name of the function, tells. */
static int field_of(struct slice name, enum datetime_field *ret, struct error *err)
{
    for (enum datetime_field i = 0; i < FIELD_COUNT; i++) {
        if (slice_eq_cstr(name, field_names[i])) {
            *ret = i;
            return 0;
        }
    }
    return error_set(err, ERR_INVALID_ARGUMENT, "'%.*s' is no unit of time here", (int)name.len,
                     name.data);
}

static struct field_state *new_state(struct expr_binding *b, uint32_t arg)
{
    struct field_state *s = arena_zalloc(b->arena, sizeof(*s));
    s->zone = b->zone;
    s->arg = arg;
    b->state = s;
    return s;
}

static int bind_extract(struct expr_binding *b, struct error *err)
{
    struct field_state *s = new_state(b, 1);
    TRY(field_of(b->call->args[0]->value.bytes, &s->field, err));
    b->kernel = run_field;
    return 0;
}

static int bind_field(struct expr_binding *b, struct error *err)
{
    static const struct {
        const char *function, *field;
    } others[] = {{"DAYOFMONTH", "DAY"}, {"DAYOFWEEK", "DOW"}, {"DAYOFYEAR", "DOY"}};
    const char *name = b->call->function->name;
    struct field_state *s = new_state(b, 0);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        if (strcmp(others[i].function, name) == 0) {
            name = others[i].field;
        }
    }
    TRY(field_of(slice_cstr(name), &s->field, err));
    b->kernel = run_field;
    return 0;
}

/* ---- FLOOR, CEIL ------------------------------------------------------------------------------------ */

struct cut_state {
    enum calendar_unit unit;
    bool is_ceil;
    const struct time_zone *zone;
};

static int run_cut_number(struct expr_frame *f, struct error *err)
{
    const struct cut_state *s = f->state;
    const struct data_type *from = f->args[0]->column.type;
    for (EXPR_ROWS(f, row)) {
        if (type_is_approximate(from)) {
            const double x = expr_real(f, 0, row);
            expr_put_real(f, row, s->is_ceil ? ceil(x) : floor(x));
        } else if (from->id == TYPE_DECIMAL) {
            const __int128 power = decimal_power(from->scale), v = expr_wide(f, 0, row);
            const __int128 whole = v / power, rest = v % power;
            expr_put_wide(f, row, whole + (s->is_ceil ? rest > 0 : -(rest < 0)));
        } else {
            expr_put_int(f, row, expr_int(f, 0, row));
        }
    }
    return 0;
}

static int64_t cut(const struct cut_state *s, int64_t millis)
{
    return s->is_ceil ? calendar_ceil(millis, s->unit) : calendar_floor(millis, s->unit);
}

static int run_cut_time(struct expr_frame *f, struct error *err)
{
    const struct cut_state *s = f->state;
    const struct data_type *t = f->out->column.type;
    for (EXPR_ROWS(f, row)) {
        if (t->id == TYPE_DATE) {
            const int64_t millis = cut(s, expr_int(f, 0, row) * CALENDAR_DAY_MS);
            expr_put_int(f, row, floor_to(millis, CALENDAR_DAY_MS));
        } else if (t->id == TYPE_TIME) {
            expr_put_int(f, row, cut(s, expr_int(f, 0, row)) % CALENDAR_DAY_MS);
        } else {
            struct ts_nano v = expr_timestamp(f, 0, row);
            const bool is_instant = t->id == TYPE_TIMESTAMP_LTZ;
            int64_t local = is_instant ? zone_to_local(s->zone, v.millis) : v.millis;
            local += s->is_ceil && v.nanos > 0; /* what is behind the millisecond counts upward */
            local = cut(s, local);
            v = (struct ts_nano){.millis = is_instant ? zone_to_utc(s->zone, local) : local};
            expr_put_timestamp(f, row, v);
        }
    }
    return 0;
}

static int bind_cut(struct expr_binding *b, struct error *err)
{
    static const char *const units[CALENDAR_UNIT_COUNT] = {
        "MILLENNIUM", "CENTURY", "DECADE", "YEAR",   "QUARTER", "MONTH",
        "WEEK",       "DAY",     "HOUR",   "MINUTE", "SECOND",  "MILLISECOND",
    };
    struct cut_state *s = arena_zalloc(b->arena, sizeof(*s));
    s->is_ceil = b->call->function->name[0] == 'C';
    s->zone = b->zone;
    b->state = s;
    b->kernel = run_cut_number;
    if (b->call->n_args > 1) {
        const struct slice name = b->call->args[1]->value.bytes;
        while (s->unit < CALENDAR_UNIT_COUNT && !slice_eq_cstr(name, units[s->unit])) {
            s->unit++;
        }
        if (s->unit == CALENDAR_UNIT_COUNT) {
            return error_set(err, ERR_INVALID_ARGUMENT, "%s TO %.*s: there is no such unit",
                             b->call->function->name, (int)name.len, name.data);
        }
        b->kernel = run_cut_time;
    }
    return 0;
}

static int infer_cut(const struct expr_function *function, struct expr_pool *pool,
                     const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                     struct error *err)
{
    const struct data_type *t = args[0]->type;
    *ret = t->id == TYPE_DECIMAL ? type_new_precision(TYPE_DECIMAL, t->precision, 0, t->nullable)
                                 : type_ref(t);
    return 0;
}

/* ---- TIMESTAMPDIFF ---------------------------------------------------------------------------------- */

static int64_t millis_at(const struct expr_frame *f, uint32_t k, uint32_t row,
                         const struct time_zone *zone)
{
    const struct field_state s = {.zone = zone, .arg = k};
    const struct moment m = moment_at(f, &s, row);
    return m.days * CALENDAR_DAY_MS + m.nanos / 1000000;
}

struct difference_state {
    int64_t unit; /* milliseconds, or months */
    bool is_months;
    const struct time_zone *zone;
};

static int run_difference(struct expr_frame *f, struct error *err)
{
    const struct difference_state *s = f->state;
    for (EXPR_ROWS(f, row)) {
        const int64_t a = millis_at(f, 1, row, s->zone), b = millis_at(f, 2, row, s->zone);
        expr_put_int(f, row, (s->is_months ? calendar_months_between(a, b) : b - a) / s->unit);
    }
    return 0;
}

static const struct {
    const char *name;
    int64_t unit;
    bool is_months;
} units[] = {
    {"SECOND", 1000, false},       {"MINUTE", 60000, false},
    {"HOUR", 3600000, false},      {"DAY", 86400000, false},
    {"WEEK", 7 * 86400000, false}, {"MONTH", 1, true},
    {"QUARTER", 3, true},          {"YEAR", 12, true},
    {"MILLISECOND", 1, false},
};

static int bind_difference(struct expr_binding *b, struct error *err)
{
    struct difference_state *s = arena_zalloc(b->arena, sizeof(*s));
    const struct slice name = b->call->args[0]->value.bytes;
    const bool are_instants = b->call->args[1]->type->id == TYPE_TIMESTAMP_LTZ &&
                              b->call->args[2]->type->id == TYPE_TIMESTAMP_LTZ;
    s->zone = are_instants ? NULL : b->zone; /* as + and - of instants: no hours lost or gained */
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (slice_eq_cstr(name, units[i].name)) {
            s->unit = units[i].unit;
            s->is_months = units[i].is_months;
            b->state = s;
            b->kernel = run_difference;
            return 0;
        }
    }
    return error_set(err, ERR_INVALID_ARGUMENT, "TIMESTAMPDIFF has no unit %.*s", (int)name.len,
                     name.data);
}

/* ---- the clock -------------------------------------------------------------------------------------- */

static int64_t clock_ms(const struct expr_context *c)
{
    return c->is_batch ? c->query_start_ms : c->now_ms;
}

static int run_now(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        expr_put_timestamp(f, row, (struct ts_nano){.millis = clock_ms(f->context)});
    }
    return 0;
}
static int run_row_now(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        expr_put_timestamp(f, row, (struct ts_nano){.millis = f->context->now_ms});
    }
    return 0;
}
static int run_local_now(struct expr_frame *f, struct error *err)
{
    const int64_t local = zone_to_local(f->context->zone, clock_ms(f->context));
    for (EXPR_ROWS(f, row)) {
        expr_put_timestamp(f, row, (struct ts_nano){.millis = local});
    }
    return 0;
}
static int run_today(struct expr_frame *f, struct error *err)
{
    const int64_t local = zone_to_local(f->context->zone, clock_ms(f->context));
    for (EXPR_ROWS(f, row)) {
        expr_put_int(f, row, floor_to(local, CALENDAR_DAY_MS));
    }
    return 0;
}
static int run_time_now(struct expr_frame *f, struct error *err)
{
    const int64_t local = zone_to_local(f->context->zone, clock_ms(f->context));
    const int64_t of_day = local - floor_to(local, CALENDAR_DAY_MS) * CALENDAR_DAY_MS;
    for (EXPR_ROWS(f, row)) {
        expr_put_int(f, row, of_day - of_day % 1000);
    }
    return 0;
}

/* ---- rows ------------------------------------------------------------------------------------------- */

#define TIME_ROW(function, args, words, ...)                                             \
    {                                                                                    \
        .name = (function), .signatures = args, .category = "temporal", .text = (words), \
        __VA_ARGS__                                                                      \
    }
#define FIELD_ROW(function, args, words, sample) \
    TIME_ROW(function, args, words, .result = "BIGINT", .bind = bind_field, .example = (sample))
#define CLOCK_ROW(function, type, run, words, sample)                                   \
    TIME_ROW(function, "", words, .result = type " NOT NULL", .flags = EXPR_FN_DYNAMIC, \
             .kernel = (run), .example = (sample))
#define DAYS "DATE | TIMESTAMPS"
#define TIMES "TIME | TIMESTAMPS"

static const struct expr_function rows[] = {
    TIME_ROW("EXTRACT", "'STRING', DATETIME | 'STRING', INTERVAL",
             "A field of a date, a time, a timestamp or an interval.", .result = "BIGINT",
             .bind = bind_extract,
             .example = "EXTRACT(DAY FROM DATE '2020-02-29') -- 29\nEXTRACT(HOUR FROM INTERVAL '1 "
                        "02' DAY TO HOUR) -- 2"),
    FIELD_ROW("YEAR", DAYS, "The year.", "YEAR(DATE '2020-02-29') -- 2020"),
    FIELD_ROW("QUARTER", DAYS, "The quarter, 1 to 4.", "QUARTER(DATE '2020-05-01') -- 2"),
    FIELD_ROW("MONTH", DAYS, "The month, 1 to 12.", "MONTH(DATE '2020-02-29') -- 2"),
    FIELD_ROW("WEEK", DAYS, "The week of ISO 8601, 1 to 53.", "WEEK(DATE '2021-01-03') -- 53"),
    FIELD_ROW("DAYOFYEAR", DAYS, "The day of the year, 1 to 366.",
              "DAYOFYEAR(DATE '2020-12-31') -- 366"),
    FIELD_ROW("DAYOFMONTH", DAYS, "The day of the month, 1 to 31.",
              "DAYOFMONTH(DATE '2020-02-29') -- 29"),
    FIELD_ROW("DAYOFWEEK", DAYS, "The day of the week, 1 is Sunday.",
              "DAYOFWEEK(DATE '2020-03-01') -- 1"),
    FIELD_ROW("HOUR", TIMES, "The hour, 0 to 23.", "HOUR(TIMESTAMP '2020-01-02 03:04:05') -- 3"),
    FIELD_ROW("MINUTE", TIMES, "The minute, 0 to 59.",
              "MINUTE(TIMESTAMP '2020-01-02 03:04:05') -- 4"),
    FIELD_ROW("SECOND", TIMES, "The second, 0 to 59.",
              "SECOND(TIMESTAMP '2020-01-02 03:04:05') -- 5"),
    TIME_ROW("FLOOR", "NUMERIC | DATETIME, 'STRING'",
             "The greatest whole number that is not greater; FLOOR(time TO unit): the begin of the "
             "unit.",
             .infer = infer_cut, .bind = bind_cut,
             .example = "FLOOR(-1.5) -- -2\nFLOOR(TIME '12:44:31' TO MINUTE) -- 12:44:00"),
    TIME_ROW("CEIL", "NUMERIC | DATETIME, 'STRING'",
             "The least whole number that is not smaller; CEIL(time TO unit): the begin of the "
             "next unit.",
             .aliases = "CEILING", .infer = infer_cut, .bind = bind_cut,
             .example = "CEIL(1.2) -- 2\nCEIL(TIME '12:44:31' TO MINUTE) -- 12:45:00"),
    TIME_ROW("TIMESTAMPDIFF", "'STRING', DATETIME, DATETIME",
             "The whole units from the first time to the second one.", .result = "INT",
             .bind = bind_difference,
             .example = "TIMESTAMPDIFF(DAY, TIMESTAMP '2020-01-01 10:00:00', TIMESTAMP '2020-01-03 "
                        "09:00:00') -- 1"),
    CLOCK_ROW("CURRENT_TIMESTAMP", "TIMESTAMP_LTZ(3)", run_now,
              "The time now: of each record in streaming, of the query's start in batch.",
              "CURRENT_TIMESTAMP > TIMESTAMP '2020-01-01 00:00:00' -- TRUE"),
    CLOCK_ROW("NOW", "TIMESTAMP_LTZ(3)", run_now, "As CURRENT_TIMESTAMP.",
              "NOW() = CURRENT_TIMESTAMP -- TRUE"),
    CLOCK_ROW("CURRENT_ROW_TIMESTAMP", "TIMESTAMP_LTZ(3)", run_row_now,
              "The time when the record is evaluated, in batch as well.",
              "CURRENT_ROW_TIMESTAMP() IS NOT NULL -- TRUE"),
    CLOCK_ROW("PROCTIME", "TIMESTAMP_LTZ(3)", run_row_now,
              "The processing time: when the record is evaluated.",
              "PROCTIME() IS NOT NULL -- TRUE"),
    CLOCK_ROW("LOCALTIMESTAMP", "TIMESTAMP(3)", run_local_now,
              "The time now in the session's zone.",
              "LOCALTIMESTAMP > TIMESTAMP '2020-01-01 00:00:00' -- TRUE"),
    CLOCK_ROW("CURRENT_DATE", "DATE", run_today, "The day in the session's zone.",
              "CURRENT_DATE > DATE '2019-12-31' -- TRUE"),
    CLOCK_ROW("CURRENT_TIME", "TIME(0)", run_time_now, "The time of the day in the session's zone.",
              "CURRENT_TIME >= TIME '00:00:00' -- TRUE"),
    CLOCK_ROW("LOCALTIME", "TIME(0)", run_time_now, "The time of the day in the session's zone.",
              "LOCALTIME = CURRENT_TIME -- TRUE"),
};

const struct expr_functions functions_fields = FUNCTIONS_TABLE(rows);
