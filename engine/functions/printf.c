/* PRINTF: Java's Formatter.  A format that does not fit its arguments gives NULL. */
#include "engine/functions/functions.h"

#include "engine/data/value_print.h"
#include "engine/expr/type_rules.h"
#include "engine/values/decimal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { WIDTH_MAX = 100000 };

enum flag {
    FLAG_LEFT = 1,
    FLAG_PLUS = 2,
    FLAG_BLANK = 4,
    FLAG_ZERO = 8,
    FLAG_GROUPS = 16,
    FLAG_PARENTHESES = 32,
    FLAG_OTHER_FORM = 64,
};

/* %3$-10.2f */
struct conversion {
    uint32_t index; /* from 1; 0: the next one */
    uint32_t flags;
    int32_t width, precision; /* -1: not given */
    char sign;
};

static bool take_number(struct slice s, size_t *i, int32_t *ret)
{
    const size_t start = *i;
    int32_t v = 0;
    while (*i < s.len && s.data[*i] >= '0' && s.data[*i] <= '9' && v <= WIDTH_MAX) {
        v = v * 10 + (s.data[(*i)++] - '0');
    }
    *ret = v;
    return *i > start && v <= WIDTH_MAX;
}

/* Behind %. */
static bool take_conversion(struct slice s, size_t *i, struct conversion *ret)
{
    static const char signs[] = "-+ 0,(#";
    static const uint32_t flags[] = {FLAG_LEFT,   FLAG_PLUS,        FLAG_BLANK,     FLAG_ZERO,
                                     FLAG_GROUPS, FLAG_PARENTHESES, FLAG_OTHER_FORM};
    int32_t number;
    size_t at = *i;
    *ret = (struct conversion){.width = -1, .precision = -1};
    if (take_number(s, &at, &number) && at < s.len && s.data[at] == '$') {
        ret->index = (uint32_t)number;
        *i = at + 1;
        if (number == 0) {
            return false;
        }
    }
    for (const char *f; *i < s.len && s.data[*i] != '\0' && (f = strchr(signs, s.data[*i])) != NULL;
         (*i)++) {
        ret->flags |= flags[f - signs];
    }
    if (*i < s.len && s.data[*i] >= '1' && s.data[*i] <= '9' && !take_number(s, i, &ret->width)) {
        return false;
    }
    if (*i < s.len && s.data[*i] == '.') {
        (*i)++;
        if (!take_number(s, i, &ret->precision)) {
            return false;
        }
    }
    if (*i == s.len || ((ret->flags & (FLAG_LEFT | FLAG_ZERO)) != 0 && ret->width < 0)) {
        return false;
    }
    ret->sign = s.data[(*i)++];
    return true;
}

/* ---- pieces ----------------------------------------------------------------------------------------- */

static void pad(const struct conversion *c, struct slice text, struct str *out)
{
    int32_t length = 0;
    for (size_t i = 0; i < text.len; i++) {
        length += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    }
    if ((c->flags & FLAG_LEFT) != 0) {
        str_append_slice(out, text);
    }
    for (int32_t i = length; i < c->width; i++) {
        str_append_char(out, ' ');
    }
    if ((c->flags & FLAG_LEFT) == 0) {
        str_append_slice(out, text);
    }
}

/* Digits (with a point) of a number without its sign: groups, sign, zeros up to the width. */
static void put_number(const struct conversion *c, struct slice digits, bool is_negative,
                       struct str *out)
{
    STR_AUTO text = STR_INIT;
    STR_AUTO grouped = STR_INIT;
    size_t whole = 0;
    while (whole < digits.len && digits.data[whole] >= '0' && digits.data[whole] <= '9') {
        whole++;
    }
    for (size_t i = 0; i < digits.len; i++) {
        if ((c->flags & FLAG_GROUPS) != 0 && i > 0 && i < whole && (whole - i) % 3 == 0) {
            str_append_char(&grouped, ',');
        }
        str_append_char(&grouped, digits.data[i]);
    }
    const bool in_parentheses = is_negative && (c->flags & FLAG_PARENTHESES) != 0;
    if (is_negative) {
        str_append_char(&text, in_parentheses ? '(' : '-');
    } else if ((c->flags & (FLAG_PLUS | FLAG_BLANK)) != 0) {
        str_append_char(&text, (c->flags & FLAG_PLUS) != 0 ? '+' : ' ');
    }
    const int32_t wanted = (c->flags & FLAG_ZERO) != 0 ? c->width - in_parentheses : 0;
    while ((int32_t)(text.len + grouped.len) < wanted) {
        str_append_char(&text, '0');
        if (text.len > WIDTH_MAX) {
            break;
        }
    }
    str_append_slice(&text, str_slice(&grouped));
    if (in_parentheses) {
        str_append_char(&text, ')');
    }
    pad(c, str_slice(&text), out);
}

