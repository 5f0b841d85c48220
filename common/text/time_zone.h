/* Time zones by name: "Europe/Berlin" from the system's database (/usr/share/zoneinfo, TZDIR), "UTC", "Z",
 * "+02:00", "GMT+8", "UTC-03:30"; "" is the zone of the machine (TZ, /etc/localtime, else UTC).
 *
 * Thread: any; a zone does not change.  Flink: ZoneId. */
#ifndef FLINC_COMMON_TEXT_TIME_ZONE_H
#define FLINC_COMMON_TEXT_TIME_ZONE_H

#include "common/base/str.h"

enum { TIME_ZONE_FILE_MAX = 1024 * 1024, TIME_ZONE_NAME_MAX = 255 };

struct time_zone;
/* ERR_NOT_FOUND: there is no such zone, or no database; ERR_INVALID_ARGUMENT: this is no name of one. */
int time_zone_open(const char *name, struct time_zone **ret_zone, struct error *err) MUST_CHECK;
/* The same from the bytes of a TZif file (RFC 8536, versions 2 to 4).  ERR_PARSE. */
int time_zone_parse(struct slice tzif, struct time_zone **ret_zone, struct error *err) MUST_CHECK;
struct time_zone *time_zone_free(struct time_zone *z); /* NULL is fine; returns NULL */

/* A time in which the offset is the same. */
struct time_zone_span {
    int64_t from_s, to_s; /* since 1970 UTC; to_s excluded */
    int32_t offset_s;     /* east of UTC */
};
void time_zone_find(const struct time_zone *z, int64_t utc_s, struct time_zone_span *ret_span);

#endif
