/* Files of time zones: whatever is accepted answers for every time. */
#include "common/base/error.h"
#include "common/text/time_zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t times[] = {INT64_MIN / 1000, -3000000000, 0,
                                    1700000000,       4102444800,  INT64_MAX / 1000};
    struct time_zone *z = NULL;
    struct time_zone_span span;

    if (time_zone_parse(slice_make((const char *)data, size), &z, NULL) == 0) {
        for (size_t i = 0; i < ARRAY_LEN(times); i++) {
            time_zone_find(z, times[i], &span);
            ASSERT(span.from_s <= times[i] && times[i] < span.to_s);
            ASSERT(span.offset_s >= -26 * 3600 && span.offset_s <= 26 * 3600);
        }
        time_zone_free(z);
    }
    return 0;
}
