/* Dates and times by patterns: DATE_FORMAT, TO_DATE, TO_TIMESTAMP and their like; seconds since 1970. */
#include "engine/functions/functions.h"

#include "common/text/time_zone.h"
#include "engine/expr/type_rules.h"
#include "engine/functions/zones.h"
#include "engine/patterns/time_pattern.h"
#include "engine/values/calendar.h"
#include "engine/values/decimal.h"

#include <math.h>

#define DEFAULT_PATTERN "yyyy-MM-dd HH:mm:ss"

static int64_t floor_to(int64_t v, int64_t unit)
{
    return v / unit - (v % unit < 0);
}

/* ---- state ------------------------------------------------------------------------------------------ */

/* A zone by name, kept until another one is named. */
struct named_zone {
    struct str name;
    struct time_zone *zone; /* Owns; NULL: UTC, or there is no such zone */
    bool is_known;
};

struct pattern_state {
    struct time_pattern *pattern;  /* Owns: of the last text */
    struct time_pattern *standard; /* Owns: DEFAULT_PATTERN, made when it is wanted */
    struct str text;               /* of `pattern` */
    const struct time_zone *zone;  /* the session's */
    struct named_zone from, to;
};

static void zone_fini(struct named_zone *z)
{
    str_fini(&z->name);
    z->zone = time_zone_free(z->zone);
}

static void state_free(void *state)
{
    struct pattern_state *s = state;
    s->pattern = time_pattern_free(s->pattern);
    s->standard = time_pattern_free(s->standard);
    str_fini(&s->text);
    zone_fini(&s->from);
    zone_fini(&s->to);
}

static int bind_patterns(struct expr_binding *b, struct error *err)
{
    struct pattern_state *s = arena_zalloc(b->arena, sizeof(*s));
    s->zone = b->zone;
    b->state = s;
    b->free_state = state_free;
    return 0;
}

static int pattern_of(struct pattern_state *s, struct slice text, enum time_dialect dialect,
                      const struct time_pattern **ret, struct error *err)
{
    if (s->pattern == NULL || !slice_eq(str_slice(&s->text), text)) {
        struct time_pattern *made;
        TRY(time_pattern_new(text, dialect, &made, err));
        time_pattern_free(s->pattern);
        s->pattern = made;
        str_clear(&s->text);
        str_append_slice(&s->text, text);
    }
    *ret = s->pattern;
    return 0;
}

/* Argument k, or the standard pattern when there are not so many. */
static int pattern_at(struct expr_frame *f, uint32_t k, uint32_t row, enum time_dialect dialect,
                      const struct time_pattern **ret, struct error *err)
{
    struct pattern_state *s = f->state;
    if (k < f->n_args) {
        return pattern_of(s, expr_bytes(f, k, row), dialect, ret, err);
    }
    if (s->standard == NULL) {
        TRY(time_pattern_new(slice_cstr(DEFAULT_PATTERN), dialect, &s->standard, err));
    }
    *ret = s->standard;
    return 0;
}

/* False when there is no such zone. */
static bool zone_of(struct named_zone *z, struct slice name, const struct time_zone **ret)
{
    char text[TIME_ZONE_NAME_MAX + 1];
    if (z->name.data == NULL || !slice_eq(str_slice(&z->name), name)) {
        z->zone = time_zone_free(z->zone);
        z->is_known = name.len > 0 && name.len <= TIME_ZONE_NAME_MAX;
        if (z->is_known) {
            memcpy(text, name.data, name.len);
            text[name.len] = '\0';
            z->is_known = time_zone_open(text, &z->zone, NULL) == 0;
        }
        str_clear(&z->name);
        str_append_slice(&z->name, name);
        str_reserve(&z->name, 1);
    }
    *ret = z->zone;
    return z->is_known;
}

static void put_printed(struct expr_frame *f, uint32_t row, const struct time_pattern *p,
                        const struct time_value *v)
{
    char *to = expr_begin_bytes(f, row, time_pattern_max_bytes(p));
    expr_end_bytes(f, row, time_pattern_print(p, v, to));
}

