/* Patterns taken apart, and values printed by them. */
#include "engine/patterns/time_inside.h"

#include "engine/values/calendar.h"

const char *const time_month_names[12] = {"January",   "February", "March",    "April",
                                          "May",       "June",     "July",     "August",
                                          "September", "October",  "November", "December"};
const char *const time_day_names[7] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                       "Friday", "Saturday", "Sunday"};

/* ---- compiling -------------------------------------------------------------------------------------- */

/* Letters of each dialect, and how often they may stand in a row. */
static const struct {
    char letter;
    uint8_t most;
} formatter_letters[] = {
    {'G', 5}, {'y', 19}, {'u', 19}, {'M', 5},  {'L', 5},  {'d', 2}, {'D', 3}, {'E', 5},
    {'e', 5}, {'c', 5},  {'a', 1},  {'h', 2},  {'H', 2},  {'k', 2}, {'K', 2}, {'m', 2},
    {'s', 2}, {'S', 9},  {'n', 19}, {'N', 19}, {'A', 19}, {'V', 2}, {'z', 4}, {'O', 4},
    {'X', 5}, {'x', 5},  {'Z', 5},  {'Q', 5},  {'q', 5},  {'w', 2}, {'W', 1}, {'Y', 19},
};
static const char simple_letters[] = "GyYMLwWDdFEuaHkKhmsSzZX";

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int check_letter(enum time_dialect dialect, char letter, size_t n, struct error *err)
{
    if (dialect == TIME_DIALECT_SIMPLE) {
        if (strchr(simple_letters, letter) != NULL && n <= TIME_PATTERN_ITEM_BYTES / 2) {
            return 0;
        }
        return error_set(err, ERR_INVALID_ARGUMENT, "Illegal pattern character '%c'", letter);
    }
    for (size_t i = 0; i < ARRAY_LEN(formatter_letters); i++) {
        if (formatter_letters[i].letter == letter) {
            if (n <= formatter_letters[i].most && !(letter == 'V' && n != 2) &&
                !(letter == 'O' && n != 1 && n != 4) && !(letter == 'c' && n == 2)) {
                return 0;
            }
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "Invalid pattern: the letter '%c' cannot stand %zu times", letter, n);
        }
    }
    return error_set(err, ERR_INVALID_ARGUMENT, "Unknown pattern letter: %c", letter);
}

static bool is_number(const struct time_item *item)
{
    switch (item->letter) {
    case 'M':
    case 'L':
    case 'Q':
    case 'q':
    case 'e':
    case 'c':
        return item->width <= 2;
    default:
        return item->letter != 0 && strchr("yuYdDhHkKmsSnNAwWF", item->letter) != NULL;
    }
}

static int add_item(struct time_pattern *p, struct time_item item, struct error *err)
{
    if (p->n == TIME_PATTERN_ITEMS_MAX) {
        return error_set(err, ERR_INVALID_ARGUMENT, "A pattern of more than %d parts",
                         TIME_PATTERN_ITEMS_MAX);
    }
    item.is_number = is_number(&item) || (p->dialect == TIME_DIALECT_SIMPLE && item.letter == 'u');
    p->max_bytes += item.letter == 0 ? item.text.len : TIME_PATTERN_ITEM_BYTES;
    p->items[p->n++] = item;
    return 0;
}

/* 'text', with '' for a quote; '' alone is one, too.  Texts are kept in p->text, which is as long as the pattern. */
static int add_quoted(struct time_pattern *p, struct slice text, size_t *i, size_t *used,
                      struct error *err)
{
    char *start = p->text + *used;
    size_t n = 0, at = *i + 1;
    if (at < text.len && text.data[at] == '\'') {
        start[n++] = '\'';
        *i = at + 1;
    } else {
        for (;; at++) {
            if (at >= text.len) {
                return error_set(err, ERR_INVALID_ARGUMENT,
                                 "Pattern ends with an incomplete string literal: %.*s",
                                 (int)MIN(text.len, (size_t)200), text.data);
            }
            if (text.data[at] == '\'') {
                if (at + 1 >= text.len || text.data[at + 1] != '\'') {
                    break;
                }
                at++;
            }
            start[n++] = text.data[at];
        }
        *i = at + 1;
    }
    *used += n;
    return add_item(p, (struct time_item){.text = slice_make(start, n)}, err);
}

/* [ and ] find each other; what is open at the end is closed there. */
static int close_optionals(struct time_pattern *p, struct error *err)
{
    uint16_t open[TIME_PATTERN_ITEMS_MAX];
    uint32_t depth = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        if (p->items[i].letter == '[') {
            open[depth++] = (uint16_t)i;
        } else if (p->items[i].letter == ']') {
            if (depth == 0) {
                return error_set(err, ERR_INVALID_ARGUMENT,
                                 "Pattern invalid as it contains ] without previous [");
            }
            p->items[open[--depth]].end = (uint16_t)i;
        }
    }
    while (depth > 0) {
        p->items[open[--depth]].end = (uint16_t)p->n;
    }
    return 0;
}