static bool put_integer(const struct conversion *c, const struct expr_frame *f, uint32_t k,
                        uint32_t row, struct str *out)
{
    const struct data_type *t = f->args[k]->column.type;
    char text[32];
    if (!type_is_integer(t) || c->precision >= 0) {
        return false;
    }
    const int64_t v = expr_int(f, k, row);
    if (c->sign == 'd') {
        const uint64_t abs = v < 0 ? -(uint64_t)v : (uint64_t)v;
        const int n = snprintf(text, sizeof(text), "%" PRIu64, abs);
        put_number(c, slice_make(text, (size_t)n), v < 0, out);
        return true;
    }
    const uint64_t mask = t->width >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * t->width)) - 1;
    const char *prefix = (c->flags & FLAG_OTHER_FORM) == 0 ? "" : c->sign == 'o' ? "0" : "0x";
    const int n = snprintf(text, sizeof(text),
                           c->sign == 'o'   ? "%s%" PRIo64
                           : c->sign == 'x' ? "%s%" PRIx64
                                            : "%s%" PRIX64,
                           prefix, (uint64_t)v & mask);
    const struct conversion plain = {.width = c->width,
                                     .flags = c->flags & (FLAG_LEFT | FLAG_ZERO)};
    put_number(&plain, slice_make(text, (size_t)n), false, out);
    return true;
}

/* Rounded half up, as Java rounds what it prints of a number. */
static bool put_fixed(const struct conversion *c, const struct expr_frame *f, uint32_t k,
                      uint32_t row, struct str *out)
{
    const struct data_type *t = f->args[k]->column.type;
    const int32_t scale = c->precision >= 0 ? c->precision : 6;
    const struct decimal_type type = {DECIMAL_DIGITS_MAX, MIN(scale, (int32_t)DECIMAL_DIGITS_MAX)};
    STR_AUTO text = STR_INIT;
    __int128 v = 0;
    bool is_negative, is_exact;
    if (t->id == TYPE_DECIMAL) {
        const struct decimal d = {expr_wide(f, k, row), t->scale};
        is_negative = d.unscaled < 0;
        is_exact = decimal_rescale(d, type, &v);
    } else {
        const double real = expr_real(f, k, row);
        if (!isfinite(real)) {
            const struct conversion plain = {.width = c->width, .flags = c->flags & FLAG_LEFT};
            pad(&plain, slice_cstr(isnan(real) ? "NaN" : real < 0 ? "-Infinity" : "Infinity"), out);
            return true;
        }
        is_negative = signbit(real) != 0;
        is_exact = decimal_from_double(fabs(real), type, &v);
        if (!is_exact) {
            str_printf(&text, "%.*f", scale, fabs(real));
        }
    }
    if (is_exact) {
        value_print_decimal(v < 0 ? -v : v, type.scale, &text);
        for (int32_t i = type.scale; i < scale; i++) {
            str_append_char(&text, '0');
        }
    } else if (text.len == 0) {
        return false;
    }
    put_number(c, str_slice(&text), is_negative, out);
    return true;
}

static bool put_real(const struct conversion *c, const struct expr_frame *f, uint32_t k,
                     uint32_t row, struct str *out)
{
    const struct data_type *t = f->args[k]->column.type;
    if (t->id != TYPE_DECIMAL && !type_is_approximate(t)) {
        return false;
    }
    if (c->sign == 'f') {
        return put_fixed(c, f, k, row, out);
    }
    const double v = t->id == TYPE_DECIMAL
                         ? decimal_to_double((struct decimal){expr_wide(f, k, row), t->scale})
                         : expr_real(f, k, row);
    STR_AUTO text = STR_INIT;
    str_printf(&text, c->sign == 'e' ? "%.*e" : "%.*E", c->precision >= 0 ? c->precision : 6,
               fabs(v));
    put_number(c, str_slice(&text), signbit(v) != 0, out);
    return true;
}