static struct time_value local_value(const struct time_zone *zone, int64_t utc_ms, int32_t nanos)
{
    const int64_t local = zone_to_local(zone, utc_ms);
    return (struct time_value){
        .local_ms = local, .nanos = nanos, .offset_s = (int32_t)((local - utc_ms) / 1000)};
}

/* ---- printing --------------------------------------------------------------------------------------- */

static int run_format_time(struct expr_frame *f, struct error *err)
{
    const struct pattern_state *s = f->state;
    const bool is_instant = f->args[0]->column.type->id == TYPE_TIMESTAMP_LTZ;
    for (EXPR_ROWS(f, row)) {
        const struct ts_nano t = expr_timestamp(f, 0, row);
        const struct time_value v = local_value(is_instant ? s->zone : NULL, t.millis, t.nanos);
        const struct time_pattern *p;
        TRY(pattern_at(f, 1, row, TIME_DIALECT_FORMATTER, &p, err));
        put_printed(f, row, p, &v);
    }
    return 0;
}

static int run_format_text(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        struct time_value v;
        const struct time_pattern *from, *to;
        TRY(pattern_at(f, UINT32_MAX, row, TIME_DIALECT_SIMPLE, &from, err));
        TRY(pattern_at(f, 1, row, TIME_DIALECT_SIMPLE, &to, err));
        if (time_pattern_parse(from, expr_bytes(f, 0, row), &v)) {
            put_printed(f, row, to, &v);
        } else {
            expr_set_null(f, row);
        }
    }
    return 0;
}

static int bind_format(struct expr_binding *b, struct error *err)
{
    TRY(bind_patterns(b, err));
    b->kernel = type_is_string(b->call->args[0]->type) ? run_format_text : run_format_time;
    return 0;
}

static int run_from_unixtime(struct expr_frame *f, struct error *err)
{
    const struct pattern_state *s = f->state;
    for (EXPR_ROWS(f, row)) {
        const int64_t seconds = expr_int(f, 0, row);
        const struct time_pattern *p;
        TRY(pattern_at(f, 1, row, TIME_DIALECT_SIMPLE, &p, err));
        if (seconds > INT64_C(30000000000000) || seconds < -INT64_C(30000000000000)) {
            expr_set_null(f, row); /* about a million years: beyond what the calendar counts */
            continue;
        }
        const struct time_value v = local_value(s->zone, seconds * 1000, 0);
        put_printed(f, row, p, &v);
    }
    return 0;
}

/* ---- parsing ---------------------------------------------------------------------------------------- */

/* The instant of a parsed local time: by its own offset, else by the zone. */
static int64_t instant_of(const struct time_value *v, const struct time_zone *zone)
{
    return v->has_offset ? v->local_ms - (int64_t)v->offset_s * 1000
                         : zone_to_utc(zone, v->local_ms);
}

static int run_unix_timestamp(struct expr_frame *f, struct error *err)
{
    const struct pattern_state *s = f->state;
    for (EXPR_ROWS(f, row)) {
        struct time_value v;
        const struct time_pattern *p;
        if (f->n_args == 0) {
            const struct expr_context *c = f->context;
            expr_put_int(f, row, (c->is_batch ? c->query_start_ms : c->now_ms) / 1000);
            continue;
        }
        TRY(pattern_at(f, 1, row, TIME_DIALECT_SIMPLE, &p, err));
        expr_put_int(f, row,
                     time_pattern_parse(p, expr_bytes(f, 0, row), &v)
                         ? instant_of(&v, s->zone) / 1000
                         : INT64_MIN);
    }
    return 0;
}

static int run_to_date(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct slice text = expr_bytes(f, 0, row);
        const struct time_pattern *p;
        struct time_value v;
        int64_t days = 0;
        bool is_right;
        if (f->n_args == 1) {
            is_right = calendar_parse_date(text, &days) == 0;
        } else {
            TRY(pattern_at(f, 1, row, TIME_DIALECT_SIMPLE, &p, err));
            is_right = time_pattern_parse(p, text, &v);
            days = is_right ? floor_to(instant_of(&v, NULL), CALENDAR_DAY_MS) : 0;
        }
        if (is_right) {
            expr_put_int(f, row, days);
        } else {
            expr_set_null(f, row);
        }
    }
    return 0;
}

