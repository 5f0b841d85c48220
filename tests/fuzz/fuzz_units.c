/* Durations, memory sizes and numbers: what parses formats to a text that parses to the same value. */
#include "common/text/number.h"
#include "common/text/units.h"

static void check_duration(struct slice text)
{
    struct duration d;
    if (duration_parse(text, &d, NULL) == 0) {
        ASSERT(d.nanos >= 0 && d.nanos < 1000000000);
        STR_AUTO out = STR_INIT;
        duration_format(d, &out);
        struct duration back;
        /* Only ISO text can be negative, and only short formatted numbers fit the parser. */
        if (d.seconds >= 0 && out.len < 20) {
            int rc = duration_parse(str_slice(&out), &back, NULL);
            ASSERT(rc == 0 && duration_compare(d, back) == 0);
        }
        ASSERT(duration_to_ms(d) <= INT64_MAX / 1000000 || duration_to_ns(d) == INT64_MAX);
    }
}

static void check_memory(struct slice text)
{
    uint64_t bytes;
    if (memory_size_parse(text, &bytes, NULL) == 0) {
        STR_AUTO out = STR_INIT;
        memory_size_format(bytes, &out);
        uint64_t back;
        int rc = memory_size_parse(str_slice(&out), &back, NULL);
        ASSERT(rc == 0 && back == bytes);
    }
}

static void check_number(struct slice text)
{
    int64_t whole;
    if (number_parse_int64(text, &whole) == 0) {
        char out[NUMBER_TEXT_MAX];
        size_t len = number_format_int64(whole, out);
        int64_t back;
        int rc = number_parse_int64(slice_make(out, len), &back);
        ASSERT(rc == 0 && back == whole);
    }
    double number;
    if (number_parse_double(text, &number) == 0) {
        char out[NUMBER_TEXT_MAX];
        size_t len = number_format_double(number, out);
        double back;
        int rc = number_parse_double(slice_make(out, len), &back);
        ASSERT(rc == 0 && (back == number || number != number));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_make((const char *)data, size);
    check_duration(text);
    check_memory(text);
    check_number(text);
    return 0;
}
