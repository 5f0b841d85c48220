/* Instants and local times. */
#include "engine/functions/zones.h"

#include "common/text/time_zone.h"

static int64_t seconds_of(int64_t millis)
{
    return millis / 1000 - (millis % 1000 < 0);
}

static int64_t offset_ms(const struct time_zone *zone, int64_t utc_ms)
{
    struct time_zone_span span;
    time_zone_find(zone, seconds_of(utc_ms), &span);
    return (int64_t)span.offset_s * 1000;
}

int64_t zone_to_local(const struct time_zone *zone, int64_t utc_ms)
{
    return zone == NULL ? utc_ms : utc_ms + offset_ms(zone, utc_ms);
}

/* The offset of a day before holds until a change: with it a doubled time is the first one, a missing one falls behind
 * the gap, by its length. */
int64_t zone_to_utc(const struct time_zone *zone, int64_t local_ms)
{
    enum { DAY_MS = 86400000 };
    if (zone == NULL) {
        return local_ms;
    }
    const int64_t before = local_ms - offset_ms(zone, local_ms - DAY_MS);
    if (zone_to_local(zone, before) == local_ms) {
        return before;
    }
    const int64_t after = local_ms - offset_ms(zone, local_ms + DAY_MS);
    return zone_to_local(zone, after) == local_ms ? after : before;
}