/* By the pattern, if there is one; what it does not parse may still be a timestamp or a date as SQL writes them. */
static int parse_local(struct expr_frame *f, uint32_t row, struct ts_nano *ret, bool *ret_is_right,
                       struct error *err)
{
    const struct slice text = expr_bytes(f, 0, row);
    const struct time_pattern *p;
    struct time_value v;
    *ret_is_right = false;
    if (f->n_args > 1) {
        TRY(pattern_at(f, 1, row, TIME_DIALECT_FORMATTER, &p, err));
        if (time_pattern_parse(p, text, &v)) {
            *ret = (struct ts_nano){.millis = v.local_ms, .nanos = v.nanos};
            *ret_is_right = true;
            return 0;
        }
    }
    *ret_is_right = calendar_parse_timestamp(slice_trim(text), 9, ret) == 0;
    return 0;
}

static int run_to_timestamp(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        struct ts_nano t;
        bool is_right;
        TRY(parse_local(f, row, &t, &is_right, err));
        if (is_right) {
            expr_put_timestamp(f, row, t);
        } else {
            expr_set_null(f, row);
        }
    }
    return 0;
}

static int run_text_to_instant(struct expr_frame *f, struct error *err)
{
    struct pattern_state *s = f->state;
    for (EXPR_ROWS(f, row)) {
        const struct time_zone *zone = NULL;
        struct ts_nano t;
        bool is_right;
        TRY(parse_local(f, row, &t, &is_right, err));
        if (!is_right || (f->n_args > 2 && !zone_of(&s->from, expr_bytes(f, 2, row), &zone))) {
            expr_set_null(f, row);
            continue;
        }
        t.millis = zone_to_utc(zone, t.millis);
        expr_put_timestamp(f, row, t);
    }
    return 0;
}

/* ---- numbers to instants ---------------------------------------------------------------------------- */

/* The years 0 to 9999, UTC. */
static bool is_of_sql(__int128 millis)
{
    return millis >= -INT64_C(62167219200000) && millis <= INT64_C(253402300799999);
}

static bool instant_of_real(double value, int32_t precision, struct ts_nano *ret)
{
    const double nanos = value * (double)decimal_power(9 - precision);
    if (!(fabs(nanos) < 1e30)) {
        return false;
    }
    const __int128 whole = (__int128)nanos;
    __int128 millis = whole / 1000000;
    int32_t rest = (int32_t)(whole % 1000000);
    if (rest < 0) {
        millis--;
        rest += 1000000;
    }
    *ret = (struct ts_nano){.millis = (int64_t)millis, .nanos = rest};
    return is_of_sql(millis);
}

static bool instant_of_integer(__int128 value, int32_t precision, struct ts_nano *ret)
{
    __int128 millis = value, rest = 0;
    if (value > INT64_MAX || value < INT64_MIN) {
        return false;
    }
    if (precision <= 3) {
        millis = value * decimal_power(3 - precision);
    } else {
        const __int128 unit = decimal_power(precision - 3);
        millis = value / unit - (value % unit < 0);
        rest = (value - millis * unit) * decimal_power(9 - precision);
    }
    *ret = (struct ts_nano){.millis = (int64_t)millis, .nanos = (int32_t)rest};
    return is_of_sql(millis);
}