static bool value_text(const struct expr_frame *f, uint32_t k, uint32_t row, struct str *out)
{
    const struct data_type *t = f->args[k]->column.type;
    if (type_is_string(t)) {
        str_append_slice(out, expr_bytes(f, k, row));
    } else if (type_is_integer(t)) {
        str_printf(out, "%" PRId64, expr_int(f, k, row));
    } else if (t->id == TYPE_BOOLEAN) {
        str_append_cstr(out, expr_bool(f, k, row) ? "true" : "false");
    } else if (t->id == TYPE_DECIMAL) {
        value_print_decimal(expr_wide(f, k, row), t->scale, out);
    } else if (t->id == TYPE_FLOAT) {
        value_print_f32((float)expr_real(f, k, row), out);
    } else if (t->id == TYPE_DOUBLE) {
        value_print_f64(expr_real(f, k, row), out);
    } else {
        return false;
    }
    return true;
}

static void put_text(const struct conversion *c, struct slice text, struct str *out)
{
    if (c->precision >= 0) {
        size_t n = 0;
        int32_t left = c->precision;
        while (n < text.len && (((unsigned char)text.data[n] & 0xc0) == 0x80 || left-- > 0)) {
            n++;
        }
        text.len = n;
    }
    pad(c, text, out);
}

static bool put_argument(const struct conversion *c, const struct expr_frame *f, uint32_t k,
                         uint32_t row, struct str *out)
{
    const bool is_null = expr_arg_is_null(f, k, row);
    STR_AUTO text = STR_INIT;
    switch (c->sign) {
    case 'b': {
        const bool is_boolean = f->args[k]->column.type->id == TYPE_BOOLEAN;
        const bool value = !is_null && (!is_boolean || expr_bool(f, k, row));
        put_text(c, slice_cstr(value ? "true" : "false"), out);
        return true;
    }
    case 's':
    case 'd':
    case 'x':
    case 'X':
    case 'o':
    case 'f':
    case 'e':
    case 'E':
        break;
    default:
        return false;
    }
    if (is_null) {
        const struct conversion plain = {.width = c->width,
                                         .precision = c->sign == 's' ? c->precision : -1,
                                         .flags = c->flags & FLAG_LEFT};
        put_text(&plain, slice_cstr("null"), out);
        return true;
    }
    if (c->sign == 's') {
        if (!value_text(f, k, row, &text)) {
            return false;
        }
        put_text(c, str_slice(&text), out);
        return true;
    }
    return strchr("fe", c->sign | 32) != NULL ? put_real(c, f, k, row, out)
                                              : put_integer(c, f, k, row, out);
}

static bool format(const struct expr_frame *f, uint32_t row, struct str *out)
{
    const struct slice s = expr_bytes(f, 0, row);
    uint32_t next = 1;
    for (size_t i = 0; i < s.len;) {
        struct conversion c;
        const char *sign = memchr(s.data + i, '%', s.len - i);
        const size_t plain = sign != NULL ? (size_t)(sign - s.data) - i : s.len - i;
        str_append(out, s.data + i, plain);
        i += plain;
        if (sign == NULL) {
            return true;
        }
        i++;
        if (!take_conversion(s, &i, &c)) {
            return false;
        }
        if (c.sign == '%' || c.sign == 'n') {
            put_text(&c, slice_cstr(c.sign == 'n' ? "\n" : "%"), out);
            continue;
        }
        const uint32_t k = c.index > 0 ? c.index : next++;
        if (k >= f->n_args || !put_argument(&c, f, k, row, out)) {
            return false;
        }
    }
    return true;
}

static int run_printf(struct expr_frame *f, struct error *err)
{
    STR_AUTO text = STR_INIT;
    for (EXPR_ROWS(f, row)) {
        str_clear(&text);
        if (expr_arg_is_null(f, 0, row) || !format(f, row, &text)) {
            expr_set_null(f, row);
        } else {
            expr_put_bytes(f, row, str_slice(&text));
        }
    }
    return 0;
}

static int infer_printf(const struct expr_function *function, struct expr_pool *pool,
                        const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                        struct error *err)
{
    *ret = type_new_string(true);
    return 0;
}

static const struct expr_function rows[] = {
    {.name = "PRINTF",
     .signatures = "STRING | STRING, ANY...",
     .flags = EXPR_FN_OWN_NULLS,
     .infer = infer_printf,
     .kernel = run_printf,
     .category = "string",
     .text =
         "Values by a format of Java's Formatter (`%d %s %f %e %x %o %b`, places, flags, widths); "
         "NULL when they do not fit.",
     .example = "PRINTF('%d %s %.2f', 1, 'a', 2.5) -- 1 a 2.50"},
};

const struct expr_functions functions_printf = FUNCTIONS_TABLE(rows);
