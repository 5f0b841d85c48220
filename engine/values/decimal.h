/* DECIMAL(p, s): an integer of up to 38 digits and the number of them behind the point.
 *
 * Results are exact, then rounded half up (away from zero) to the wanted scale; intermediates have 256 bits.  A result of
 * more than `precision` digits is no error but NULL: functions say so by false and leave *ret alone.
 * Flink: DecimalData, DecimalDataUtils.  Thread: any. */
#ifndef FLINC_ENGINE_VALUES_DECIMAL_H
#define FLINC_ENGINE_VALUES_DECIMAL_H

#include "common/base/str.h"

enum { DECIMAL_DIGITS_MAX = 38 };

/* A value with its scale. */
struct decimal {
    __int128 unscaled;
    int32_t scale; /* 0 to 38 */
};

/* The type of a result. */
struct decimal_type {
    int32_t precision, scale;
};

__int128 decimal_power(int32_t exponent); /* 10^exponent; 0 to 38 */
bool decimal_fits(__int128 unscaled, int32_t precision);

bool decimal_rescale(struct decimal v, struct decimal_type type, __int128 *ret);
bool decimal_add(struct decimal a, struct decimal b, struct decimal_type type, __int128 *ret);
bool decimal_subtract(struct decimal a, struct decimal b, struct decimal_type type, __int128 *ret);
bool decimal_multiply(struct decimal a, struct decimal b, struct decimal_type type, __int128 *ret);
/* b is not 0: a division by zero is the caller's to report. */
bool decimal_divide(struct decimal a, struct decimal b, struct decimal_type type, __int128 *ret);
/* The remainder has the sign of a.  b is not 0. */
bool decimal_modulo(struct decimal a, struct decimal b, struct decimal_type type, __int128 *ret);
int decimal_compare(struct decimal a, struct decimal b); /* by value: -1, 0, 1 */

/* Sign, digits with or without a point, exponent; blanks at the ends.  ERR_PARSE, or ERR_TOO_LARGE for more digits than
 * the type has before its point. */
int decimal_parse(struct slice text, struct decimal_type type, __int128 *ret) MUST_CHECK;
/* The shortest text that is this double, as a decimal.  False for NaN, infinities and what does not fit. */
bool decimal_from_double(double value, struct decimal_type type, __int128 *ret);
double decimal_to_double(struct decimal v); /* the nearest */
/* Without its fraction; low bits when it is over the range. */
int64_t decimal_to_int64(struct decimal v);

#endif