static int run_number_to_instant(struct expr_frame *f, struct error *err)
{
    const struct data_type *type = f->args[0]->column.type;
    for (EXPR_ROWS(f, row)) {
        const int64_t precision = f->n_args > 1 ? expr_int(f, 1, row) : 3;
        struct ts_nano t;
        bool is_right;
        if (precision < 0 || precision > 9) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "TO_TIMESTAMP_LTZ: the precision must be 0 to 9, not %lld",
                             (long long)precision);
        }
        if (type_is_approximate(type)) {
            is_right = instant_of_real(expr_real(f, 0, row), (int32_t)precision, &t);
        } else {
            const __int128 unit = decimal_power(type->id == TYPE_DECIMAL ? type->scale : 0);
            is_right = instant_of_integer(expr_wide(f, 0, row) / unit, (int32_t)precision, &t);
        }
        if (is_right) {
            expr_put_timestamp(f, row, t);
        } else {
            expr_set_null(f, row);
        }
    }
    return 0;
}

static int bind_to_instant(struct expr_binding *b, struct error *err)
{
    TRY(bind_patterns(b, err));
    b->kernel =
        type_is_string(b->call->args[0]->type) ? run_text_to_instant : run_number_to_instant;
    return 0;
}

/* As many digits as the number or the pattern says, three at least. */
static int infer_to_instant(const struct expr_function *function, struct expr_pool *pool,
                            const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                            struct error *err)
{
    int32_t precision = 3;
    const struct expr *second = n_args > 1 ? args[1] : NULL;
    if (second != NULL && second->kind == EXPR_LITERAL && !second->value.is_null) {
        if (type_is_string(second->type)) {
            struct time_pattern *p;
            TRY(time_pattern_new(second->value.bytes, TIME_DIALECT_FORMATTER, &p, err));
            precision = MAX(precision, (int32_t)time_pattern_fraction_digits(p));
            time_pattern_free(p);
        } else if (second->value.integer > precision && second->value.integer <= 9) {
            precision = (int32_t)second->value.integer;
        }
    }
    *ret = type_new_precision(TYPE_TIMESTAMP_LTZ, precision, 0, true);
    return 0;
}

/* ---- CONVERT_TZ ------------------------------------------------------------------------------------- */

static int run_convert_tz(struct expr_frame *f, struct error *err)
{
    struct pattern_state *s = f->state;
    for (EXPR_ROWS(f, row)) {
        const struct time_zone *from = NULL, *to = NULL; /* those that are not known are UTC */
        const struct time_pattern *p;
        struct time_value v;
        (void)zone_of(&s->from, expr_bytes(f, 1, row), &from);
        (void)zone_of(&s->to, expr_bytes(f, 2, row), &to);
        TRY(pattern_at(f, UINT32_MAX, row, TIME_DIALECT_SIMPLE, &p, err));
        if (!time_pattern_parse(p, expr_bytes(f, 0, row), &v)) {
            expr_set_null(f, row);
            continue;
        }
        v = local_value(to, zone_to_utc(from, v.local_ms), 0);
        put_printed(f, row, p, &v);
    }
    return 0;
}

/* ---- TIMESTAMPADD ----------------------------------------------------------------------------------- */

struct add_state {
    int64_t unit; /* milliseconds, or months */
    bool is_months;
    const struct time_zone *zone;
};

static const struct {
    const char *name;
    int64_t unit;
    bool is_months, is_of_day;
} units[] = {
    {"MILLISECOND", 1, false, true}, {"SECOND", 1000, false, true},
    {"MINUTE", 60000, false, true},  {"HOUR", 3600000, false, true},
    {"DAY", 86400000, false, false}, {"WEEK", 7 * 86400000, false, false},
    {"MONTH", 1, true, false},       {"QUARTER", 3, true, false},
    {"YEAR", 12, true, false},
};

static int unit_of(const struct expr *e, size_t *ret, struct error *err)
{
    const struct slice name = e->value.bytes;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (slice_eq_cstr(name, units[i].name)) {
            *ret = i;
            return 0;
        }
    }
    return error_set(err, ERR_INVALID_ARGUMENT, "TIMESTAMPADD has no unit %.*s", (int)name.len,
                     name.data);
}

