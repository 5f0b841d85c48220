/* The session's zone: instants to local times and back.  NULL is UTC.  Inside the room only.  Thread: any. */
#ifndef FLINC_ENGINE_FUNCTIONS_ZONES_H
#define FLINC_ENGINE_FUNCTIONS_ZONES_H

#include <stdint.h>

struct time_zone;

/* Milliseconds since 1970 UTC to the local time's, and back.  A time that comes twice is the earlier one, one that does not come
 * is moved on by the gap, as with java.time. */
int64_t zone_to_local(const struct time_zone *zone, int64_t utc_ms);
int64_t zone_to_utc(const struct time_zone *zone, int64_t local_ms);

#endif
