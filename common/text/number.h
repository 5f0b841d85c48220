/* Numbers as text, exact and checked: whole numbers never wrap, floating point round-trips by the
 * shortest digits.  Independent of the locale as long as nobody calls setlocale.  Thread: any. */
#ifndef FLINC_COMMON_TEXT_NUMBER_H
#define FLINC_COMMON_TEXT_NUMBER_H

#include "common/base/str.h"

enum { NUMBER_TEXT_MAX = 40 }; /* bytes for any formatted number, with its NUL */

/* Decimal digits with an optional sign and nothing else (no blanks): 0, ERR_PARSE, or ERR_TOO_LARGE
 * when it does not fit. */
int number_parse_int64(struct slice text, int64_t *ret_value) MUST_CHECK;
int number_parse_uint64(struct slice text, uint64_t *ret_value) MUST_CHECK;
/* Decimal notation with optional fraction and exponent, NaN, Infinity with an optional sign; no hex.
 * ERR_TOO_LARGE when a finite number is over the range; too small ones become zero or subnormal. */
int number_parse_double(struct slice text, double *ret_value) MUST_CHECK;
/* Shortest text that reads back as the same double, with ".0" when it would look whole ("1.0",
 * "0.1", "1.0E10", "NaN", "-Infinity").  Returns the length. */
size_t number_format_double(double value, char ret_text[NUMBER_TEXT_MAX]);
size_t number_format_int64(int64_t value, char ret_text[NUMBER_TEXT_MAX]);

#endif