/* A DATE stays one, unless it gets a time of the day. */
static int infer_add(const struct expr_function *function, struct expr_pool *pool,
                     const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                     struct error *err)
{
    const bool nullable = args[1]->type->nullable || args[2]->type->nullable;
    size_t unit;
    TRY(unit_of(args[0], &unit, err));
    *ret = args[2]->type->id == TYPE_DATE && units[unit].is_of_day
               ? type_new_precision(TYPE_TIMESTAMP, 6, 0, nullable)
               : type_with_nullable(args[2]->type, nullable);
    return 0;
}

/* Months are added to the day of the calendar; an instant's is that of UTC, as with its sum with an interval. */
static int run_add(struct expr_frame *f, struct error *err)
{
    const struct add_state *s = f->state;
    const enum type_id from = f->args[2]->column.type->id;
    const enum type_id to = f->out->column.type->id;
    for (EXPR_ROWS(f, row)) {
        struct ts_nano t = {0};
        int64_t n;
        if (__builtin_mul_overflow(expr_int(f, 1, row), s->unit, &n) || n > INT64_C(1) << 55 ||
            n < -(INT64_C(1) << 55)) {
            return error_set(err, ERR_INVALID_ARGUMENT, "TIMESTAMPADD: the number is out of range");
        }
        if (from == TYPE_DATE || from == TYPE_TIME) {
            t.millis = expr_int(f, 2, row) * (from == TYPE_DATE ? CALENDAR_DAY_MS : 1);
        } else {
            t = expr_timestamp(f, 2, row);
        }
        if (s->is_months) {
            const int64_t days = floor_to(t.millis, CALENDAR_DAY_MS);
            if (n > 12000000 || n < -12000000) {
                return error_set(err, ERR_INVALID_ARGUMENT,
                                 "TIMESTAMPADD: the number is out of range");
            }
            t.millis += (calendar_add_months(days, n) - days) * CALENDAR_DAY_MS;
        } else {
            t.millis += n;
        }
        if (to == TYPE_DATE) {
            expr_put_int(f, row, floor_to(t.millis, CALENDAR_DAY_MS));
        } else if (to == TYPE_TIME) {
            const int64_t of_day = t.millis % CALENDAR_DAY_MS;
            expr_put_int(f, row, of_day < 0 ? of_day + CALENDAR_DAY_MS : of_day);
        } else {
            expr_put_timestamp(f, row, t);
        }
    }
    return 0;
}

static int bind_add(struct expr_binding *b, struct error *err)
{
    struct add_state *s = arena_zalloc(b->arena, sizeof(*s));
    size_t unit;
    TRY(unit_of(b->call->args[0], &unit, err));
    s->unit = units[unit].unit;
    s->is_months = units[unit].is_months;
    s->zone = b->zone;
    b->state = s;
    return 0;
}

/* ---- CURRENT_WATERMARK ------------------------------------------------------------------------------ */

static int run_watermark(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        if (f->context->watermark == INT64_MIN) {
            expr_set_null(f, row);
        } else {
            expr_put_timestamp(f, row, (struct ts_nano){.millis = f->context->watermark});
        }
    }
    return 0;
}

static int infer_watermark(const struct expr_function *function, struct expr_pool *pool,
                           const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                           struct error *err)
{
    *ret = type_new_precision(args[0]->type->id, 3, 0, true);
    return 0;
}

/* ---- rows ------------------------------------------------------------------------------------------- */

#define PATTERN_ROW(function, args, more_flags, words, ...)                               \
    {                                                                                     \
        .name = (function), .signatures = args, .flags = EXPR_FN_CAN_FAIL | (more_flags), \
        .category = "temporal", .text = (words), __VA_ARGS__                              \
    }