static void reserve_digits(struct time_pattern *p)
{
    for (uint32_t i = 0; i + 1 < p->n; i++) {
        uint32_t reserved = 0;
        p->items[i].is_adjacent = p->items[i].is_number && p->items[i + 1].is_number;
        for (uint32_t k = i + 1; p->items[i].is_number && k < p->n; k++) {
            const uint32_t width = time_item_fixed_width(&p->items[k]);
            if (width == 0) {
                break;
            }
            reserved += width;
        }
        p->items[i].reserved = (uint8_t)MIN(reserved, 200u);
    }
}

static int compile(struct time_pattern *p, struct slice text, struct error *err)
{
    const bool has_options = p->dialect == TIME_DIALECT_FORMATTER;
    size_t i = 0, used = 0;
    while (i < text.len) {
        const char c = text.data[i];
        if (is_letter(c)) {
            size_t n = 1;
            while (i + n < text.len && text.data[i + n] == c) {
                n++;
            }
            TRY(check_letter(p->dialect, c, n, err));
            TRY(add_item(p, (struct time_item){.letter = c, .width = (uint8_t)n}, err));
            i += n;
        } else if (c == '\'') {
            TRY(add_quoted(p, text, &i, &used, err));
        } else if (has_options && (c == '[' || c == ']')) {
            TRY(add_item(p, (struct time_item){.letter = c}, err));
            i++;
        } else if (has_options && (c == '{' || c == '}' || c == '#')) {
            return error_set(err, ERR_INVALID_ARGUMENT, "Pattern includes reserved character: '%c'",
                             c);
        } else {
            p->text[used] = c;
            TRY(add_item(p, (struct time_item){.text = slice_make(p->text + used, 1)}, err));
            used++;
            i++;
        }
    }
    TRY(close_optionals(p, err));
    reserve_digits(p);
    return 0;
}

int time_pattern_new(struct slice text, enum time_dialect dialect, struct time_pattern **ret,
                     struct error *err)
{
    struct time_pattern *p = MEM_NEW(struct time_pattern);
    p->dialect = dialect;
    p->text = mem_alloc(text.len + 1);
    const int rc = compile(p, text, err);
    if (rc < 0) {
        time_pattern_free(p);
        return rc;
    }
    *ret = p;
    return 0;
}

struct time_pattern *time_pattern_free(struct time_pattern *p)
{
    if (p != NULL) {
        mem_free(p->text);
        mem_free(p);
    }
    return NULL;
}

uint32_t time_item_fixed_width(const struct time_item *item)
{
    if (!item->is_number) {
        return 0;
    }
    switch (item->letter) {
    case 'y':
    case 'u':
    case 'Y':
        return item->width == 2 ? 2 : 0;
    case 'S':
        return item->width;
    case 'D':
        return item->width == 3 ? 3 : 0;
    case 'n':
    case 'N':
    case 'A':
        return 0;
    default:
        return item->width == 2 ? 2 : 0;
    }
}

uint32_t time_pattern_fraction_digits(const struct time_pattern *p)
{
    const struct time_item *last = p->n > 0 ? &p->items[p->n - 1] : NULL;
    return last != NULL && last->letter == 'S' ? last->width : 0;
}

size_t time_pattern_max_bytes(const struct time_pattern *p)
{
    return p->max_bytes + 1;
}

/* ---- printing --------------------------------------------------------------------------------------- */

/* A value's fields, found when the first letter wants them. */
struct fields {
    int64_t days;
    int64_t nano_of_day;
    struct calendar_date date;
    int32_t offset_s;
};

