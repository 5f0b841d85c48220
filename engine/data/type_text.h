/* What printing and parsing of types share: the spelling of intervals.  Inside the room only. */
#ifndef FLINC_ENGINE_DATA_TYPE_TEXT_H
#define FLINC_ENGINE_DATA_TYPE_TEXT_H

#include "engine/data/type.h"

struct interval_text {
    const char *from;  /* first field */
    const char *to;    /* last field, or NULL */
    bool has_digits;   /* "(p)" behind the first field */
    bool has_fraction; /* "(p)" behind the last field */
};
extern const struct interval_text INTERVAL_TEXTS[INTERVAL_RESOLUTION_COUNT];

#endif