static const struct expr_function rows[] = {
    PATTERN_ROW("DATE_FORMAT", "TIMESTAMPS, STRING | STRING, STRING", EXPR_FN_NULLABLE,
                "A timestamp by a pattern of Java: DateTimeFormatter's, or SimpleDateFormat's for "
                "timestamps as strings.",
                .result = "STRING", .bind = bind_format,
                .example = "DATE_FORMAT(TIMESTAMP '2020-02-29 13:05:00', 'yyyy/MM/dd HH:mm') -- "
                           "2020/02/29 13:05"),
    PATTERN_ROW("FROM_UNIXTIME", "INTEGER, STRING?", EXPR_FN_NULLABLE,
                "Seconds since 1970 as a time in the session's zone, by a pattern of "
                "SimpleDateFormat (yyyy-MM-dd HH:mm:ss).",
                .result = "STRING", .bind = bind_patterns, .kernel = run_from_unixtime,
                .example = "FROM_UNIXTIME(0, 'yyyy') -- 1970"),
    PATTERN_ROW("UNIX_TIMESTAMP", " | STRING, STRING?", EXPR_FN_DYNAMIC,
                "Seconds since 1970: now, or of a time in the session's zone, by a pattern of "
                "SimpleDateFormat (yyyy-MM-dd HH:mm:ss).",
                .result = "BIGINT", .bind = bind_patterns, .kernel = run_unix_timestamp,
                .example = "UNIX_TIMESTAMP('1970-01-02 01:00:00') -- 86400"),
    PATTERN_ROW("TO_DATE", "STRING, STRING?", EXPR_FN_NULLABLE,
                "A string as a date, by a pattern of SimpleDateFormat (yyyy-MM-dd); NULL when it "
                "is none.",
                .result = "DATE", .bind = bind_patterns, .kernel = run_to_date,
                .example = "TO_DATE('29.02.2020', 'dd.MM.yyyy') -- 2020-02-29"),
    PATTERN_ROW("TO_TIMESTAMP", "STRING, STRING?", EXPR_FN_NULLABLE,
                "A string as a timestamp, by a pattern of DateTimeFormatter (yyyy-MM-dd HH:mm:ss); "
                "NULL when it is none.",
                .result = "TIMESTAMP(3)", .bind = bind_patterns, .kernel = run_to_timestamp,
                .example = "TO_TIMESTAMP('20200229 13:05', 'yyyyMMdd HH:mm') -- 2020-02-29 "
                           "13:05:00.000"),
    PATTERN_ROW("TO_TIMESTAMP_LTZ", "NUMERIC, INT? | STRING, STRING?, STRING?", EXPR_FN_NULLABLE,
                "An instant: of seconds since 1970 times ten to the power of the second argument "
                "(3), or of a string, by a pattern, in a zone (UTC).",
                .infer = infer_to_instant, .bind = bind_to_instant,
                .example = "TO_TIMESTAMP_LTZ(0, 0) -- 1970-01-01 01:00:00.000\n"
                           "TO_TIMESTAMP_LTZ('2020-01-02', 'yyyy-MM-dd', 'Asia/Tokyo') -- "
                           "2020-01-01 16:00:00.000"),
    PATTERN_ROW("CONVERT_TZ", "STRING, STRING, STRING", EXPR_FN_NULLABLE,
                "A timestamp as a string, brought from one zone to another; NULL when it is none.",
                .result = "STRING", .bind = bind_patterns, .kernel = run_convert_tz,
                .example = "CONVERT_TZ('2020-01-01 00:00:00', 'UTC', 'America/Los_Angeles') -- "
                           "2019-12-31 16:00:00"),
    PATTERN_ROW("TIMESTAMPADD", "'STRING', INTEGER, DATETIME", 0,
                "A date, a time or a timestamp moved on by a number of units.", .infer = infer_add,
                .bind = bind_add, .kernel = run_add,
                .example = "TIMESTAMPADD(MONTH, 1, DATE '2020-01-31') -- 2020-02-29"),
    {.name = "CURRENT_WATERMARK",
     .signatures = "TIMESTAMPS",
     .flags = EXPR_FN_OWN_NULLS | EXPR_FN_DYNAMIC,
     .infer = infer_watermark,
     .kernel = run_watermark,
     .category = "temporal",
     .text = "The watermark of the task at the record, for a column with a watermark; NULL before "
             "the first one.",
     .example = "CURRENT_WATERMARK(TIMESTAMP '2020-01-01 00:00:00') -- NULL"},
};

const struct expr_functions functions_time_patterns = FUNCTIONS_TABLE(rows);