static char *put_digits(char *to, int64_t value, uint32_t width)
{
    char digits[24];
    uint32_t n = 0;
    uint64_t v = value < 0 ? -(uint64_t)value : (uint64_t)value;
    if (width == 2 && v < 100) {
        to[0] = (char)('0' + v / 10);
        to[1] = (char)('0' + v % 10);
        return to + 2;
    }
    do {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    for (; width > n; width--) {
        *to++ = '0';
    }
    while (n > 0) {
        *to++ = digits[--n];
    }
    return to;
}

static char *put_text(char *to, const char *text, size_t n)
{
    memcpy(to, text, n);
    return to + n;
}

static char *put_cstr(char *to, const char *text)
{
    return put_text(to, text, strlen(text));
}

/* yy is the last two digits; yyyy of a formatter has a sign when there are more. */
static char *put_year(char *to, int32_t year, const struct time_item *item,
                      enum time_dialect dialect)
{
    if (item->width == 2) {
        return put_digits(to, ((year % 100) + 100) % 100, 2);
    }
    if (year < 0) {
        *to++ = '-';
    } else if (dialect == TIME_DIALECT_FORMATTER && item->width >= 4 && year > 9999 &&
               item->width < 5) {
        *to++ = '+';
    }
    return put_digits(to, year, item->width);
}

static char *put_name(char *to, const char *name, uint32_t width, enum time_dialect dialect)
{
    if (dialect == TIME_DIALECT_FORMATTER && width == 5) {
        return put_text(to, name, 1);
    }
    return width >= 4 ? put_cstr(to, name) : put_text(to, name, 3);
}

static char *put_month(char *to, int month, const struct time_item *item, enum time_dialect dialect)
{
    return item->width <= 2 ? put_digits(to, month, item->width)
                            : put_name(to, time_month_names[month - 1], item->width, dialect);
}

static char *put_quarter(char *to, int quarter, uint32_t width)
{
    static const char *const names[] = {"1st quarter", "2nd quarter", "3rd quarter", "4th quarter"};
    if (width <= 2 || width == 5) {
        return put_digits(to, quarter, width == 2 ? 2 : 1);
    }
    if (width == 4) {
        return put_cstr(to, names[quarter - 1]);
    }
    *to++ = 'Q';
    return put_digits(to, quarter, 1);
}

/* GMT+1, GMT+01:00 */
static char *put_gmt(char *to, int32_t offset_s, bool is_full)
{
    const int32_t abs = offset_s < 0 ? -offset_s : offset_s;
    to = put_cstr(to, "GMT");
    if (offset_s == 0) {
        return to;
    }
    *to++ = offset_s < 0 ? '-' : '+';
    to = put_digits(to, abs / 3600, is_full ? 2 : 1);
    if (is_full || abs % 3600 != 0) {
        *to++ = ':';
        to = put_digits(to, abs / 60 % 60, 2);
    }
    return to;
}

/* +01, +0100, +01:00 by 1, 2 (and 4), 3 (and 5) letters. */
static char *put_offset(char *to, int32_t offset_s, uint32_t width, bool has_z)
{
    const int32_t abs = offset_s < 0 ? -offset_s : offset_s;
    if (offset_s == 0 && has_z) {
        *to++ = 'Z';
        return to;
    }
    *to++ = offset_s < 0 ? '-' : '+';
    to = put_digits(to, abs / 3600, 2);
    if (width == 1 && abs % 3600 == 0) {
        return to;
    }
    if (width == 3 || width == 5) {
        *to++ = ':';
    }
    to = put_digits(to, abs / 60 % 60, 2);
    if (width >= 4 && abs % 60 != 0) {
        if (width == 5) {
            *to++ = ':';
        }
        to = put_digits(to, abs % 60, 2);
    }
    return to;
}

int32_t time_week_of_year(int64_t days, int32_t *ret_year)
{
    const struct calendar_date d = calendar_date_of(days);
    const int64_t first = calendar_days_of((struct calendar_date){d.year, 1, 1});
    const int64_t next = calendar_days_of((struct calendar_date){d.year + 1, 1, 1});
    if (days - calendar_day_of_week(days) % 7 + 7 > next) { /* its week has the next January 1 */
        *ret_year = d.year + 1;
        return 1;
    }
    *ret_year = d.year;
    return (int32_t)((days - first + calendar_day_of_week(first) % 7) / 7) + 1;
}

static char *put_week(char *to, const struct time_item *item, const struct fields *f,
                      enum time_dialect dialect)
{
    int32_t year;
    const int32_t week = time_week_of_year(f->days, &year);
    if (item->letter == 'Y') {
        return put_year(to, year, item, dialect);
    }
    if (item->letter == 'w') {
        return put_digits(to, week, item->width);
    }
    const int64_t first = f->days - f->date.day + 1;
    return put_digits(to, (f->date.day - 1 + calendar_day_of_week(first) % 7) / 7 + 1, item->width);
}

static char *put_fraction(char *to, int64_t nano_of_second, uint32_t width)
{
    for (uint32_t i = width; i < 9; i++) {
        nano_of_second /= 10;
    }
    return put_digits(to, nano_of_second, width);
}

static char *put_time(char *to, const struct time_item *item, const struct fields *f,
                      enum time_dialect dialect)
{
    const int64_t second = f->nano_of_day / 1000000000;
    const int64_t hour = second / 3600;
    switch (item->letter) {
    case 'a':
        return put_text(to, hour < 12 ? "AM" : "PM", 2);
    case 'h':
        return put_digits(to, (hour + 11) % 12 + 1, item->width);
    case 'H':
        return put_digits(to, hour, item->width);
    case 'k':
        return put_digits(to, hour == 0 ? 24 : hour, item->width);
    case 'K':
        return put_digits(to, hour % 12, item->width);
    case 'm':
        return put_digits(to, second / 60 % 60, item->width);
    case 's':
        return put_digits(to, second % 60, item->width);
    case 'n':
        return put_digits(to, f->nano_of_day % 1000000000, item->width);
    case 'N':
        return put_digits(to, f->nano_of_day, item->width);
    case 'A':
        return put_digits(to, f->nano_of_day / 1000000, item->width);
    default: /* S */
        return dialect == TIME_DIALECT_SIMPLE
                   ? put_digits(to, f->nano_of_day / 1000000 % 1000, item->width)
                   : put_fraction(to, f->nano_of_day % 1000000000, item->width);
    }
}

static char *put_zone(char *to, const struct time_item *item, const struct fields *f,
                      enum time_dialect dialect)
{
    switch (item->letter) {
    case 'z':
    case 'V':
        return f->offset_s == 0 ? put_cstr(to, "UTC") : put_gmt(to, f->offset_s, true);
    case 'O':
        return put_gmt(to, f->offset_s, item->width == 4);
    case 'X':
        return put_offset(to, f->offset_s, item->width, true);
    case 'x':
        return put_offset(to, f->offset_s, item->width, false);
    default: /* Z */
        if (dialect == TIME_DIALECT_FORMATTER && item->width == 4) {
            return put_gmt(to, f->offset_s, true);
        }
        return put_offset(to, f->offset_s, item->width == 5 ? 5 : 2, item->width == 5);
    }
}

static char *put_era(char *to, const struct time_item *item, int32_t year,
                     enum time_dialect dialect)
{
    if (dialect == TIME_DIALECT_FORMATTER && item->width >= 4) {
        return put_cstr(to, item->width == 5 ? (year > 0 ? "A" : "B")
                            : year > 0       ? "Anno Domini"
                                             : "Before Christ");
    }
    return put_cstr(to, year > 0 ? "AD" : "BC");
}

/* e, c, E, u of the simple dialect. */
static char *put_day_of_week(char *to, const struct time_item *item, const struct fields *f,
                             enum time_dialect dialect)
{
    const int day = calendar_day_of_week(f->days);
    if (item->letter == 'u') {
        return put_digits(to, day, item->width);
    }
    if (item->letter != 'E' && item->width <= 2) {
        return put_digits(to, day % 7 + 1, item->width);
    }
    return put_name(to, time_day_names[day - 1], item->width, dialect);
}

static char *put_item(char *to, const struct time_item *item, const struct fields *f,
                      enum time_dialect dialect)
{
    switch (item->letter) {
    case 0:
        return put_text(to, item->text.data, item->text.len);
    case '[':
    case ']':
        return to;
    case 'G':
        return put_era(to, item, f->date.year, dialect);
    case 'u':
        if (dialect == TIME_DIALECT_SIMPLE) {
            return put_day_of_week(to, item, f, dialect);
        }
        return put_year(to, f->date.year, item, dialect);
    case 'y':
        return put_year(to, f->date.year > 0 ? f->date.year : 1 - f->date.year, item, dialect);
    case 'M':
    case 'L':
        return put_month(to, f->date.month, item, dialect);
    case 'd':
        return put_digits(to, f->date.day, item->width);
    case 'D':
        return put_digits(to, calendar_day_of_year(f->days), item->width);
    case 'F':
        return put_digits(to, (f->date.day - 1) / 7 + 1, item->width);
    case 'E':
    case 'e':
    case 'c':
        return put_day_of_week(to, item, f, dialect);
    case 'Q':
    case 'q':
        return put_quarter(to, (f->date.month + 2) / 3, item->width);
    case 'Y':
    case 'w':
    case 'W':
        return put_week(to, item, f, dialect);
    case 'z':
    case 'V':
    case 'O':
    case 'X':
    case 'x':
    case 'Z':
        return put_zone(to, item, f, dialect);
    default:
        return put_time(to, item, f, dialect);
    }
}

size_t time_pattern_print(const struct time_pattern *p, const struct time_value *v, char *to)
{
    char *at = to;
    struct fields f = {.offset_s = v->offset_s};
    f.days = v->local_ms / CALENDAR_DAY_MS - (v->local_ms % CALENDAR_DAY_MS < 0);
    f.nano_of_day = (v->local_ms - f.days * CALENDAR_DAY_MS) * 1000000 + v->nanos;
    f.date = calendar_date_of(f.days);
    for (uint32_t i = 0; i < p->n; i++) {
        at = put_item(at, &p->items[i], &f, p->dialect);
    }
    return (size_t)(at - to);
}
