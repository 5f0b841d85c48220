/* A value read by its option's type.  Internal to common/conf.  Thread: any. */
#ifndef FLINC_COMMON_CONF_VALUE_H
#define FLINC_COMMON_CONF_VALUE_H

#include "common/conf/option.h"
#include "common/text/units.h"

struct conf_value {
    union {
        bool boolean;
        int64_t whole;
        double number;
        struct duration duration;
        uint64_t size_bytes;
        int enum_index;
    };
};

/* Type and enum values, not the range.  Lists and maps are only checked; read them by option_text.h.
 * The message says what is wrong with the text, without naming the option. */
int conf_value_parse(const struct conf_option *option, const char *text,
                     struct conf_value *ret_value, struct error *err) MUST_CHECK;
/* -1, 0, 1; both of the option's type, which has an order. */
int conf_value_compare(const struct conf_option *option, const struct conf_value *a,
                       const struct conf_value *b);

#endif
